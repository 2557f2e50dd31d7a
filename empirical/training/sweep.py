"""Sweeps: many runs, a few at a time; whatever happens to one of them, the others go on.

An executor makes one attempt at one run. This module does the rest, the same for every executor: what is to train, how often an attempt
is repeated, and what is put on record. The store alone knows what is finished, so a stopped sweep goes on when started again.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from empirical.runs.plan import Group
from empirical.runs.spec import RunSpec
from empirical.runs.store import ROOT, finished, load_run, record_failure
from empirical.training.worker import BUSY, REFUSED, STOPPED, Terms
from theory.errors import InputError

Hear = Callable[[dict[str, Any]], None]
TAIL = 20  # last lines of a failed attempt that are kept


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    group: str
    spec: RunSpec

    @property
    def label(self) -> str:
        return f"{self.group} seed {self.spec.seed}"


@dataclass(frozen=True)
class Failure:
    """Why an attempt ended without a result. `again`: another attempt may end otherwise; `kept`: it belongs on record."""

    message: str
    exit_code: int | None = None
    tail: tuple[str, ...] = ()
    again: bool = True
    kept: bool = True


TIME_UP = Failure("the time is up", STOPPED, again=False, kept=False)  # and a checkpoint is kept


class Executor(Protocol):
    """Where attempts are made; `slots` of them at a time, each called from a thread of its own."""

    slots: int

    def attempt(self, job: Job, hear: Hear) -> Failure | None: ...

    def close(self) -> None: ...


class Watcher(Protocol):
    """Who is told of a sweep."""

    def started(self, job: Job) -> None: ...

    def heard(self, job: Job, row: dict[str, Any]) -> None: ...

    def failed(self, job: Job, failure: Failure, again: bool) -> None: ...

    def done(self, job: Job, accuracy: str) -> None: ...


@dataclass(frozen=True)
class Swept:
    """Digests of a sweep's runs: trained now, stored before, not finished, with the reason, and left to do when the time was up."""

    trained: tuple[str, ...]
    stored: tuple[str, ...]
    failed: dict[str, str]
    left: tuple[str, ...] = ()


def jobs_of(groups: Iterable[Group]) -> list[Job]:
    """The runs of the groups, each once."""
    return list({spec.digest: Job(group.name, spec) for group in groups for spec in group.specs}.values())


def unfinished(jobs: Iterable[Job], results: Path) -> list[Job]:
    return [job for job in jobs if not finished(results / job.spec.digest)]


def sweep(jobs: list[Job], results: Path, executor: Executor, watcher: Watcher, retries: int = 1, until: float = math.inf) -> Swept:
    """Train what is not finished; each run is attempted at most 1 + `retries` times, and none begins after the time `until`.

    A stored run that is damaged counts as failed, and is left as it is for its owner to look at.
    """
    waiting = unfinished(jobs, results)
    failed = {}
    stored = [job for job in jobs if job not in waiting]
    for job in stored:
        try:
            load_run(results / job.spec.digest)
        except InputError as error:
            failed[job.spec.digest] = str(error)
            watcher.failed(job, Failure(str(error)), again=False)

    def run(job: Job) -> Failure | None:
        """Why the run is not finished."""
        if time.time() >= until:
            return TIME_UP
        watcher.started(job)
        for left in range(retries, -1, -1):
            failure = _attempt(job, results, executor, watcher)
            if failure is None or failure == TIME_UP:
                return failure
            again = failure.again and left > 0
            if failure.kept:
                record = {"group": job.group, "seed": job.spec.seed, "exit_code": failure.exit_code}
                with suppress(OSError):  # a full disk: the watcher says what happened
                    record_failure(results / job.spec.digest, {**record, "message": failure.message, "tail": list(failure.tail)})
            watcher.failed(job, failure, again)
            if not again:
                return failure
        raise AssertionError("unreachable")

    ends: dict[str, Failure] = {}
    pool = ThreadPoolExecutor(max(1, min(executor.slots, len(waiting))))
    try:
        for job, why in zip(waiting, pool.map(run, waiting), strict=True):
            if why is not None:
                ends[job.spec.digest] = why
    finally:  # on Ctrl-C: nothing new starts, and what runs is stopped
        pool.shutdown(wait=False, cancel_futures=True)
        executor.close()
        pool.shutdown(wait=True)
    trained = tuple(job.spec.digest for job in waiting if job.spec.digest not in ends)
    intact = tuple(job.spec.digest for job in stored if job.spec.digest not in failed)
    failed |= {digest: why.message for digest, why in ends.items() if why != TIME_UP}
    return Swept(trained, intact, failed, tuple(digest for digest, why in ends.items() if why == TIME_UP))


def _attempt(job: Job, results: Path, executor: Executor, watcher: Watcher) -> Failure | None:
    """One attempt, believed when its run can be loaded."""
    failure = executor.attempt(job, lambda row: watcher.heard(job, row))
    if failure is not None:
        return failure
    try:
        done = load_run(results / job.spec.digest)
    except InputError as error:
        return Failure(str(error))
    accuracy = ", ".join(f"{entry['length']}: {entry['truth'] / entry['examples']:.1%}" for entry in done.result["evaluation"])
    watcher.done(job, f"{done.spec.digest} in {done.result['wall_s']} s, right at length {accuracy}")
    return None


class Processes:
    """One child process per attempt, with one thread. On GPUs, slots go round the devices that this process sees."""

    def __init__(self, terms: Terms, slots: int | None = None, share: float = 1.0) -> None:
        """`share` is the part of a GPU that one run takes; by default there are as many slots as cores, or as parts of GPUs."""
        self.terms, self.closed = terms, False
        devices = _gpus() if terms.device == "cuda" else [""]
        self.slots = slots or (len(devices) * max(1, int(1 / share)) if terms.device == "cuda" else _cores())
        self.free: SimpleQueue[str] = SimpleQueue()
        for slot in range(self.slots):
            self.free.put(devices[slot % len(devices)])
        self.children: set[subprocess.Popen[str]] = set()

    def attempt(self, job: Job, hear: Hear) -> Failure | None:
        gpu = self.free.get()
        try:
            return self._attempt(job, gpu, hear)
        finally:
            self.free.put(gpu)

    def _attempt(self, job: Job, gpu: str, hear: Hear) -> Failure | None:
        if self.closed:
            return Failure("the sweep was stopped", again=False, kept=False)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        if gpu:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        child = subprocess.Popen(
            [sys.executable, "-m", "empirical.training.worker"], env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        self.children.add(child)
        tail: deque[str] = deque(maxlen=TAIL)
        with child:
            with suppress(BrokenPipeError):
                child.stdin.write(json.dumps(self.terms.job(job.spec, job.group)) + "\n")
                child.stdin.flush()
            for line in child.stdout:
                row = _row(line)
                if row is None:
                    tail.append(line.rstrip())
                else:
                    hear(row)
            code = child.wait()
        self.children.discard(child)
        if code == 0:
            return None
        if self.closed:
            return Failure("the sweep was stopped", code, again=False, kept=False)
        if code == STOPPED:
            return TIME_UP
        refused = code in (REFUSED, BUSY)  # and on record by itself, where it is an attempt at all
        return Failure(_why(code, tail), code, tuple(tail), again=not refused, kept=not refused)

    def close(self) -> None:
        """Stop what runs; each process ends when its standard input does."""
        self.closed = True
        for child in list(self.children):
            with suppress(OSError, ValueError):
                if child.stdin is not None:
                    child.stdin.close()
        deadline = time.monotonic() + 10
        for child in list(self.children):
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()


def _row(line: str) -> dict[str, Any] | None:
    """A measurement, where the line is one."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "step" in row else None


def _why(code: int, tail: Iterable[str]) -> str:
    last = next((line.removeprefix("error: ") for line in reversed(list(tail)) if line.strip()), "")
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        return f"ended by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
    return last or f"stopped with exit code {code}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> list[str]:
    """The devices that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = [name for name in re.split(r"[,\s]+", os.environ.get("CUDA_VISIBLE_DEVICES", "")) if name]
    return named or [str(index) for index in range(torch.cuda.device_count())]
