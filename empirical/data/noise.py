"""Random numbers that are a function of (seed, step, how many were drawn before in this step), on every device and for many runs at once.

The generator is splitmix64 (Steele, Lea, Flood 2014): word i of a stream is a mix of key + i * GOLDEN, so words are computed where and when
they are needed, without a state. One 64-bit word gives eight bytes for dropout: cheaper than a generator that goes word by word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

GOLDEN = -7046029254386353131  # 2^64 over the golden ratio, as a signed word
INVERSE = -1018231460777725123  # of GOLDEN, modulo 2^64
DROPOUT = 1 << 40  # where in a step's stream the words for dropout begin; data come first


class _Bytes(torch.autograd.Function):
    """The eight bytes of each word: a view of it as bytes, which torch 2.11 cannot take for many members at once (torch.vmap)."""

    @staticmethod
    def forward(words: Tensor) -> Tensor:
        return words.view(torch.uint8)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], words: Tensor) -> tuple[Tensor, int]:
        return words.movedim(in_dims[0], 0).contiguous().view(torch.uint8), 0


bytes_of: Callable[[Tensor], Tensor] = _Bytes.apply


class Noise:
    """The stream of one key () or of several (M,), each of which draws for its own part of what is asked for."""

    def __init__(self, key: Tensor, start: int = 0) -> None:
        self.key, self.used = key, start
        self.origin = key * INVERSE  # (origin + i) * GOLDEN is key + i * GOLDEN, and no compiler works it out ahead, in numbers of any size

    def words(self, count: int) -> Tensor:
        """The next `count` words of each stream, (count,) or (M, count)."""
        index = torch.arange(self.used, self.used + count, device=self.key.device)
        self.used += count
        return mix((self.origin[..., None] + index) * GOLDEN)

    def bits(self, shape: tuple[int, ...]) -> Tensor:
        """53 random bits each, as int64; the streams of M keys draw M equal parts of the first dimension."""
        count = torch.Size(shape).numel()
        return (self.words(count // self.key.numel()) & (2**53 - 1)).view(shape)

    def keep(self, x: Tensor, level: int) -> Tensor:
        """What to multiply x by in a dropout of rate level/256: 0, or 1 over the rate that stays."""
        count = x.numel()
        byte = bytes_of(self.words((count + 7) // 8))[:count].view(x.shape)
        stays = byte.clamp(level - 1, level).sub_(level - 1)  # byte >= level, in bytes: bools would take longer to turn into floats
        return stays.to(x.dtype).mul_(256 / (256 - level))


def mix(word: Tensor) -> Tensor:
    """splitmix64's bijection of 64-bit words, in place; torch shifts signed words, so the sign's copies are masked."""
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685), (31, 1)):
        high = word >> shift
        word ^= high.bitwise_and_(2 ** (64 - shift) - 1)
        if factor != 1:
            word *= factor
    return word


def step_key(seed: Tensor, step: Tensor) -> Tensor:
    """The key of a step of a run."""
    return mix(mix(seed * GOLDEN + 1) + step * GOLDEN)  # fresh tensors both, which mix may write to


def integers(low: int, high: int, shape: tuple[int, ...], device: torch.device, noise: Noise | None) -> Tensor:
    """Uniform integers low .. high - 1, with a bias of (high - low) / 2^53 at most: from a stream, or from torch's random state."""
    return torch.randint(low, high, shape, device=device) if noise is None else low + noise.bits(shape) % (high - low)


def choices(weights_W: Tensor, count: int, noise: Noise | None) -> Tensor:
    """Indices (count,) drawn with these weights: from a stream, or from torch's random state."""
    if noise is None:
        return torch.multinomial(weights_W, count, replacement=True)
    sum_W = weights_W.cumsum(0)
    uniform_N = noise.bits((count,)) * 2.0**-53 * sum_W[-1]
    return torch.searchsorted(sum_W, uniform_N, right=True).clamp(max=len(sum_W) - 1)
