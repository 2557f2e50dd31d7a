"""What sparse networks read, and their logits with error bounds: the weights of attention are those of sparsemax.

Attention weights are computed in float64, with a bound on what rounding moves them by: projecting on the simplex is nonexpansive, so
scores that are off by e (2-norm) give weights that are off by no more, beside what the sums of the projection round. A key counts as not
read only if its score lies below the threshold by more than twice that in every arithmetic, so that its weight is 0 in all of them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from empirical.network.encodings.absolute import Addresses
from empirical.network.model import GPT, Block, sparsemax
from verify.certificates.rounding import SECOND, TINY, Arithmetic, Ball, Matrix, Scores, matrix


class Reader(Arithmetic):
    """A network with sparse attention, on lines of one length T.

    `reads` (layers, T, T): whether a query may give weight to a key, whatever tokens stand there.
    """

    reads: Tensor

    @abstractmethod
    def scores(self, token_NT: Tensor, query_Q: Tensor) -> Scores:
        """Logits (N Q, V) at the queries of each line."""

    def _score_error(self, q: Ball, k: Ball) -> Tensor:
        """How far the score of each key of (K, H, E) lies from the exact one, for each query of (Q, H, E): (A, H, Q, K)."""
        size = math.sqrt(q.centre.shape[2])
        size_q, size_k = q.size.transpose(1, 2)[..., None], k.size.transpose(1, 2)[:, :, None]  # (A, H, Q, 1), (A, H, 1, K)
        off_q, off_k = q.radius.transpose(1, 2)[..., None], k.radius.transpose(1, 2)[:, :, None]
        error_AHQK = SECOND * ((off_q * size_k + size_q * off_k) / size)
        return error_AHQK + SECOND * self._gamma(q.centre.shape[2] + 4, error_AHQK) * size_q * size_k / size

    def _weight_error(self, error_AHQT: Tensor, largest_HQ: Tensor) -> Tensor:
        """How far a row of weights lies from the exact one (2-norm), by how far its scores do, and by the largest of them: (A, H, Q)."""
        tokens, error_AHQ = error_AHQT.shape[3], error_AHQT.norm(dim=3)
        bound: Tensor = SECOND * (error_AHQ + self._gamma(tokens + 4, error_AHQ) * 2 * (tokens + 1) * (largest_HQ + 1))
        return bound

    def _mixed(self, weight_NHQK: Tensor, moved_ANHQK: Tensor, v: Ball, tokens: int) -> Ball:
        """Values (N, K, H, E) by attention weights that are off by so much, the heads side by side: (N, Q, C). Lines may share weights."""
        y_NQHE, size = torch.einsum("nhqk,nkhe->nqhe", weight_NHQK, v.centre), v.size
        off = torch.einsum("nhqk,ankh->anqh", weight_NHQK, v.radius) + torch.einsum("anhqk,ankh->anqh", moved_ANHQK, size)
        heavy = torch.einsum("nhqk,ankh->anqh", weight_NHQK, size) + off
        return Ball(y_NQHE.flatten(2), (SECOND * (off + self._gamma(tokens + 6, heavy) * heavy) + TINY).norm(dim=-1))


@dataclass(frozen=True)
class Layer:
    """The matrices of a block, values one per head; its attention weights, the keys read, and what rounding moves a row of weights by."""

    v: list[Matrix]
    out: Matrix
    up: Matrix
    down: Matrix
    eps: float
    weight_HTT: Tensor
    read_HTT: Tensor
    error_AHT: Tensor


class Places(Reader):
    """A network whose keys hold places alone: what is read is the same for all lines."""

    def __init__(self, model: GPT, tokens: int) -> None:
        super().__init__(model)
        assert model.positions is not None
        self.place = model.positions[:tokens]
        self.layers = [self._layer(block, tokens) for block in model.blocks if isinstance(block, Block)]
        self.reads = torch.stack([layer.read_HTT.any(0) for layer in self.layers])

    def _layer(self, block: Block, tokens: int) -> Layer:
        here = block.attention
        weight_HTT, read_HTT, error_AHT = self._weights(block, tokens)
        v = [matrix(part) for part in (here.kv.weight.chunk(2)[1] * block.norm_attention.weight).chunk(here.heads)]
        up = matrix(block.up.weight * block.norm_mlp.weight)
        eps = block.norm_mlp.eps
        return Layer(v, matrix(here.out.weight), up, matrix(block.down.weight), eps, weight_HTT, read_HTT, error_AHT)

    def _weights(self, block: Block, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
        """Attention weights, the keys that are not certain to weigh 0, and the bound on what rounding moves a row of weights by."""
        here = block.attention
        assert isinstance(here.encoding, Addresses)
        place = self.normalise(self.exact(here.encoding.positions[:tokens]), 1e-5)
        parts = [[matrix(part) for part in weight.chunk(here.heads)] for weight in (here.q.weight, here.kv.weight.chunk(2)[0])]
        q, k = (self.heads(place, by) for by in parts)  # (T, H, E)
        score_HTT = torch.einsum("qhe,khe->hqk", q.centre, k.centre) / math.sqrt(q.centre.shape[2])
        hidden_TT = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
        error_AHTT = self._score_error(q, k).masked_fill(hidden_TT, 0)
        seen_HTT = score_HTT.masked_fill(hidden_TT, -math.inf)
        weight_HTT = sparsemax(seen_HTT)
        error_AHT = self._weight_error(error_AHTT, score_HTT.abs().masked_fill(hidden_TT, 0).amax(2))
        threshold_HT1 = (seen_HTT - weight_HTT).masked_fill(weight_HTT == 0, -math.inf).amax(2, keepdim=True)
        slack_HT1 = 2 * (error_AHT.amax(0)[..., None] + error_AHTT.amax((0, 3))[..., None])
        unread_HTT = (seen_HTT < threshold_HT1 - slack_HT1) | hidden_TT  # false where a bound is no number
        return weight_HTT, ~unread_HTT | (weight_HTT > 0), error_AHT

    @torch.no_grad()
    def scores(self, token_NT: Tensor, query_Q: Tensor) -> Scores:
        """Logits (N Q, V) at the queries of each line; each layer is computed at the tokens that the next one reads."""
        wanted = [query_Q]
        for layer in self.layers[::-1]:
            read_T = layer.read_HTT[:, wanted[0]].any(0).any(0)
            read_T[wanted[0]] = True
            wanted.insert(0, read_T.nonzero()[:, 0])
        x = self.exact(self.model.tokens.weight).take(token_NT[:, wanted[0]])
        x = self.add(x, Ball(self.place[wanted[0]], torch.zeros(1, dtype=torch.float64)))
        for layer, key_K, query in zip(self.layers, wanted, wanted[1:], strict=False):
            x = self._block(x, layer, key_K, query)
        return self.logits(Ball(x.centre.flatten(0, 1), x.radius.flatten(1, 2)))

    def _block(self, x: Ball, layer: Layer, key_K: Tensor, query_Q: Tensor) -> Ball:
        """Vectors at the queries (N, Q, C), of those at the keys, which the queries are among."""
        v = self.heads(self.normalise(x, layer.eps), layer.v)  # (N, K, H, E)
        weight_HQK = layer.weight_HTT[:, query_Q[:, None], key_K]
        moved_AHQK = layer.error_AHT[:, :, query_Q, None] * layer.read_HTT[:, query_Q[:, None], key_K]
        mixed = self._mixed(weight_HQK[None], moved_AHQK[:, None], v, layer.weight_HTT.shape[2])
        here = torch.searchsorted(key_K, query_Q)
        x = Ball(x.centre[:, here], x.radius[:, :, here])
        return self.mlp(self.add(x, self.linear(mixed, layer.out)), layer.up, layer.down, layer.eps)


class Cells(Reader):
    """A network of one layer whose keys hold digits. A cell is a token at a position: scores are a table over pairs of cells.

    The threshold of sparsemax is at least the largest score less 1, so a key that lies below <bos> by more than 1 weighs 0, whatever else
    stands in the line.
    """

    def __init__(self, model: GPT, allowed: Sequence[Sequence[int]]) -> None:
        """`allowed`: the tokens that can stand at each position; <bos> alone at the first."""
        super().__init__(model)
        (block,) = (block for block in model.blocks if isinstance(block, Block))
        assert model.positions is not None
        here, gain, tokens = block.attention, block.norm_attention.weight, len(allowed)
        at_M = torch.tensor([t for t, found in enumerate(allowed) for _ in found])
        token_M = torch.tensor([token for found in allowed for token in found])
        self.cell_TV = torch.full((tokens, len(model.tokens.weight)), -1).index_put((at_M, token_M), torch.arange(len(at_M)))
        self.x = self.add(self.exact(model.tokens.weight).take(token_M), self.exact(model.positions).take(at_M))
        normal = self.normalise(self.x, block.norm_attention.eps)
        rows = (here.q.weight, *here.kv.weight.chunk(2))
        q, k, self.v = (self.heads(normal, [matrix(part) for part in (weight * gain).chunk(here.heads)]) for weight in rows)
        self.out, self.up, self.down = matrix(here.out.weight), matrix(block.up.weight * block.norm_mlp.weight), matrix(block.down.weight)
        self.eps = block.norm_mlp.eps
        hidden_MM = at_M[:, None] < at_M
        self.score_HMM = torch.einsum("qhe,khe->hqk", q.centre, k.centre) / math.sqrt(q.centre.shape[2])
        error_AHMM = self._score_error(q, k).masked_fill(hidden_MM, 0)
        worst_AHMT = torch.stack([error_AHMM[..., at_M == t].amax(-1) for t in range(tokens)], -1)
        self.error_AHM = self._weight_error(worst_AHMT, self.score_HMM.abs().masked_fill(hidden_MM, 0).amax(2))
        self.slack_HM = 2 * (self.error_AHM.amax(0) + error_AHMM.amax((0, 3)))
        surely_below_HM1 = self.score_HMM[..., :1] - 1 - self.slack_HM[..., None]
        unread_HMM = (self.score_HMM < surely_below_HM1) | hidden_MM  # false where a bound is no number
        stands_TM = (torch.arange(tokens)[:, None] == at_M).double()
        self.reads = (stands_TM @ (~unread_HMM).any(0).double() @ stands_TM.T > 0)[None]

    @torch.no_grad()
    def scores(self, token_NT: Tensor, query_Q: Tensor) -> Scores:
        tokens = token_NT.shape[1]
        cell_NT = self.cell_TV[torch.arange(tokens), token_NT]
        query_NQ = cell_NT[:, query_Q]
        hidden_QT = torch.arange(tokens) > query_Q[:, None]
        score_NHQT = self.score_HMM[:, query_NQ[..., None], cell_NT[:, None]].transpose(0, 1).masked_fill(hidden_QT, -math.inf)
        weight_NHQT = sparsemax(score_NHQT)
        threshold_NHQ1 = (score_NHQT - weight_NHQT).masked_fill(weight_NHQT == 0, -math.inf).amax(3, keepdim=True)
        slack_NHQ1 = self.slack_HM[:, query_NQ].transpose(0, 1)[..., None]
        read_NHQT = ~((score_NHQT < threshold_NHQ1 - slack_NHQ1) | hidden_QT) | (weight_NHQT > 0)
        moved_ANHQT = self.error_AHM[:, :, query_NQ].transpose(1, 2)[..., None] * read_NHQT
        mixed = self._mixed(weight_NHQT, moved_ANHQT, self.v.take(cell_NT), tokens)
        x = self.mlp(self.add(self.x.take(query_NQ), self.linear(mixed, self.out)), self.up, self.down, self.eps)
        return self.logits(Ball(x.centre.flatten(0, 1), x.radius.flatten(1, 2)))
