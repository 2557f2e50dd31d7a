"""Sweeps: grids say what they mean, one failure costs one run, and nothing finished is lost, whatever ends the processes."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from empirical.runs import store
from empirical.runs.grid import read_grid
from empirical.runs.plan import Group
from empirical.runs.store import claimed, failures, finished, load_run
from empirical.training.board import Board
from empirical.training.loop import train
from empirical.training.sweep import Failure, Hear, Job, Processes, jobs_of, sweep
from empirical.training.worker import Terms, work
from tests.command import ROOT, called, refused
from tests.networks import TINY
from theory.errors import InputError

JOBS = jobs_of([Group("g", replace(TINY, steps=4), (0, 1, 2))])


class Watcher:
    """Notes what a sweep says."""

    def __init__(self, hear: Callable[[Job, dict[str, Any]], None] = lambda job, row: None) -> None:
        self.said: list[tuple[str, int]] = []
        self.heard = hear

    def started(self, job: Job) -> None:
        self.said.append(("started", job.spec.seed))

    def failed(self, job: Job, failure: Failure, again: bool) -> None:
        self.said.append(("again" if again else "failed", job.spec.seed))

    def done(self, job: Job, accuracy: str) -> None:
        self.said.append(("done", job.spec.seed))


class Here:
    """Attempts in this process; the failures given come first."""

    slots = 1

    def __init__(self, results: Path, planted: dict[int, list[Failure]] | None = None) -> None:
        self.results, self.planted, self.closed = results, planted or {}, False

    def attempt(self, job: Job, hear: Hear) -> Failure | None:
        if self.planted.get(job.spec.seed):
            return self.planted[job.spec.seed].pop(0)
        try:
            work(Terms(self.results).job(job.spec, job.group), hear)
        except OSError as error:
            return Failure(str(error))
        return None

    def close(self) -> None:
        self.closed = True


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


GRIDS = [
    ("task=add,mul pe=absolute,none seed=0-1", {"add-absolute": 2, "add-none": 2, "mul-absolute": 2, "mul-none": 2}),
    ("task=add,mul,pe=absolute,none,seed=0-1", {"add-absolute": 2, "add-none": 2, "mul-absolute": 2, "mul-none": 2}),
    ("task=add,mod-add modulus=7,8", {"add": 1, "mod-add-7": 1, "mod-add-8": 1}),
    ("pe=window,none window=3-4 layout=interleaved", {"window-3": 1, "window-4": 1, "none": 1}),
    ("pe=priced,absolute price=0.1,0.3 charge=log", {"priced-0.1": 1, "priced-0.3": 1, "absolute": 1}),
    ("pe=sparse,priced price=0.1 anneal=0.5,0", {"sparse-0.5": 1, "sparse-0": 1, "priced": 1}),
    ("train=1-2,2+4 seed=5", {"1-2": 1, "2-4": 1}),
    ("expr=max(a, b),2*a + b", {"max-a-b": 1, "2-a-b": 1}),
    ("dim=16 heads=2 seed=3,1", {"add": 2}),
]


@pytest.mark.parametrize(("text", "groups"), GRIDS)
def test_grids(text: str, groups: dict[str, int]) -> None:
    assert {group.name: len(group.seeds) for group in read_grid(text)} == groups


def test_a_grid_is_what_the_command_line_makes_of_each_point() -> None:
    (group,) = read_grid("train=1-2 lr=2e-3 preset=local seed=7 domain=both", "mine")
    assert group.name == "mine"
    (spec,) = group.specs
    assert (spec.task, spec.encoding, spec.layout, spec.width, spec.seed) == ("add", "absolute", "padded", 4, 7)
    assert (spec.test_lengths, spec.test_domain, spec.lr, spec.layers) == ((1, 2, 3, 4), "both", 2e-3, 1)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("taks=add", "'taks'"), ("task=add task=mul", "task is given twice"), ("pe=none encoding=none", "twice"), ("steps=x", "steps=x"),
        ("seed=4-0", "seed=4-0"), ("seed=1,1", "value twice"), ("task=", "empty"), ("task=add,,mul", "empty"), ("hello", "hello"),
        ("hello task=add", "hello"), ("window=4", "window"), ("price=0.3", "price"), ("modulus=7", "modulus"), ("pe=window", "--window"),
        ("seed=0-99999", "at most"), ("seed=0-9999 steps=1,2", "20000 runs"), ("expr=a+b,a*b", "one name"),
        ("dropout=2", "dropout 2"), ("task=divide", "divide"),
        ("seed=3000000000", "seed"), ("width=2 train=3", "width 2"), ("preset=huge", "huge"), ("task=add expr=a", "not both"), ("", "grid"),
    ],
)  # fmt: skip
def test_bad_grids(text: str, part: str, tmp_path: Path) -> None:
    refused(called("empirical", "sweep", "--grid", text, "--device", "cpu", cwd=tmp_path), part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("", "one plan file or one grid"), ("plan.toml --grid task=add", "one plan file or one grid"), ("a.toml b.toml", "one plan file"),
        ("plan.toml --group x", "--group goes with --grid"), ("task=add --executor slurm", "slurm"), ("task=add --share 0", "--share"),
        ("task=add --share 2", "--share"), ("task=add --jobs 0", "jobs"), ("task=add --retries -1", "retries"),
        ("task=add --device cuda", "cuda"), ("task=add --device tpu --executor ray", "tpu"),
    ],
)  # fmt: skip
def test_bad_sweeps(line: str, part: str, tmp_path: Path) -> None:
    refused(called("empirical", "sweep", *line.split(), cwd=tmp_path), part)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_costs_one_run_and_stays_on_record(tmp_path: Path) -> None:
    crash = Failure("ended by SIGKILL", -9, ('File "/home/someone/x.py", line 1',))
    executor = Here(tmp_path, {0: [crash, crash], 1: [crash]})
    watcher = Watcher()
    swept = sweep(JOBS, tmp_path, executor, watcher, retries=1)
    digests = [job.spec.digest for job in JOBS]
    assert (swept.trained, swept.stored, swept.failed) == (tuple(digests[1:]), (), {digests[0]: "ended by SIGKILL"})
    assert watcher.said == [(word, seed) for seed, word in [
        (0, "started"), (0, "again"), (0, "failed"), (1, "started"), (1, "again"), (1, "done"), (2, "started"), (2, "done"),
    ]]  # fmt: skip
    assert executor.closed
    records = [failures(tmp_path / digest) for digest in digests]
    assert [len(record) for record in records] == [2, 1, 0]
    assert (records[1][0]["message"], records[1][0]["exit_code"], records[1][0]["group"]) == ("ended by SIGKILL", -9, "g")
    assert records[1][0]["tail"] == ['File "x.py", line 1']
    assert load_run(tmp_path / digests[1]).result["group"] == "g"
    assert "ended by SIGKILL" in called("empirical", "list", "--results", str(tmp_path)).out


@pytest.mark.parametrize("failure", [Failure("refused", 2, again=False), Failure("busy", 75, again=False, kept=False)])
def test_what_would_fail_again_is_not_repeated(failure: Failure, tmp_path: Path) -> None:
    swept = sweep(JOBS[:1], tmp_path, Here(tmp_path, {0: [failure]}), Watcher(), retries=5)
    assert list(swept.failed.values()) == [failure.message]
    assert len(list(tmp_path.glob("*/failed-*.json"))) == failure.kept


def test_what_is_finished_stays_untouched_and_what_is_damaged_is_said(tmp_path: Path) -> None:
    sweep(JOBS[:2], tmp_path, Here(tmp_path), Watcher())
    damaged = tmp_path / JOBS[1].spec.digest / "weights.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = contents(tmp_path)
    swept = sweep(JOBS, tmp_path, Here(tmp_path), watcher := Watcher())
    assert (len(swept.trained), len(swept.stored)) == (1, 1)
    assert "weights.safetensors: digest mismatch" in swept.failed[JOBS[1].spec.digest]
    assert ("failed", 1) in watcher.said
    assert contents(tmp_path).items() >= before.items()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(JOBS[:1], tmp_path, Here(tmp_path), Watcher())
    before, synced = contents(tmp_path), os.fsync

    def full(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").split("/")[-1].startswith((".weights", ".failed")):
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(handle)

    monkeypatch.setattr(store.os, "fsync", full)
    swept = sweep(JOBS, tmp_path, Here(tmp_path), Watcher())
    assert [("No space" in why) for why in swept.failed.values()] == [True, True]
    assert contents(tmp_path).items() >= before.items()
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert [finished(tmp_path / job.spec.digest) for job in JOBS] == [True, False, False]
    monkeypatch.undo()
    assert len(sweep(JOBS, tmp_path, Here(tmp_path), Watcher()).trained) == 2


def test_a_file_that_may_not_grow_is_an_error_and_not_a_result(tmp_path: Path) -> None:
    """The real thing: the kernel refuses to write more than 2 kB into a file."""
    job = Terms(tmp_path).job(JOBS[0].spec, None)
    limit = "import resource, sys, json; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
    code = f"{limit}from empirical.training.worker import work; work(json.loads(sys.stdin.readline()))"
    child = subprocess.run(
        [sys.executable, "-B", "-c", code], input=json.dumps(job) + "\n", capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.returncode == 1
    assert "File too large" in child.stderr
    assert [path.name for path in (tmp_path / JOBS[0].spec.digest).iterdir()] == ["spec.json"]
    assert train(JOBS[0].spec, tmp_path).spec == JOBS[0].spec


def test_one_process_at_a_time_writes_a_run(tmp_path: Path) -> None:
    folder = tmp_path / TINY.digest
    with claimed(folder):
        (folder / ".weights.safetensors.123").write_bytes(b"left by a killed writer")
        with pytest.raises(store.Busy, match="another process"):
            train(TINY, tmp_path)
    with claimed(folder):
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """kill -9 in the middle of a run: the other run does not notice, the second attempt ends like an undisturbed one."""
    jobs = jobs_of([Group("g", replace(TINY, steps=200), (0, 1))])
    executor = Processes(Terms(tmp_path), slots=2)
    killed: list[int] = []

    def hear(job: Job, row: dict[str, Any]) -> None:
        if job.spec.seed == 0 and not killed:
            child = next(child for child in executor.children if holds(child.pid, tmp_path / job.spec.digest))
            killed.append(child.pid)
            child.kill()

    swept = sweep(jobs, tmp_path, executor, watcher := Watcher(hear))
    assert len(swept.trained) == 2
    assert len(killed) == 1
    assert ("again", 0) in watcher.said
    assert [record["exit_code"] for record in failures(tmp_path / jobs[0].spec.digest)] == [-9]
    straight = train(jobs[0].spec, tmp_path / "straight")
    assert (straight.folder / "weights.safetensors").read_bytes() == (tmp_path / straight.folder.name / "weights.safetensors").read_bytes()


def holds(pid: int, folder: Path) -> bool:
    """Whether a process has the folder of a run open, which it holds while it trains."""
    links = (os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink())
    return str(folder) in links


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_sweep(ending: signal.Signals, tmp_path: Path) -> None:
    """kill -9 or Ctrl-C of the sweep: its workers end, what is finished stays, and the next sweep does the rest."""
    grid = "base=3 train=1-2 width=3 preset=local batch=8 examples=20"
    sweep(jobs_of(read_grid(f"{grid} steps=3")), tmp_path / "results", Here(tmp_path / "results"), Watcher())
    before = contents(tmp_path / "results")
    code = "from empirical.cli import main; main()"
    arguments = ["sweep", "--grid", grid, "steps=3,1000000", "--device", "cpu", "--jobs", "1"]
    driver = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    (job,) = [job for job in jobs_of(read_grid(f"{grid} steps=3,1000000")) if job.spec.steps > 3]
    spec = tmp_path / "results" / job.spec.digest / "spec.json"
    wait_for(spec.exists)
    worker = next(int(path.name) for path in Path("/proc").glob("[0-9]*") if is_child(path, driver.pid))
    driver.send_signal(ending)
    _, err = driver.communicate(timeout=60)
    wait_for(lambda: not Path(f"/proc/{worker}").exists())
    assert driver.returncode == (130 if ending == signal.SIGINT else -9)
    assert "Traceback" not in err
    assert contents(tmp_path / "results").items() >= before.items()
    assert not list((tmp_path / "results").glob("*/failed-*"))
    with claimed(spec.parent):
        assert not finished(spec.parent)


def is_child(process: Path, parent: int) -> bool:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent
    except (OSError, IndexError):
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_board_tells_a_terminal_and_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
        with Board(JOBS) as board:
            board.console.file = io.StringIO()
            for job in JOBS:
                board.started(job)
            board.heard(JOBS[0], {"step": 2, "loss": 1.5, "id_accuracy": 0.25})
            assert board.remaining is not None
            board.console.print(board.table())
            board.failed(JOBS[1], Failure("ended by SIGKILL"), again=True)
            board.done(JOBS[0], "right")
            board.failed(JOBS[1], Failure("ended by SIGKILL"), again=False)
            shown = board.console.file.getvalue()
        assert "0 of 3 runs ended, 3 running" in shown.replace("\n", " ")
        assert "25.0%" in shown
        assert "g seed 1: ended by SIGKILL, trying again" in shown
        assert ("[1/3, " in shown) is not terminal
        assert (board.ended, board.failures, len(board.rows)) == (2, 1, 1)


def test_ray_is_asked_for_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    refused(called("empirical", "sweep", "task=add", "--executor", "ray", "--device", "cpu", cwd=tmp_path), "arith-theory[ray]")
    assert list(tmp_path.iterdir()) == []


def test_ray_gives_the_same_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'arith-theory[ray]'")
    from empirical.training.ray_tasks import RayTasks

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(InputError, match="no Ray cluster at"):
        RayTasks(Terms(tmp_path), 2)
    monkeypatch.delenv("RAY_ADDRESS")
    rows: list[dict[str, Any]] = []
    swept = sweep(JOBS, tmp_path / "ray", RayTasks(Terms(tmp_path / "ray"), 2), Watcher(lambda job, row: rows.append(row)))
    assert len(swept.trained) == 3
    sweep(JOBS, tmp_path / "here", Here(tmp_path / "here"), Watcher())
    for job in JOBS:
        ours, theirs = (load_run(tmp_path / name / job.spec.digest) for name in ("here", "ray"))
        assert ours.result["evaluation"] == theirs.result["evaluation"]
        assert ours.result["weights_sha256"] == theirs.result["weights_sha256"]
