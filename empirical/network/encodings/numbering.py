"""Positions that are not counted along the line: randomised, abacus and coupled ones.

Shapes: N lines, T tokens. Draws come from a Noise in training, from torch's random state else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from empirical.data.noise import Noise, integers
from theory.errors import InputError
from theory.language.layouts import Slot

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec

NONE = -2  # the place of a token that has none
SPREAD = 4  # randomised positions are drawn from a range so many times the longest line


@dataclass(frozen=True)
class Numbering:
    """How the tokens of a line are numbered; there are `positions` numbers (None: no end).

    - line: 0, 1, 2, ... (no draw)
    - randomised: an ordered random subset of the range, in training and testing alike (Ruoss et al. 2023, arXiv 2305.16843)
    - abacus: a digit of place i has start + i, other tokens 0 (McLeish et al. 2024, arXiv 2405.17399)
    - coupled: the same, and separators have start - 1, the number before the lowest digits' (Cho et al. 2024, arXiv 2405.20671)

    The start is drawn for each line in training, so that all numbers are learned, and is the least in testing.
    """

    kind: str
    positions: int | None = None

    @property
    def first(self) -> int:
        """The least start."""
        return 2 if self.kind == "coupled" else 1

    def places(self, slots: Sequence[Slot]) -> list[int]:
        """For each token its place relative to the start, NONE where it has none.

        Raises:
            InputError: the line needs more numbers than there are.
        """
        if self.positions is not None and (count := self.needs(slots)) > self.positions:
            raise InputError(f"a line of {len(slots)} tokens: the network has positions for {self.positions} only, and it needs {count}")
        separator = -1 if self.kind == "coupled" else NONE
        return [slot.place if slot.kind in "abc" else separator if slot.kind in ("op", "eq") else NONE for slot in slots]

    def needs(self, slots: Sequence[Slot]) -> int:
        """The numbers that a line needs, with the least start."""
        counted = self.kind in ("line", "randomised")
        return len(slots) if counted else self.first + 1 + max((slot.place for slot in slots if slot.kind in "abc"), default=0)

    def draw(self, place_NT: Tensor, training: bool, noise: Noise | None) -> Tensor:
        """Numbers (N, T) of the tokens of lines with these places."""
        assert self.positions is not None
        N, T = place_NT.shape
        if self.kind == "randomised":
            draw_NP = integers(0, 2**53, (N, self.positions), place_NT.device, noise)
            return draw_NP.topk(T, 1).indices.sort(1).values
        start_N1 = torch.full((N, 1), self.first, device=place_NT.device)
        if training:
            free_N1 = self.positions - self.first - place_NT.amax(1, keepdim=True)
            start_N1 = start_N1 + integers(0, 2**53, (N, 1), place_NT.device, noise) % free_N1
        return torch.where(place_NT == NONE, 0, start_N1 + place_NT)


LINE = Numbering("line")


def make_numbering(spec: RunSpec) -> Numbering:
    """The numbering of a run: for all its lengths, trained and tested.

    Randomised positions come from a range four times the longest line. Where all lines are equally wide, a random start would have
    nowhere to go, so half as many numbers again are free for it.
    """
    task, layout = spec.make_task(), spec.make_layout()
    lines = [layout.slots(layout.widths(task, length)) for length in {*spec.train_lengths, *spec.test_lengths}]
    kind = Numbering(spec.numbering)
    longest = max(map(kind.needs, lines))
    if kind.kind == "line":
        return Numbering("line", longest if spec.has_position_table else None)
    if kind.kind == "randomised":
        return Numbering("randomised", SPREAD * longest)
    return Numbering(kind.kind, longest + longest // 2 if layout.fixed else longest)
