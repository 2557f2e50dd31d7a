"""Representations (P1, statement 3): what is linear in the hidden states, where inputs fall, and which digits are read.

Linear probes are ridge regressions onto one-hot labels, in closed form, for every layer, token and place of the result; half of the pairs
fit them, the other half is counted. Beside the trained network stand the same network before training, and labels shuffled among the pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from empirical.spec import RunSpec
from empirical.states import ROLES, Batch, answered, draw_batch, look, roles, targets, truncated
from empirical.store import Run, load_model
from empirical.train import build_model
from theory.errors import InputError

RIDGE = 1e-3  # of the mean variance
MAX_POINTS = 400  # of the PCA, in JSON and pictures


@dataclass(frozen=True)
class Probed:
    """Probe accuracies at one length, a share from 0 to 1, by target.

    `accuracy`, `initial` and `shuffled` have the shape (L + 1, T, P): layers (0 is the embedding), tokens, places of the result.
    """

    batch: Batch
    accuracy: dict[str, Tensor]
    initial: dict[str, Tensor]
    shuffled: dict[str, Tensor]

    def at_queries(self, found: dict[str, Tensor], target: str) -> Tensor:
        """(L + 1,): at the token from which each digit is predicted, the mean over the places where the target is no constant."""
        label_NP = targets(self.batch)[target]
        varied = [index for index in range(label_NP.shape[1]) if label_NP[:, index].unique().numel() > 1]
        query = [self.batch.query(self.batch.places[index]) for index in varied]
        return found[target][:, query, varied].mean(1)


def probe(run: Run, length: int, examples: int, seed: int) -> Probed:
    """Probes on lines with true results.

    Raises:
        InputError: the network cannot be asked this length, or there are too few pairs.
    """
    batch = draw_batch(run.spec, length, examples, seed)
    labels = targets(batch)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(batch.pairs.length_N), generator=generator)
    shuffled = {name: label_NP[order] for name, label_NP in labels.items()}
    trained, initial = look(load_model(run), batch)[0], look(build_model(run.spec), batch)[0]
    return Probed(batch, probe_accuracy(trained, labels), probe_accuracy(initial, labels), probe_accuracy(trained, shuffled))


def probe_accuracy(state_LNTC: Tensor, labels: dict[str, Tensor]) -> dict[str, Tensor]:
    """Accuracy (L, T, P) of ridge probes for labels (N, P); the first half of the lines fits, the second is counted."""
    half = state_LNTC.shape[1] // 2
    return {name: hit_LTNP.double().mean(2) for name, hit_LTNP in probe_hits(state_LNTC, labels, half).items()}


def probe_hits(state_LNTC: Tensor, labels: dict[str, Tensor], fitted: int) -> dict[str, Tensor]:
    """Whether ridge probes for labels (N, P), which the first `fitted` lines fit, are right on each of the others (L, T, N - fitted, P)."""
    classes = {name: int(label_NP.max()) + 1 for name, label_NP in labels.items()}
    hot = [torch.nn.functional.one_hot(label_NP, classes[name]).double().flatten(1) for name, label_NP in labels.items()]
    target_NY = torch.cat(hot, 1)
    mean_Y = target_NY[:fitted].mean(0)
    state_LTNC = state_LNTC.transpose(1, 2)
    fit, rest = state_LTNC[:, :, :fitted], state_LTNC[:, :, fitted:]
    mean, spread = fit.mean(2, keepdim=True), fit.std(2, keepdim=True) + 1e-9
    fit, rest = (fit - mean) / spread, (rest - mean) / spread
    gram = fit.mT @ fit + RIDGE * fitted * torch.eye(fit.shape[3], dtype=fit.dtype)
    weight_LTCY = torch.linalg.solve(gram, fit.mT @ (target_NY[:fitted] - mean_Y))
    score_LTNY = rest @ weight_LTCY + mean_Y
    out, start = {}, 0
    for name, label_NP in labels.items():
        size = label_NP.shape[1] * classes[name]
        guess_LTNP = score_LTNY[..., start : start + size].unflatten(3, (label_NP.shape[1], classes[name])).argmax(4)
        out[name] = guess_LTNP == label_NP[fitted:]
        start += size
    return out


@dataclass(frozen=True)
class Nearness:
    """How near longer inputs lie to the trained ones that theory calls equivalent, at the queries of the result.

    `ratio` (L + 1, P): the mean distance of hidden states to those of the same input with cut operands, in units of the mean distance to
    those of another cut input: 0 on top of each other, 1 no nearer than chance. `initial`: the same before training.
    """

    length: int
    batch: Batch
    ratio: Tensor
    initial: Tensor


def nearness(run: Run, length: int, examples: int, seed: int) -> Nearness:
    """Every line holds the network's own answer.

    Raises:
        InputError: as `equivalents_of`.
    """
    spec = run.spec
    equivalents_of(spec, length)
    batch = draw_batch(spec, length, examples, seed)
    ratios = []
    for model in (load_model(run), build_model(spec)):
        state_LNTC, equal_LNTC = (look(model, answered(model, lines))[0] for lines in (batch, truncated(batch)))
        query_P = [batch.query(place) for place in batch.places]
        here, equal = state_LNTC[:, :, query_P], equal_LNTC[:, :, query_P]
        distance_LP, chance_LP = ((here - other).norm(dim=3).mean(1) for other in (equal, equal.roll(1, 1)))
        ratios.append(torch.where(chance_LP > 1e-6, distance_LP / chance_LP.clamp(min=1e-6), 1.0))  # one state for all: no nearer
    return Nearness(length, batch, *ratios)


def equivalents_of(spec: RunSpec, length: int) -> None:
    """Refuse where longer inputs have no equivalent ones.

    Raises:
        InputError: the length was trained on, or the layout is unpadded: cut operands are of another shape there.
    """
    if length <= spec.training.longest:
        raise InputError(f"length {length}: equivalent inputs are those of longer operands than the trained {spec.training.longest}")
    if spec.make_layout().unpadded:
        raise InputError(f"the {spec.layout} layout is unpadded: cut operands have lines of another shape")


def attention_by_token(run: Run, length: int, examples: int, seed: int) -> tuple[Batch, Tensor]:
    """Mean attention weights (L, H, T, T) on lines with the network's own answers."""
    model = load_model(run)
    batch = answered(model, draw_batch(run.spec, length, examples, seed))
    return batch, look(model, batch)[1]


def attention_by_role(batch: Batch, weight_LHTT: Tensor) -> dict[str, Tensor]:
    """Per role (L, H, P): how much of its attention the query of c_i gives to tokens of that role; the roles add up to 1."""
    shape = (*weight_LHTT.shape[:2], len(batch.places))
    found = {role: torch.zeros(shape, dtype=torch.float64) for role in ROLES}
    for index, place in enumerate(batch.places):
        row_LHT = weight_LHTT[:, :, batch.query(place)]
        for token, role in enumerate(roles(batch, place)):
            if role:
                found[role][:, :, index] += row_LHT[:, :, token]
    return {role: share for role, share in found.items() if float(share.max()) > 0}


@dataclass(frozen=True)
class Plane:
    """Hidden states at one layer and query in the plane of their two largest principal components, which is that of the trained lengths.

    `points` (N, 2) of inputs at the longest trained length with the labels (N,) of the place; `longer` and `equivalent` (N, 2) of longer
    inputs and of the same ones cut, where there are any; `explained` the shares of variance of the two components.
    """

    layer: int
    place: int
    points: Tensor
    labels: dict[str, Tensor]
    longer: Tensor | None
    equivalent: Tensor | None
    explained: tuple[float, float]


def plane(run: Run, place: int, layer: int, length: int, examples: int, seed: int, initial: bool = False) -> Plane:
    """The plane of a layer (0 is the embedding) at the query of c_place, before training if `initial`; `length` is that of longer inputs.

    Raises:
        InputError: no such place or layer.
    """
    spec = run.spec
    model = build_model(spec) if initial else load_model(run)
    batch = draw_batch(spec, spec.training.longest, examples, seed)
    if place not in batch.places or not 0 <= layer <= spec.layers:
        raise InputError(f"place {place}, layer {layer}: places run from 0 to {len(batch.places) - 1}, layers from 0 to {spec.layers}")

    def states(lines: Batch) -> Tensor:
        return look(model, answered(model, lines))[0][layer, :, lines.query(place)]

    state_NC = states(batch)
    mean_C = state_NC.mean(0)
    _, size, direction = torch.linalg.svd(state_NC - mean_C, full_matrices=False)
    share = (size**2 / (size**2).sum().clamp(min=1e-12)).tolist()
    project = direction[:2].T
    labels = {name: label_NP[:, place] for name, label_NP in targets(batch).items()}
    longer = equivalent = None
    if length > spec.training.longest and not spec.make_layout().unpadded:
        beyond = draw_batch(spec, length, examples, seed)
        longer, equivalent = ((states(lines) - mean_C) @ project for lines in (beyond, truncated(beyond)))
    return Plane(layer, place, (state_NC - mean_C) @ project, labels, longer, equivalent, (share[0], share[1]))


def rounded(values: Tensor) -> Any:
    """Nested lists of numbers with four decimals."""
    return [rounded(part) for part in values] if values.dim() else round(float(values), 4)
