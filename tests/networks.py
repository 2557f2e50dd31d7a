"""Tiny specs and networks that tests share."""

from __future__ import annotations

from dataclasses import replace

import torch

from empirical.data.lines import Pairs
from empirical.runs.spec import RunSpec

TINY = RunSpec(
    task="add", train_lengths=(1, 2), test_lengths=(1, 2, 3), encoding="absolute", layout="padded", width=3, base=3,
    layers=1, heads=2, dim=16, steps=20, batch=16, warmup=5, examples=50, dropout=0.1,
)  # fmt: skip

#: one spec per layout and mechanism
SPECS = {
    "padded absolute": TINY,
    "aligned relative": replace(TINY, layout="aligned", encoding="relative"),
    "aligned bias": replace(TINY, layout="aligned", encoding="bias", layers=2),
    "aligned banded": replace(TINY, layout="aligned", encoding="banded", layers=2),
    "interleaved window": replace(TINY, layout="interleaved", encoding="window", window=5),
    "interleaved msd": replace(TINY, layout="interleaved", direction="msd", encoding="none"),
    "plain none": replace(TINY, layout="plain", encoding="none"),
    "reversed absolute": replace(TINY, layout="reversed", encoding="absolute"),
    "padded mod": replace(TINY, task="mod-mul", modulus=7),
    "padded sinusoidal": replace(TINY, encoding="sinusoidal"),
    "padded positional": replace(TINY, encoding="positional", layers=2),
    "padded sparse": replace(TINY, encoding="sparse", price=0.5, layers=2),
    "padded priced": replace(TINY, encoding="priced", price=0.3, charge="log"),
    "padded annealed": replace(TINY, encoding="sparse", price=0.3, charge="log", anneal=1.0, layers=2),
    "aligned t5": replace(TINY, layout="aligned", encoding="t5", layers=2, max_distance=12),
    "aligned alibi": replace(TINY, layout="aligned", encoding="alibi", layers=2),
    "unary window": replace(TINY, task="triple", base=10, layout="unary", encoding="window", window=4),
    "unary rope": replace(TINY, task="triple", base=10, layout="unary", encoding="rope", layers=2),
    "interleaved rope": replace(TINY, layout="interleaved", encoding="rope", layers=2),
    "interleaved fire": replace(TINY, layout="interleaved", encoding="fire", layers=2, max_distance=6),
    "plain randomised": replace(TINY, layout="plain", encoding="randomised", layers=2),
    "reversed randomised-rope": replace(TINY, layout="reversed", encoding="randomised-rope", layers=2),
    "interleaved randomised-alibi": replace(TINY, layout="interleaved", encoding="randomised-alibi", layers=2),
    "reversed abacus": replace(TINY, layout="reversed", encoding="abacus", layers=2),
    "interleaved coupled": replace(TINY, layout="interleaved", encoding="coupled", layers=2),
    "padded coupled": replace(TINY, encoding="coupled", layers=2),
}


def pairs(numbers: list[tuple[int, int]], base: int, length: int | None = None) -> Pairs:
    """Pairs of given numbers, with the digits that the longest needs."""
    size = length or max(1, *(len(written(x, base)) for pair in numbers for x in pair))
    sides = [torch.tensor([written(pair[k], base, size) for pair in numbers]) for k in (0, 1)]
    return Pairs(sides[0], sides[1], torch.full((len(numbers),), size))


def written(value: int, base: int, size: int = 0) -> list[int]:
    """Digits, least significant first, at least `size`."""
    out = []
    while value:
        value, digit = divmod(value, base)
        out.append(digit)
    return out + [0] * (size - len(out))
