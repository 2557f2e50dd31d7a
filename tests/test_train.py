"""Training: resumable to the same weights, idempotent, silent on held-out pairs, and able to learn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from empirical.data import held_out
from empirical.evaluate import answer, evaluate_weights
from empirical.store import load_model, load_run
from empirical.train import Trainer, learning_rate, loss_of, train
from tests.command import ROOT
from tests.networks import SPECS, TINY

torch.set_num_threads(1)


class Stop(Exception):
    """Stands for Ctrl-C."""


def metrics(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize("name", ["padded absolute", "interleaved window", "plain none", "plain randomised", "interleaved coupled"])
def test_a_resumed_run_ends_like_a_straight_one(name: str, tmp_path: Path) -> None:
    spec = SPECS[name]
    straight = train(spec, tmp_path / "straight")
    trainer = Trainer(spec, tmp_path / "resumed", "cpu", None)

    def stop(row: dict[str, Any]) -> None:
        if row["step"] == 9:
            trainer._save()
            raise Stop

    with pytest.raises(Stop):
        trainer.run(stop)
    resumed = train(spec, tmp_path / "resumed")
    assert (resumed.folder / "weights.safetensors").read_bytes() == (straight.folder / "weights.safetensors").read_bytes()
    assert metrics(resumed.folder) == metrics(straight.folder)
    assert resumed.result["evaluation"] == straight.result["evaluation"]
    assert not (resumed.folder / "checkpoint.pt").exists()


def test_a_killed_run_ends_like_a_straight_one(tmp_path: Path) -> None:
    spec = replace(TINY, steps=400)
    job = {"spec": spec.to_dict(), "results": str(tmp_path / "killed"), "device": "cpu", "group": None}
    code = "import empirical.train as t, json, sys; t.SAVE_EVERY_S = 0; from empirical.worker import work; work(json.load(sys.stdin))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True, env=environment)
    assert child.stdin is not None
    child.stdin.write(json.dumps(job))
    child.stdin.close()
    checkpoint = tmp_path / "killed" / spec.digest / "checkpoint.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    straight, resumed = train(spec, tmp_path / "straight"), train(spec, tmp_path / "killed")
    assert (resumed.folder / "weights.safetensors").read_bytes() == (straight.folder / "weights.safetensors").read_bytes()


def test_a_broken_checkpoint_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / TINY.digest).mkdir()
    (tmp_path / TINY.digest / "checkpoint.pt").write_bytes(b"cut short")
    assert train(TINY, tmp_path).result["digest"] == TINY.digest
    assert (tmp_path / TINY.digest / "checkpoint.broken").exists()


def test_a_finished_run_is_loaded(tmp_path: Path) -> None:
    first = train(TINY, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}

    def never(row: dict[str, Any]) -> None:
        raise AssertionError("trained again")

    assert train(TINY, tmp_path, report=never).result == first.result
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before


def test_stored_weights_give_the_counts_of_the_result(tmp_path: Path) -> None:
    done = train(replace(TINY, examples=80), tmp_path)
    assert evaluate_weights(done.folder, done.spec.test_lengths, 80, done.spec.seed + 1_000_000) == done.result["evaluation"]


def test_held_out_pairs_carry_no_loss() -> None:
    trainer = Trainer(TINY, Path("/nonexistent"), "cpu", None)
    torch.manual_seed(0)
    drawn = trainer.stream.sampler.draw(400)
    hidden = drawn.take(held_out(drawn, TINY.heldout).nonzero()[:, 0])
    lines = trainer.stream.renderer.lines(hidden)
    loss = loss_of(trainer.model, lines, ~held_out(hidden, TINY.heldout))
    loss.backward()
    assert len(hidden.length_N) > 5
    assert float(loss.detach()) == 0
    assert all(weight.grad is None or not weight.grad.any() for weight in trainer.model.parameters())


def test_learning_rate_warms_up_and_falls_to_a_tenth() -> None:
    rates = [learning_rate(TINY, step) for step in range(TINY.steps)]
    assert rates[0] == pytest.approx(TINY.lr / TINY.warmup)
    assert max(rates) == pytest.approx(TINY.lr)
    assert learning_rate(TINY, TINY.steps) == pytest.approx(TINY.lr / 10)


def test_a_windowed_layer_adds_numbers_twice_as_long(tmp_path: Path) -> None:
    spec = replace(
        TINY, layout="interleaved", encoding="window", window=5, dim=32, heads=4, steps=800, batch=64, lr=4e-3, dropout=0.0,
        train_lengths=(1, 2, 3), test_lengths=(3, 6, 30), warmup=20,
    )  # fmt: skip
    done = train(spec, tmp_path)
    assert [entry["truth"] / entry["examples"] for entry in done.result["evaluation"]] == pytest.approx([1, 1, 1], abs=0.1)
    assert answer(load_run(done.folder), 3**20 - 1, 1) == 3**20
    assert not load_model(done).training


def test_every_seed_and_step_draws_a_batch_of_its_own(tmp_path: Path) -> None:
    """Also seeds that differ in their high bits alone."""
    drawn = []
    for seed in (0, 1, 2, 31, 2**31 - 1):
        trainer = Trainer(replace(TINY, seed=seed), tmp_path, "cpu", None)
        for _ in range(3):
            drawn.append(trainer.batch(16)[0].token_NT)
            trainer.train_step()
    assert len({str(token_NT.tolist()) for token_NT in drawn}) == len(drawn) == 15
