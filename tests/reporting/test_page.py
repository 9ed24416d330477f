"""Pages about runs: they need nothing else, escape everything, and show the figures of the run."""

import csv
import json
import re
import shutil
import tracemalloc
from html.parser import HTMLParser

import numpy as np
import pytest

import nnfw
from nnfw.cli.console import visible
from nnfw.experiments import prepare
from nnfw.plugins import default_registry
from nnfw.reporting import report
from nnfw.reporting.charts import MOST_POINTS
from nnfw.reporting.findings import Findings
from nnfw.reporting.markup import to_html
from nnfw.reporting.scales import Scale
from nnfw.reporting.sections import rights_and_wrongs
from nnfw.runs import Access, open_model, open_run

registry = default_registry()

REGRESSION = """
name = "several"
[data]
source = { type = "npy", x = "x.npy", y = "y.npy" }
[[model.layers]]
type = "dense"
units = 6
[cost]
type = "mse"
[optimizer]
type = "adam"
[training]
epochs = 3
"""
TABLE = """
name = "table"
[data]
source = { type = "csv", path = "table.csv", target = "kind" }
transforms = ["one_hot", "standardize"]
[[model.layers]]
type = "dense"
units = 2
activation = "softmax"
[cost]
type = "cross_entropy"
[optimizer]
type = "adam"
[training]
epochs = 2
"""
HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """What a page consists of: its tags with their attributes, and the text of each section."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._section, self._silent = [], {}, "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._section = dict(attributes).get("id", "") if tag == "section" else self._section
        self._silent = tag in ("style", "script")

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, text):
        if not self._silent:
            self.texts[self._section] = self.texts.get(self._section, "") + f"{text}\n"

    def all(self, name):
        """Return the attributes of every tag of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]

    def curves(self):
        """Return what the charts say, by the name of the chart."""
        plots = [attributes for attributes in self.all("svg") if "data-curves" in attributes]
        return {plot["aria-label"].partition(" over ")[0]: json.loads(plot["data-curves"]) for plot in plots}


def page_of(path, **options):
    return Page(report(path, Access(registry, **options)))


def metrics_of(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def copy(digits, tmp_path):
    """Return a copy of the run on digits, to be changed."""
    return shutil.copytree(digits, tmp_path / "copy")


def change(path, **entries):
    record = json.loads((path / "record.json").read_text()) | entries
    (path / "record.json").write_text(json.dumps(record))


# --- it needs nothing else -----------------------------------------------------------------------------------------


def test_page_refers_to_nothing_outside(digits):
    text = report(digits, Access(registry))
    page = Page(text)
    addresses = [a[key] for _, a in page.tags for key in ("src", "href", "xlink:href", "action", "srcset") if key in a]
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"@import|url\(", text)
    assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in page.tags}


def test_page_forbids_the_browser_everything_else(digits):
    (policy,) = (a["content"] for a in page_of(digits).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["style-src"])
    assert (rules["img-src"], rules["base-uri"], rules["form-action"]) == ("data:", "'none'", "'none'")


def test_page_has_no_style_or_script_that_its_policy_would_stop(digits):
    page = page_of(digits)
    assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]
    assert (len(page.all("script")), len(page.all("style"))) == (1, 1)


def test_page_is_small(digits):
    assert len(report(digits, Access(registry)).encode()) < 100 * 1024


# --- it shows the figures of the run -------------------------------------------------------------------------------


def test_curves_are_the_metrics_of_the_run(digits):
    page, records = page_of(digits), metrics_of(digits)
    assert list(page.curves()) == ["cost", "accuracy"]
    for name, chart in page.curves().items():
        assert chart["epochs"] == [1, 2, 3, 4]
        series = {item["name"]: item["text"] for item in chart["series"]}
        assert list(series) == ["training", "validation"]
        assert [float(text) for text in series["training"]] == pytest.approx([r[name] for r in records], rel=1e-4)
        expected = [r[f"validation_{name}"] for r in records]
        assert [float(text) for text in series["validation"]] == pytest.approx(expected, rel=1e-4)


def test_curve_is_higher_where_the_value_is(digits):
    chart = page_of(digits).curves()["accuracy"]
    values = [record["accuracy"] for record in metrics_of(digits)]
    heights = [-y for y in chart["series"][0]["y"]]
    assert np.argsort(values).tolist() == np.argsort(heights).tolist()
    assert chart["x"] == sorted(chart["x"])


def test_results_are_those_of_the_record(digits):
    record = json.loads((digits / "record.json").read_text())
    text = page_of(digits).texts["results"]
    for part in (*record["results"].values(), *record["baseline"].values()):
        assert f"{part['cost']:.5g}" in text
        assert f"{part['accuracy']:.5g}" in text
    assert "Of the final model. A baseline gives the same outputs for every example." in text


def test_confusion_matrix_is_that_of_the_metric(digits):
    matrix = json.loads((digits / "record.json").read_text())["results"]["test"]["confusion_matrix"]
    page = page_of(digits)
    words = page.texts["predictions"].split("columns predicted ones.")[1].replace("·", "0").split()
    assert words[:10] == list("0123456789")
    rows = [list(map(int, words[11 * row + 11 : 11 * row + 21])) for row in range(10)]
    assert rows == matrix
    assert f"{np.trace(matrix):.0f} of 270 right, on the test data" in page.texts["predictions"]


def test_worst_examples_are_those_with_the_largest_cost(digits):
    prepared = prepare(open_run(digits, Access(registry)), registry, open_model(digits, Access(registry)))
    batch = prepared.parts["test"].part(0, 270, np.dtype(np.float32))
    (x,), (y,) = batch.inputs, batch.targets
    probability = prepared.model.predict(x)[np.arange(len(y)), y]
    page = page_of(digits)
    costs = [float(cost) for cost in re.findall(r"cost ([\d.e-]+)", page.texts["worst"])]
    assert costs == pytest.approx(sorted(-np.log(probability))[::-1][:12], rel=1e-3)
    assert len(page.all("img")) == 12
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in page.all("img"))


def test_network_has_shapes_and_parameters(digits):
    words = page_of(digits).texts["network"].split()
    words = words[words.index("table") + 1 :]
    assert words[:8] == ["layer", "activation", "output", "parameters", "input", "64", "0", "dense"]
    assert words[-2:] == ["1,210", "parameters."]


def test_record_is_all_there(digits):
    text = page_of(digits).texts["record"]
    record = json.loads((digits / "record.json").read_text())
    assert record["data"]["sha256"] in text
    assert (digits / "experiment.toml").read_text().strip() in text
    for name, version in record["distributions"].items():
        assert f"{name}\n{version}" in text


# --- it escapes everything -----------------------------------------------------------------------------------------


def test_markup_in_names_is_text(copy):
    text = (copy / "experiment.toml").read_text()
    (copy / "experiment.toml").write_text(f"# {HOSTILE}\n{text}")
    metrics = metrics_of(copy)
    (copy / "metrics.jsonl").write_text(
        "".join(json.dumps(record | {f"'\"{HOSTILE}": 1.5}) + "\n" for record in metrics)
    )
    change(
        copy,
        name=HOSTILE,
        reason=HOSTILE,
        status="failed",
        started=None,
        results={HOSTILE: {HOSTILE: 0.5}},
        baseline={HOSTILE: {HOSTILE: 0.25}},
        plugins=[{"distribution": HOSTILE, "version": HOSTILE, "status": HOSTILE}],
        distributions={HOSTILE: HOSTILE},
        environment={HOSTILE: [HOSTILE]},
    )
    page = page_of(copy)
    assert len(page.all("script")) == 1
    assert HOSTILE in page.texts[""]
    for section in ("results", "curves", "record"):
        assert HOSTILE in page.texts[section]


def test_markup_in_the_data_is_text(trained):
    def table(path):
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([HOSTILE, "word", "kind"])
            writer.writerows([[index / 10, f"<i>{index % 3}", (HOSTILE, '"b')[index % 2]] for index in range(60)])

    page = page_of(trained(TABLE, {"table.csv": table}))
    assert len(page.all("script")) == 1
    assert HOSTILE in page.texts["predictions"]
    assert HOSTILE in page.texts["worst"]
    assert "<i>1" in page.texts["worst"]


def test_control_characters_are_replaced(copy):
    change(copy, name="a\x00\x1b[2J\u202eb\ud800c\r\x0b")
    text = report(copy, Access(registry))
    assert "a\ufffd\ufffd[2J\ufffdb\ufffdc\ufffd\ufffd" in text
    assert visible(text) == text  # so that stdout gets the same page as a file
    assert text.encode()


# --- runs of all sorts ---------------------------------------------------------------------------------------------


def test_page_of_many_epochs_keeps_what_stands_out(copy):
    records = [{"epoch": n, "learning_rate": 0.1, "cost": 99.0 if n == 7777 else 1.0 + n % 3} for n in range(1, 20_001)]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    page = page_of(copy)
    chart = page.curves()["cost"]
    assert len(chart["epochs"]) <= MOST_POINTS
    assert chart["series"][0]["text"][chart["epochs"].index(7777)] == "99"
    assert "Figures of every 100th epoch, and the last" in page.texts["curves"]


def test_page_of_one_epoch_has_a_dot(copy):
    (copy / "metrics.jsonl").write_text(json.dumps(metrics_of(copy)[0]) + "\n")
    page = page_of(copy)
    assert [a["class"] for a in page.all("circle")][:2] == ["dot s0", "dot s1"]
    assert page.curves()["cost"]["epochs"] == [1]


def test_learning_rate_that_is_no_number_has_no_curve(copy):
    records = [{"epoch": n, "learning_rate": rate, "cost": 1.0} for n, rate in enumerate([[0.1], 0.1, None], 1)]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert list(page_of(copy).curves()) == ["cost", "learning rate"]


def test_curve_has_a_gap_where_a_value_was_not_finite(copy):
    records = [{"epoch": n, "cost": value} for n, value in enumerate([3.0, 2.0, None, 1.0, 0.5], 1)]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records) + '{"epoch": 6, "co')
    page = page_of(copy)
    path, *_ = (a["d"] for a in page.all("path") if "line" in a["class"])
    assert path.count("M") == 2
    assert page.curves()["cost"]["series"][0]["y"][2] is None


@pytest.mark.parametrize(
    ("costs", "logarithmic"), [([1.0, 0.01], True), ([1.0, 0.5], False), ([1.0, 0.0], False), ([1e308, 5e-324], True)]
)
def test_axis_is_logarithmic_where_that_helps(copy, costs, logarithmic):
    records = [{"epoch": n, "cost": value} for n, value in enumerate(costs, 1)]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert ("logarithmic" in page_of(copy).texts["curves"]) is logarithmic


def test_page_of_a_run_that_diverged_says_what_is_missing(trained):
    page = page_of(trained(REGRESSION, ARRAYS, ["optimizer.learning_rate=1e38"]))
    assert "Training diverged in epoch 1" in page.texts[""]
    assert "No epoch was completed" in page.texts["results"]
    assert "No epoch was completed" in page.texts["curves"]
    assert (
        "holds neither a model nor a checkpoint of a trained one: its status is 'diverged'" in page.texts["predictions"]
    )
    assert "holds neither a model nor a checkpoint of a trained one: its status is 'diverged'" in page.texts["worst"]
    assert "30 parameters." in page.texts["network"]


def write_x(path):
    np.save(path, np.random.default_rng(0).normal(size=(200, 4)))


def write_y(path):
    np.save(path, np.random.default_rng(1).normal(size=(200, 6)))


ARRAYS = {"x.npy": write_x, "y.npy": write_y}


def test_page_of_a_regression_shows_residuals_of_the_first_outputs(trained):
    run = trained(REGRESSION, ARRAYS)
    page = page_of(run)
    prepared = prepare(open_run(run, Access(registry)), registry, open_model(run, Access(registry)))
    batch = prepared.parts["test"].part(0, 30, np.dtype(np.float32))
    (x,), (y,) = batch.inputs, batch.targets
    residuals = prepared.model.predict(x) - y
    assert "The first 4 of 6 outputs are shown." in page.texts["predictions"]
    table = page.texts["predictions"].split("largest\n")[1].split()
    assert [float(table[4 + 5 * k]) for k in range(4)] == pytest.approx(np.abs(residuals).max(axis=0)[:4], rel=1e-3)
    assert len([a for a in page.all("circle") if a.get("r") == "2.5"]) == 4 * len(x)
    assert "(4 numbers)" in page.texts["worst"]


@pytest.mark.parametrize(
    ("predictions", "text"),
    [
        ([1.0, np.inf, np.nan, 2.0], "2 predictions are not finite and are left out."),
        ([np.inf] * 4, "no prediction is finite"),
    ],
    ids=["some", "all"],
)
def test_page_leaves_out_predictions_that_are_not_finite(predictions, text):
    column = np.array([[1.0], [2.0], [3.0], [4.0]])
    said = np.array(predictions)[:, np.newaxis]
    found = Findings("test", 4, {"x": column}, column, said, np.ones(4), "y", (), True)
    assert text in "".join(rights_and_wrongs(found).itertext())


@pytest.mark.parametrize(
    ("truths", "predictions", "figures"),
    [
        ([1.7e308, -1.7e308], [-1.7e308, 1.7e308], ["nan", "nan", "inf"]),
        ([3e300, 0.0], [0.0, 4e300], ["5e+299", "3.5355e+300", "4e+300"]),
        ([1.0, 2.0], [1.0, 2.0], ["0", "0", "0"]),
    ],
    ids=["difference overflows", "square overflows", "none"],
)
def test_page_of_a_regression_takes_labels_of_every_size(truths, predictions, figures):
    truths, predictions = np.array(truths)[:, np.newaxis], np.array(predictions)[:, np.newaxis]
    found = Findings("test", 2, {"x": truths}, truths, predictions, np.ones(2), "y", (), True)
    section = rights_and_wrongs(found)
    assert [cell.text for cell in section.iter("td")][:3] == figures
    heights = [float(bar.get("height")) for bar in section.iter("rect")]
    assert all(height > 0 for height in heights)


def test_page_of_one_probability_has_a_matrix_of_two_classes(trained):
    def labels(path):
        np.save(path, np.arange(200) % 2)

    cost, units = 'type = "binary_cross_entropy"', 'units = 1\nactivation = "sigmoid"'
    text = REGRESSION.replace('type = "mse"', cost).replace("units = 6", units)
    page = page_of(trained(text, {"x.npy": write_x, "y.npy": labels}))
    assert page.texts["predictions"].startswith("Confusion matrix")
    assert re.search(r"\d+ of 30 right", page.texts["predictions"])


def test_page_of_two_classes_has_a_roc_and_a_calibration_curve(table_run):
    text = page_of(table_run).texts["predictions"]
    assert "ROC of low: true positives" in text
    assert "Calibration: share of low" in text


def test_page_of_several_classes_has_a_roc_curve_of_each(digits):
    page = page_of(digits)
    assert "ROC of each class: true positives" in page.texts["predictions"]
    assert "The first classes are shown." in page.texts["predictions"]
    assert "Calibration: share that is right" in page.texts["predictions"]
    assert "columns" not in page.texts  # there is a single one, of 64 pixels


def test_roc_curve_goes_through_the_shares_that_each_threshold_finds():
    truths, scores = np.array(["b", "b", "a", "a"]), np.array([0.9, 0.4, 0.4, 0.1])
    found = findings_of(truths, np.column_stack([1 - scores, scores]))
    roc, calibration = rights_and_wrongs(found).iter("figure")
    place = Scale(0, 1, 60, 360), Scale(0, 1, 312, 12)
    path = "L".join(f"{place[0](x):g},{place[1](y):g}" for x, y in [(0, 0), (0, 0.5), (0.5, 1), (1, 1)])
    assert next(roc.iter("path")).get("d") == f"M{path}"
    path = "L".join(f"{place[0](x):g},{place[1](y):g}" for x, y in [(0.1, 0), (0.4, 0.5), (0.9, 1)])
    assert next(calibration.iter("path")).get("d") == f"M{path}"


def test_page_without_probabilities_or_with_one_class_has_no_roc_curve():
    truths = np.array(["b", "b"])
    assert "ROC of" not in to_html(rights_and_wrongs(findings_of(truths, None)))
    text = to_html(rights_and_wrongs(findings_of(truths, np.full((2, 2), 0.5))))
    assert "ROC of" not in text
    assert "Calibration: share of b" in text


def test_page_of_a_table_ranks_its_columns(table_run):
    page = page_of(table_run)
    text = page.texts["columns"]
    assert re.search(r"\na\n\+\d\.\d+", text)
    assert text.index("\na\n") < text.index("\nidle\n")
    assert "high" in text


def test_page_of_many_columns_leaves_them_out(table_run, monkeypatch):
    monkeypatch.setattr("nnfw.reporting.page._MOST_COLUMNS", 2)
    assert "columns" not in page_of(table_run).texts


@pytest.fixture(scope="module")
def table_run(trained):
    """Return a run on a table of three columns, of which one decides."""

    def table(path):
        rng = np.random.default_rng(3)
        rows = [
            (a, b, word) for a, b, word in zip(*rng.normal(size=(2, 300)), rng.choice(["x", "y"], 300), strict=True)
        ]
        lines = [f"{a},{b},{word},{'low' if a + b / 20 < 0 else 'high'}" for a, b, word in rows]
        path.write_text("a,idle,word,kind\n" + "\n".join(lines) + "\n")

    return trained(TABLE, {"table.csv": table}, ["training.epochs=30", "optimizer.learning_rate=0.05"])


def findings_of(truths, scores):
    """Return findings of a classifier of a and b that always says b."""
    said, losses = np.full(len(truths), "b"), np.zeros(len(truths))
    columns = {"x": np.zeros(len(truths))}
    return Findings("test", len(truths), columns, truths, said, losses, "y", ("a", "b"), True, scores=scores)


def test_page_of_many_classes_shows_those_with_the_most_mistakes(trained):
    def labels(path):
        np.save(path, np.arange(600) % 60)

    def inputs(path):
        np.save(path, np.random.default_rng(0).normal(size=(600, 4)))

    text = REGRESSION.replace('type = "mse"', 'type = "cross_entropy"').replace(
        "units = 6", 'units = 60\nactivation = "softmax"'
    )
    page = page_of(trained(text, {"x.npy": inputs, "y.npy": labels}))
    assert re.search(r"Of \d\d classes, the 20 with the most mistakes are shown", page.texts["predictions"])
    assert "The most frequent mistakes" in page.texts["predictions"]
    assert len([a for a in page.all("td") if re.match(r"(right|wrong) h\d", a.get("class", ""))]) == 400


def test_page_looks_at_a_part_of_much_data_and_says_so(digits, monkeypatch):
    monkeypatch.setattr("nnfw.reporting.findings.MOST_EXAMPLES", 100)
    text = page_of(digits).texts
    assert "The first 100 of 270 examples were examined." in text["predictions"]
    assert re.search(r"\d+ of 100 right", text["predictions"])


def test_page_without_the_data_says_why(trained):
    run = trained(REGRESSION, ARRAYS)
    for name in ARRAYS:
        (run.parent / name).rename(run.parent / f"moved-{name}")
    page = page_of(run)
    assert re.search(r"Not shown: .*\.npy: there is no such file", page.texts["predictions"])
    assert re.search(r"Not shown: .*\.npy: there is no such file", page.texts["worst"])
    assert page.curves()
    assert "30 parameters." in page.texts["network"]


def test_page_takes_moved_data_from_where_it_is_told(trained, tmp_path):
    run = trained(REGRESSION, ARRAYS)
    for name in ARRAYS:
        (run.parent / name).rename(tmp_path / name)
    assert "Not shown" not in "".join(page_of(run, data_directory=tmp_path).texts.values())


def test_page_says_that_the_data_has_changed(copy):
    record = json.loads((copy / "record.json").read_text())
    change(copy, data=record["data"] | {"sha256": "other"})
    assert "The data has changed since the training" in page_of(copy).texts["worst"]


def test_page_without_the_plugin_names_it_and_shows_the_rest(copy):
    text = (copy / "experiment.toml").read_text()
    (copy / "experiment.toml").write_text(text.replace('type = "dense"', 'type = "nnfw-gone:dense"', 1))
    page = page_of(copy)
    assert "nnfw-gone" in page.texts["predictions"]
    assert page.texts["network"].split()[:6] == ["Network", "layer", "0", "nnfw-gone:dense", "1", "dense"]
    assert page.curves()


def test_page_without_an_experiment_says_so(copy):
    (copy / "experiment.toml").unlink()
    page = page_of(copy)
    assert "experiment.toml: there is no such file" in page.texts["record"]
    assert page.curves()


def test_page_of_no_run_is_refused(tmp_path):
    with pytest.raises(nnfw.FileFormatError, match="holds no run that can be read"):
        report(tmp_path, Access(registry))


def test_findings_of_many_classes_count_pairs_and_make_no_matrix(rng):
    classes = tuple(map(str, range(30_000)))
    truths, predictions = (rng.integers(0, len(classes), 500).astype(str) for _ in range(2))
    predictions[:3], truths[:3] = "7", "7"
    found = Findings("test", 500, {}, truths, predictions, np.zeros(500), "kind", classes, same_data=True)
    rows, columns, times = found.pairs()
    assert times[(rows == 7) & (columns == 7)].tolist() == [3]
    tracemalloc.start()
    try:
        text = "".join(rights_and_wrongs(found).itertext())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "3 of 500 right" in text
    assert peak < 32 << 20  # a matrix has 6.7 GiB


def test_page_of_a_run_that_has_gone_on_since_says_which_model_it_shows(trained):
    run = trained(REGRESSION, ARRAYS)
    record = json.loads((run / "record.json").read_text())
    (run / "record.json").write_text(json.dumps({**record, "status": "interrupted"}))
    assert "its model is from the last time that its training finished" in page_of(run).texts["predictions"]
    (run / "model.nnfw").unlink()
    page = page_of(run)
    assert "holds no model: its newest checkpoint is used, after epoch 3." in page.texts["predictions"]
    assert "holds no model: its newest checkpoint is used, after epoch 3." in page.texts["worst"]
