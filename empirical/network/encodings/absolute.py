"""Absolute positions: a vector for each position is added to the token's."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from empirical.network.encodings.base import Encoding


class Learned(Encoding):
    """A learned vector for each of so many positions."""

    def __init__(self, positions: int, dim: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(positions, dim) * 0.02)

    def embed(self, x_BTC: Tensor, at_BT: Tensor) -> Tensor:
        return x_BTC + F.embedding(at_BT, self.positions)


class Addresses(Encoding):
    """Positional attention (Back de Luca et al. 2024, arXiv 2410.01686): queries and keys are made of learned positions alone.

    How much a query reads from each place is then the same for all digits. A layer has a table of its own.
    """

    def __init__(self, positions: int, dim: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(positions, dim) * 0.02)

    def address(self, x_BTC: Tensor, at_BT: Tensor) -> Tensor:
        position_BTC = F.layer_norm(F.embedding(at_BT, self.positions), x_BTC.shape[-1:])
        return position_BTC.expand(x_BTC.shape)


class Sinusoidal(Encoding):
    """Sines and cosines of geometrically spaced frequencies (Vaswani et al. 2017, arXiv 1706.03762).

    The product of two positions' vectors depends on their distance alone. They are scaled to the size of fresh token vectors, which
    have a standard deviation of 0.02, so that neither drowns the other.
    """

    SCALE = 0.02 * math.sqrt(2)

    def embed(self, x_BTC: Tensor, at_BT: Tensor) -> Tensor:
        angle_BTF = at_BT[..., None] * frequencies(x_BTC.shape[2], at_BT.device)
        return x_BTC + self.SCALE * torch.cat((angle_BTF.sin(), angle_BTF.cos()), -1)


def frequencies(dim: int, device: torch.device) -> Tensor:
    """1, ..., 1/10000 in dim/2 geometric steps."""
    return torch.exp(torch.arange(0, dim, 2, device=device) * (-math.log(10_000) / dim))
