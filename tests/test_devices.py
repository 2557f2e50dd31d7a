"""One run and an ensemble, from the first step to the store, on each device that is there: the first thing to run on a GPU."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from empirical.runs.store import Run, load_model
from empirical.study.evaluate import evaluate
from empirical.training.ensemble import train_together
from empirical.training.loop import train
from tests.networks import SPECS, TINY

torch.set_num_threads(1)

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
DEVICES = ["cpu", pytest.param("cuda", marks=GPU)]
#: a digit is written again: learned at once
EASY = replace(
    TINY, task="copy", layout="interleaved", encoding="window", window=2, width=4, dim=32, steps=300, batch=64, lr=1e-2, dropout=0.0,
    examples=200, train_lengths=(1, 2, 3), test_lengths=(3, 8),
)  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_learns_and_is_evaluated_alike_on_the_cpu(device: str, tmp_path: Path) -> None:
    run = train(EASY, tmp_path, device)
    counted = {entry["length"]: entry["truth"] for entry in run.result["evaluation"]}
    assert min(counted.values()) > 190
    again = evaluate(load_model(run), EASY, list(EASY.test_lengths), EASY.examples, seed=1, places=False)
    assert all(abs(entry["truth"] - counted[entry["length"]]) <= 10 for entry in again)


@pytest.mark.parametrize("device", DEVICES)
def test_members_learn(device: str, tmp_path: Path) -> None:
    """On a GPU in one graph of kernels."""
    done = train_together([(replace(EASY, seed=seed), None) for seed in (0, 1)], tmp_path, device)
    assert [run.result["ensemble"]["cuda_graph"] for run in done] == [device == "cuda"] * 2
    assert min(entry["truth"] for run in done for entry in run.result["evaluation"]) > 190


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("together", [False, True])
def test_what_the_time_ends_goes_on(together: bool, device: str, tmp_path: Path) -> None:
    def call(until: float) -> list[Run]:
        if together:
            return train_together([(TINY, None)], tmp_path, device, until=until)
        return [train(TINY, tmp_path, device, until=until)]

    with pytest.raises(KeyboardInterrupt):
        call(time.time())
    assert not list(tmp_path.rglob("result.json"))
    assert [run.spec for run in call(time.time() + 600)] == [TINY]


@GPU
@pytest.mark.parametrize("name", SPECS)
def test_every_mechanism_steps_on_a_gpu(name: str, tmp_path: Path) -> None:
    """Its ensemble captured as a graph; runs of their own in half precision."""
    specs = [replace(SPECS[name], steps=5, seed=seed) for seed in (0, 1)]
    assert len(train_together([(spec, None) for spec in specs], tmp_path / "together", "cuda")) == 2
    assert train(specs[0], tmp_path / "alone", "cuda").result["device"] != "cpu"
