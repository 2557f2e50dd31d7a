"""Which lines a network writes exactly, against several targets at once, without decoding.

A line is right iff every answer token is the argmax after the true tokens before it: then greedy decoding, which feeds its own tokens
back, is fed these. So one teacher-forced forward decides it for any target, as long as positions do not depend on the answer. Targets
differ in their answers alone, so the question's keys and values are computed once.

Shapes: N lines, T tokens, Q answer tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from empirical.data.lines import Lines
from empirical.network.model import GPT, Cache

CHUNK = 128  # lines at a time: what a layer computes of them stays in the processor's cache


@torch.inference_mode()
def exact_matches(model: GPT, targets: Sequence[Lines]) -> list[Tensor]:
    """For each target, which lines (N,) greedy decoding would write exactly so.

    Targets have the same questions, shapes and positions. Lines whose fate the first target decides are not run again: what was written
    up to the token where the targets part is known.
    """
    first = targets[0]
    found = [torch.zeros(len(first.token_NT), dtype=torch.bool, device=first.token_NT.device) for _ in targets]
    begin = int(first.asked_Q[0])
    for index in torch.arange(len(first.token_NT), device=first.token_NT.device).split(CHUNK):
        at_NT = None if first.at_NT is None else first.at_NT[index]
        cache, question = Cache([]), first.token_NT[index, : begin - 1]
        if begin > 1:
            model(question, torch.tensor([begin - 2], device=index.device), cache, at_NT)
        said_NQ, right_NQ = _written(model, first, index, cache, begin)
        found[0][index] = right_NQ.all(1)
        for target, mask in zip(targets[1:], found[1:], strict=True):
            parts_NQ = first.token_NT[index][:, first.asked_Q] != target.token_NT[index][:, first.asked_Q]
            parts_NQ &= first.answer_NT[index][:, first.asked_Q]
            same_N = ~parts_NQ.any(1)
            at_N = parts_NQ.int().argmax(1)
            before_NQ = torch.arange(parts_NQ.shape[1], device=index.device) < at_N[:, None]
            says_NQ = said_NQ == target.token_NT[index][:, first.asked_Q]
            goes_on_N = (right_NQ | ~before_NQ).all(1) & says_NQ.gather(1, at_N[:, None])[:, 0]
            rest = (goes_on_N & ~same_N).nonzero()[:, 0]
            mask[index] = right_NQ.all(1) & same_N
            if len(rest):
                kept = Cache([(k[rest], v[rest]) for k, v in cache.layers])
                mask[index[rest]] = _written(model, target, index[rest], kept, begin)[1].all(1)
    return found


def _written(model: GPT, lines: Lines, index: Tensor, question: Cache, begin: int) -> tuple[Tensor, Tensor]:
    """The argmax after each true token, and where it is the answer (or none is asked for)."""
    asked_Q = lines.asked_Q
    at_NT = None if lines.at_NT is None else lines.at_NT[index]
    logits_NQV = model(lines.token_NT[index, begin - 1 : -1], asked_Q - 1, Cache(list(question.layers)), at_NT)
    said_NQ = logits_NQV.argmax(2)
    return said_NQ, (said_NQ == lines.token_NT[index][:, asked_Q]) | ~lines.answer_NT[index][:, asked_Q]
