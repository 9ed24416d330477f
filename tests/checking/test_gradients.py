"""The gradient check: correct networks pass, and every planted error is caught."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.checking import Report
from nnfw.network import Chain
from nnfw_standard import MAE, MSE, ActivationLayer, Dense, Dropout, Flatten, Identity, ReLU, Reshape, Sigmoid, Softmax

SMOOTH = ["sigmoid", "tanh", "gelu", "silu", "softplus", "softsign", "identity", "softmax", "log_softmax"]
KINKED = ["relu", "leaky_relu", "elu", "selu", "hard_sigmoid"]
OUTPUTS = [
    ("mse", "sigmoid"),
    ("mse", "identity"),
    ("mse", "softmax"),
    ("mae", "tanh"),
    ("huber", "identity"),
    ("cross_entropy", "softmax"),
    ("binary_cross_entropy", "sigmoid"),
    ("poisson", "softplus"),
]
SHAPES = pytest.mark.parametrize(("count", "inputs", "units"), [(1, 3, 2), (5, 4, 3), (4, 3, 3)], ids=str)


def labels(cost, count, outputs, rng):
    if cost == "cross_entropy":
        return rng.integers(0, outputs, count)
    if cost == "binary_cross_entropy":
        return rng.integers(0, 2, (count, outputs))
    return rng.uniform(0.5, 3, (count, outputs))


def check(layers, rng, *, inputs=4, count=6, cost="mse", **options):
    """Return the report of a network with random examples."""
    model = nnfw.Sequential(layers, inputs)
    x = rng.normal(size=(count, *model.input_shape))
    return nnfw.gradcheck(model, x, labels(cost, count, model.output_shape[-1], rng), cost=cost, **options)


def wrong(report):
    return [row.name for row in report.rows if not row.ok]


def row_of(report, name):
    return next(row for row in report.rows if row.name == name)


# --- correct networks pass --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", SMOOTH + KINKED)
@SHAPES
def test_gradcheck_of_an_activation_is_ok(activation, count, inputs, units, rng):
    report = check([Dense(units, activation=activation), Dense(2)], rng, inputs=inputs, count=count)
    assert report.ok, str(report)


@pytest.mark.parametrize(("cost", "activation"), OUTPUTS, ids=[f"{c}-{a}" for c, a in OUTPUTS])
@SHAPES
def test_gradcheck_of_a_cost_is_ok(cost, activation, count, inputs, units, rng):
    layers = [Dense(3, activation="tanh"), Dense(units, activation=activation)]
    report = check(layers, rng, inputs=inputs, count=count, cost=cost)
    assert report.ok, str(report)


def test_gradcheck_of_dropout_is_ok_and_has_zeros_in_it(rng):
    model = nnfw.Sequential([Dense(20, activation="tanh"), Dropout(0.5), Dense(2)], 4)
    report = nnfw.gradcheck(model, rng.normal(size=(6, 4)), rng.normal(size=(6, 2)), cost="mse")
    assert report.ok, str(report)


def test_gradcheck_of_shapes_and_a_nested_chain_is_ok(rng):
    inner = nnfw.Sequential([Dense(5, activation="elu"), Dropout(0.2), Dense(4, activation="tanh")], 6)
    report = check([Reshape((3, 2)), Flatten(), inner, Dense(2, activation="sigmoid")], rng, inputs=6)
    assert report.ok, str(report)
    assert row_of(report, "layers.2.layers.0.weight").equation == 4


def test_gradcheck_with_sample_weights_is_ok(rng):
    assert check([Dense(3, activation="tanh")], rng, sample_weight=[0.0, 1, 2, 3, 4, 5]).ok


def test_gradcheck_of_more_than_200_elements_draws_200_and_4_directions(rng):
    report = check([Dense(60, activation="tanh"), Dense(2)], rng)
    assert report.ok, str(report)
    assert row_of(report, "layers.0.weight").checked == 2 * (200 + 4)
    assert row_of(report, "layers.0.bias").checked == 2 * 60


def test_gradcheck_leaves_the_model_as_it_is(rng):
    model = nnfw.Sequential([Dense(3, activation="tanh")], 4)
    before, x = model.parameters.vector.copy(), rng.normal(size=(5, 4))
    x_before = x.copy()
    nnfw.gradcheck(model, x, rng.normal(size=(5, 3)), cost="mse")
    assert model.dtype == np.float32
    np.testing.assert_array_equal(model.parameters.vector, before)
    np.testing.assert_array_equal(x, x_before)


def test_gradcheck_twice_with_one_seed_is_the_same(rng):
    model = nnfw.Sequential([Dense(30, activation="relu"), Dropout(0.5), Dense(8)], 10)
    x, y = rng.normal(size=(6, 10)), rng.normal(size=(6, 8))
    assert nnfw.gradcheck(model, x, y, cost="mse", seed=3) == nnfw.gradcheck(model, x, y, cost="mse", seed=3)


def test_rows_go_from_the_output_to_the_input_with_their_equations(rng):
    report = check([Dense(3, activation="tanh"), Dense(2)], rng)
    assert [(row.name, row.equation) for row in report.rows] == [
        ("layers.1.delta", 1),
        ("layers.1.bias", 3),
        ("layers.1.weight", 4),
        ("layers.0.delta", 2),
        ("layers.0.bias", 3),
        ("layers.0.weight", 4),
        ("x", None),
    ]


def test_layers_inside_chains_have_rows_of_their_own(rng):
    inner = Chain((Dense(3, activation="tanh"), Chain((ActivationLayer("sigmoid"), Dense(4, activation="softplus")))))
    report = check([Dense(3), inner, Dense(2)], rng)
    assert report.ok, str(report)
    deltas = [(row.name, row.equation) for row in report.rows if row.name.endswith("delta")]
    assert deltas == [
        ("layers.2.delta", 1),
        ("layers.1.layers.1.layers.1.delta", 2),
        ("layers.1.layers.1.layers.0.delta", 2),
        ("layers.1.layers.0.delta", 2),
        ("layers.0.delta", 2),
    ]


def test_wrong_activation_inside_a_chain_is_caught_where_it_is(rng):
    report = check([Chain((Dense(3, activation=SlopeOff()), Dense(3))), Dense(2)], rng)
    assert wrong(report)[0] == "layers.0.layers.0.delta"


@dataclass(frozen=True)
class Nothing(nnfw.Layer):
    """Gives no numbers at all."""

    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return (0,)

    def parameters(self, input_shape):
        return {}

    def forward(self, params, a_prev, workspace):
        workspace["a_prev"] = a_prev
        return a_prev[:, :0]

    def backward(self, params, delta, grads, workspace):
        return np.zeros_like(workspace["a_prev"])


def test_tensor_of_no_elements_is_ok_with_nothing_checked(rng):
    report = check([Nothing(), Dense(2)], rng)
    assert report.ok, str(report)
    row = row_of(report, "layers.1.weight")
    assert (row.checked, row.kinks, row.confirmed, row.error, row.where, row.ratio) == (0, 0, 0, 0.0, None, None)
    assert row_of(report, "layers.0.delta").checked == 0
    assert row_of(report, "layers.1.bias").checked == 4  # two elements at two points


# --- kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [0.0, 1e-3, 3e-6, 1e-7, 1e-9], ids=str)
@pytest.mark.parametrize("activation", ["relu", "selu"])
def test_gradcheck_at_or_near_a_kink_is_ok(activation, distance, rng):
    model = nnfw.Sequential([Dense(3, activation=activation), Dense(2)], 4, dtype="float64")
    x = rng.normal(size=(6, 4))
    model.parameters["layers.0.bias"] = distance - model.parameters["layers.0.weight"] @ x[0]
    report = nnfw.gradcheck(model, x, rng.normal(size=(6, 2)), cost="mse")
    assert report.ok, str(report)


@pytest.mark.parametrize("cost", ["mae", "huber"])
def test_gradcheck_of_a_cost_at_a_tie_is_ok(cost, rng):
    model = nnfw.Sequential([Dense(3, activation="tanh")], 4, dtype="float64")
    x = rng.normal(size=(6, 4))
    y = model.predict(x) + (1.0 if cost == "huber" else 0.0)
    report = nnfw.gradcheck(model, x, y, cost=cost)
    assert report.ok, str(report)
    assert row_of(report, "layers.0.delta").kinks == (18 if cost == "mae" else 0)  # Huber's slope has no jump


def test_gradcheck_of_relu_on_zeros_counts_kinks(rng):
    x = np.zeros((4, 3))
    report = nnfw.gradcheck(
        nnfw.Sequential([ActivationLayer("relu"), Dense(2)], 3), x, rng.normal(size=(4, 2)), cost="mse"
    )
    assert report.ok, str(report)
    assert row_of(report, "layers.0.delta").kinks > 0


@dataclass(frozen=True)
class WrongNegativeSlope(ReLU):
    def delta(self, grad_a, z, a, workspace):
        return grad_a * np.where(z >= 0, 1.0, 1e-4)


def test_error_is_not_hidden_by_kinks(rng):
    model = nnfw.Sequential([ActivationLayer(WrongNegativeSlope()), Dense(2)], 3)
    report = nnfw.gradcheck(model, np.zeros((4, 3)), rng.normal(size=(4, 2)), cost="mse")
    assert "layers.0.delta" in wrong(report)


@dataclass(frozen=True)
class SteepAtZero(ReLU):
    def delta(self, grad_a, z, a, workspace):
        return grad_a * np.where(z == 0, 2.0, (z > 0) * 1.0)


def test_value_outside_the_slopes_of_a_kink_is_wrong(rng):
    model = nnfw.Sequential([ActivationLayer(SteepAtZero())], 3)
    report = nnfw.gradcheck(model, np.zeros((4, 3)), rng.normal(size=(4, 3)), cost="mse")
    assert "layers.0.delta" in wrong(report)


def test_value_outside_the_slopes_of_a_hidden_kink_is_wrong(rng):
    """Two layers on, kinks coincide with it: C alone could not tell."""
    layers = [ActivationLayer(SteepAtZero()), Dense(4, activation="relu"), Dense(2)]
    report = nnfw.gradcheck(nnfw.Sequential(layers, 3), np.zeros((4, 3)), rng.normal(size=(4, 2)), cost="mse")
    assert wrong(report) == ["layers.0.delta"]
    assert row_of(report, "layers.0.delta").ratio == pytest.approx(2, rel=1e-6)


@dataclass(frozen=True)
class SteepAtTies(MAE):
    def gradient(self, a, y, workspace, weight=None):
        return np.where(a == y, 2 / len(a), super().gradient(a, y, workspace, weight))


@pytest.mark.parametrize("layers", [[], [Dense(3, activation="tanh")]], ids=["one-layer", "two-layers"])
def test_value_outside_the_slopes_of_a_cost_is_wrong_however_deep_the_network(layers, rng):
    model = nnfw.Sequential([*layers, Dense(2)], 4, dtype="float64")
    x = rng.normal(size=(6, 4))
    report = nnfw.gradcheck(model, x, model.predict(x), cost=SteepAtTies())
    assert wrong(report) == [f"layers.{len(layers)}.delta"]


@dataclass(frozen=True)
class Rough(Dense):
    """z = w a_prev + b, and a jitter of b so fine that no difference finds a slope."""

    def forward(self, params, a_prev, workspace):
        return super().forward(params, a_prev, workspace) + 1e-3 * np.sin(1e11 * params["bias"])


def test_tensor_of_which_nothing_could_be_compared_is_wrong(rng):
    report = check([Rough(3), Dense(2)], rng)
    assert wrong(report) == ["layers.0.bias"]
    assert row_of(report, "layers.0.bias").hint == (
        "all of it lies at kinks, so nothing could be compared; check other data or parameters"
    )


def test_many_kinks_at_once_are_no_error(rng):
    x = np.concatenate([np.zeros((2, 3)), rng.normal(size=(4, 3))])  # all of relu's z are 0 for two examples
    model = nnfw.Sequential([Dense(5, activation="relu"), Dense(4, activation="relu"), Dense(2)], 3)
    report = nnfw.gradcheck(model, x, rng.normal(size=(6, 2)), cost="mse")
    assert report.ok, str(report)


def test_gradcheck_where_everything_is_a_kink_is_ok_and_says_so(rng):
    layers = [Dense(3, activation="relu"), ActivationLayer("relu"), Dense(2)]
    model = nnfw.Sequential(layers, 2, values={"layers.0.bias": [-9.0, -9.0, -9.0]})
    report = nnfw.gradcheck(model, rng.uniform(size=(4, 2)), rng.normal(size=(4, 2)), cost="mse")
    assert report.ok, str(report)
    row = row_of(report, "layers.1.delta")
    assert row.kinks == row.checked > 0


# --- planted errors ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SlopeOff(Sigmoid):
    def delta(self, grad_a, z, a, workspace):
        return grad_a * a * (1 - a) * (1 + 1e-4)


@dataclass(frozen=True)
class WrongSign(Sigmoid):
    def delta(self, grad_a, z, a, workspace):
        return -grad_a * a * (1 - a)


@dataclass(frozen=True)
class DerivativeAtA(Sigmoid):
    def delta(self, grad_a, z, a, workspace):
        return grad_a * self.value(a) * (1 - self.value(a))


@dataclass(frozen=True)
class DiagonalOnly(Softmax):
    def delta(self, grad_a, z, a, workspace):
        return grad_a * a * (1 - a)


@pytest.mark.parametrize("activation", [SlopeOff(), WrongSign(), DerivativeAtA(), DiagonalOnly()], ids=repr)
def test_wrong_activation_is_caught_where_it_is(activation, rng):
    report = check([Dense(3, activation=activation), Dense(3)], rng)
    assert "layers.0.delta" in wrong(report)
    assert not {"layers.1.delta", "layers.1.bias", "layers.1.weight"} & set(wrong(report))


def test_hint_of_a_wrong_sign(rng):
    row = row_of(check([Dense(3, activation=WrongSign()), Dense(2)], rng), "layers.0.bias")
    assert row.hint == "the sign is wrong"
    assert row.ratio == pytest.approx(-1)


def test_hint_of_a_slope_that_is_off(rng):
    row = row_of(check([Dense(3, activation=SlopeOff()), Dense(2)], rng), "layers.0.delta")
    assert row.hint == "a constant factor of 1.0001"
    assert row.error == pytest.approx(1e-4, rel=0.05)


@dataclass(frozen=True)
class Transposing(Dense):
    def backward(self, params, delta, grads, workspace):
        super().backward(params, delta, grads, workspace)
        return delta @ params["weight"].T


@dataclass(frozen=True)
class TransposedGradient(Dense):
    def backward(self, params, delta, grads, workspace):
        result = super().backward(params, delta, grads, workspace)
        grads["weight"][...] = grads["weight"].T.copy()
        return result


@dataclass(frozen=True)
class TransposedInMemory(Dense):
    def backward(self, params, delta, grads, workspace):
        result = super().backward(params, delta, grads, workspace)
        grads["weight"][...] = grads["weight"].T.reshape(grads["weight"].shape)
        return result


@dataclass(frozen=True)
class MeanBias(Dense):
    def backward(self, params, delta, grads, workspace):
        result = super().backward(params, delta, grads, workspace)
        np.mean(delta, axis=0, out=grads["bias"])
        return result


@dataclass(frozen=True)
class SlightlyOff(Dense):
    def backward(self, params, delta, grads, workspace):
        result = super().backward(params, delta, grads, workspace)
        grads["weight"][...] *= 1 + 1e-4
        return result


@dataclass(frozen=True)
class LastRowDropped(Dense):
    def backward(self, params, delta, grads, workspace):
        result = super().backward(params, delta, grads, workspace)
        grads["weight"][-1] = 0
        return result


@dataclass(frozen=True)
class Accumulating(Dense):
    def backward(self, params, delta, grads, workspace):
        before = grads["bias"].copy()
        result = super().backward(params, delta, grads, workspace)
        grads["bias"][...] += before
        return result


@dataclass(frozen=True)
class Forgetful(Dense):
    def backward(self, params, delta, grads, workspace):
        bias = grads["bias"].copy()
        result = super().backward(params, delta, grads, workspace)
        grads["bias"][...] = 0 * np.nan_to_num(bias)
        return result


@pytest.mark.parametrize(
    ("layer", "names", "hint"),
    [
        (Transposing(4, activation="tanh"), ["layers.0.delta", "layers.0.bias", "layers.0.weight", "x"], ""),
        (TransposedGradient(4), ["layers.1.weight"], "equal after transposing"),
        (TransposedInMemory(3), ["layers.1.weight"], "equal after transposing"),
        (MeanBias(4), ["layers.1.bias"], "N = 6 times too small: 1/N is applied twice, or a mean stands for a sum"),
        (SlightlyOff(4), ["layers.1.weight"], "a constant factor of 1.0001"),
        (LastRowDropped(4), ["layers.1.weight"], ""),
        (Accumulating(4), ["layers.1.bias"], "not finite; backward must overwrite every gradient, not add to it"),
        (Forgetful(4), ["layers.1.bias"], "backward leaves it 0"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Dense) else "",
)
def test_wrong_layer_is_caught_where_it_is(layer, names, hint, rng):
    report = check([Dense(4, activation="tanh"), layer, Dense(2)], rng)
    assert wrong(report) == names
    assert row_of(report, names[0]).hint == hint


def test_wrong_direction_of_a_large_tensor_is_caught(rng):
    @dataclass(frozen=True)
    class OneWrong(Dense):
        def backward(self, params, delta, grads, workspace):
            result = super().backward(params, delta, grads, workspace)
            grads["weight"][..., 0] *= 1.5  # of 100,000 elements, 50: hardly one of them is drawn
            return result

    report = check([OneWrong(50, activation="tanh"), Dense(2)], rng, inputs=2000, count=2)
    row = row_of(report, "layers.0.weight")
    assert not row.ok
    assert row.where is None
    assert "layers.0.weight along a direction over all elements: backward gives" in row.explanation()


@dataclass(frozen=True)
class MissingMean(MSE):
    def gradient(self, a, y, workspace, weight=None):
        return a - y


@dataclass(frozen=True)
class MeanTwice(MSE):
    def gradient(self, a, y, workspace, weight=None):
        return (a - y) / len(a) ** 2


@dataclass(frozen=True)
class NegativeMissingMean(MSE):
    def gradient(self, a, y, workspace, weight=None):
        return y - a


@pytest.mark.parametrize(
    ("cost", "hint"),
    [
        (MissingMean(), "N = 6 times too large: 1/N is missing"),
        (MeanTwice(), "N = 6 times too small: 1/N is applied twice, or a mean stands for a sum"),
        (NegativeMissingMean(), "N = 6 times too large: 1/N is missing; the sign is wrong"),
    ],
    ids=repr,
)
def test_wrong_cost_is_caught_at_the_output_with_a_hint(cost, hint, rng):
    model = nnfw.Sequential([Dense(3, activation="tanh"), Dense(2, activation="tanh")], 4)
    report = nnfw.gradcheck(model, rng.normal(size=(6, 4)), rng.normal(size=(6, 2)), cost=cost)
    assert not report.ok
    assert (report.rows[0].equation, report.rows[0].hint) == (1, hint)


@dataclass(frozen=True)
class FreshMask(Dropout):
    def backward(self, params, delta, grads, workspace):
        return delta * (workspace.rng.random(delta.shape) >= self.rate) / (1 - self.rate)


@dataclass(frozen=True)
class WithoutMask(Dropout):
    def backward(self, params, delta, grads, workspace):
        return delta


@pytest.mark.parametrize("layer", [FreshMask(0.5), WithoutMask(0.5)], ids=repr)
def test_wrong_dropout_is_caught(layer, rng):
    report = check([Dense(8, activation="tanh"), layer, Dense(2)], rng)
    assert wrong(report) == ["layers.0.delta", "layers.0.bias", "layers.0.weight", "x"]


# --- what breaks the protocol -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Float32Output(Identity):
    def forward(self, z, workspace):
        return np.tanh(z.astype(np.float32))

    def delta(self, grad_a, z, a, workspace):
        return grad_a * (1 - a * a)


@dataclass(frozen=True)
class Float32Inside(Dense):
    def backward(self, params, delta, grads, workspace):
        result = super().backward(params, delta, grads, workspace)
        grads["weight"][...] = grads["weight"].astype(np.float32)
        return result


@dataclass(frozen=True)
class NoInputGradient(Dense):
    def backward(self, params, delta, grads, workspace):
        super().backward(params, delta, grads, workspace)


def test_component_that_returns_float32_fails_with_that_reason(rng):
    report = check([Dense(3, activation=Float32Output()), Dense(2)], rng)
    assert not report.ok
    assert (
        "forward of its activation 'Float32Output' returned float32, expected float64, the network's dtype"
        in report.problem
    )
    assert str(report) == report.problem


def test_component_that_computes_in_float32_fails_with_that_reason(rng):
    report = check([Dense(3, activation="tanh"), Float32Inside(2)], rng)
    assert not report.ok
    assert "backward returned float64 with values rounded to float32" in report.problem
    assert report.problem.startswith("Layer 1 ")


def test_first_layer_without_an_input_gradient_fails_with_that_reason(rng):
    report = check([NoInputGradient(3)], rng)
    assert "backward returned NoneType" in report.problem
    assert "expected (6, 4) float64, the shape of its input" in report.problem


def test_cost_that_is_not_finite_fails_with_that_reason(rng):
    @dataclass(frozen=True)
    class Infinite(MSE):
        def value(self, a, y, weight=None):
            return float("inf")

    model = nnfw.Sequential([Dense(2)], 3)
    report = nnfw.gradcheck(model, rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), cost=Infinite())
    assert report.problem == "The cost is not finite, so it has no derivatives. Check other data or parameters."


# --- a second opinion, and the report ---------------------------------------------------------------------------------


def test_precise_confirms_a_correct_network(rng):
    report = check([Dense(3, activation="tanh"), Dropout(0.3), Dense(2, activation="softmax")], rng, precise=True)
    assert report.ok, str(report)
    weight = row_of(report, "layers.0.weight")
    assert weight.confirmed > weight.checked / 2


def test_precise_sees_errors_that_the_differences_do_not(rng):
    @dataclass(frozen=True)
    class AlmostRight(Sigmoid):
        def delta(self, grad_a, z, a, workspace):
            return grad_a * a * (1 - a) * (1 + 1e-6)

    layers = [Dense(3, activation=AlmostRight()), Dense(2)]
    assert check(layers, np.random.default_rng(1)).ok
    assert "layers.0.delta" in wrong(check(layers, np.random.default_rng(1), precise=True))


def test_report_as_text_shows_place_values_ratio_and_hint(rng):
    text = str(check([Dense(3, activation=WrongSign()), Dense(2)], rng))
    head, *_ = text.splitlines()
    assert head.split() == list(Report.COLUMNS)
    assert "layers.0.bias at [" in text
    assert ": backward gives " in text
    assert ", numerical differentiation " in text
    assert ", ratio -1: the sign is wrong." in text


def test_report_as_a_table_holds_every_row(rng):
    table = check([Dense(2)], rng).to_table()
    assert table["ok"] is True
    assert table["examples"] == 6
    assert [row["name"] for row in table["rows"]] == ["layers.0.delta", "layers.0.bias", "layers.0.weight", "x"]


def test_gradcheck_of_impossible_labels_is_refused():
    model = nnfw.Sequential([Dense(2, activation="softmax")], 3)
    with pytest.raises(nnfw.DataError, match="5"):
        nnfw.gradcheck(model, np.zeros((2, 3)), [0, 5], cost="cross_entropy")
