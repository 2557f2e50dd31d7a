"""A progress bar on standard error: loss, ID accuracy, time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = Callable[[dict[str, Any]], None]


@contextmanager
def bar(steps: int, label: str) -> Iterator[Report]:
    """A function that hears of each measurement; on a terminal it moves a bar, elsewhere it prints a line."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps"),
        TextColumn("{task.fields[state]}"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        shown = progress.add_task(label, total=steps, state="")

        def report(row: dict[str, Any]) -> None:
            state = f"loss {row['loss']:.4f}, ID accuracy {row['id_accuracy']:.1%}"
            progress.update(shown, completed=row["step"], state=state)
            if not console.is_terminal:
                console.print(f"{label}: step {row['step']}/{steps}, {state}, {row['seconds']:.0f} s", highlight=False, soft_wrap=True)

        yield report
