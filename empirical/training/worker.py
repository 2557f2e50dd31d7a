"""One run in a process of its own: `python -m empirical.training.worker`, the child of a sweep.

It reads one JSON line on standard input and writes one per measurement on standard output; all other lines are for people. Standard input
stays open as long as the sweep lives: when it ends, the run stops, and its checkpoint is where the next sweep goes on.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from empirical.runs.spec import RunSpec, spec_from_dict
from empirical.runs.store import Busy, Run
from theory.errors import InputError

#: exit codes: bad input, which another attempt would meet again; another process has the run; the time was up, a checkpoint is kept
REFUSED, BUSY, STOPPED = 2, 75, 130


@dataclass(frozen=True)
class Terms:
    """On what terms the runs of a sweep are trained: their store, a device, until what time, and whether in compiled kernels."""

    results: Path
    device: str = "cpu"
    until: float = math.inf
    compiled: bool = False

    def job(self, spec: RunSpec, group: str | None) -> dict[str, Any]:
        """What a process is told of one run."""
        return {**asdict(self), "results": str(self.results), "spec": spec.to_dict(), "group": group}


def work(job: dict[str, Any], report: Callable[[dict[str, Any]], None] = lambda row: None) -> Run:
    """The run of a job (of `Terms.job`), with one thread."""
    from empirical.process import settle
    from empirical.training.loop import train

    settle()
    return train(spec_from_dict(job["spec"]), Path(job["results"]), job["device"], job["group"], report, job["until"], job["compiled"])


def main() -> None:
    job = json.loads(sys.stdin.readline())
    Thread(target=_follow, daemon=True).start()
    try:
        work(job, lambda row: print(json.dumps(row), flush=True))
    except InputError as error:
        print(f"error: {error}", flush=True)
        sys.exit(BUSY if isinstance(error, Busy) else REFUSED)
    except KeyboardInterrupt:
        sys.exit(STOPPED)


def _follow() -> None:
    """Stop when the sweep is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
