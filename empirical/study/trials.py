"""What networks represent, as counts: one trial per sampled input.

Averages of probes and distances, as empirical.study.probe shows them, have no honest interval; trials of independent inputs have one.
Hidden states (P1, statement 3) are set against those of the same network before training, since much is near, or linear, in any random
network. They are taken after the last layer, at the queries: the tokens from which the digits of the result are predicted.

Each measure has a control that keeps everything but the relation that is asked for: labels shuffled among the inputs, another
input in the place of the equivalent one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import CHUNK
from empirical.study.probe import equivalents_of, probe_hits
from empirical.study.states import answered, draw_batch, last_states, make_batch, targets, truncated
from theory.errors import InputError

#: what may be read from the states at each place of the result -> its name in empirical.study.states.targets
QUANTITIES = {"result digits": "result digit", "digit sums": "digit sum", "carries": "carry"}
EQUIVALENT = "equivalent inputs"

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
