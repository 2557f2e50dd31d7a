"""Position encodings that can be trained, one small module each.

A network asks its encoding at four points (`Encoding`): what is added to the tokens, what queries and keys are made of, how they are
turned, and what is added to the scores. Positions are given per line or, the plain case, counted along the line; `numbering` draws those
that are not plain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.network.encodings.absolute import Addresses, Learned, Sinusoidal
from empirical.network.encodings.alibi import Alibi
from empirical.network.encodings.base import Encoding
from empirical.network.encodings.fire import Fire
from empirical.network.encodings.relative import ClippedBias, Shaw, T5Bias
from empirical.network.encodings.rope import Rope

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec

__all__ = ["Encoding", "of_attention", "of_tokens"]


def of_tokens(spec: RunSpec, positions: int) -> Encoding:
    """What is added to the tokens; learned tables hold so many positions."""
    match spec.mechanism:
        case "learned" | "positional":
            return Learned(positions, spec.dim)
        case "sinusoidal":
            return Sinusoidal()
        case _:
            return Encoding()


def of_attention(spec: RunSpec, positions: int) -> Encoding:
    """What happens in one attention layer; learned tables as for `of_tokens`."""
    size = spec.dim // spec.heads
    match spec.mechanism:
        case "positional":
            return Addresses(positions, spec.dim)
        case "shaw":
            return Shaw(spec.offsets, spec.max_distance, size)
        case "bias":
            return ClippedBias(spec.offsets, spec.max_distance, spec.heads)
        case "t5":
            return T5Bias(spec.max_distance, spec.heads)
        case "alibi":
            return Alibi(spec.heads)
        case "rope":
            return Rope()
        case "fire":
            return Fire(spec.max_distance, spec.heads)
        case _:
            return Encoding()
