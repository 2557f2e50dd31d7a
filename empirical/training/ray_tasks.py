"""Attempts as Ray Core tasks: on a local cluster, or on that of RAY_ADDRESS.

A task trains into the folder of the store as its node sees it, and returns its run as an archive. On a shared file system the run is in the
store already; elsewhere the archive is imported, with all the checks of `arith-train import`. A run that was stopped goes on from the
checkpoint that its node kept.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import socket
from contextlib import suppress
from dataclasses import replace
from typing import Any

from empirical.runs.archive import import_runs, write_archive
from empirical.runs.store import ROOT, Busy, finished
from empirical.training.sweep import TAIL, TIME_UP, Failure, Hear, Job
from empirical.training.worker import BUSY, REFUSED, STOPPED, Terms, work
from theory.errors import InputError

MAX_SLOTS = 256  # tasks handed to Ray at a time; Ray runs as many as it has room for
POLL_S = 0.5


class RayTasks:
    """One Ray task per attempt, of one core and, on CUDA, of a share of a GPU. Ray does the scheduling, the sweep the retries."""

    def __init__(self, terms: Terms, slots: int | None = None, share: float = 1.0) -> None:
        try:
            self.ray: Any = importlib.import_module("ray")
        except ImportError:
            raise InputError("--executor ray needs Ray: pip install 'arith-theory[ray]'") from None
        self.terms, self.slots = replace(terms, results=terms.results.resolve()), slots or MAX_SLOTS
        address = os.environ.get("RAY_ADDRESS")
        here = str(ROOT)
        code = {"py_modules": [f"{here}/theory", f"{here}/empirical"]} if address else {"env_vars": {"PYTHONPATH": here}}
        options: dict[str, Any] = {"address": address} if address else {"address": "local", "include_dashboard": False, "num_cpus": slots}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address:
            _reachable(address)
        try:
            self.ray.init(**options, runtime_env=code, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            raise InputError(f"no Ray cluster{f' at {address}' if address else ''}: {_line(error)}: check RAY_ADDRESS") from None
        gpus = share if terms.device == "cuda" else 0
        if self.ray.cluster_resources().get("GPU", 0) < gpus:
            self.close()
            raise InputError("device cuda: the Ray cluster has no GPU, use --device cpu")
        self.board = self.ray.remote(num_cpus=0)(_Progress).remote()
        self.task = self.ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(_train)

    def attempt(self, job: Job, hear: Hear) -> Failure | None:
        seen = None
        try:
            task = self.task.remote(self.terms.job(job.spec, job.group), job.spec.digest, self.board)
            while not self.ray.wait([task], timeout=POLL_S)[0]:
                if (row := self.ray.get(self.board.last.remote(job.spec.digest))) not in (None, seen):
                    hear(row)
                    seen = row
            error, data = self.ray.get(task)
        except Exception as broken:
            return Failure(_line(broken), tail=tuple(str(broken).splitlines()[-TAIL:]))
        if error:
            code, message = error
            if code == STOPPED:
                return TIME_UP
            return Failure(message, code, again=False, kept=False)
        if not finished(self.terms.results / job.spec.digest):
            try:
                import_runs(io.BytesIO(data), self.terms.results)
            except InputError as damaged:
                return Failure(str(damaged))
        return None

    def close(self) -> None:
        with suppress(Exception):
            self.ray.shutdown()


class _Progress:
    """An actor: the last measurement of each run."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def hear(self, digest: str, row: dict[str, Any]) -> None:
        self.rows[digest] = row

    def last(self, digest: str) -> dict[str, Any] | None:
        return self.rows.get(digest)


def _train(job: dict[str, Any], digest: str, board: Any) -> tuple[tuple[int, str] | None, bytes]:
    """On a node: what refused the run, or its archive."""
    try:
        done = work(job, lambda row: board.hear.remote(digest, row))
    except InputError as error:
        return (BUSY if isinstance(error, Busy) else REFUSED, str(error)), b""
    except KeyboardInterrupt:
        return (STOPPED, TIME_UP.message), b""
    file = io.BytesIO()
    write_archive([done], file)
    return None, file.getvalue()


def _reachable(address: str) -> None:
    """Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"no Ray cluster at {address}: {error}: check RAY_ADDRESS") from None


def _line(error: Exception) -> str:
    """An error in one line: that of the task where there is one, else Ray's own."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__
