"""What the check of a network finds, whichever way its inputs are enumerated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[int, int], None]
LISTED = 10  # failing contexts that are shown, of those kept


@dataclass(frozen=True)
class Failure:
    """A context answered wrongly: its tokens, the wrong answer, the true one (-1: several), and the size of the least input that shows it.

    `groups` are the groups before the query's own, in a band the digits of the operands.
    """

    tokens: tuple[int, ...]
    given: int
    truth: int
    groups: int


@dataclass(frozen=True)
class WrongInput:
    """Operands on which the stored network was run, and was wrong; `answer` is null where it wrote no number."""

    digits: int
    a: int
    b: int
    truth: int
    answer: int | None


@dataclass(frozen=True)
class Findings:
    """What the contexts of a network show.

    Attributes:
        contexts: How many there are.
        contexts_sha256: Digest of their tokens and true answers, in order.
        failing: How many are answered wrongly.
        failures: Some of them, those of the shortest inputs first.
        margin: The smallest lead of a true digit over another token, in logits.
        rounding: By arithmetic, the most that its rounding can move a lead; null where it is not bounded.
        proved: The arithmetics for which every lead exceeds what rounding can move.
        deviation: The largest difference between a logit of the stored network in float32 and in float64.
        faithful: Whether all those differences lie within the error bounds; if not, nothing is proved.
        open: The least size of inputs that reach a context not proved right (bands: operand digits); null where all are.
        total: How many there would be, where some were tried alone; else null.
        unsure: Of a sparse network, inputs that are not proved right or wrong in float64, or on which float32 differs.
    """

    contexts: int
    contexts_sha256: str
    failing: int
    failures: tuple[Failure, ...]
    margin: float | None
    rounding: dict[str, float | None]
    proved: tuple[str, ...]
    deviation: float | None
    faithful: bool
    open: int | None
    total: int | None = None
    unsure: int = 0


def leads(logit_NV: Tensor, truth_N: Tensor) -> Tensor:
    """How far the true token is ahead of each other one; infinite for itself, and no number where there is no one true token."""
    index_N1 = truth_N.clamp(min=0)[:, None]
    lead_NV = (logit_NV.gather(1, index_N1) - logit_NV).scatter(1, index_N1, math.inf)
    return lead_NV.where(truth_N[:, None] >= 0, math.nan)


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
