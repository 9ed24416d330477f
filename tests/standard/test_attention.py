"""Attention, places and transformers: special cases, and what does not fit."""

import numpy as np
import pytest

import nnfw
from nnfw import Node, Padded
from nnfw_standard import (
    LSTM,
    SGD,
    Bidirectional,
    Dense,
    MultiHeadAttention,
    PositionalEncoding,
    Repeat,
    TimePool,
    TransformerDecoder,
    TransformerEncoder,
)

ODD = (
    "expected heads with an even number of features to turn in pairs, got 3 in 2 heads of (5, 6). Set head_width or "
    "rotary=False."
)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (
            MultiHeadAttention(3),
            ((5, 8),),
            "expected features that 3 heads can share, got (5, 8). Change heads, or set head_width.",
        ),
        (MultiHeadAttention(4, groups=3), ((5, 8),), "expected groups that divide 4 heads, got 3. Change groups."),
        (
            MultiHeadAttention(4, groups=8),
            ((5, 8),),
            "expected groups that divide 4 heads, got 8. Change groups.",
        ),
        (MultiHeadAttention(2, rotary=True), ((5, 6),), ODD),
        (
            MultiHeadAttention(2),
            ((8,),),
            "expected one or two inputs of shape (T, n), time steps and features, got (8,).",
        ),
        (
            MultiHeadAttention(2),
            ((5, 8),) * 3,
            "expected one or two inputs of shape (T, n), time steps and features, got (5, 8) and (5, 8) and (5, 8).",
        ),
    ],
    ids=["heads", "groups", "more-groups-than-heads", "odd-width", "no-sequence", "three-inputs"],
)
def test_attention_refuses_what_does_not_fit(layer, shapes, message):
    with pytest.raises(nnfw.ShapeError) as caught:
        layer.output_shape(shapes)
    assert str(caught.value) == message


@pytest.mark.parametrize("layer", [PositionalEncoding(), TimePool("last")], ids=repr)
def test_layers_of_sequences_refuse_others(layer):
    with pytest.raises(
        nnfw.ShapeError, match=r"^expected input of shape \(T, n\), time steps and features, got \(8,\)"
    ):
        layer.output_shape((8,))


def test_query_without_keys_gets_zero_and_no_gradient_is_nan():
    model = nnfw.Sequential(
        [Node(MultiHeadAttention(2, bias=False), inputs=("x", "memory"))], {"x": (3, 4), "memory": (5, 4)}
    )
    x, memory = np.random.default_rng(0).standard_normal((2, 2, 5, 4))
    inputs = {"x": x[:, :3], "memory": Padded(memory, lengths=[0, 2])}
    found = model.predict(inputs)
    assert not found[0].any()
    assert found[1].all()
    model.fit(inputs, np.ones((2, 3, 4)), cost="mse", optimizer="sgd", epochs=2)
    assert all(np.isfinite(array).all() for array in model.parameters.values())


def test_batch_without_keys_at_all():
    layer, workspace = MultiHeadAttention(1, bias=False), nnfw.Workspace(np.float64)
    params = {name: np.ones(each.shape) for name, each in layer.parameters(((2, 2), (0, 2))).items()}
    z = layer.forward(params, (np.ones((1, 2, 2)), np.ones((1, 0, 2))), workspace)
    grads = {name: np.full_like(array, np.nan) for name, array in params.items()}
    terms = layer.backward(params, np.ones_like(z), grads, workspace)
    assert not z.any()
    assert [term.shape for term in terms] == [(1, 2, 2), (1, 0, 2)]
    assert not any(array.any() for name, array in grads.items())


def test_causal_attention_does_not_see_what_comes_later():
    model = nnfw.Sequential([MultiHeadAttention(2, causal=True)], (6, 4), dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, 6, 4))
    other = x.copy()
    other[:, 4:] += 1
    first, second = model.predict(x), model.predict(other)
    np.testing.assert_array_equal(first[:, :4], second[:, :4])
    assert (first[:, 4:] != second[:, 4:]).all()


def test_rotary_attention_depends_on_distances_alone():
    model = nnfw.Sequential([MultiHeadAttention(1, rotary=True, bias=False)], (6, 4), dtype="float64")
    rng = np.random.default_rng(0)
    three = rng.standard_normal((1, 3, 4))
    for early, late in (((0, 3), (3, 6)),):
        z = []
        for start, end in (early, late):
            memory = np.zeros((1, 6, 4))
            memory[:, start:end] = three
            z.append(model.predict(memory)[:, start:end])
        # zeros elsewhere have the same weights wherever they are, and values of 0
        np.testing.assert_allclose(*z, rtol=1e-12)


def test_sinusoids_are_those_of_the_formula():
    z = nnfw.Sequential([PositionalEncoding()], (7, 5), dtype="float64").predict(np.zeros((1, 7, 5)))[0]
    for t in range(7):
        for i in range(5):
            angle = t * 10_000 ** (-2 * (i // 2) / 5)
            assert z[t, i] == pytest.approx(np.cos(angle) if i % 2 else np.sin(angle), abs=1e-15)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("mean", [[3.0], [0.0], [2.0]]), ("max", [[4.0], [0.0], [2.0]]), ("last", [[2.0], [0.0], [2.0]])],
)
def test_time_pool_takes_what_lies_within_a_length(kind, expected):
    model = nnfw.Sequential([TimePool(kind)], input_shape=(3, 1))
    values = [[[4.0], [2.0], [9.0]], [[1.0], [1.0], [1.0]], [[2.0], [5.0], [5.0]]]
    assert model.predict(Padded(values, lengths=[2, 0, 1])).tolist() == expected


def test_decoder_attends_to_a_memory_and_a_language_model_does_not():
    decoder = TransformerDecoder(4, heads=2)
    alone = nnfw.Sequential([decoder], (5, 4))
    both = nnfw.Sequential([Node(decoder, "d", ("x", "memory"))], {"x": (5, 4), "memory": (3, 2)})
    assert not any("memory" in name for name in alone.parameters)
    assert both.parameters["d.memory.heads.memory_weight"].shape == (8, 2)
    assert set(alone.parameters) == {
        f"layers.0.{name}"
        for name in (
            "attention.norm.scale",
            "attention.norm.shift",
            "attention.heads.weight",
            "attention.heads.bias",
            "attention.heads.output_weight",
            "attention.heads.output_bias",
            "mlp.norm.scale",
            "mlp.norm.shift",
            "mlp.hidden.weight",
            "mlp.hidden.bias",
            "mlp.output.weight",
            "mlp.output.bias",
        )
    }


def test_encoder_of_another_width_is_refused():
    with pytest.raises(
        nnfw.ShapeError, match=r"^Layer 0\.mlp\.3 'add' .* expected inputs of one shape, got \(5, 8\) and \(5, 4\)"
    ):
        nnfw.Sequential([TransformerEncoder(8, heads=2)], (5, 4))


def test_encoders_are_stacked_by_repeat():
    model = nnfw.Sequential([Repeat((TransformerEncoder(4, heads=2),), times=2)], (5, 4))
    assert sum(name.endswith("heads.weight") for name in model.parameters) == 2


def test_bidirectional_layer_reads_in_both_directions():
    model = nnfw.Sequential([Node(Bidirectional(LSTM(2, states="all")), "both")], (4, 3), dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    other = x.copy()
    other[:, -1] += 1
    first, second = model.predict(x), model.predict(other)
    np.testing.assert_array_equal(first[:, :-1, :2], second[:, :-1, :2])
    assert (first[:, :-1, 2:] != second[:, :-1, 2:]).all()
    forwards = nnfw.Sequential([LSTM(2, states="all")], (4, 3), dtype="float64")
    for name in forwards.parameters:
        forwards.parameters[name] = model.parameters[name.replace("layers.0", "both.forwards")]
    np.testing.assert_array_equal(forwards.predict(x), first[:, :, :2])


def test_bidirectional_refuses_a_layer_without_direction():
    with pytest.raises(nnfw.ConfigError, match=r"expected a recurrent layer, which has the option reverse, got Dense"):
        nnfw.Sequential([Bidirectional(Dense(3))], (4, 3))


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 5e-6), pytest.param("float64", 1e-12, marks=pytest.mark.long)],  # slow to compile
    ids=["float32", "float64"],
)
@pytest.mark.parametrize("groups", [1, 2])
def test_numba_gives_the_same_for_groups_and_many_places(groups, dtype, tolerance):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 37, 8)), rng.standard_normal((6, 37, 8))
    moved = []
    for accelerator in ("none", "numba"):
        layer = MultiHeadAttention(4, groups=groups, causal=True, rotary=True)
        model = nnfw.Sequential([layer, TransformerEncoder(8, heads=2)], (37, 8), seed=3, dtype=dtype)
        before = model.parameters.vector.copy()
        model.fit(x, y, cost="mse", optimizer=SGD(1e-3), epochs=3, batch_size=4, accelerator=accelerator)
        moved.append(model.parameters.vector - before)
    np.testing.assert_allclose(*moved, rtol=0, atol=tolerance * np.abs(moved[0]).max())
