"""Representations as counts (P1, statement 3): what training did to hidden states, as one trial per sampled input.

Averages of probes and distances, as empirical.probe shows them, have no honest interval; trials of independent inputs have one. Both
measures set the trained network against the same network before training, since much is near, or linear, in any random network. States
are those after the last layer, at the queries: the tokens from which the digits of the result are predicted.

Each has a control that keeps everything but the relation that is asked for: labels shuffled among the inputs, or another
input in the place of the equivalent one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.model import GPT
from empirical.probe import equivalents_of, probe_hits
from empirical.spec import RunSpec
from empirical.states import Batch, answered, draw_batch, look, make_batch, targets, truncated
from theory.errors import InputError

#: what may be read from the states at each place of the result -> its name in empirical.states.targets
QUANTITIES = {"result digits": "result digit", "digit sums": "digit sum", "carries": "carry"}
EQUIVALENT = "equivalent inputs"
MEASURES = (*QUANTITIES, EQUIVALENT)


def trials(
    measure: str, trained: GPT, initial: GPT, spec: RunSpec, length: int, examples: int, seed: int, control: bool = False
) -> tuple[int, int]:
    """Successes and trials of one measure on `examples` different inputs of one length; with `control`, of its control.

    Raises:
        InputError: the network cannot be asked this length, there are too few inputs, or the task has no such quantity.
    """
    if measure == EQUIVALENT:
        return nearer(trained, initial, spec, length, examples, seed, control)
    return better_read(QUANTITIES[measure], trained, initial, spec, length, examples, seed, control)


def better_read(
    quantity: str, trained: GPT, initial: GPT, spec: RunSpec, length: int, examples: int, seed: int, shuffled: bool
) -> tuple[int, int]:
    """On how many inputs the trained network is probed rightly at more places than the untrained one, of those where they differ.

    As many inputs again fit the probes, one ridge regression per network and place, on lines with true results.
    """
    batch = draw_batch(spec, length, 2 * examples, seed)
    labels = targets(batch)
    if quantity not in labels:
        raise InputError(f"{spec.make_task().text} has no {quantity}: probe it for {', '.join(labels)}")
    label_NP = labels[quantity]
    if shuffled:
        label_NP = label_NP[torch.randperm(len(label_NP), generator=torch.Generator().manual_seed(seed))]
    right_N = [_probed(model, batch, label_NP).sum(1) for model in (trained, initial)]
    return int((right_N[0] > right_N[1]).sum()), int((right_N[0] != right_N[1]).sum())


def _probed(model: GPT, batch: Batch, label_NP: Tensor) -> Tensor:
    """Whether each place is read rightly from the state at its own query, of the inputs that fitted nothing: (N / 2, P)."""
    state_PNC = states(model, batch).transpose(0, 1)
    hits = [probe_hits(state_PNC[place][None, :, None], {"": label_NP[:, place, None]})[""] for place in range(len(state_PNC))]
    return torch.cat(hits, 3)[0, 0]


def nearer(trained: GPT, initial: GPT, spec: RunSpec, length: int, examples: int, seed: int, another: bool) -> tuple[int, int]:
    """How many longer inputs lie nearer to their equivalent than to another cut input, and relatively nearer than before training.

    The equivalent input has both operands cut to the trained length; the rival is another longer input, cut, which none else is compared
    with. Lines hold each network's own answers; a distance is over all queries together. With `another`, a third input stands for the
    equivalent one.
    """
    equivalents_of(spec, length)
    batch = draw_batch(spec, length, 3 * examples, seed)
    mine, rivals, strangers = (make_batch(spec, batch.pairs.take(rows)) for rows in torch.arange(len(batch.pairs.length_N)).chunk(3))
    distances = []
    for model in (trained, initial):
        here, partner, rival = (
            states(model, answered(model, lines))[: len(strangers.pairs.length_N)]
            for lines in (mine, truncated(strangers if another else mine), truncated(rivals))
        )
        distances.append([(here - other).flatten(1).norm(dim=1) for other in (partner, rival)])
    (near_N, far_N), (near_before_N, far_before_N) = distances
    success_N = (near_N < far_N) & (near_N * far_before_N < near_before_N * far_N)
    return int(success_N.sum()), len(success_N)


def states(model: GPT, batch: Batch) -> Tensor:
    """States after the last layer at the queries of the result, (N, P, C)."""
    return look(model, batch)[0][-1][:, [batch.query(place) for place in batch.places]]
