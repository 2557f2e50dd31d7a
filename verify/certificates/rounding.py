"""How far rounding can move the logits of a network: a running error analysis of empirical.network.model.GPT in evaluation mode.

Three things are told apart: the exact logits (real arithmetic on the stored weights), the float64 logits computed here, and the logits of
any other evaluation. For each vector on the way a radius is carried along, such that every evaluation of unit roundoff at most u stays
within it of the exact vector, in the 2-norm. That holds for float64 with u = 2^-53 and for float32 with u = 2^-24, whatever the batch, the
length of the line around the context, the order of summation, fused or not, cached or not, as long as

- a single + - * / and square root has relative error at most u, and a sum of n products therefore an error of at most
  gamma_n = n u / (1 - n u) times the sum of their absolute values (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1),
- exp has relative error at most FUNCTION u, and erf absolute error at most FUNCTION u (torch's vector library states 1 unit; the coarser
  exp of its fused attention kernels is not meant, and empirical.network.model calls none),
- nothing overflows, and weights are not so small that products with them do (other underflow is covered: it adds less than TINY),
- keys out of sight (outside the window or band) get the score -inf, hence the weight exactly 0: adding 0 * v = 0 to a sum is exact, so
  they change nothing.

How a radius grows: a matrix W multiplies it by its spectral norm and adds gamma_n |W| |x|; layer normalisation divides it by the standard
deviation; GELU multiplies it by at most 1.13; softmax turns errors of at most d in the scores into relative errors of exp(2d) - 1 in the
weights, and since weights sum to 1 these act on v_k - y only. First-order terms are multiplied by SECOND for the products of small terms
that are left out. That needs relative errors below SMALL at each step: a larger one makes the radius infinite, and nothing is proved. The
radii are themselves computed in float64 from norms that are a few units off, for which SECOND leaves ample room too.

What is not proved: that torch keeps to these assumptions. certificates.proof therefore runs the stored network itself, in float32, on every
context as well, and refuses to certify if a logit lies outside its radius.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from empirical.network.model import GPT, Block

#: the arithmetics that are bounded, with their unit roundoffs; radii have one row for each
ARITHMETICS = {"float64": 2.0**-53, "float32": 2.0**-24}
FUNCTION = 8.0
GELU_SLOPE = 1.13  # the largest derivative of x Phi(x) is 1.1289...
SECOND = 1.02
SMALL = 5e-3
TINY = 2.0**-100


@dataclass(frozen=True)
class Ball:
    """Vectors of the float64 evaluation (..., C), and the radius of each around the exact one, by arithmetic: (A, ...)."""

    centre: Tensor
    radius: Tensor

    @property
    def size(self) -> Tensor:
        """A bound of the norm of the vector in every evaluation, (A, ...)."""
        size: Tensor = self.centre.norm(dim=-1) + 2 * self.radius
        return size

    def take(self, index: Tensor) -> Ball:
        """Rows of a table."""
        return Ball(self.centre[index], self.radius[:, index])

    def last(self) -> Ball:
        """The last position, of vectors (N, T, ...)."""
        return Ball(self.centre[:, -1:], self.radius[:, :, -1:])


@dataclass(frozen=True)
class Matrix:
    """A matrix with the spectral norms of itself and of its absolute values."""

    weight: Tensor
    spectral: float
    absolute: float


def matrix(weight: Tensor) -> Matrix:
    return Matrix(weight, *(float(torch.linalg.matrix_norm(w, 2)) for w in (weight, weight.abs())))


@dataclass(frozen=True)
class Layer:
    """The matrices of a block, one per head for queries, keys and values; gains of the layer normalisations are multiplied in."""

    q: list[Matrix]
    k: list[Matrix]
    v: list[Matrix]
    out: Matrix
    up: Matrix
    down: Matrix
    bias: Tensor
    offsets: tuple[int, ...]
    eps: float

    @classmethod
    def of(cls, block: Block) -> Layer:
        here = block.attention
        assert here.offsets is not None
        rows = (here.q.weight, *here.kv.weight.chunk(2))
        q, k, v = ([matrix(part) for part in (weight * block.norm_attention.weight).chunk(here.heads)] for weight in rows)
        up = matrix(block.up.weight * block.norm_mlp.weight)
        return cls(q, k, v, matrix(here.out.weight), up, matrix(block.down.weight), here.distance, here.offsets, block.norm_mlp.eps)


@dataclass(frozen=True)
class Scores:
    """Logits (N, V) in float64; radius and rounding (A, N) of the last vector, and the matrix (V, C) that turns it into logits."""

    logits: Tensor
    radius: Tensor
    rounding: Tensor
    head: Tensor

    def error(self) -> Tensor:
        """How far each logit of an evaluation can lie from the exact one, (A, N, V)."""
        error: Tensor = SECOND * (self.radius + self.rounding)[..., None] * self.head.norm(dim=1)
        return error

    def lead_error(self, token_N: Tensor) -> Tensor:
        """How far the lead of one token over each other can lie from the exact one, (A, N, V)."""
        apart_NV = (self.head[:, None] - self.head).norm(dim=2)[token_N]
        norm_V = self.head.norm(dim=1)
        both_NV = norm_V[token_N][:, None] + norm_V
        error: Tensor = SECOND * (self.radius[..., None] * apart_NV + self.rounding[..., None] * both_NV)
        return error


class Arithmetic:
    """A network in float64, and what becomes of radii in the parts that every network has."""

    def __init__(self, model: GPT) -> None:
        """The model is turned to float64 in place."""
        self.model = model.double().requires_grad_(False)
        self.u_A = torch.tensor(list(ARITHMETICS.values()), dtype=torch.float64)
        self.head = self.model.tokens.weight * self.model.norm.weight

    def exact(self, x: Tensor) -> Ball:
        """Stored vectors, which no rounding has touched."""
        return Ball(x, torch.zeros(len(self.u_A), *x.shape[:-1], dtype=torch.float64))

    def _gamma(self, terms: float, like: Tensor) -> Tensor:
        """gamma_n, to be multiplied with a bound (A, ...)."""
        nu = terms * self.u_A.view(-1, *(1,) * (like.dim() - 1))
        return nu / (1 - nu)

    def linear(self, x: Ball, by: Matrix) -> Ball:
        rounding = self._gamma(by.weight.shape[1] + 1, x.radius) * by.absolute * x.size
        return Ball(x.centre @ by.weight.T, SECOND * (by.spectral * x.radius + rounding) + TINY)

    def heads(self, x: Ball, by: list[Matrix]) -> Ball:
        """(..., H, E)."""
        parts = [self.linear(x, one) for one in by]
        return Ball(torch.stack([part.centre for part in parts], -2), torch.stack([part.radius for part in parts], -1))

    def add(self, x: Ball, y: Ball) -> Ball:
        total, radius = x.centre + y.centre, x.radius + y.radius
        return Ball(total, radius + SECOND * self._gamma(1, radius) * (total.norm(dim=-1) + 2 * radius))

    def normalise(self, x: Ball, eps: float) -> Ball:
        """z = (x - mean) / s, s^2 = variance + eps: |dz/dx| <= 1/s, least favourable at the edge of the ball.

        Rounding: whichever way the variance is computed, from deviations or from squares, its error is at most 3 gamma mean(x^2), which
        is 3/2 gamma (|x| / s)^2 / n in 1/s; the mean is off by at most gamma |x| / sqrt(n) in each of n places; the rest is a few units.
        """
        n = x.centre.shape[-1]
        deviation = x.centre.std(dim=-1, unbiased=False)
        s = ((deviation - 2 * x.radius / math.sqrt(n)).clamp(min=0) ** 2 + eps).sqrt()
        gamma = self._gamma(n + 12, x.radius)
        relative = _small(1.5 * gamma * (x.size / s) ** 2 / n + gamma)
        centre = F.layer_norm(x.centre, (n,), None, None, eps)
        return Ball(centre, SECOND / s * (x.radius + relative * x.size) + TINY)

    def gelu(self, x: Ball) -> Ball:
        """Rounding: |x|/2 (1 + erf) is off by at most FUNCTION + 8 units of |x|, the argument of erf being off by two."""
        return Ball(F.gelu(x.centre), SECOND * (GELU_SLOPE * x.radius + self._gamma(FUNCTION + 8, x.radius) * x.size) + TINY)

    def mlp(self, x: Ball, up: Matrix, down: Matrix, eps: float) -> Ball:
        """The second half of a block, added to what it reads."""
        return self.add(x, self.linear(self.gelu(self.linear(self.normalise(x, eps), up)), down))

    def logits(self, x: Ball) -> Scores:
        """Of vectors (N, C) after the last block."""
        x = self.normalise(x, self.model.norm.eps)
        rounding = self._gamma(x.centre.shape[1] + 1, x.size) * x.size
        unbounded = (x.radius.nan_to_num(nan=math.inf), rounding.nan_to_num(nan=math.inf))
        return Scores(x.centre @ self.head.T, *unbounded, self.head)


class Analysis(Arithmetic):
    """A network with relative bias that sees certain offsets only."""

    def __init__(self, model: GPT) -> None:
        super().__init__(model)
        self.layers = [Layer.of(block) for block in self.model.blocks if isinstance(block, Block)]

    def attention(self, q: Ball, k: Ball, v: Ball, layer: Layer, at_K: Tensor) -> Ball:
        """Of queries (N, Q, H, E), at the last Q of the positions at_K of keys (N, K, H, E): the concatenated heads (N, Q, C)."""
        K, E, Q = k.centre.shape[1], k.centre.shape[3], q.centre.shape[1]
        seen_QKO = (at_K[-Q:, None] - at_K)[..., None] == torch.tensor(layer.offsets)
        shown, bias_QKH = seen_QKO.any(2)[..., None], seen_QKO.double() @ layer.bias
        score_NQKH = torch.einsum("nqhe,nkhe->nqkh", q.centre, k.centre) / math.sqrt(E) + bias_QKH
        size_q, size_k = q.size[:, :, :, None], k.size[:, :, None]
        error = (q.radius[:, :, :, None] * size_k + size_q * k.radius[:, :, None]) / math.sqrt(E)  # (A, N, Q, K, H)
        error = SECOND * (error + self._gamma(E + 4, error) * (size_q * size_k / math.sqrt(E) + bias_QKH.abs()))
        spread = score_NQKH.where(shown, -math.inf).amax(2) - score_NQKH.where(shown, math.inf).amin(2)
        worst = error.where(shown, 0.0).amax(3)  # over the keys, (A, N, Q, H)
        worst = worst + SECOND * self._gamma(1, worst) * (spread + 2 * worst + FUNCTION)  # subtracting the largest, then exp
        keys = min(K, len(layer.offsets))
        relative = _small(torch.expm1(2 * worst) + SECOND * self._gamma(keys + 4, worst))
        weight_NQKH = score_NQKH.where(shown, -math.inf).softmax(2)
        y_NQHE = torch.einsum("nqkh,nkhe->nqhe", weight_NQKH, v.centre)
        apart = (v.centre[:, None] - y_NQHE[:, :, None]).norm(dim=-1)  # (N, Q, K, H)

        def mean(value: Tensor) -> Tensor:
            """Over the keys, by their weights."""
            return (weight_NQKH * value).sum(-2)

        off = mean(v.radius[:, :, None])
        moved = relative * (mean(apart) + off) + off
        rounding = self._gamma(keys + 6, relative) * (y_NQHE.norm(dim=-1) + mean(v.size[:, :, None]))
        return Ball(y_NQHE.flatten(2), (SECOND * (moved + rounding) + TINY).norm(dim=-1))

    def block(self, x: Ball, token_NT: Tensor | None, layer: Layer, at_T: Tensor, last: bool) -> Ball:
        """One layer. In the first, all that comes before attention depends on the token alone: x is the vocabulary, read by `token_NT`."""
        normal = self.normalise(x, layer.eps)
        q, k, v = (self.heads(normal, by) for by in (layer.q, layer.k, layer.v))
        if token_NT is not None:
            q, k, v, x = (part.take(token_NT) for part in (q, k, v, x))
        if last:
            q, x = q.last(), x.last()
        x = self.add(x, self.linear(self.attention(q, k, v, layer, at_T), layer.out))
        return self.mlp(x, layer.up, layer.down, layer.eps)

    @torch.no_grad()
    def scores(self, token_NT: Tensor, offsets: Sequence[int] | None = None) -> Scores:
        """Logits after the last token of each context; `offsets` says how far before it each token stands (None: no gaps)."""
        at_T = torch.arange(token_NT.shape[1]) if offsets is None else -torch.tensor(offsets)
        x = self.exact(self.model.tokens.weight)
        for i, layer in enumerate(self.layers):
            x = self.block(x, token_NT if i == 0 else None, layer, at_T, i == len(self.layers) - 1)
        return self.logits(Ball(x.centre[:, 0], x.radius[:, :, 0]))


def _small(relative: Tensor) -> Tensor:
    """Relative errors small enough for the analysis; infinite where they are not."""
    return relative.where(relative < SMALL, math.inf)
