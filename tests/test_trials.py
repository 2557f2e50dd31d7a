"""Hidden states as counts: what is planted in them is found, what is not there is not, and each control undoes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from empirical import trials as module
from empirical.data import to_ints
from empirical.model import GPT
from empirical.states import Batch, targets
from empirical.train import build_model
from empirical.trials import EQUIVALENT, MEASURES, QUANTITIES, trials
from tests.networks import TINY
from theory.errors import InputError

torch.set_num_threads(1)
SPEC = replace(TINY, base=10, train_lengths=(1, 2), test_lengths=(3,), width=4)
TRAINED, INITIAL = build_model(SPEC), build_model(replace(SPEC, seed=1))
States = Callable[[Batch], torch.Tensor]


def planted(monkeypatch: pytest.MonkeyPatch, trained: States, initial: States) -> None:
    """The trained network and the untrained one have these states, (N, P, C)."""
    monkeypatch.setattr(module, "states", lambda model, batch: (trained if model is TRAINED else initial)(batch).double())
    monkeypatch.setattr(module, "answered", lambda model, batch: batch)


def noise(batch: Batch) -> torch.Tensor:
    """Of each line its own, drawn from its operands: equal lines have equal states, others are unrelated."""
    a, b = (to_ints(x, 10) for x in (batch.pairs.a_ND, batch.pairs.b_ND))
    shape = (len(batch.places), 12)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(1 + 997 * x + y)) for x, y in zip(a, b, strict=True)])


def hot(name: str) -> States:
    return lambda batch: 5 * torch.nn.functional.one_hot(targets(batch)[name], 20) + torch.nn.functional.pad(noise(batch), (0, 8))


@pytest.mark.parametrize("measure", QUANTITIES)
def test_what_training_planted_is_read_and_a_shuffled_label_is_not(monkeypatch: pytest.MonkeyPatch, measure: str) -> None:
    planted(monkeypatch, hot(QUANTITIES[measure]), noise)
    held, counted = trials(measure, TRAINED, INITIAL, SPEC, 2, 400, 0)
    assert held >= 0.97 * counted > 200
    held, counted = trials(measure, TRAINED, INITIAL, SPEC, 2, 400, 0, control=True)
    assert 0.3 * counted < held < 0.7 * counted
    held, counted = trials(measure, INITIAL, TRAINED, SPEC, 2, 400, 0)  # training that destroys what was there
    assert held <= 0.03 * counted


@pytest.mark.parametrize("states", [noise, hot("result digit")])
def test_two_networks_alike_differ_on_nothing(monkeypatch: pytest.MonkeyPatch, states: States) -> None:
    planted(monkeypatch, states, states)
    assert trials("result digits", TRAINED, INITIAL, SPEC, 2, 400, 0) == (0, 0)
    assert trials(EQUIVALENT, TRAINED, INITIAL, SPEC, 3, 100, 0) == (0, 100)


def cut(batch: Batch) -> torch.Tensor:
    """States of a network that sees the low two digits alone."""
    a_ND, b_ND = batch.pairs.a_ND.clone(), batch.pairs.b_ND.clone()
    a_ND[:, 2:], b_ND[:, 2:] = 0, 0
    return noise(replace(batch, pairs=replace(batch.pairs, a_ND=a_ND, b_ND=b_ND)))


def test_longer_inputs_lie_on_their_equivalents_where_the_network_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, cut, noise)
    assert trials(EQUIVALENT, TRAINED, INITIAL, SPEC, 3, 200, 0) == (200, 200)
    assert trials(EQUIVALENT, TRAINED, INITIAL, SPEC, 3, 200, 0, control=True)[0] < 100  # nearer and relatively nearer: a quarter
    planted(monkeypatch, noise, cut)
    assert trials(EQUIVALENT, TRAINED, INITIAL, SPEC, 3, 200, 0)[0] == 0


def test_near_before_training_is_no_merit_of_training() -> None:
    """Two untrained networks: each keeps the tokens that equivalent inputs share, and neither more than the other."""
    held, counted = trials(EQUIVALENT, TRAINED, INITIAL, SPEC, 3, 200, 0)
    assert counted == 200
    assert held < 0.9 * counted


def test_the_same_seed_gives_the_same_counts() -> None:
    for measure in MEASURES:
        length = 3 if measure == EQUIVALENT else 2
        first, again, other = (trials(measure, TRAINED, INITIAL, SPEC, length, 60, seed) for seed in (4, 4, 5))
        assert first == again
        assert first != other or first[1] == 0


@pytest.mark.parametrize(
    ("spec", "measure", "length", "words"),
    [
        (replace(SPEC, task="mul"), "carries", 2, "has no carry"),
        (SPEC, EQUIVALENT, 2, "longer operands than the trained 2"),
        (replace(SPEC, layout="plain"), EQUIVALENT, 3, "unpadded"),
        (SPEC, "result digits", 5, "width 4"),
    ],
)
def test_what_cannot_be_asked_is_refused(spec, measure: str, length: int, words: str) -> None:  # type: ignore[no-untyped-def]
    model: GPT = build_model(spec)
    with pytest.raises(InputError, match=words):
        trials(measure, model, model, spec, length, 50, 0)
