"""``nnfw check`` and ``nnfw gradcheck``: the rules of components, and the gradients of networks."""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import ExperimentPath, Overrides
from nnfw.cli.completion import Kind, complete_names
from nnfw.cli.console import CLEAR, Json, is_terminal, message, print_heading, print_json, print_table, print_text
from nnfw.plugins import TYPE, default_registry

if TYPE_CHECKING:
    from nnfw.testing import Check, Conformance, Outcome, Subject

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME[:OPTION=VALUE,...]]...",
        help="A distribution, components as nnfw show names them, with options if need be, or accelerators.",
        show_default=False,
        autocompletion=complete_names,
    ),
]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="ID", help="Run this check only. Repeatable.")]
List = Annotated[bool, typer.Option("--list", help="List the checks and what they require.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every check, and why some are skipped.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long one check may take.")]
Examples = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="How many training examples to take.")]
Precise = Annotated[
    bool, typer.Option("--precise", help="Ask SciPy's adaptive method too; takes several times as long.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of noise, and of what is drawn to be checked.")]


def check(
    ctx: typer.Context,
    names: Names = None,
    only: Only = None,
    kind: Kind = None,
    list_checks: List = False,
    verbose: Verbose = False,
    timeout: Timeout = 20.0,
    json: Json = False,
) -> None:
    """Check that components keep the rules of their kind, and that their derivatives are right.

    A distribution stands for all its components and accelerators. A component is made from its defaults, from the
    examples that its plugin declares, or from the options given here. The exit status is 0 if all checks pass, and 1 if
    one fails. With --debug, an error that a component raises is shown with its traceback, from the author's own code.

    Examples
    --------
    $ nnfw check nnfw-swish
    $ nnfw check layer:dense:units=3,activation=tanh --verbose
    $ nnfw check --list --kind layer
    """
    from nnfw.conformance.running import all_checks, checks_of

    default_registry().components(kind)  # refuses an unknown kind
    if list_checks:
        _list(checks_of(kind) if kind else all_checks(), json)
        return
    if not names:
        raise typer.BadParameter("name a distribution or a component, or ask for --list.", param_hint="'NAME'")
    report = _run(names, kind, only or (), timeout)
    if json:
        print_json(report.to_table())
    else:
        _print(report, verbose)
    if ctx.find_root().obj:  # --debug
        _print_tracebacks(report.failures)
    if not report.ok:
        raise typer.Exit(1)


def gradcheck(
    file: ExperimentPath,
    overrides: Overrides = None,
    batch: Examples = 8,
    seed: Seed = 0,
    precise: Precise = False,
    json: Json = False,
) -> None:
    """Check the gradients of an experiment's network against numerical differentiation.

    The first training examples go through the untrained network. From the output to the input, every layer's δ, biases
    and weights as the backward pass gives them (Equations 1 to 4) are compared with differences of the cost. The exit
    status is 0 if all agree, and 1 if one is wrong.

    Examples
    --------
    $ nnfw gradcheck examples/xor.toml
    $ nnfw gradcheck examples/digits.toml --batch 4 --set "model.layers[0].activation=gelu"
    """
    import numpy as np

    from nnfw.checking import Report, check_pass
    from nnfw.experiments import prepare, read_experiment

    registry = default_registry()
    prepared = prepare(read_experiment(file, registry, overrides or ()), registry)
    examples = prepared.parts["training"].sample.part(0, batch, np.dtype(np.float64))
    report = check_pass(prepared.model, examples, prepared.objective, precise=precise, seed=seed)
    if json:
        print_json(report.to_table())
    else:
        if report.rows:
            print_table(Report.COLUMNS, [row.cells for row in report.rows])
        print_heading(f"\nAll gradients are right, for {report.examples} examples." if report.ok else "\nWrong")
        if not report.ok:
            print_text("\n".join(report.explanations()))
    if not report.ok:
        raise typer.Exit(1)


def _list(checks: Iterable[Check], json: bool) -> None:
    rows = [(item.id, item.meaning) for item in checks]
    if json:
        print_json([{"id": name, "meaning": meaning} for name, meaning in rows])
    else:
        print_table(("check", "requires"), rows)


def _run(names: Iterable[str], kind: str | None, only: Iterable[str], timeout: float) -> Conformance:
    from nnfw.experiments.component_text import parse_component
    from nnfw.testing import Conformance, run_checks

    outcomes: list[Outcome] = []
    for text in dict.fromkeys(names):
        options = parse_component(text)
        report = run_checks(
            options.pop(TYPE),
            options=options or None,
            only=tuple(only),
            kind=kind,
            seconds=timeout,
            progress=_show_progress if is_terminal(sys.stderr) else None,
        )
        outcomes += report.outcomes
    if is_terminal(sys.stderr):
        sys.stderr.write(CLEAR)
    return Conformance(tuple(outcomes))


def _show_progress(subject: Subject[object]) -> None:
    sys.stderr.write(f"{CLEAR}checking {subject.name}")
    sys.stderr.flush()


def _print(report: Conformance, verbose: bool) -> None:
    print_table(report.COLUMNS, report.rows())
    if verbose:
        print_text()
        rows = [(item.component, item.check, item.status, item.message) for item in report.outcomes]
        print_table(("component", "check", "status", "remark"), rows)
    if report.ok:
        print_heading("\nAll checks passed.")
        return
    print_heading("\nFailed")
    from nnfw.conformance.running import all_checks

    meanings = {item.id: item.meaning for item in all_checks()}
    found = Counter((item.component, item.message) for item in report.failures)
    for item in report.failures:
        count = found.pop((item.component, item.message), 0)  # most errors are met by many checks
        if count:
            print_text(f"{item.component}: {item.check}\n  required: {meanings[item.check]}\n  found: {item.message}")
        if count > 1:
            print_text(f"  {count - 1} more failed for the same reason; --verbose lists them.")


def _print_tracebacks(failures: Iterable[Outcome]) -> None:
    shown: set[tuple[str, ...]] = set()
    for item in failures:
        if item.error is None:
            continue
        lines = tuple(traceback.format_exception(item.error))
        if lines not in shown:  # most errors are raised in many checks
            shown.add(lines)
            message(f"\n{item.component}: {item.check}\n{''.join(lines)}")
