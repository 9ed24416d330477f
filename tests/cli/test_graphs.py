"""Six networks that are more than chains, from an experiment file through whole commands."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.network.golden.networks import cases

from nnfw import Padded, load
from nnfw.toml import write

CASES = cases(count=60, seed=2)


def data_of(case):
    """Return the arrays of a file, and the tables that say which input and output each belongs to."""
    named = case.x if isinstance(case.x, dict) else {"x": case.x}
    labels = case.y if isinstance(case.y, dict) else {"y": case.y}
    arrays, inputs = {}, {}
    for name, value in named.items():
        inputs[name] = [f"{name}_values"]
        arrays[f"{name}_values"] = value.values if isinstance(value, Padded) else value
        if isinstance(value, Padded):
            arrays[f"{name}_lengths"] = value.lengths
            inputs[name] = {"columns": inputs[name], "lengths": f"{name}_lengths"}
    arrays |= {f"{name}_label": value for name, value in labels.items()}
    last = f"{list(labels)[-1]}_label"
    table = {"source": {"type": "npz", "path": "data.npz", "x": [key for key in arrays if key != last], "y": last}}
    if not isinstance(case.x, dict) and not isinstance(case.x, Padded):
        return arrays, table | ({"targets": targets_of(labels)} if case.outputs else {})
    return arrays, table | {"inputs": inputs} | ({"targets": targets_of(labels)} if case.outputs else {})


def targets_of(labels):
    return {name: f"{name}_label" for name in labels}


@pytest.fixture(params=CASES)
def network(request, tmp_path, monkeypatch):
    """Write the experiment of a network with its data, and return its name."""
    monkeypatch.chdir(tmp_path)
    case = CASES[request.param]
    arrays, data = data_of(case)
    np.savez("data.npz", **arrays)
    model = {"layers": [{"type": each} if isinstance(each, str) else each for each in case.layers]}
    model |= {"outputs": list(case.outputs)} if case.outputs else {}
    costs = case.cost if isinstance(case.cost, dict) else {"": case.cost}
    costs = {name: {"type": cost} if isinstance(cost, str) else cost for name, cost in costs.items()}
    table = {
        "name": request.param,
        "data": data,
        "model": model,
        "cost": costs if case.outputs else costs[""],
        "optimizer": {"type": "adam", "learning_rate": 0.01},
        "training": {"epochs": 3, "batch_size": 16, "checkpoint_seconds": 0.0},
    }
    (tmp_path / "network.toml").write_text(write(table), encoding="utf-8")
    return request.param


def bits(run):
    return load(f"{run}/model.nnfw").parameters.vector.tobytes()


def test_network_is_trained_resumed_reproduced_and_reported(nnfw, network):
    done = nnfw("train", "network.toml", "--out", "whole", "--quiet")
    assert done.status == 0, done.err
    part = nnfw("train", "network.toml", "--out", "part", "--quiet", "--set", "training.epochs=1")
    assert part.status == 0, part.err
    assert bits("part") != bits("whole")
    resumed = nnfw("resume", "part", "--quiet", "--set", "training.epochs=3")
    assert resumed.status == 0, resumed.err
    assert bits("part") == bits("whole")
    assert nnfw("reproduce", "whole").out.splitlines()[-1] == "Bit-equal"
    report = nnfw("report", "whole")
    assert report.status == 0, report.err
    page = Path("whole/report.html").read_text(encoding="utf-8")
    assert all(f">{place}<" in page for place in places(network))


def test_network_is_summarised_and_its_gradients_are_right(nnfw, network):
    found = nnfw("summary", "network.toml", "--read-data", "--json")
    assert found.status == 0, found.err
    model = CASES[network].model()
    summary = json.loads(found.out)
    assert [row["name"] for row in summary["layers"]] == places(network)
    assert summary["parameters"] == model.parameters.vector.size
    checked = nnfw("gradcheck", "network.toml", "--batch", "2")
    assert checked.status == 0, checked.out + checked.err


def places(name):
    graph = CASES[name].model().network.graph
    return [place.title.removeprefix("Layer ") for place in graph.nodes]


TRANSFORMER = """
data.source = "digits"
model.layers = [
    { type = "reshape", shape = [8, 8] },
    { type = "repeat", times = 6, layers = [{ type = "transformer_encoder", width = 8, heads = 2 }] },
    { type = "time_pool" },
    { type = "dense", units = 10, activation = "softmax" },
]
cost.type = "cross_entropy"
optimizer.type = "adam"
"""


@pytest.fixture
def transformer(tmp_path):
    (tmp_path / "transformer.toml").write_text(TRANSFORMER)
    return str(tmp_path / "transformer.toml")


def test_graph_is_drawn_beside_its_table_with_repeated_blocks_once(nnfw, transformer):
    lines = nnfw("summary", transformer).out.splitlines()
    assert [line[:5].rstrip() for line in lines[1:-1]] == [
        *("○", "●", "│", "├─●", "│ ●", "●─╯", "├─●", "│ ●", "│ ●", "●─╯", "●", "●")
    ]
    assert " ".join(lines[3].split()) == "│ 6 × transformer_encoder, 1.0.0 to 1.5.0 6 × 872"
    assert [line.split()[1:4] for line in lines[4:6]] == [
        ["·", "attention.norm", "layer_norm"],
        ["●", "·", "attention.heads"],
    ]


def test_chain_stays_a_table(nnfw):
    lines = nnfw("summary", str(Path(__file__).parents[2] / "examples" / "digits.toml")).out.splitlines()
    assert lines[0].split() == ["layer", "activation", "output", "shape", "parameters"]
    assert [line.split()[0] for line in lines[1:4]] == ["input", "0", "1"]


def test_summary_with_times_shows_the_share_of_each_layer(nnfw, transformer):
    lines = nnfw("summary", transformer, "--time").out.splitlines()
    assert lines[0].split()[-2:] == ["time", "memory"]
    shares = [[int(share.rstrip("%")) for share in line.split()[-2:]] for line in lines[2:-1]]
    assert all(0 <= share <= 100 for row in shares for share in row)
    assert shares[1][0] > 60  # all six blocks
    rows = json.loads(nnfw("summary", transformer, "--time", "--json").out)["layers"]
    assert sum(row["share"]["time"] for row in rows) == pytest.approx(1)
