"""Tables over the distance: Shaw's vectors, clipped biases, and T5's biases over growing buckets of distances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from empirical.network.encodings.base import Encoding


class Table(Encoding):
    """Weights `distance`, one row for each class of distances; `rows` says which row each distance has, the last for all beyond it."""

    row: Tensor

    def __init__(self, rows: list[int], columns: int, scale: float) -> None:
        super().__init__()
        self.register_buffer("row", torch.tensor(rows), persistent=False)
        self.distance = nn.Parameter(torch.randn(max(rows) + 1, columns) * scale if scale else torch.zeros(max(rows) + 1, columns))

    def rows(self, query_BQ: Tensor, key_BK: Tensor) -> Tensor:
        back_BQK = query_BQ[:, :, None] - key_BK[:, None, :]
        return self.row[back_BQK.clamp(0, len(self.row) - 1)]


def clipped(offsets: tuple[int, ...] | None, furthest: int) -> list[int]:
    """One row for each distance that is seen; a row of its own where attention sees certain offsets only (0 where it sees nothing)."""
    if offsets is None:
        return list(range(furthest + 1))
    return [offsets.index(back) if back in offsets else 0 for back in range(max(offsets) + 1)]


class Shaw(Table):
    """A vector R[distance], added to the keys (Shaw et al. 2018, arXiv 1803.02155): the score is q.(k + R) / sqrt(E)."""

    def __init__(self, offsets: tuple[int, ...] | None, furthest: int, size: int) -> None:
        super().__init__(clipped(offsets, furthest), size, 0.02)

    def score(self, score_BHQK: Tensor, q_BHQE: Tensor, query_BQ: Tensor, key_BK: Tensor) -> Tensor:
        by_row_BHQR = q_BHQE @ self.distance.T / math.sqrt(q_BHQE.shape[-1])
        row_B1QK = self.rows(query_BQ, key_BK)[:, None]
        return score_BHQK + by_row_BHQR.gather(3, row_B1QK.expand(score_BHQK.shape))


class Bias(Table):
    """A number b[distance] for each head, added to the scores."""

    def score(self, score_BHQK: Tensor, q_BHQE: Tensor, query_BQ: Tensor, key_BK: Tensor) -> Tensor:
        return score_BHQK + self.distance[self.rows(query_BQ, key_BK)].permute(0, 3, 1, 2)


class ClippedBias(Bias):
    """Every distance up to the furthest has a bias of its own; that of windows and bands, too."""

    def __init__(self, offsets: tuple[int, ...] | None, furthest: int, heads: int) -> None:
        super().__init__(clipped(offsets, furthest), heads, 0.0)


class T5Bias(Bias):
    """Biases over buckets of distances (Raffel et al. 2019, arXiv 1910.10683), a quarter as many as the furthest distance.

    The first half of the buckets hold one distance each; the others grow geometrically, up to the furthest distance.
    """

    def __init__(self, furthest: int, heads: int) -> None:
        super().__init__(buckets(furthest), heads, 0.0)


def buckets(furthest: int) -> list[int]:
    """The bucket of each distance 0 .. furthest.

    >>> buckets(16)
    [0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    """
    count = max(2, furthest // 4)
    single, out = count // 2, []
    for back in range(furthest + 1):
        steps, grown = 0, count - single  # the largest step with single * (furthest / single)^(step / grown) <= back, in whole numbers
        while steps + 1 < grown and single ** (grown - steps - 1) * furthest ** (steps + 1) <= back**grown:
            steps += 1
        out.append(back if back < single else single + steps)
    return out
