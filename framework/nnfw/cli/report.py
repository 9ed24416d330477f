"""``nnfw report``: a page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnfw.cli.arguments import DataDirectory, RunPath, Trust
from nnfw.cli.console import message, print_text
from nnfw.plugins import default_registry

STDOUT = Path("-")

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="The page; - is stdout. By default RUN/report.html."),
]


def report(path: RunPath, output: Output = None, data_dir: DataDirectory = None, trust: Trust = False) -> None:
    """Write an HTML page about a run: curves, right and wrong predictions, worst examples, network and record.

    The page is a single file that opens offline in any browser. If the data is not available, the page says so and
    shows the rest. Data outside the run's folder and the current one is read only with --trust, because a run from
    somebody else could name any of your files.

    Examples
    --------
    $ nnfw report runs/digits-20260101-120000
    $ nnfw report runs/digits-20260101-120000 -o digits.html
    """
    from nnfw.reporting import report
    from nnfw.runs import Access
    from nnfw.runs.layout import PAGE
    from nnfw.storage import Directory, replace_file

    page = report(path, Access(default_registry(), data_directory=data_dir, trust=trust))
    if output == STDOUT:
        print_text(page)
        return
    target = output or path / PAGE
    replace_file(target, page.encode(), inside=None if output else Directory(path))
    message(f"{len(page.encode()) / 1024:,.0f} KiB")
    print_text(str(target))
