"""The plain loop that training is measured against, pinned: the same model and lines with nothing left out and nothing reused.

All positions pass through all layers, logits of all positions are computed, dropout is torch's, the optimiser is torch's default, and
decoding runs the whole line anew for each token. Learned absolute positions only.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from empirical.data.lines import Lines
from empirical.runs.spec import RunSpec
from theory.language.layouts import vocabulary_size


class PlainAttention(nn.Module):
    def __init__(self, spec: RunSpec) -> None:
        super().__init__()
        self.heads = spec.heads
        self.q = nn.Linear(spec.dim, spec.dim, bias=False)
        self.kv = nn.Linear(spec.dim, 2 * spec.dim, bias=False)
        self.out = nn.Linear(spec.dim, spec.dim, bias=False)
        self.drop_weights, self.drop = nn.Dropout(spec.dropout), nn.Dropout(spec.dropout)

    def forward(self, x_BTC: Tensor) -> Tensor:
        B, T, C = x_BTC.shape
        q, k, v = (part.view(B, T, self.heads, -1).transpose(1, 2) for part in (self.q(x_BTC), *self.kv(x_BTC).chunk(2, 2)))
        score = q @ k.transpose(2, 3) / math.sqrt(C // self.heads)
        hidden = torch.ones(T, T, dtype=torch.bool, device=x_BTC.device).triu(1)
        weight = self.drop_weights(score.masked_fill(hidden, float("-inf")).softmax(3))
        return self.drop(self.out((weight @ v).transpose(1, 2).reshape(B, T, C)))


class PlainBlock(nn.Module):
    def __init__(self, spec: RunSpec) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(spec.dim, bias=False), nn.LayerNorm(spec.dim, bias=False)
        self.attention = PlainAttention(spec)
        self.up = nn.Linear(spec.dim, 4 * spec.dim, bias=False)
        self.down = nn.Linear(4 * spec.dim, spec.dim, bias=False)
        self.drop = nn.Dropout(spec.dropout)

    def forward(self, x_BTC: Tensor) -> Tensor:
        x_BTC = x_BTC + self.attention(self.norm_attention(x_BTC))
        return x_BTC + self.drop(self.down(F.gelu(self.up(self.norm_mlp(x_BTC)))))


class PlainGPT(nn.Module):
    """Logits of all positions; its weights are named as those of empirical.network.model."""

    def __init__(self, spec: RunSpec, positions: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size(spec.base), spec.dim)
        self.encoding = nn.ParameterDict({"positions": torch.zeros(positions, spec.dim)})
        self.blocks = nn.ModuleList(PlainBlock(spec) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.dim, bias=False)
        self.drop = nn.Dropout(spec.dropout)

    def forward(self, token_BT: Tensor) -> Tensor:
        x_BTC = self.drop(self.tokens(token_BT) + self.encoding["positions"][: token_BT.shape[1]])
        for block in self.blocks:
            x_BTC = block(x_BTC)
        return F.linear(self.norm(x_BTC), self.tokens.weight)


def plain_loss(model: PlainGPT, lines: Lines, use_N: Tensor) -> Tensor:
    """Mean cross-entropy of the answer tokens of the lines in use, from the logits of all positions."""
    logits_NTV = model(lines.token_NT[:, :-1])
    loss_NT = F.cross_entropy(logits_NTV.flatten(0, 1).float(), lines.token_NT[:, 1:].flatten(), reduction="none")
    weight_NT = lines.answer_NT[:, 1:] & use_N[:, None]
    return (loss_NT.view(weight_NT.shape) * weight_NT).sum() / weight_NT.sum().clamp(min=1)


@torch.no_grad()
def plain_greedy(model: PlainGPT, lines: Lines) -> Tensor:
    """Token by token, the whole line anew for each."""
    token_NT = lines.token_NT.clone()
    for t in lines.answer_NT.any(0).nonzero()[:, 0].tolist():
        best_N = model(token_NT[:, :t])[:, -1].argmax(1)
        token_NT[:, t] = torch.where(lines.answer_NT[:, t], best_N, token_NT[:, t])
    return token_NT
