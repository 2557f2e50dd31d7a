"""Functional interpolation of relative positions (Li et al. 2023, arXiv 2310.04418)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from empirical.network.encodings.base import Encoding

HIDDEN = 32


class Fire(Encoding):
    """The bias at distance d from query i is a learned function of psi(d) / psi(max(L, i)), psi(x) = log(c x + 1), with c and L learned.

    Up to position L only distances matter; beyond it the distances back to the line's begin are squeezed into [0, 1].
    """

    def __init__(self, threshold: int, heads: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.1))
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))
        self.inner = nn.Parameter(torch.randn(HIDDEN))
        self.shift = nn.Parameter(torch.zeros(HIDDEN))
        self.outer = nn.Parameter(torch.randn(HIDDEN, heads) / HIDDEN)

    def score(self, score_BHQK: Tensor, q_BHQE: Tensor, query_BQ: Tensor, key_BK: Tensor) -> Tensor:
        back_BQK = (query_BQ[:, :, None] - key_BK[:, None, :]).clamp(min=0)
        share_BQK = self._psi(back_BQK) / self._psi(torch.maximum(self.threshold.abs().clamp(min=1), query_BQ))[:, :, None]
        hidden_BQKF = F.relu(share_BQK[..., None] * self.inner + self.shift)
        return score_BHQK + (hidden_BQKF @ self.outer).permute(0, 3, 1, 2)

    def _psi(self, x: Tensor) -> Tensor:
        return ((self.scale.abs() + 1e-6) * x + 1).log()
