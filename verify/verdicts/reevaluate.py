"""Evaluates committed weights again, on fresh random inputs, in two processes.

The committed counts could be wrong by accident or on purpose; the weights cannot pretend. Each job is one network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.verdicts.workers import Workers, lent


@dataclass(frozen=True)
class Job:
    """One network, and the test lengths at which to evaluate it."""

    folder: Path
    lengths: tuple[int, ...]
    examples: int
    seed: int


@dataclass(frozen=True)
class Fresh:
    """Fresh counts of one network by length, or why there are none."""

    folder: Path
    entries: Mapping[int, dict[str, Any]]
    problem: str = ""


def evaluate_job(job: Job) -> Fresh:
    """Run one job; a failure is reported as a value, so that one broken network does not hide the others."""
    try:
        from empirical.study.evaluate import evaluate_weights

        entries = evaluate_weights(job.folder, job.lengths, job.examples, job.seed)
        return Fresh(job.folder, {entry["length"]: entry for entry in entries})
    except Exception as error:
        return _failed(job, error)


def evaluate_jobs(jobs: Sequence[Job], workers: Workers | None = None) -> Iterator[Fresh]:
    """Run all jobs, the slowest first, and yield each as it ends."""
    ordered = sorted(jobs, key=lambda job: -sum(job.lengths))
    with lent(workers) as pool:
        yield from (fresh for _, fresh in pool.run(evaluate_job, ordered, _failed))


def _failed(job: Job, error: Exception) -> Fresh:
    return Fresh(job.folder, {}, f"{type(error).__name__}: {error}")
