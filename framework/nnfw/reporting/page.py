"""The page about a run, put together from its sections."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from nnfw.errors import NnfwError, in_words
from nnfw.experiments import ExperimentFile, Summary, infer_shapes, prepare, summarise
from nnfw.model import load
from nnfw.network import Health
from nnfw.reporting import sections
from nnfw.reporting.findings import Evidence, Findings, evidence_of, examine
from nnfw.reporting.inside import View, inside, views_of
from nnfw.reporting.layers import layers
from nnfw.reporting.markup import Node, node, to_html
from nnfw.runs import dependence, importances, read_run
from nnfw.runs.layout import MODEL
from nnfw.runs.opening import Access, open_run, require_trusted
from nnfw.runs.reading import StoredRun, read_document
from nnfw.storage import Directory
from nnfw.toml import Document

Found = TypeVar("Found")

_THEME = "Dark or light"
_MOST_COLUMNS = 60  # of a table whose columns are looked at: each takes as many passes as it is shuffled
_MOST_CHARTS = 4  # of how predictions depend on a column
_REPEATS = 3


def report(path: Path, access: Access) -> str:
    """Return a page about a run, as HTML that needs no other file and no network.

    The run may have any status. If something is not available, such as the data, the page says why and shows the rest.

    Raises
    ------
    FileFormatError, DataError
        If the directory holds no run that can be read; if the run is not trusted.
    """
    run = read_run(path)
    file = _or_reason(lambda: open_run(path, replace(access, trust=True)))
    if isinstance(file, ExperimentFile):
        require_trusted(file, path, access)
    document = _or_reason(lambda: read_document(path))
    table, text = (document.table, document.text) if isinstance(document, Document) else ({}, document)
    evidence = _or_reason(lambda: evidence_of(path, access))
    if isinstance(evidence, str):
        findings: Findings | str = evidence
        views: Sequence[View] | str = ()  # the other sections say why
        now: Sequence[Health] | str = ()
    else:
        findings = _or_reason(lambda: examine(evidence, run.data.get("sha256")))
        views = _or_reason(lambda: views_of(evidence))
        now = _or_reason(lambda: evidence.prepared.health(through_time=True))
    parts = [
        sections.results(run),
        sections.courses(run),
        layers(run, _or_reason(lambda: run.layers), now),
        sections.rights_and_wrongs(findings),
        sections.worst_examples(findings),
        *_columns(evidence),
        *([inside(views, findings)] if views else []),
        sections.network(_or_reason(lambda: _summary(path, access)), table),
        sections.record(run, text),
    ]
    return _page(run, parts)


def _columns(evidence: Evidence | str) -> list[Node]:
    """Return the section about the columns, where the data has several with one value for each example."""
    if isinstance(evidence, str):
        return []
    model = evidence.prepared.model
    assert model.preprocessing is not None
    features = [each for each in model.preprocessing.columns if not each.shape]
    if not 1 < len(features) == len(model.preprocessing.columns) <= _MOST_COLUMNS:
        return []
    found = _or_reason(lambda: importances(evidence.prepared, evidence.examples, _REPEATS))
    if isinstance(found, str):
        return []
    single = len(model.preprocessing.outputs) == 1
    important = [each.column for each in found[: _MOST_CHARTS * single] if each.change["cost"] > 0]
    charts = [_or_reason(partial(dependence, evidence.prepared, evidence.examples, name)) for name in important]
    return [sections.columns(found, [each for each in charts if not isinstance(each, str)], evidence.part)]


def _summary(path: Path, access: Access) -> Summary:
    """Return the summary of the network; without a model, the data may be needed for the input's shape."""
    file, registry = open_run(path, access), access.registry
    shape = None
    if (path / MODEL).exists():
        shape = load(path / MODEL, registry=registry, inside=Directory(path)).input_shape
    elif infer_shapes(file.experiment, registry) is None:
        shape = prepare(file, registry).model.input_shape
    return summarise(file.experiment, registry, shape, measured=True)


def _or_reason(find: Callable[[], Found]) -> Found | str:
    """Return the result, or in words why there is none."""
    try:
        return find()
    except NnfwError as error:
        return in_words(error)


def _page(run: StoredRun, parts: Sequence[Node]) -> str:
    style, script = (files("nnfw.reporting").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    head = node(
        "head",
        node("meta", attributes={"charset": "utf-8"}),
        node("meta", attributes={"http-equiv": "Content-Security-Policy", "content": _policy(style, script)}),
        node("meta", attributes={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        node("meta", attributes={"name": "color-scheme", "content": "light dark"}),
        node("title", f"{run.name} – nnfw"),
        node("style", style),
    )
    names = [str(part.get("id")) for part in parts]
    links = [node("a", name.capitalize(), attributes={"href": f"#{name}"}) for name in names]
    switch = {"type": "button", "id": "theme", "hidden": "hidden", "aria-label": _THEME, "title": _THEME}
    bar = node("nav", *links, node("button", "◐", attributes=switch), attributes={"aria-label": "Parts of the page"})
    footer = node("footer", f"Written by nnfw from {run.path.resolve().name}.")
    body = node("body", bar, sections.header(run), node("main", *parts), footer, node("script", script))
    return f"<!DOCTYPE html>\n{to_html(node('html', head, body, attributes={'lang': 'en'}))}\n"


def _policy(style: str, script: str) -> str:
    """Return what the browser allows the page: its own style and script, by their hashes, and embedded pictures."""
    style, script = (f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (style, script))
    own = f"style-src {style}; script-src {script}; img-src data:"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
