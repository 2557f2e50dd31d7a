"""A small pre-norm GPT with a tied head and no biases; the position encoding is the only variable part.

Shapes: B lines, T tokens, Q query positions, K keys, H heads, E dimensions per head, C channels, V tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from empirical.data.noise import Noise
from empirical.network.encodings import of_attention, of_tokens
from empirical.network.encodings.relative import Table
from empirical.runs.spec import RunSpec
from theory.language.layouts import vocabulary_size

KeysValues = tuple[Tensor, Tensor]
Kept = list[Tensor] | None  # what each layer adds to, where it is asked for


@dataclass
class Cache:
    """Keys and values of the tokens seen so far, per layer."""

    layers: list[KeysValues]


class Dropout(nn.Module):
    """Dropout of the elements that a Noise names; without one, none. The rate is rounded to 1/256: a random byte an element."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.level = round(rate * 256)

    def forward(self, x: Tensor, noise: Noise | None) -> Tensor:
        if noise is None or self.level == 0:
            return x
        return x * noise.keep(x, self.level)


def sparsemax(score: Tensor) -> Tensor:
    """The point of the simplex that is nearest to the scores, over the last dimension (Martins & Astudillo 2016, arXiv 1602.02068).

    Softmax gives each key that is in sight some weight; here those whose scores are well below the largest get exactly 0.
    """
    score = score - score.detach().amax(-1, keepdim=True)
    falling = score.clamp(min=-2).sort(-1, descending=True).values  # what is 1 or more below the largest weighs 0, and so do hidden keys
    excess = falling.cumsum(-1) - 1
    kept = (falling * torch.arange(1, score.shape[-1] + 1, device=score.device) > excess).sum(-1, keepdim=True)
    return (score - excess.gather(-1, kept - 1) / kept).clamp(min=0)


def weigh(score: Tensor, sparse: bool, soft: Tensor | None = None) -> Tensor:
    """Attention weights by scores, over the last dimension; `soft` is the share of softmax in them while sparse attention is trained."""
    if not sparse:
        return score.softmax(-1)
    return sparsemax(score) if soft is None else soft * score.softmax(-1) + (1 - soft) * sparsemax(score)


class Attention(nn.Module):
    """Causal attention; positions enter through `encoding`; only tokens at `offsets` back are seen (None: all)."""

    def __init__(self, spec: RunSpec, positions: int) -> None:
        super().__init__()
        self.heads, self.offsets = spec.heads, spec.offsets
        self.q = nn.Linear(spec.dim, spec.dim, bias=False)
        self.kv = nn.Linear(spec.dim, 2 * spec.dim, bias=False)
        self.out = nn.Linear(spec.dim, spec.dim, bias=False)
        self.encoding, self.sparse = of_attention(spec, positions), spec.sparse
        self.drop_weights, self.drop = Dropout(spec.dropout), Dropout(spec.dropout)

    @property
    def distance(self) -> Tensor:
        """The table of a relative encoding."""
        assert isinstance(self.encoding, Table)
        return self.encoding.distance

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if (old := f"{prefix}distance") in state_dict:  # stored before encodings were modules of their own
            state_dict[f"{prefix}encoding.distance"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(
        self, x_BTC: Tensor, query_Q: Tensor, at_BK: Tensor, past: KeysValues | None, noise: Noise | None = None, scores: Kept = None,
        soft: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:  # fmt: skip
        """Outputs at the tokens `query_Q` (counted from the first cached one), and the extended cache; `at_BK` are all positions."""
        B, T, C = x_BTC.shape
        seen = 0 if past is None else past[0].shape[2]
        address_BTC = self.encoding.address(x_BTC, at_BK[:, seen:])
        k, v = self._keys_values(address_BTC, x_BTC).view(B, T, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        k = self.encoding.turn(k, at_BK[:, seen:])
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        of_BQC, at_BQ = address_BTC, at_BK[:, seen:]
        if len(query_Q) < T:
            of_BQC, at_BQ = of_BQC.index_select(1, query_Q - seen), at_BK[:, query_Q]
        q_BHQE = self.encoding.turn(self.q(of_BQC).view(B, len(query_Q), self.heads, -1).transpose(1, 2), at_BQ)
        product_BHQK = (q_BHQE @ k.transpose(2, 3)).div_(math.sqrt(q_BHQE.shape[-1]))
        back_QK = query_Q[:, None] - torch.arange(k.shape[2], device=x_BTC.device)
        barrier_QK = torch.zeros(back_QK.shape, device=x_BTC.device).masked_fill_(self._hidden(back_QK), -math.inf)
        score_BHQK = self.encoding.score(product_BHQK, q_BHQE, at_BQ, at_BK).add_(barrier_QK)
        if scores is not None:
            scores.append(score_BHQK)
        y_BQC = (self.drop_weights(weigh(score_BHQK, self.sparse, soft), noise) @ v).transpose(1, 2).reshape(B, len(query_Q), C)
        return self.drop(self.out(y_BQC), noise), (k, v)

    def _keys_values(self, address_BTC: Tensor, x_BTC: Tensor) -> Tensor:
        """(B, T, 2C)."""
        if address_BTC is x_BTC:
            both_BTC: Tensor = self.kv(x_BTC)
            return both_BTC
        of_key, of_value = self.kv.weight.chunk(2)
        return torch.cat((F.linear(address_BTC, of_key), F.linear(x_BTC, of_value)), 2)

    def _hidden(self, back_QK: Tensor) -> Tensor:
        """Which keys are out of sight, so many tokens back."""
        if self.offsets is None:
            return back_QK < 0
        if len(self.offsets) == self.offsets[-1] + 1:  # a window
            return (back_QK < 0) | (back_QK > self.offsets[-1])
        return torch.stack([back_QK != offset for offset in self.offsets]).all(0)


class Block(nn.Module):
    """Attention and a GELU MLP, each on a normalised copy of the residual stream."""

    def __init__(self, spec: RunSpec, positions: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(spec.dim, bias=False)
        self.attention = Attention(spec, positions)
        self.norm_mlp = nn.LayerNorm(spec.dim, bias=False)
        self.up = nn.Linear(spec.dim, 4 * spec.dim, bias=False)
        self.down = nn.Linear(4 * spec.dim, spec.dim, bias=False)
        self.drop = Dropout(spec.dropout)

    def forward(
        self, x_BTC: Tensor, query_Q: Tensor, at_BK: Tensor, past: KeysValues | None, noise: Noise | None = None, scores: Kept = None,
        soft: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:  # fmt: skip
        seen = 0 if past is None else past[0].shape[2]
        y_BQC, kept = self.attention(self.norm_attention(x_BTC), query_Q, at_BK, past, noise, scores, soft)
        x_BQC = (x_BTC if len(query_Q) == x_BTC.shape[1] else x_BTC.index_select(1, query_Q - seen)) + y_BQC
        return x_BQC + self.drop(self.down(F.gelu(self.up(self.norm_mlp(x_BQC)))), noise), kept


class GPT(nn.Module):
    """The model of a RunSpec; its encoding knows `positions` positions where they are learned."""

    def __init__(self, spec: RunSpec, positions: int) -> None:
        super().__init__()
        self.counted = spec.numbering == "line"
        self.tokens = nn.Embedding(vocabulary_size(spec.base), spec.dim)
        self.encoding = of_tokens(spec, positions)
        self.blocks = nn.ModuleList(Block(spec, positions) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.dim, bias=False)
        self.drop = Dropout(spec.dropout)
        for name, weight in self.named_parameters():
            if weight.dim() == 2 and "encoding" not in name:
                last = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * spec.layers) if last else 0.02)

    @property
    def positions(self) -> Tensor | None:
        """The table of learned positions, where there is one."""
        return getattr(self.encoding, "positions", None)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if (old := f"{prefix}positions") in state_dict:  # as for Attention
            state_dict[f"{prefix}encoding.positions"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(
        self,
        token_BT: Tensor,
        query_Q: Tensor,
        cache: Cache | None = None,
        at_BT: Tensor | None = None,
        noise: Noise | None = None,
        scores: list[Tensor] | None = None,
        soft: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, Q, V) at the tokens `query_Q` of the sequence; only they pass through the last layer.

        Args:
            token_BT: With a cache, these tokens continue the cached sequence, and the cache grows in place.
            query_Q: Counted from the first cached token.
            cache: Of the tokens before.
            at_BT: The positions of the whole line from its first token on, where they are not counted along it (`Lines.at_NT`).
            noise: For dropout.
            scores: Where given, each layer adds its attention scores (B, H, its queries, keys), -inf for keys out of sight.
            soft: The share of softmax in sparse attention, while it is trained.

        Raises:
            ValueError: the encoding's positions are not counted along the line, and none are given.
        """
        if at_BT is None and not self.counted:
            raise ValueError("this encoding needs the positions of each line: pass Lines.at_NT")
        past = cache.layers if cache is not None and cache.layers else [None] * len(self.blocks)
        seen = 0 if past[0] is None else past[0][0].shape[2]
        until = seen + token_BT.shape[1]
        index_K = torch.arange(until, device=token_BT.device)
        here_T, at_BK = index_K[seen:], index_K[None] if at_BT is None else at_BT[:, :until]
        x_BTC, kept = self.drop(self.encoding.embed(self.tokens(token_BT), at_BK[:, seen:]), noise), []
        for i, block in enumerate(self.blocks):
            x_BTC, pair = block(x_BTC, query_Q if i == len(self.blocks) - 1 else here_T, at_BK, past[i], noise, scores, soft)
            kept.append(pair)
        if cache is not None:
            cache.layers = kept
        return F.linear(self.norm(x_BTC), self.tokens.weight)
