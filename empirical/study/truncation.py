"""What undoes truncation, as counts: one trial per sampled input, longer than those of training.

Theory says that a network computes f of the operands cut to the trained length where training shows the digits above with 0 alone
(assumption A2). A key and a value of the first layer are made of a digit and its place, and such a digit's are new. Each measure has a
control: other digits in the place of zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from empirical.data.lines import Pairs, line_of_zeros
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import CHUNK
from empirical.study.probe import equivalents_of
from empirical.study.states import Batch, answered, draw_batch, first_layer_of, make_batch, truncated
from empirical.training.loop import teacher_forced
from theory.errors import InputError
from theory.language.expressions import operands

SHADOWED, KEYS = "shadowed zeros", "keys of zeros"


def shadowed(model: GPT, spec: RunSpec, length: int, examples: int, seed: int, nonzero: bool = False) -> tuple[int, int, int]:
    """On how many longer inputs a 0 at the last trained place undoes truncation and another digit does not, and vice versa; of how many.

    In one operand of each input the digit above that place is not 0: training never shows such a digit, and so never a 0 in its shadow.
    The other digit is drawn among all but 0. With `nonzero` another such digit stands for the 0.

    Raises:
        InputError: as `equivalents_of`, the network cannot be asked this length, operands need order, or base 2 has no other digit.
    """
    equivalents_of(spec, length)
    if spec.make_task().needs_order:
        raise InputError(f"{spec.make_task().text} needs a >= b, which other digits would not keep")
    if nonzero and spec.base == 2:
        raise InputError("base 2 has one digit besides 0: nothing can stand for the 0")
    pairs = draw_batch(spec, length, examples, seed).pairs
    generator, shape = torch.Generator().manual_seed(seed), pairs.length_N.shape
    above_N, other_N = (torch.randint(1, spec.base, shape, generator=generator) for _ in range(2))
    zero_N = 1 + (other_N - 1 + torch.randint(1, spec.base - 1, shape, generator=generator)) % (spec.base - 1) if nonzero else 0 * other_N
    in_b_N = torch.randint(operands(spec.make_task().expression), shape, generator=generator) == 1
    last = spec.training.longest - 1
    cut_by = []
    for digit_N in (zero_N, other_N):
        a_ND, b_ND = pairs.a_ND.clone(), pairs.b_ND.clone()
        for number_ND, mine_N in ((a_ND, ~in_b_N), (b_ND, in_b_N)):
            number_ND[mine_N, last], number_ND[mine_N, last + 1] = digit_N[mine_N], above_N[mine_N]
        cut_by.append(_truncates(model, spec, Pairs(a_ND, b_ND, pairs.length_N)))
    by_zero_N, by_other_N = cut_by
    return int((~by_zero_N & by_other_N).sum()), int((by_zero_N & ~by_other_N).sum()), len(other_N)


def _truncates(model: GPT, spec: RunSpec, pairs: Pairs) -> Tensor:
    """On which pairs the network answers as on the operands cut to the trained length."""
    found = []
    for rows in torch.arange(len(pairs.length_N)).split(CHUNK):
        batch = make_batch(spec, pairs.take(rows))
        same_NT = answered(model, batch).lines.token_NT == truncated(batch).lines.token_NT
        found.append((same_NT | ~batch.lines.answer_NT).all(1))
    return torch.cat(found)


@dataclass(frozen=True)
class Repaired:
    """Of so many longer inputs: those not answered as cut; those of them that a patch of unseen digits repairs; those it undoes instead."""

    inputs: int
    undone: int
    repaired: int
    damaged: int


def unrepairable(spec: RunSpec) -> str:
    """Why unseen digits of such a network cannot have the keys and values of zeros; empty where they can."""
    if not spec.make_encoding().keyed:
        return "positional attention has no keys of digits"
    if not spec.make_layout().fixed:
        return f"the {spec.layout} layout shows no zeros above the operands: ask in a padded or an aligned one"
    if spec.numbering == "randomised":
        return f"{spec.encoding} draws the positions of each line: two lines have no keys in common"
    if spec.make_task().needs_order:
        return f"{spec.make_task().text} needs a >= b, which cut operands may not keep"
    return ""


@torch.inference_mode()
def repaired(model: GPT, spec: RunSpec, length: int, examples: int, seed: int, part: str = "keys", nonzero: bool = False) -> Repaired:
    """What becomes of truncation where unseen digits have the keys of zeros in the first layer alone, and their own values; or vice versa.

    Keys draw attention, and values are what is then read. With `nonzero` they have the keys (values) of other digits, but 0 has its own.

    Raises:
        InputError: as `equivalents_of`, as `unrepairable` says, the network cannot be asked this length, or base 2 has no other digit.
    """
    equivalents_of(spec, length)
    if reason := unrepairable(spec):
        raise InputError(reason)
    if nonzero and spec.base == 2:
        raise InputError("base 2 has one digit besides 0: nothing can stand for the 0")
    pairs = draw_batch(spec, length, examples, seed).pairs
    turn_N = torch.randint(1, max(2, spec.base - 1), pairs.length_N.shape, generator=torch.Generator().manual_seed(seed))
    undone = mended = damaged = 0
    for rows in torch.arange(len(pairs.length_N)).split(CHUNK):
        batch = make_batch(spec, pairs.take(rows))
        cut = truncated(batch)
        answer_NT, cut_NT = batch.lines.answer_NT, cut.lines.token_NT
        lines, donor = (
            replace(batch.lines, token_NT=torch.where(answer_NT, cut_NT, each.lines.token_NT))
            for each in (batch, _turned(batch, turn_N[rows]) if nonzero else cut)
        )
        before_N = teacher_forced(model, lines)
        with first_layer_of(model, donor, part):
            after_N = teacher_forced(model, lines)
        undone += int((~before_N).sum())
        mended += int((after_N & ~before_N).sum())
        damaged += int((before_N & ~after_N).sum())
    return Repaired(len(pairs.length_N), undone, mended, damaged)


@torch.inference_mode()
def drawable(model: GPT, spec: RunSpec) -> float:
    """The most attention that a query of the result can give, in the first layer, to operand places that training showed with 0 alone.

    A share, the largest over heads, queries and all lines, told from the weights, as a score there depends on two tokens and their places:
    each unseen place holds the digit that draws most, each other operand place the one that draws least, and earlier digits of the
    result draw nothing.

    Raises:
        InputError: as `unrepairable` says, or attention is sparse.
    """
    if reason := unrepairable(spec) or "sparse attention can give a place nothing: arith-verify certify tells what is read" * spec.sparse:
        raise InputError(reason)
    layout = spec.make_layout()
    slots = layout.slots(layout.widths(spec.make_task(), spec.width))[:-1]
    lines = line_of_zeros(spec)
    operand_T, result_T = (torch.tensor([slot.kind in kinds for slot in slots]) for kinds in ("ab", "c"))
    unseen_T = operand_T & torch.tensor([slot.place >= spec.training.longest for slot in slots])
    digit_D, query_Q = torch.arange(spec.base), lines.asked_Q - 1
    shares = []
    for asking in range(spec.base):  # the digit at the query
        token_DT = torch.where(operand_T, digit_D[:, None], torch.where(result_T, asking, lines.token_NT[:, : len(slots)]))
        scores: list[Tensor] = []
        model(token_DT, torch.arange(len(slots)), at_BT=lines.at_NT, scores=scores)
        score_DHQT = scores[0][:, :, query_Q].double()
        itself_QT = torch.arange(len(slots)) == query_Q[:, None]
        drawn_HQ = score_DHQT.amax(0).masked_fill(~unseen_T, -math.inf).logsumexp(2)
        kept_HQ = score_DHQT.amin(0).masked_fill(unseen_T | (result_T & ~itself_QT), -math.inf).logsumexp(2)
        shares.append((drawn_HQ - kept_HQ).sigmoid().max())
    return float(torch.stack(shares).max())


def _turned(batch: Batch, turn_N: Tensor) -> Batch:
    """The same lines with other digits in the place of all but 0 above the trained length."""
    cut, base = batch.spec.training.longest, batch.spec.base
    a_ND, b_ND = batch.pairs.a_ND.clone(), batch.pairs.b_ND.clone()
    for digit_ND in (a_ND, b_ND):
        above_NU = digit_ND[:, cut:]
        digit_ND[:, cut:] = torch.where(above_NU == 0, 0, 1 + (above_NU - 1 + turn_N[:, None]) % (base - 1))
    return make_batch(batch.spec, Pairs(a_ND, b_ND, batch.pairs.length_N))
