"""A network's own dependency graph: what is planted in its answers is found, and is that of theory where it computes what theory counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from empirical.data.lines import to_ints
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.study import influence as module
from empirical.study.influence import Influences, influences
from empirical.study.states import Batch, truncated
from empirical.training.loop import build_model
from tests.networks import TINY
from theory.errors import InputError

torch.set_num_threads(1)
SPEC = replace(TINY, base=5, train_lengths=(1, 2), test_lengths=(3,), width=4)
EXAMPLES = 4000
OFF = 5 * 0.5 / EXAMPLES**0.5  # five standard deviations


def asked(monkeypatch: pytest.MonkeyPatch, spec: RunSpec, answer: object) -> Influences:
    monkeypatch.setattr(module, "answered", answer)
    return influences(build_model(spec), spec, 3, EXAMPLES, 0)


def right(model: GPT, batch: Batch) -> Batch:
    return batch


@pytest.mark.parametrize("task", ["add", "weighted", "triple", "mod-add", "max"])
@pytest.mark.parametrize("layout", ["padded", "aligned", "interleaved"])
def test_a_network_that_is_right_has_the_influence_of_its_task(monkeypatch: pytest.MonkeyPatch, task: str, layout: str) -> None:
    found = asked(monkeypatch, replace(SPEC, task=task, modulus=24 if task == "mod-add" else None, layout=layout), right)
    assert found.task is not None
    assert set(found.network) == {(kind, place) for kind in ("a" if task == "triple" else "ab") for place in range(3)}
    for node, shares in found.network.items():
        exact = [float(share) for share in found.task[node]]
        assert shares == pytest.approx([*exact, *[0.0] * (len(shares) - len(exact))], abs=OFF)
        assert [share for share, real in zip(shares, exact, strict=False) if real == 0] == [0.0] * exact.count(0)


def test_a_network_that_cuts_has_that_of_cut_operands_and_one_that_leaks_has_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(model: GPT, batch: Batch) -> Batch:
        token_NT = torch.where(batch.lines.answer_NT, truncated(batch).lines.token_NT, batch.lines.token_NT)
        return replace(batch, lines=replace(batch.lines, token_NT=token_NT))

    def leaking(model: GPT, batch: Batch) -> Batch:
        """c_1 turns by one where the unseen digit of b is 4 and a is even."""
        done = cut(model, batch)
        turned_N = (batch.pairs.b_ND[:, 2] == 4) & (torch.tensor(to_ints(batch.pairs.a_ND, 5)) % 2 == 0)
        c_1 = batch.query(1) + 1
        done.lines.token_NT[:, c_1] = (done.lines.token_NT[:, c_1] + turned_N) % 5
        return done

    found = asked(monkeypatch, SPEC, cut)
    assert found.truncated is not None
    for node, shares in found.network.items():
        exact = [float(share) for share in found.truncated.get(node, ())]
        assert shares == pytest.approx([*exact, *[0.0] * (len(shares) - len(exact))], abs=OFF)
    assert found.network["a", 2] == found.network["b", 2] == (0.0,) * 5
    leak = asked(monkeypatch, SPEC, leaking).network["b", 2]
    assert leak == pytest.approx((0, 2 * 4 / 25 / 2, 0, 0, 0), abs=OFF)
    assert leak[1] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layout": "plain"}, "no leading zeros"),
        ({"encoding": "randomised"}, "draws the positions"),
        ({"width": 2, "test_lengths": (2,)}, "width 2"),
        ({"task": "sub", "train_domain": "ordered", "test_domain": "ordered"}, "a >= b"),
    ],
)
def test_what_cannot_be_asked_is_refused(change: dict[str, object], words: str) -> None:
    spec = replace(SPEC, **change)
    with pytest.raises(InputError, match=words):
        influences(build_model(spec), spec, 3, 50, 0)
