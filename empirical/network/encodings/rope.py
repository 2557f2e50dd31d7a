"""Rotary positions (Su et al. 2021, arXiv 2104.09864)."""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.network.encodings.absolute import frequencies
from empirical.network.encodings.base import Encoding


class Rope(Encoding):
    """Queries and keys are turned by angles proportional to their positions, so their products see the distance alone."""

    def turn(self, x_BHTE: Tensor, at_BT: Tensor) -> Tensor:
        angle_BTF = at_BT[..., None] * frequencies(x_BHTE.shape[3], at_BT.device)
        cos, sin = (part[:, None].to(x_BHTE.dtype) for part in (angle_BTF.cos(), angle_BTF.sin()))
        x, y = x_BHTE.chunk(2, -1)
        return torch.cat((x * cos - y * sin, x * sin + y * cos), -1)
