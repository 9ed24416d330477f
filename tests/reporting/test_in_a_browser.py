"""Pages in headless Chromium: nothing is asked for, keys and pointer read values, dark mode, and no width overflows."""

import importlib.util
import json
import re
import shutil
from itertools import combinations
from pathlib import Path

import pytest

from nnfw.plugins import default_registry
from nnfw.reporting import report
from nnfw.runs import Access

_spec = importlib.util.spec_from_file_location("headless_browser", Path(__file__).with_name("browser.py"))
headless = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(headless)

pytestmark = pytest.mark.skipif(headless.PROGRAM is None, reason="there is no Chromium to look at pages with")
READING = "document.querySelector('.reading').textContent"
RECTANGLE = "each.getBoundingClientRect()"
GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser():
    """Return a browser."""
    with headless.Browser() as opened:
        yield opened


@pytest.fixture
def page(digits, tmp_path):
    """Return the page about the run on digits."""
    path = tmp_path / "page.html"
    path.write_text(report(digits, Access(default_registry())))
    return path


@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desktop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_opens_without_a_complaint_and_fits(browser, page, tmp_path, width, dark):
    browser.open(page, width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("[...document.images].every((image) => image.naturalWidth === 8)") is True
    red, green, blue = map(int, re.findall(r"\d+", browser.value(GROUND))[:3])
    assert (max(red, green, blue) < 60) is dark
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000


@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desktop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["convolution", "text"])
def test_pictures_of_layers_open_without_a_complaint_and_fit(browser, request, tmp_path, name, width, dark):
    path = tmp_path / "page.html"
    path.write_text(report(request.getfixturevalue(name), Access(default_registry())))
    browser.open(path, width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("[...document.images].every((image) => image.naturalWidth > 0)") is True
    for selector in (".map", ".network .box", ".heat rect"):
        widths = browser.value(f"[...document.querySelectorAll('{selector}')].map((each) => {RECTANGLE}.width)")
        assert widths
        assert min(widths) > 0
    assert browser.value(f"getComputedStyle(document.querySelector('.network .name')).fill === {GROUND}") is False


def test_boxes_of_a_network_hold_their_texts_and_do_not_meet(browser, text, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(report(text, Access(default_registry())))
    browser.open(path)
    sides = f"(each) => (({{left, right, top, bottom}}) => [left, right, top, bottom])({RECTANGLE})"
    groups = (
        f"[...document.querySelectorAll('.network g')].map((g) => [...g.querySelectorAll('rect, text')].map({sides}))"
    )
    boxes = []
    for (left, right, top, bottom), *content in browser.value(groups):
        assert content
        for inner in content:
            assert left <= inner[0] <= inner[1] <= right
            assert top <= inner[2] <= inner[3] <= bottom + 1
        boxes.append((left, right, top, bottom))
    for one, other in combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


def test_arrow_keys_read_the_values(browser, page, digits):
    browser.open(page)
    records = [json.loads(line) for line in (digits / "metrics.jsonl").read_text().splitlines()]
    browser.value("document.querySelector('.plot').focus()")
    for key, epoch in (("Home", 1), ("ArrowRight", 2), ("End", 4), ("ArrowRight", 4), ("ArrowLeft", 3)):
        browser.press(key)
        cost, validation = records[epoch - 1]["cost"], records[epoch - 1]["validation_cost"]
        assert browser.value(READING) == f"epoch {epoch}: training {cost:.5g}, validation {validation:.5g}"


def test_pointer_reads_the_nearest_value(browser, page):
    browser.open(page)
    box = browser.value(
        "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('.plot').getBoundingClientRect())"
    )
    for share, epoch in ((0.99, 4), (0.01, 1)):
        browser.move(box[0] + share * box[2], box[1] + box[3] / 2)
        assert browser.value(READING).startswith(f"epoch {epoch}: ")


def test_charts_are_reached_by_the_keyboard(browser, page):
    browser.open(page)
    reached = []
    for _ in range(12):
        browser.press("Tab")
        reached.append(browser.value("document.activeElement.getAttribute('class') ?? document.activeElement.tagName"))
    assert reached[:8] == ["A"] * 7 + ["BUTTON"]
    assert reached.count("plot") == 2


def test_button_switches_between_light_and_dark(browser, page):
    browser.open(page)
    seen = [browser.value(GROUND)]
    for _ in range(2):
        browser.value("document.getElementById('theme').click()")
        seen.append(browser.value(GROUND))
    assert seen[0] == seen[2] != seen[1]


def test_name_with_a_script_does_nothing(browser, digits, tmp_path):
    run = shutil.copytree(digits, tmp_path / "run")
    hostile = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
    record = json.loads((run / "record.json").read_text()) | {"name": hostile, "reason": hostile}
    (run / "record.json").write_text(json.dumps(record))
    path = tmp_path / "page.html"
    path.write_text(report(run, Access(default_registry())))
    browser.open(path)
    assert browser.value("document.title") == f"{hostile} – nnfw"
    assert browser.value("document.querySelector('h1').textContent").startswith(hostile)
    assert browser.complaints() == []


def test_script_that_is_slipped_into_the_page_is_stopped_by_its_policy(browser, page):
    page.write_text(page.read_text().replace("</main>", "<script>document.title = 'run'</script></main>"))
    browser.open(page)
    assert browser.value("document.title") != "run"
    assert any("Content Security Policy" in str(complaint) for complaint in browser.complaints())
