"""A small pre-norm GPT with a tied head and no biases; the position encoding is the only variable part.

Shapes: B lines, T tokens, Q query positions, K keys, H heads, E dimensions per head, C channels, V tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from empirical.spec import RunSpec
from theory.language.layouts import vocabulary_size


@dataclass
class Cache:
    """Keys and values of the tokens seen so far, per layer."""

    layers: list[tuple[Tensor, Tensor]]


class Dropout(nn.Module):
    """Dropout whose mask costs one random byte an element; the rate is rounded to 1/256."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.level = round(rate * 256)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.level == 0:
            return x
        keep = torch.empty_like(x, dtype=torch.uint8).random_(0, 256) >= self.level
        return x * keep * (256 / (256 - self.level))


class Attention(nn.Module):
    """Causal attention; `mechanism` shaw adds q.R[distance], bias adds b[distance]; only tokens at `offsets` back are seen (None: all)."""

    row: Tensor

    def __init__(self, spec: RunSpec) -> None:
        super().__init__()
        self.heads, self.offsets, self.mechanism = spec.heads, spec.offsets, spec.mechanism
        seen = range(spec.max_distance + 1) if self.offsets is None else self.offsets
        self.furthest = max(seen)
        row = torch.full((self.furthest + 1,), -1)
        row[list(seen)] = torch.arange(len(seen))
        self.register_buffer("row", row, persistent=False)  # of `distance`, by how far back; -1 where nothing is seen
        size = spec.dim // spec.heads
        self.q = nn.Linear(spec.dim, spec.dim, bias=False)
        self.kv = nn.Linear(spec.dim, 2 * spec.dim, bias=False)
        self.out = nn.Linear(spec.dim, spec.dim, bias=False)
        if self.mechanism == "shaw":
            self.distance = nn.Parameter(torch.randn(len(seen), size) * 0.02)
        elif self.mechanism == "bias":
            self.distance = nn.Parameter(torch.zeros(len(seen), spec.heads))
        self.drop_weights, self.drop = Dropout(spec.dropout), Dropout(spec.dropout)

    def forward(self, x_BTC: Tensor, query_Q: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Outputs at the positions `query_Q` (counted from the first cached token), and the extended cache."""
        B, T, C = x_BTC.shape
        k, v = self.kv(x_BTC).view(B, T, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = 0 if past is None else past[0].shape[2]
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        x_BQC = x_BTC if len(query_Q) == T else x_BTC[:, query_Q - seen]
        q_BHQE = self.q(x_BQC).view(B, len(query_Q), self.heads, -1).transpose(1, 2)
        score_BHQK = q_BHQE @ k.transpose(2, 3) / math.sqrt(q_BHQE.shape[-1])
        back_QK = query_Q[:, None] - torch.arange(k.shape[2], device=x_BTC.device)
        row_QK = self.row[back_QK.clamp(0, self.furthest)]
        if self.mechanism == "shaw":
            by_distance = q_BHQE @ self.distance.T / math.sqrt(q_BHQE.shape[-1])
            score_BHQK = score_BHQK + by_distance.gather(3, row_QK.expand(*score_BHQK.shape))
        elif self.mechanism == "bias":
            score_BHQK = score_BHQK + self.distance[row_QK].permute(2, 0, 1)
        hidden_QK = back_QK < 0 if self.offsets is None else (back_QK < 0) | (back_QK > self.furthest) | (row_QK < 0)
        weight_BHQK = self.drop_weights(score_BHQK.masked_fill(hidden_QK, float("-inf")).softmax(3))
        y_BQC = (weight_BHQK @ v).transpose(1, 2).reshape(B, len(query_Q), C)
        return self.drop(self.out(y_BQC)), (k, v)


class Block(nn.Module):
    """Attention and a GELU MLP, each on a normalised copy of the residual stream."""

    def __init__(self, spec: RunSpec) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(spec.dim, bias=False)
        self.attention = Attention(spec)
        self.norm_mlp = nn.LayerNorm(spec.dim, bias=False)
        self.up = nn.Linear(spec.dim, 4 * spec.dim, bias=False)
        self.down = nn.Linear(4 * spec.dim, spec.dim, bias=False)
        self.drop = Dropout(spec.dropout)

    def forward(self, x_BTC: Tensor, query_Q: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        seen = 0 if past is None else past[0].shape[2]
        y_BQC, kept = self.attention(self.norm_attention(x_BTC), query_Q, past)
        x_BQC = (x_BTC if len(query_Q) == x_BTC.shape[1] else x_BTC[:, query_Q - seen]) + y_BQC
        return x_BQC + self.drop(self.down(F.gelu(self.up(self.norm_mlp(x_BQC))))), kept


class GPT(nn.Module):
    """The model of a RunSpec; `positions` tokens at most when the encoding is absolute."""

    def __init__(self, spec: RunSpec, positions: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size(spec.base), spec.dim)
        self.positions = nn.Parameter(torch.randn(positions, spec.dim) * 0.02) if spec.mechanism == "learned" else None
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.dim, bias=False)
        self.drop = Dropout(spec.dropout)
        for name, weight in self.named_parameters():
            if weight.dim() == 2 and "distance" not in name and "positions" not in name:
                last = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * spec.layers) if last else 0.02)

    def forward(self, token_BT: Tensor, query_Q: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits (B, Q, V) at the positions `query_Q` of the sequence; only they pass through the last layer.

        With a cache, `token_BT` continues the cached sequence, and the cache grows in place.
        """
        past = cache.layers if cache is not None and cache.layers else [None] * len(self.blocks)
        seen = 0 if past[0] is None else past[0][0].shape[2]
        here_T = torch.arange(seen, seen + token_BT.shape[1], device=token_BT.device)
        x_BTC = self.tokens(token_BT)
        if self.positions is not None:
            x_BTC = x_BTC + self.positions[here_T]
        x_BTC, kept = self.drop(x_BTC), []
        for i, block in enumerate(self.blocks):
            x_BTC, pair = block(x_BTC, query_Q if i == len(self.blocks) - 1 else here_T, past[i])
            kept.append(pair)
        if cache is not None:
            cache.layers = kept
        return F.linear(self.norm(x_BTC), self.tokens.weight)
