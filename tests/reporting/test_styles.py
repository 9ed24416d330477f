"""The styles of every page that nnfw writes: no rule stands twice."""

import re
from collections import Counter

import pytest

from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.reporting import rate_picture, report
from nnfw.runs import Access, find_rate

registry = default_registry()


def rules_in(style, context=""):
    """Yield each declaration of a style sheet with its selector and the conditions around it."""
    position = 0
    while (brace := style.find("{", position)) >= 0:
        selectors, depth, end = " ".join(style[position:brace].split()), 1, brace
        while depth:
            end += 1
            depth += {"{": 1, "}": -1}.get(style[end], 0)
        body, position = style[brace + 1 : end], end + 1
        if selectors.startswith("@"):
            yield from rules_in(body, f"{context} {selectors}".strip())
            continue
        for selector in selectors.split(","):
            for declaration in filter(None, map(str.strip, body.split(";"))):
                yield context, selector.strip(), declaration.partition(":")[0].strip()


def twice(page):
    """Return the declarations that stand more than once in the styles of a page."""
    style = "\n".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    found = list(rules_in(style))
    assert found
    return [rule for rule, count in Counter(found).items() if count > 1]


@pytest.mark.parametrize("name", ["digits", "convolution", "text"])
def test_report_holds_no_rule_twice(name, request):
    assert twice(report(request.getfixturevalue(name), Access(registry))) == []


def test_picture_of_rates_holds_no_rule_twice():
    found = find_rate(read_experiment("examples/xor.toml", registry, ()), registry, 1e-4, 1.0, 20)
    assert twice(rate_picture(found)) == []


def test_rules_that_stand_twice_are_found():
    style = "a, b { color: red; margin: 0 } @media print { a { color: blue } a { color: red } } b { color: blue }"
    assert twice(f"<style>{style}</style>") == [("", "b", "color"), ("@media print", "a", "color")]
