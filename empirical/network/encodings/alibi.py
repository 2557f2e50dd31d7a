"""Attention with linear biases (Press et al. 2021, arXiv 2108.12409)."""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.network.encodings.base import Encoding


class Alibi(Encoding):
    """Scores fall linearly with the distance; the slope of head h of H is 2^(-8h/H), h = 1 .. H."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def score(self, score_BHQK: Tensor, q_BHQE: Tensor, query_BQ: Tensor, key_BK: Tensor) -> Tensor:
        slope_H = torch.exp2(torch.arange(1, self.heads + 1, device=query_BQ.device) * (-8 / self.heads))
        back_BQK = query_BQ[:, :, None] - key_BK[:, None, :]
        return score_BHQK - slope_H[:, None, None] * back_BQK[:, None]
