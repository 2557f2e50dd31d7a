"""Sweeps in slices: a time limit stops runs between two steps, with checkpoints, and the same command goes on to the same weights."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from empirical.runs.plan import Group
from empirical.runs.store import Run, failures
from empirical.training.ensemble import train_together
from empirical.training.loop import train
from empirical.training.sweep import TIME_UP, Processes, jobs_of, sweep
from empirical.training.worker import Terms
from tests.command import called, refused
from tests.networks import TINY
from tests.test_sweep import Here, Watcher

JOBS = jobs_of([Group("g", replace(TINY, steps=4), (0, 1))])
ENDLESS = "base=3 train=1-2 width=3 preset=local batch=8 examples=20 steps=1000000"


def weights(run: Run) -> bytes:
    return (run.folder / "weights.safetensors").read_bytes()


def test_a_run_cut_at_every_step_ends_like_a_straight_one(tmp_path: Path) -> None:
    spec = JOBS[0].spec
    for slices in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt, match=f"stopped at step {slices} of 4"):
            train(spec, tmp_path / "cut", until=0)
    assert weights(train(spec, tmp_path / "cut")) == weights(train(spec, tmp_path / "straight"))
    assert failures(tmp_path / "cut" / spec.digest) == []


def test_an_ensemble_cut_at_any_step_ends_like_a_straight_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the time is up before it begins, nothing is written."""
    runs = [(job.spec, job.group) for job in JOBS]
    with pytest.raises(KeyboardInterrupt, match="the time is up"):
        train_together(runs, tmp_path / "cut", until=0)
    assert not (tmp_path / "cut").exists()
    for slices in (1, 2, 3):
        ticks = iter([0.0, *[2.0] * 100])
        monkeypatch.setattr(time, "time", lambda ticks=ticks: next(ticks))
        with pytest.raises(KeyboardInterrupt, match=f"stopped at step {slices} of 4"):
            train_together(runs, tmp_path / "cut", until=1)
        monkeypatch.undo()
    for cut, straight in zip(train_together(runs, tmp_path / "cut"), train_together(runs, tmp_path / "straight"), strict=True):
        assert weights(cut) == weights(straight)
    assert not list((tmp_path / "cut").glob("ensemble-*"))


def test_a_worker_stops_in_time_and_is_no_failure(tmp_path: Path) -> None:
    job = JOBS[0]
    assert Processes(Terms(tmp_path, until=0), 1).attempt(job, lambda row: None) == TIME_UP
    assert sorted(path.name for path in (tmp_path / job.spec.digest).iterdir()) == ["checkpoint.pt", "spec.json"]


def test_a_sweep_begins_nothing_after_its_time(tmp_path: Path) -> None:
    watcher = Watcher()
    swept = sweep(JOBS, tmp_path, Here(tmp_path, {0: [TIME_UP]}), watcher)
    assert (swept.trained, swept.failed, swept.left) == ((JOBS[1].spec.digest,), {}, (JOBS[0].spec.digest,))
    assert ("failed", 0) not in watcher.said
    again = sweep(JOBS, tmp_path, Here(tmp_path), watcher := Watcher(), until=0)
    assert (again.stored, again.left) == (swept.trained, swept.left)
    assert watcher.said == []
    assert sweep(JOBS, tmp_path, Here(tmp_path), Watcher()).left == ()


@pytest.mark.parametrize("executor", ["embedded", "ensemble"])
def test_the_command_stops_in_time(executor: str, tmp_path: Path) -> None:
    words = ("sweep", "--grid", ENDLESS, "--device", "cpu", "--seconds", "1", "--jobs", "1", "--executor", executor)
    done = called("empirical", *words, cwd=tmp_path)
    assert done.code == 75, done.err
    assert "1 left: the same command goes on" in done.out
    assert list((tmp_path / "results").glob("*/checkpoint.pt"))
    assert not list((tmp_path / "results").glob("*/failed-*"))
    if executor == "ensemble":
        told = json.loads(called("empirical", *words, "--json", cwd=tmp_path).out)
        assert (told["stored"], len(told["left"])) == ([], 1)


def test_a_limit_below_a_second_is_refused(tmp_path: Path) -> None:
    refused(called("empirical", "sweep", "task=add", "--seconds", "0", cwd=tmp_path), "seconds")
