"""Hidden states as counts: what is planted in them is found, what is not there is not, and each control undoes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from empirical.data.lines import to_ints
from empirical.network.model import GPT
from empirical.study import trials as module
from empirical.study.states import Batch, draw_batch, last_states, look, targets
from empirical.study.trials import QUANTITIES, better_read, nearer
from empirical.training.loop import build_model
from tests.networks import SPECS, TINY
from theory.errors import InputError

torch.set_num_threads(1)
SPEC = replace(TINY, base=10, train_lengths=(1, 2), test_lengths=(3,), width=4)
TRAINED, INITIAL = build_model(SPEC), build_model(replace(SPEC, seed=1))
States = Callable[[Batch], torch.Tensor]


def planted(monkeypatch: pytest.MonkeyPatch, trained: States, initial: States) -> None:
    """The trained network and the untrained one have these states, (N, P, C)."""
    monkeypatch.setattr(module, "last_states", lambda model, batch: (trained if model is TRAINED else initial)(batch).double())
    monkeypatch.setattr(module, "answered", lambda model, batch: batch)


def noise(batch: Batch) -> torch.Tensor:
    """Of each line its own, drawn from its operands: equal lines have equal states, others are unrelated."""
    a, b = (to_ints(x, 10) for x in (batch.pairs.a_ND, batch.pairs.b_ND))
    shape = (len(batch.places), 12)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(1 + 997 * x + y)) for x, y in zip(a, b, strict=True)])


def hot(name: str) -> States:
    return lambda batch: 5 * torch.nn.functional.one_hot(targets(batch)[name], 20) + torch.nn.functional.pad(noise(batch), (0, 8))


def read(measure: str, trained: GPT = TRAINED, initial: GPT = INITIAL, shuffled: bool = False) -> tuple[int, int]:
    return better_read([measure], trained, initial, SPEC, 2, 400, 400, 0, shuffled)[measure]


@pytest.mark.parametrize("measure", QUANTITIES)
def test_what_training_planted_is_read_and_a_shuffled_label_is_not(monkeypatch: pytest.MonkeyPatch, measure: str) -> None:
    planted(monkeypatch, hot(QUANTITIES[measure]), noise)
    held, counted = read(measure)
    assert 400 >= counted > 200
    assert held >= 0.97 * counted
    held, counted = read(measure, shuffled=True)
    assert 0.3 * counted < held < 0.7 * counted
    held, counted = read(measure, INITIAL, TRAINED)  # training that destroys what was there
    assert held <= 0.03 * counted


@pytest.mark.parametrize("same", [noise, hot("result digit")])
def test_two_networks_alike_differ_on_nothing(monkeypatch: pytest.MonkeyPatch, same: States) -> None:
    planted(monkeypatch, same, same)
    assert read("result digits") == (0, 0)
    assert nearer(TRAINED, INITIAL, SPEC, 3, 100, 0) == (0, 100)


def cut(batch: Batch) -> torch.Tensor:
    """States of a network that sees the low two digits alone."""
    a_ND, b_ND = batch.pairs.a_ND.clone(), batch.pairs.b_ND.clone()
    a_ND[:, 2:], b_ND[:, 2:] = 0, 0
    return noise(replace(batch, pairs=replace(batch.pairs, a_ND=a_ND, b_ND=b_ND)))


def test_longer_inputs_lie_on_their_equivalents_where_the_network_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, cut, noise)
    assert nearer(TRAINED, INITIAL, SPEC, 3, 200, 0) == (200, 200)
    assert nearer(TRAINED, INITIAL, SPEC, 3, 200, 0, another=True)[0] < 100  # nearer and relatively nearer: a quarter
    planted(monkeypatch, noise, cut)
    assert nearer(TRAINED, INITIAL, SPEC, 3, 200, 0)[0] == 0


def test_near_before_training_is_no_merit_of_training() -> None:
    """Two untrained networks: each keeps the tokens that equivalent inputs share, and neither more than the other."""
    held, counted = nearer(TRAINED, INITIAL, SPEC, 3, 200, 0)
    assert counted == 200
    assert held < 0.9 * counted


def test_the_same_seed_gives_the_same_counts_however_much_is_asked() -> None:
    first, again, other = (nearer(TRAINED, INITIAL, SPEC, 3, 60, seed) for seed in (4, 4, 5))
    assert first == again != other
    both = better_read(list(QUANTITIES), TRAINED, INITIAL, SPEC, 2, 60, 60, 4)
    for measure in QUANTITIES:
        assert better_read([measure], TRAINED, INITIAL, SPEC, 2, 60, 60, 4)[measure] == both[measure]


@pytest.mark.parametrize("name", SPECS)
def test_states_are_those_that_the_digits_are_predicted_from(name: str) -> None:
    spec = SPECS[name]
    batch, model = draw_batch(spec, 2, 60, 0), build_model(spec)
    state_LNTC, _ = look(model, batch)
    assert torch.allclose(last_states(model, batch), state_LNTC[-1][:, [batch.query(place) for place in batch.places]], atol=1e-5)


def test_what_cannot_be_asked_is_refused() -> None:
    for refused, words in (
        (lambda: better_read(["carries"], TRAINED, INITIAL, replace(SPEC, task="mul"), 2, 50, 50, 0), "has no carry"),
        (lambda: better_read(["carries"], TRAINED, INITIAL, SPEC, 1, 100, 50, 0), "different pairs, and 100 of them fit"),
        (lambda: better_read(["carries"], TRAINED, INITIAL, SPEC, 5, 50, 50, 0), "width 4"),
        (lambda: nearer(TRAINED, INITIAL, SPEC, 2, 50, 0), "longer operands than the trained 2"),
        (lambda: nearer(TRAINED, INITIAL, replace(SPEC, layout="plain"), 3, 50, 0), "unpadded"),
    ):
        with pytest.raises(InputError, match=words):
            refused()
