"""The benchmark's ways to count agree, and its committed table is that of its committed figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import accuracy, training
from benchmarks.accuracy import CASES, HERE, Case, Timing, measure, table
from benchmarks.plain import plain_greedy, plain_loss
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import greedy
from empirical.training.loop import Trainer, loss_of


def test_all_ways_find_the_same_number() -> None:
    rows = measure((Case("mod-mul", 51, 1, 2), Case("mod-add", 997, 1, 2), Case("mod-add", 7, 1, 2), Case("mod-mul", 30, 1, 2)))
    assert [row.way for row in rows] == ["exact", "enumeration", "parts"] * 4
    assert int(rows[0].agreements) > 0


def test_ways_that_disagree_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(accuracy.WAYS, "parts", lambda case: -1)
    with pytest.raises(RuntimeError, match="disagree"):
        measure((Case("mod-add", 7, 1, 2),))


def test_the_committed_table_is_that_of_the_committed_figures() -> None:
    stored = json.loads((HERE / "accuracy.json").read_text())
    rows = [Timing(**{**row, "case": Case(**row["case"])}) for row in stored["timings"]]
    assert table(rows, stored["versions"]) == (HERE / "README.md").read_text()
    assert tuple(dict.fromkeys(row.case for row in rows)) == CASES
    assert {row.way for row in rows} == {"exact", "enumeration", "parts"}
    released = next(row for row in rows if row.case == Case("mod-mul", 51, 3, 4))
    assert released.agreements == "1942585"
    assert all(row.median < row.case.aim for row in rows if row.case.aim is not None and row.way == "exact")


# ------------------------------------------------------------------------------------------------------------------------- training


def small(**more: Any) -> RunSpec:
    return replace(training.spec_of("local", 3, 8), heads=2, dim=16, **more)


def test_the_plain_loop_is_the_same_model() -> None:
    """Same logits, same loss and, without dropout, the same weights after some steps; only the work differs."""
    spec = small(dropout=0.0, weight_decay=0.0)
    plain, fast = training.PlainTrainer(spec), Trainer(spec, Path("/nonexistent"), "cpu", None)
    lines, use_N, _ = fast.batch(8)
    torch.testing.assert_close(plain_loss(plain.model, lines, use_N), loss_of(fast.model, lines, use_N))
    plain.model.eval()  # torch's dropout heeds the mode, ours does not
    assert torch.equal(plain_greedy(plain.model, lines), greedy(fast.model, lines))
    for _ in range(5):
        plain.train_step()
        fast.train_step()
    found = dict(plain.model.named_parameters())
    for name, weight in fast.model.named_parameters():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4)


def test_training_is_compared_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "ROUNDS", 1)
    monkeypatch.setattr(training, "TURNS", 2)
    spec = small()
    monkeypatch.setattr(training, "ways", lambda: ("fast",))
    rows = [*training.training(spec, "x", 0.01), training.ensemble(spec, "x", 0.01, 2, "cpu")]
    rows += [training.evaluation(spec, "x", 0.01, cached, 8) for cached in (False, True)]
    assert all(row.plain > 0 and row.fast > 0 and row.tokens > 0 for row in rows)
    assert rows[0].share is not None
    assert 0 < rows[0].share < 1
    slow = replace(rows[0], ratio=1.49)
    assert "| 1.49 | 1.5, missed |" in training.table([slow], {"torch": "x"})
    assert "| 1.50 | 1.5 |" in training.table([replace(slow, ratio=1.5)], {"torch": "x"})


def test_a_plain_loop_that_decodes_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "plain_greedy", lambda model, lines: lines.token_NT)
    with pytest.raises(RuntimeError, match="disagree"):
        training.evaluation(small(), "x", 0.01, False, 8)
