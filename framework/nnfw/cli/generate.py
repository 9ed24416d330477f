"""``nnfw generate``: text from a network that was trained on characters."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from nnfw.cli.arguments import DataDirectory, Trust
from nnfw.cli.console import message, print_pieces
from nnfw.cli.evaluate import RunOrModel
from nnfw.plugins import default_registry

Prompt = Annotated[str, typer.Option("--prompt", metavar="TEXT", help="The text to continue.")]
Length = Annotated[int, typer.Option("--length", min=0, help="Characters to write.")]
Temperature = Annotated[
    float, typer.Option("--temperature", min=0, help="Below 1 likelier characters, above 1 others; 0: the likeliest.")
]
TopK = Annotated[int | None, typer.Option("--top-k", min=1, help="Draw from so many of the likeliest characters.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws.")]


def generate(
    path: RunOrModel,
    prompt: Prompt,
    length: Length = 200,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    seed: Seed = 0,
    data_dir: DataDirectory = None,
    trust: Trust = False,
) -> None:
    """Write text with a network trained on characters, one character after the other.

    The network sees the last characters, as many as a window of its training has, and gives the probabilities of the
    next one; it is drawn and added. The same seed gives the same text.

    Examples
    --------
    $ nnfw generate runs/characters-20260101-120000 --prompt "KING RICHARD II:" --length 400
    $ nnfw generate runs/characters-20260101-120000 --prompt "To be" --temperature 0.7 --top-k 10 --seed 3
    """
    from nnfw.runs import Access, generate, open_model

    model = open_model(path, Access(default_registry(), message, data_dir, trust))
    characters = generate(model, prompt, length, temperature=temperature, top_k=top_k, seed=seed)
    print_pieces(chain([prompt], characters))
