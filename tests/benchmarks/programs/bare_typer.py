"""The least that a command line with Typer does: it imports Typer and prints its help."""

import typer

app = typer.Typer()


@app.command()
def greet(name: str) -> None:
    """Greet NAME."""
    typer.echo(f"Hello {name}")


app()
