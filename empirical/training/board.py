"""What a sweep does, while it does it: a live table on a terminal, plain lines elsewhere; both on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any

from empirical.training.sweep import Failure, Job
from theory.words import counted

if TYPE_CHECKING:
    from rich.table import Table

MAX_ROWS = 24  # running runs that the table shows


class Board:
    """Listens to a sweep (empirical.training.sweep.Watcher), from several threads; use it in a `with` block."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        from rich.console import Console
        from rich.live import Live

        self.work = {job.spec.digest: float(job.spec.steps * job.spec.batch) for job in jobs}  # a run's share of the whole
        self.share = dict.fromkeys(self.work, 0.0)  # done, from 0 to 1
        self.rows: dict[str, tuple[Job, dict[str, Any], float]] = {}
        self.ended, self.failures, self.begun, self.lock = 0, 0, monotonic(), RLock()
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, get_renderable=self.table, refresh_per_second=2, transient=True)

    def __enter__(self) -> Board:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def started(self, job: Job) -> None:
        with self.lock:
            self.rows[job.spec.digest] = (job, {}, monotonic())

    def heard(self, job: Job, row: dict[str, Any]) -> None:
        with self.lock:
            begun = self.rows[job.spec.digest][2]
            self.rows[job.spec.digest] = (job, row, begun)
            self.share[job.spec.digest] = row["step"] / job.spec.steps

    def failed(self, job: Job, failure: Failure, again: bool) -> None:
        with self.lock:
            if not again:
                self._end(job)
                self.failures += 1
            self.say(f"{job.label}: {failure.message}{', trying again' if again else ''}")

    def done(self, job: Job, accuracy: str) -> None:
        with self.lock:
            self._end(job)
            self.say(f"{job.label}: {accuracy}")

    def say(self, line: str) -> None:
        progress = f"[{self.ended}/{len(self.work)}{left(self.remaining)}] " if self.ended and not self.console.is_terminal else ""
        self.console.print(f"{progress}{line}", markup=False, highlight=False, soft_wrap=True)

    def _end(self, job: Job) -> None:
        self.rows.pop(job.spec.digest, None)
        if job.spec.digest in self.work:  # a stored run that is damaged is none of those to train
            self.ended += 1
            self.share[job.spec.digest] = 1.0

    @property
    def remaining(self) -> float | None:
        """Seconds left, by the share of all steps that is done; None before the first measurement."""
        done = sum(self.work[digest] * self.share[digest] for digest in self.work)
        return (monotonic() - self.begun) * (sum(self.work.values()) / done - 1) if done else None

    def table(self) -> Table:
        """The running runs, under a line about all of them."""
        from rich.table import Table

        with self.lock:
            failures = f", {self.failures} failed" if self.failures else ""
            title = f"{self.ended} of {counted(len(self.work), 'run')} ended{failures}, {len(self.rows)} running{left(self.remaining)}"
            table = Table("run", "steps", "loss", "ID accuracy", "left", title=title, title_justify="left", box=None)
            now = monotonic()
            for job, row, begun in list(self.rows.values())[:MAX_ROWS]:
                share = row.get("step", 0) / job.spec.steps
                seconds = (now - begun) * (1 / share - 1) if share else None
                cells = (f"{row['loss']:.4f}", f"{row['id_accuracy']:.1%}") if row else ("", "")
                table.add_row(job.label, f"{row.get('step', 0)}/{job.spec.steps}", *cells, clock(seconds) if seconds is not None else "")
            return table


def left(seconds: float | None) -> str:
    return "" if seconds is None else f", {clock(seconds)} left"


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours before them.

    >>> clock(75), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
