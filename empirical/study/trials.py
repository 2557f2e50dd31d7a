"""What networks do inside, and where truncation ends, as counts: one trial per sampled input.

Averages of probes and distances, as empirical.study.probe shows them, have no honest interval; trials of independent inputs have one.
Hidden states (P1, statement 3) are set against those of the same network before training, since much is near, or linear, in any random
network. They are taken after the last layer, at the queries: the tokens from which the digits of the result are predicted.

Each measure has a control that keeps everything but the relation that is asked for: labels shuffled among the inputs, another
input in the place of the equivalent one, another digit in the place of the zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from empirical.data.lines import Pairs
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import CHUNK
from empirical.study.probe import equivalents_of, probe_hits
from empirical.study.states import answered, draw_batch, last_states, make_batch, targets, truncated
from theory.errors import InputError
from theory.language.expressions import operands

#: what may be read from the states at each place of the result -> its name in empirical.study.states.targets
QUANTITIES = {"result digits": "result digit", "digit sums": "digit sum", "carries": "carry"}
EQUIVALENT, SHADOWED = "equivalent inputs", "shadowed zeros"
MEASURES = (*QUANTITIES, EQUIVALENT, SHADOWED)

Counts = tuple[int, int]  # successes, trials


def better_read(
    measures: Sequence[str],
    trained: GPT,
    initial: GPT,
    spec: RunSpec,
    length: int,
    fitted: int,
    examples: int,
    seed: int,
    shuffled: bool = False,
) -> dict[str, Counts]:
    """On how many inputs the trained network is probed rightly at more places than the untrained one, of those where they differ.

    One ridge regression per network, quantity and place is fitted to the first `fitted` inputs; on the others, at most `examples`, it is
    counted. All are different, and on lines with true results.

    Raises:
        InputError: the network cannot be asked this length, there are too few inputs, or the task has no such quantity.
    """
    batch = draw_batch(spec, length, fitted + examples, seed)
    labels = targets(batch)
    if unknown := [QUANTITIES[measure] for measure in measures if QUANTITIES[measure] not in labels]:
        raise InputError(f"{spec.make_task().text} has no {unknown[0]}: probe it for {', '.join(labels)}")
    if len(batch.pairs.length_N) <= fitted:
        raise InputError(f"length {length}: only {len(batch.pairs.length_N)} different pairs, and {fitted} of them fit the probes")
    generator, found = torch.Generator().manual_seed(seed), {}
    state_2NPC = [last_states(model, batch) for model in (trained, initial)]
    for measure in measures:
        label_NP = labels[QUANTITIES[measure]]
        if shuffled:
            label_NP = label_NP[torch.randperm(len(label_NP), generator=generator)]
        right_N, before_N = (_probed(state_NPC, label_NP, fitted).sum(1) for state_NPC in state_2NPC)
        found[measure] = int((right_N > before_N).sum()), int((right_N != before_N).sum())
    return found


def _probed(state_NPC: Tensor, label_NP: Tensor, fitted: int) -> Tensor:
    """Whether each place is read rightly from the state at its own query, of the inputs that fitted nothing: (N - fitted, P)."""
    places = range(state_NPC.shape[1])
    hits = [probe_hits(state_NPC[None, :, place, None], {"": label_NP[:, place, None]}, fitted)[""] for place in places]
    return torch.cat(hits, 3)[0, 0]


def nearer(trained: GPT, initial: GPT, spec: RunSpec, length: int, examples: int, seed: int, another: bool = False) -> Counts:
    """How many longer inputs lie nearer to their equivalent than to another cut input, and relatively nearer than before training.

    The equivalent input has both operands cut to the trained length; the rival is another longer input, cut, with which no other is
    compared. Lines hold each network's own answers; a distance is over all queries together. With `another`, a third input stands for
    the equivalent one.

    Raises:
        InputError: as `equivalents_of`, or the network cannot be asked this length.
    """
    equivalents_of(spec, length)
    batch = draw_batch(spec, length, 3 * examples, seed)
    count = len(batch.pairs.length_N) // 3
    held = 0
    for rows in torch.arange(count).split(CHUNK):
        mine, rivals, strangers = (make_batch(spec, batch.pairs.take(rows + start)) for start in (0, count, 2 * count))
        lines = mine, truncated(strangers if another else mine), truncated(rivals)
        distances = []
        for model in (trained, initial):
            here, partner, rival = (last_states(model, answered(model, each)) for each in lines)
            distances += [(here - other).flatten(1).norm(dim=1) for other in (partner, rival)]
        near_N, far_N, near_before_N, far_before_N = distances
        held += int(((near_N < far_N) & (near_N * far_before_N < near_before_N * far_N)).sum())
    return held, count


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
