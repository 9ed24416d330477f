"""The result of a gradient check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

EQUATIONS = {1: "1: δ = ∇_a C ⊙ σ'(z)", 2: "2: δ = (w^T δ) ⊙ σ'(z)", 3: "3: ∇_b C = δ", 4: "4: ∇_w C = δ a_prev^T"}


@dataclass(frozen=True)
class Row:
    """The result for one tensor.

    Parameters
    ----------
    name
        ``layers.<i>.<parameter>``, ``layers.<i>.delta`` or ``x``.
    equation
        1 and 2 for δ, 3 for biases, 4 for weights; None for other gradients.
    checked
        How many derivatives were compared, at all points together.
    kinks
        How many of them lie at a kink, where any value between the slopes on both sides is right.
    error
        The largest |a − n|, relative to max(|a|, |n|, 1e-3 · the tensor's largest) and to what rounding makes of the
        cost: up to 1e-5 is right.
    where
        Index of the element of the largest error, or None if it is a direction over the whole tensor.
    analytic, numeric
        Both values there: what backward says, and what the differences say.
    ratio
        analytic / numeric; None where that is not a number.
    hint
        The usual cause of such a ratio, or empty.
    confirmed
        How many of the derivatives the precise method has confirmed or refuted by itself.
    ok
        Whether every derivative agrees.
    """

    name: str
    equation: int | None
    checked: int
    kinks: int
    error: float
    where: tuple[int, ...] | None
    analytic: float
    numeric: float
    ratio: float | None
    hint: str
    confirmed: int
    ok: bool

    @property
    def verdict(self) -> str:
        """``"ok"`` or ``"wrong"``."""
        return "ok" if self.ok else "wrong"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of a table with ``Report.COLUMNS``."""
        equation = EQUATIONS[self.equation] if self.equation else ""
        return self.name, equation, str(self.checked), str(self.kinks), f"{self.error:.1e}", self.verdict

    def explanation(self) -> str:
        """Return both values and the hint in one line."""
        place = "along a direction over all elements" if self.where is None else f"at {list(self.where)}"
        ratio = "" if self.ratio is None else f", ratio {self.ratio:.6g}"
        hint = f": {self.hint}" if self.hint else ""
        return (
            f"{self.name} {place}: backward gives {self.analytic:.10g}, numerical differentiation "
            f"{self.numeric:.10g}{ratio}{hint}."
        )


@dataclass(frozen=True)
class Report:
    """The result of a gradient check: one row per tensor, from the output to the input.

    Parameters
    ----------
    rows
        The tensors.
    examples
        N, the size of the batch.
    problem
        Why nothing could be compared: a component breaks its protocol, or the cost is not finite. Otherwise empty.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("tensor", "equation", "checked", "kinks", "error", "verdict")

    rows: tuple[Row, ...]
    examples: int
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether every gradient is right."""
        return not self.problem and all(row.ok for row in self.rows)

    def explanations(self) -> list[str]:
        """Return one line for each error."""
        return [self.problem] if self.problem else [row.explanation() for row in self.rows if not row.ok]

    def to_table(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"ok": self.ok, **asdict(self)}

    def __str__(self) -> str:
        """Return a table and what is wrong."""
        lines = _aligned([self.COLUMNS, *(row.cells for row in self.rows)]) if self.rows else []
        return "\n".join([*lines, *self.explanations()])


def _aligned(rows: Sequence[Iterable[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
