"""Many predictions at once: the papers' matrix, any other, and which layout and encoding suit a task best."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from theory.domains import Training
from theory.encodings import DEFAULT_LAYOUT, FAMILIES, make_encoding
from theory.layouts import LAYOUTS, Layout, make_layout
from theory.predict import Prediction, predict
from theory.progress import watched
from theory.report import columns, percent
from theory.tasks import Task, make_task

#: best first; `advise` sorts by it
RANK = ("exact", "decays", "truncation", "fails", "undetermined")
FORMATS = ("text", "markdown", "csv", "json")
WINDOW = 8  # tokens; holds two digit groups and the operand digits of the query


@dataclass(frozen=True)
class Cell:
    """One prediction of a matrix: upward outcome, ours and the paper's, and the exact accuracy one digit beyond training."""

    task: str
    encoding: str
    layout: str
    upward: str
    paper: str | None
    learned_function: str | None
    accuracy: str | None
    status: str
    reason: str

    @classmethod
    def of(cls, found: Prediction) -> Cell:
        layout = found.layout
        name = f"{layout.name} {layout.direction}" if layout.direction != "lsd" else layout.name
        window = "" if found.encoding.window is None else f" {found.encoding.window}"
        exact = next((row.exact for row in found.accuracy if row.region == "upward"), None)
        return cls(
            found.task.text, found.encoding.name + window, name, found.outcome.upward or "", found.paper.outcome.upward,
            found.learned_function, None if exact is None else str(exact), found.rule.status, found.reasons[0],
        )  # fmt: skip


def cells(tasks: Sequence[Task], families: Sequence[str], layouts: Sequence[str], training: Training) -> Iterator[Cell]:
    """Every task with every encoding family in every layout; `default` is the family's own layout.

    >>> from theory.domains import make_training
    >>> from theory.tasks import make_task
    >>> [cell.upward for cell in cells([make_task("add")], ["absolute", "relative"], ["default"], make_training("either", "4"))]
    ['truncation', 'fails']
    """
    lengths = (training.longest, training.longest + 1)
    for task in watched(tasks, "tasks"):
        for family in families:
            for name in dict.fromkeys(DEFAULT_LAYOUT.get(family, "padded") if name == "default" else name for name in layouts):
                yield Cell.of(_predict(task, family, make_layout(name, max(lengths)), training, lengths))


def _predict(task: Task, family: str, layout: Layout, training: Training, lengths: tuple[int, ...]) -> Prediction:
    return predict(task, make_encoding(family, WINDOW if family == "window" else None), layout, training, lengths, "either")


def advise(task: Task, training: Training) -> list[Cell]:
    """All encodings and layouts for one task, the most promising first.

    >>> from theory.domains import make_training
    >>> from theory.tasks import make_task
    >>> best = advise(make_task("add"), make_training("either", "4"))[0]
    >>> best.encoding, best.layout, best.upward
    ('window 8', 'interleaved', 'exact')
    """
    lengths = (training.longest, training.longest + 1)
    layouts = [make_layout(name, max(lengths)) for name in LAYOUTS] + [make_layout("interleaved", max(lengths), "msd")]
    found = [Cell.of(_predict(task, family, layout, training, lengths)) for family in watched(FAMILIES, "encodings") for layout in layouts]
    return sorted(found, key=lambda cell: (RANK.index(cell.upward), cell.status != "proven", cell.status != "conditional"))


def papers_tasks(base: int) -> list[Task]:
    """Addition and multiplication, plain and modulo B^2 (divides a power of the base) and B^2 + 1 (is prime to it)."""
    plain = [make_task(name, None, base) for name in ("add", "mul")]
    return plain + [make_task(name, None, base, p) for name in ("mod-add", "mod-mul") for p in (base**2, base**2 + 1)]


HEAD = ("task", "encoding", "layout", "upward", "paper", "accuracy at n+1", "status")


def write(found: Sequence[Cell], form: str) -> str:
    """The cells as text, Markdown, CSV or JSON (all fields)."""
    if form == "json":
        return json.dumps([vars(cell) for cell in found], indent=1)
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(Cell.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(vars(cell) for cell in found)
        return out.getvalue().rstrip("\n")
    rows = [_row(cell) for cell in found]
    if form == "markdown":
        return "\n".join("| " + " | ".join(row) + " |" for row in (HEAD, ("---",) * len(HEAD), *rows))
    return "\n".join(columns([HEAD, *rows]))


def _row(cell: Cell) -> tuple[str, ...]:
    paper = "silent" if cell.paper is None else cell.paper + ("" if cell.paper == cell.upward else " (differs)")
    accuracy = "-" if cell.accuracy is None else percent(Fraction(cell.accuracy))
    return cell.task, cell.encoding, cell.layout, cell.upward, paper, accuracy, cell.status
