def plot(run: str) -> None:
    """Draw the cost of a run."""
    print(f"drawing {run}")  # noqa: T201
