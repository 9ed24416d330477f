"""Wrong merges and blocks, each in one place, and the check that must find it."""

from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest

import nnfw
from nnfw.conformance import merges
from nnfw.conformance.subjects import subjects_of
from nnfw.testing import checks_of, run_checks
from nnfw_standard import Add, Concatenate, Dense, Multiply


def changed(base, **methods):
    """Return a merge whose methods are `change(self, parent's method, shapes or params, ...)`."""

    def method(name, change):
        def called(self, *arguments):
            return change(self, getattr(super(cls, self), name), *arguments)

        return called

    cls = type("Changed", (base,), {name: method(name, change) for name, change in methods.items()})
    cls = dataclass(frozen=True)(cls)
    return cls()


def forward(change, base=Multiply):
    """Return a merge with `change(z, inputs, workspace)` after its forward."""

    def changes(self, parent, params, inputs, workspace):
        z = parent(params, inputs, workspace)
        found = change(z, inputs, workspace)
        return z if found is None else found

    return changed(base, forward=changes)


def backward(change, base=Multiply):
    """Return a merge with `change(terms, delta, workspace)` after its backward."""
    return changed(base, backward=lambda self, parent, p, d, g, w: change(parent(p, d, g, w), d, w))


@dataclass(frozen=True)
class Weighted(nnfw.Merge):
    """z = Σ_k w_k a_k, with one number w_k for each input."""

    activation: nnfw.Activation | str = "identity"
    initializer: nnfw.Initializer | str = "ones"
    sign: float = 1.0
    fills: bool = True
    shrinks: bool = False

    def output_shape(self, input_shapes):
        return Add().output_shape(input_shapes)

    def parameters(self, input_shapes):
        return {"w": nnfw.Parameter((len(input_shapes),), self.initializer)}

    def forward(self, params, inputs, workspace):
        workspace["inputs"] = inputs
        if self.shrinks:
            params["w"][...] *= 0.5
        return sum(w * a for w, a in zip(params["w"], inputs, strict=False))

    def backward(self, params, delta, grads, workspace):
        inputs = workspace["inputs"]
        found = [self.sign * (delta * a).sum() for a in inputs]
        if self.fills:
            grads["w"][...] = found
        else:
            grads["w"] += found
        return tuple(w * delta for w in params["w"])


@dataclass(frozen=True)
class Refusing(Add):
    def output_shape(self, input_shapes):
        raise nnfw.ShapeError("expected something else.")


@dataclass(frozen=True)
class Ones(nnfw.Initializer):
    def sample(self, shape, fan_in, fan_out, rng):
        return np.ones(shape)


@dataclass(frozen=True)
class Longer(nnfw.Initializer):
    def sample(self, shape, fan_in, fan_out, rng):
        return np.ones((1, *shape))


def first_kept(self, parent, params, inputs, workspace):
    kept = workspace.get("first") or tuple(a.copy() for a in inputs)
    z = parent(params, inputs, workspace)
    workspace["first"] = workspace["inputs"] = kept
    return z


def negated_first(terms, delta, workspace):
    return (-terms[0], *terms[1:])


WRONG = {
    "refuses-everything": (Refusing(), "merge.takes_some_shape"),
    "shape-lies": (changed(Add, output_shape=lambda s, parent, x: (*parent(x), 1)), "merge.output_shape_is_real"),
    "parameters-of-another-shape": (Weighted(initializer=Longer()), "merge.parameters_are_real"),
    "float64-inside": (forward(lambda z, inputs, w: z.astype(np.float64)), "merge.keeps_float32"),
    "float32-inside": (forward(lambda z, inputs, w: z.astype(np.float32)), "merge.keeps_float64"),
    "input-in-place": (forward(lambda z, inputs, w: np.negative(inputs[1], out=inputs[1])), "merge.leaves_input_alone"),
    "delta-in-place": (
        backward(lambda terms, delta, w: (np.negative(delta, out=delta), *terms[1:])),
        "merge.leaves_delta_alone",
    ),
    "z-in-place": (
        backward(lambda terms, delta, w: (w.buffer("z", delta.shape).fill(0), terms)[1]),
        "merge.leaves_z_alone",
    ),
    "own-noise": (
        forward(lambda z, inputs, w: z + np.random.default_rng().normal()),
        "merge.same_seed_gives_same_bits",
    ),
    "added-gradients": (Weighted(initializer=Ones(), fills=False), "merge.overwrites_gradients"),
    "stale-inputs": (changed(Multiply, forward=first_kept), "merge.reused_workspace_is_like_new"),
    "offset-of-delta": (
        backward(lambda terms, delta, w: (terms[0] + 1, *terms[1:])),
        "merge.zero_delta_gives_zero",
    ),
    "absolute-delta": (
        backward(lambda terms, delta, w: (np.abs(terms[0]), *terms[1:])),
        "merge.linear_in_delta",
    ),
    "looks-at-the-batch": (forward(lambda z, inputs, w: z - z.mean(axis=0)), "merge.rows_are_independent"),
    "squeezed": (forward(lambda z, inputs, w: np.squeeze(z)), "merge.batch_of_one_keeps_its_axis"),
    "fails-on-no-examples": (forward(lambda z, inputs, w: z if z.max() else None), "merge.empty_batch_is_handled"),
    "hidden-nan": (forward(lambda z, inputs, w: np.nan_to_num(z)), "merge.nan_is_not_hidden"),
    "noise-in-evaluation": (
        forward(lambda z, inputs, w: z + np.random.default_rng().normal() * (not w.training)),
        "merge.evaluation_is_deterministic",
    ),
    "sign-of-the-first-input": (backward(negated_first), "merge.gradient_of_input"),
    "inputs-exchanged": (backward(lambda terms, delta, w: terms[::-1]), "merge.gradient_of_input"),
    "parts-exchanged": (backward(lambda terms, delta, w: terms[::-1], Concatenate), "merge.gradient_of_input"),
    "one-term-left-out": (backward(lambda terms, delta, w: terms[:-1]), "merge.gradient_of_input"),
    "sign-of-a-parameter": (Weighted(initializer=Ones(), sign=-1.0), "merge.gradients_of_parameters"),
    "parameters-in-place": (
        Weighted(initializer=Ones(), shrinks=True),
        "merge.leaves_parameters_alone",
    ),
}


@pytest.mark.parametrize(("merge", "check"), WRONG.values(), ids=WRONG)
def test_wrong_merge_is_found(merge, check):
    report = run_checks(merge, only=[check])
    assert {item.check for item in report.failures} == {check}, report


def test_merge_that_returns_too_few_terms_is_told_how_many():
    report = run_checks(WRONG["one-term-left-out"][0], only=["merge.gradient_of_input"])
    assert "backward returned tuple for 2 inputs, expected a tuple of as many" in report.failures[0].message


def test_inputs_of_a_merge_lie_one_after_the_other_in_a_vector():
    flat = merges._Flat(Concatenate(), ((2, 2), (2, 1)), "identity")
    assert flat.output_shape((6,)) == (2, 3)
    assert [part.tolist() for part in flat.split(np.arange(6)[np.newaxis])] == [[[[0, 1], [2, 3]]], [[[4], [5]]]]
    with pytest.raises(nnfw.ShapeError, match=r"^expected inputs of shape \(6,\), got \(2, 4\)\.$"):
        flat.output_shape((2, 4))


@dataclass(frozen=True)
class Sums(nnfw.Merge):
    """z = the sum over the time steps of each input, side by side; sequences may have lengths of their own."""

    activation: nnfw.Activation | str = "identity"
    masks: tuple[bool, bool] = (True, True)  # whether padding is left out, forward and backward
    single: bool = False

    own_lengths = True

    def output_shape(self, input_shapes):
        if (len(input_shapes) > 1 and self.single) or any(len(shape) != 2 for shape in input_shapes):
            raise nnfw.ShapeError("expected sequences.")
        return (sum(shape[1] for shape in input_shapes),)

    def forward(self, params, inputs, workspace):
        lengths = workspace.input_lengths or [None] * len(inputs)
        workspace["inside"] = inside = [
            np.ones((*a.shape[:2], 1), a.dtype)
            if own is None
            else (np.arange(a.shape[1]) < own[:, np.newaxis])[..., np.newaxis].astype(a.dtype)
            for a, own in zip(inputs, lengths, strict=True)
        ]
        pairs = zip(inputs, inside, strict=True)
        workspace["widths"] = np.cumsum([a.shape[2] for a in inputs])[:-1]
        return np.concatenate([(a * each if self.masks[0] else a).sum(axis=1) for a, each in pairs], axis=1)

    def backward(self, params, delta, grads, workspace):
        parts = np.split(delta, workspace["widths"], axis=1)
        inside = workspace["inside"]
        return tuple(
            part[:, np.newaxis] * (each if self.masks[1] else np.ones_like(each))
            for part, each in zip(parts, inside, strict=True)
        )


@dataclass(frozen=True)
class SumsOfSamples(Sums):
    def samples(self, rng):
        yield rng.standard_normal((6, 3, 2)), rng.standard_normal((6, 2, 4))


@dataclass(frozen=True)
class OneLengthForAll(Sums):
    """Takes the lengths of its first input for all."""

    def forward(self, params, inputs, workspace):
        if workspace.lengths is not None:
            workspace.input_lengths = [workspace.lengths] * len(inputs)
        return super().forward(params, inputs, workspace)


LENGTHS = "merge.lengths_end_sequences"

WRONG_LENGTHS = {
    "backward ignores lengths": Sums(masks=(True, False)),
    "one length for all": OneLengthForAll(),
    "backward ignores lengths, single input": Sums(masks=(True, False), single=True),
}


@pytest.mark.parametrize("name", WRONG_LENGTHS)
def test_merge_that_is_wrong_with_lengths_is_found(name):
    merge = WRONG_LENGTHS[name]
    shapes = (((4, 2),),) if merge.single else (((4, 2), (3, 1)),)
    report = run_checks(merge, only=[LENGTHS], input_shapes=shapes)
    assert "beyond the length of a sequence" in report.failures[0].message


def test_merge_that_uses_lengths_in_backward_alone_is_found():
    report = run_checks(Sums(masks=(False, True)), only=[LENGTHS], input_shapes=(((4, 2), (3, 1)),))
    assert report.failures[0].message == "∂C/∂a_prev depends on lengths, but z does not."


@pytest.mark.parametrize("merge", [Sums(), Sums(single=True), SumsOfSamples()], ids=["two", "single", "samples"])
def test_right_merge_of_sequences_passes(merge):
    shapes = (((4, 2),),) if merge.single else (((4, 2), (3, 1)),)
    report = run_checks(merge, only=[LENGTHS, "merge.gradient_of_input", "merge.takes_some_shape"], input_shapes=shapes)
    assert [item.status for item in report.outcomes] == ["passed"] * 3, report


def test_merge_of_one_input_is_found_without_declared_shapes():
    assert {
        each.component.shapes for each in merges._flat(subjects_of(Sums(single=True), nnfw.Registry.discover())[0])
    } == {((3, 4),), ((4, 4),)}


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.ones((3, 2)), "expected a tuple of arrays, one for each input."),
        (
            (np.ones((3, 2)), np.ones((2, 2))),
            "samples yielded arrays without examples, or of other numbers of examples.",
        ),
    ],
    ids=["no tuple", "other numbers"],
)
def test_samples_of_a_merge_that_are_no_batches_are_named(batch, message):
    @dataclass(frozen=True)
    class Sampled(Sums):
        def samples(self, rng):
            yield batch

    report = run_checks(Sampled(), only=["merge.takes_some_shape"])
    assert message in report.failures[0].message


def test_terms_of_other_shapes_are_named():
    wrong = backward(lambda terms, delta, w: tuple(term[..., :1] for term in terms), Add)
    report = run_checks(wrong, only=["merge.gradient_of_input", "merge.keeps_float64"], input_shapes=((4,),))
    assert "term 0 of backward has shape (3, 1), expected (4,)." in str(report)


def test_right_merge_with_parameters_passes_everything():
    report = run_checks(Weighted(initializer=Ones()))
    assert [item for item in report.failures if not item.check.startswith("component.")] == [], report


# --- blocks -----------------------------------------------------------------------------------------------------------

CALLS = count()


@dataclass(frozen=True)
class Changing(nnfw.Block):
    """Has a layer more at each call."""

    def nodes(self, inputs):
        return [nnfw.Node(Dense(2))] * (1 + next(CALLS) % 3)


@dataclass(frozen=True)
class Unfit(nnfw.Block):
    def nodes(self, inputs):
        return [nnfw.Node(Dense(2), "a"), nnfw.Node(Dense(3), "b"), nnfw.Node(Add(), inputs=("a", "b"))]


@dataclass(frozen=True)
class Steep(nnfw.Elementwise):
    def value(self, z):
        return np.tanh(z)

    def derivative(self, z, a):
        return 1 - a


@dataclass(frozen=True)
class Gate(nnfw.Block):
    """a = f(x0) ⊙ sigmoid(g(x1)): the first input opened and closed by the second."""

    merge: nnfw.Merge | str = "multiply"

    def nodes(self, inputs):
        first, second = self.taken(inputs)
        return [
            nnfw.Node(Dense(3), "value", (first,)),
            nnfw.Node(Dense(3, activation="sigmoid"), "gate", (second,)),
            nnfw.Node(self.merge, inputs=("value", "gate")),
        ]

    def taken(self, inputs):
        return inputs


@dataclass(frozen=True)
class SortedGate(Gate):
    def taken(self, inputs):
        return sorted(inputs)


@dataclass(frozen=True)
class NamedGate(Gate):
    """Takes an input of the network by name, so it fits into no other network."""

    def taken(self, inputs):
        return inputs[0], ".x1"


@dataclass(frozen=True)
class HalfGate(Gate):
    """Forgets its second input."""

    def taken(self, inputs):
        return inputs[0], inputs[0]


@dataclass(frozen=True)
class NamedShortcut(nnfw.Block):
    """f(x) + x, where x is the input of the network instead of the block's own."""

    def nodes(self, inputs):
        return [nnfw.Node(Dense(4)), nnfw.Node(Add(), inputs=("previous", ".x"))]


@dataclass(frozen=True)
class ChangingGate(Gate):
    """Has a layer more at every other call."""

    def nodes(self, inputs):
        return [*super().nodes(inputs), *[nnfw.Node(Dense(2))] * (next(CALLS) % 2)]


def negated_second(terms, delta, workspace):
    return (terms[0], -terms[1])


ONE, TWO = (4,), ((4,), (2,))
WRONG_BLOCKS = {
    "fits-nothing": (Unfit(), ONE, "block.takes_some_shape"),
    "forgets-an-input": (HalfGate(), TWO, "block.takes_some_shape"),
    "other-nodes-each-time": (Changing(), ONE, "block.nodes_are_the_same_each_time"),
    "other-nodes-each-time-two-inputs": (ChangingGate(), TWO, "block.nodes_are_the_same_each_time"),
    "input-of-the-network": (NamedShortcut(), ONE, "block.names_only_its_inputs"),
    "second-input-of-the-network": (NamedGate(), TWO, "block.names_only_its_inputs"),
    "inputs-by-their-names": (SortedGate(), TWO, "block.names_only_its_inputs"),
    "wrong-activation": (nnfw.Chain((Dense(3, activation=Steep()), Dense(2))), ONE, "block.gradients"),
    "sign-of-the-second-input": (Gate(backward(negated_second)), TWO, "block.gradients"),
    "sign-of-the-first-input": (Gate(backward(negated_first)), TWO, "block.gradients"),
}


@pytest.mark.parametrize(("block", "shape", "check"), WRONG_BLOCKS.values(), ids=WRONG_BLOCKS)
def test_wrong_block_is_found(block, shape, check):
    report = run_checks(block, only=[check], input_shapes=(shape,))
    assert [item.check for item in report.failures] == [check], report


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fits-nothing", "networks of it refuse inputs of all shapes that were tried: (4,)."),
        ("forgets-an-input", "No layer takes the input x1."),
        ("inputs-by-their-names", "for inputs of shape ((4,), (2,)) it gives other values in another place."),
        ("second-input-of-the-network", "'.x1', but no node before it has that name."),
        ("sign-of-the-second-input", "for 3 examples of shape ((4,), (2,)): layers.0.gate.bias"),
    ],
)
def test_report_says_what_is_wrong_with_a_block(name, message):
    block, shape, check = WRONG_BLOCKS[name]
    assert message in run_checks(block, only=[check], input_shapes=(shape,)).failures[0].message


def test_right_block_of_two_inputs_passes_everything():
    report = run_checks(Gate(), kind="layer", input_shapes=(TWO, ((3,), (3,))))
    assert [item for item in report.failures if not item.check.startswith("component.")] == [], report
    assert {item.check for item in report.outcomes if item.status == "passed"} >= BLOCK_CHECKS - {SAVES}


SAVES = "block.saves_and_loads"  # a block that no plugin declares cannot be saved
BLOCK_CHECKS = {check.id for check in checks_of("block") if not check.id.startswith("component.")}


def test_every_check_of_merges_and_blocks_finds_something():
    found = {check for *_, check in (*WRONG.values(), *WRONG_BLOCKS.values())} | {LENGTHS}
    ids = {check.id for sort in ("merge", "block") for check in checks_of(sort)}
    assert {name for name in ids if not name.startswith("component.")} - found == {SAVES}
