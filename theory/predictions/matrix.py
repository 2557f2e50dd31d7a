"""Many predictions at once: the papers' matrix, any other, and which layout and encoding suit a task best."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from theory.automata.machine_tasks import read_machine_task
from theory.errors import InputError
from theory.language.domains import Training, domain_of_tests
from theory.language.encodings import DEFAULT_LAYOUT, ENCODINGS, FAMILIES, make_encoding
from theory.language.layouts import LAYOUTS, Layout, make_layout
from theory.language.tasks import CATALOGUE, ORDERED, Task, make_task, needs_modulus
from theory.local.windows import needed_window
from theory.predictions.explain import markdown
from theory.predictions.predict import Prediction, predict
from theory.predictions.report import columns, percent
from theory.progress import watched
from theory.proofs.properties import Property
from theory.words import counted

#: best first; `advise` sorts by it: what may work stands before what is expected not to
RANK = ("exact", "decays", "undetermined", "truncation", "fails")
STATUS = ("proven", "conditional", "hypothesis")
FORMATS = ("text", "markdown", "csv", "json")
WINDOW = 8  # tokens; holds two digit groups and the operand digits of the query
ADVISED = (*FAMILIES, "priced", "positional", "sparse")
ROOM = 2  # digits of width above the longest operand: at the top of a band the marks show, which training shows behind padding alone


@dataclass(frozen=True)
class Cell:
    """One prediction of a matrix: the outcome upward, ours and the paper's, the exact accuracy at n+1, and what it rests on."""

    task: str
    encoding: str
    layout: str
    in_distribution: str
    upward: str
    paper: str | None
    learned_function: str | None
    accuracy: str | None
    rule: str
    status: str
    refuted_by: str
    reason: str

    @classmethod
    def of(cls, found: Prediction) -> Cell:
        layout = found.layout
        name = f"{layout.name} {layout.direction}" if layout.direction != "lsd" else layout.name
        window = "" if found.encoding.window is None else f" {found.encoding.window}"
        exact = next((row.exact for row in found.accuracy if row.region == "upward"), None)
        return cls(
            found.task.text, found.encoding.name + window, name,
            found.outcome.in_distribution or "", found.outcome.upward or "", found.paper.outcome.upward,
            found.learned_function, None if exact is None else str(exact),
            found.rule_name, found.rule.status, found.rule.refuted_by, found.reasons[0],
        )  # fmt: skip


def cells(tasks: Sequence[Task], families: Sequence[str], layouts: Sequence[str], training: Training) -> Iterator[Cell]:
    """Every task with every encoding family in every layout that shows its operands; `default` is the family's own layout.

    Raises:
        InputError: no layout does.

    >>> from theory.language.domains import make_training
    >>> from theory.language.tasks import make_task
    >>> [cell.upward for cell in cells([make_task("add")], ["absolute", "relative"], ["default"], make_training("either", "4"))]
    ['truncation', 'decays']
    """
    lengths = (training.longest, training.longest + 1)
    for task in watched(tasks, "tasks"):
        for family in families:
            own = DEFAULT_LAYOUT.get(ENCODINGS.get(family, family), "padded")
            named = [make_layout(name, max(lengths)) for name in dict.fromkeys(own if name == "default" else name for name in layouts)]
            for layout in [layout for layout in named if layout.shows(task)] or named[:1]:  # of one that does not, predict says so
                yield Cell.of(_predict(task, family, layout, training, lengths, WINDOW))


def _predict(task: Task, family: str, layout: Layout, training: Training, lengths: tuple[int, ...], window: int) -> Prediction:
    kind = ENCODINGS.get(family)
    if kind in ("banded", "relative") and layout.fixed:
        layout = replace(layout, width=layout.width + ROOM)
    encoding, domain = make_encoding(family, window if kind == "window" else None), domain_of_tests(None, training.domain)
    return predict(task, encoding, layout, training, lengths, domain)


def advise(task: Task, training: Training) -> list[Cell]:
    """All encodings of `ADVISED` and all layouts for a task, the most promising first; a window is the smallest that holds the I/O memory.

    Sorted by outcome, then by how well founded it is (a failure: how ill), then by whether the trained lengths are learned, then by the
    accuracy one digit beyond training.

    >>> from theory.language.domains import make_training
    >>> from theory.language.tasks import make_task
    >>> best = advise(make_task("add"), make_training("either", "4"))[0]
    >>> best.encoding, best.layout, best.upward
    ('window 4', 'interleaved', 'exact')
    """
    lengths = (training.longest, training.longest + 1)
    layouts = layouts_for(task, max(lengths))
    found = []
    for family in watched(ADVISED, "encodings"):
        for layout in layouts:
            need = needed_window(task, layout.direction, layout.shown).digits
            window = WINDOW if need is None else max(1, need)
            found.append(Cell.of(_predict(task, family, layout, training, lengths, window)))
    return sorted(found, key=_promise)


def layouts_for(task: Task, width: int) -> list[Layout]:
    """Every layout that shows the operands that the task reads, in each direction that it has."""
    every = [make_layout(name, width) for name in LAYOUTS]
    every += [make_layout(layout.name, width, "msd") for layout in every if layout.interleaved]
    return [layout for layout in every if layout.shows(task)]


def _promise(cell: Cell) -> tuple[int, int, bool, Fraction]:
    founded = STATUS.index(cell.status) * (-1 if cell.upward == "fails" else 1)
    return RANK.index(cell.upward), founded, cell.in_distribution != "exact", -Fraction(cell.accuracy or 0)


def chosen_tasks(texts: Sequence[str], base: int, modulus: int | None) -> list[Task]:
    """Tasks by catalogue name, expression or machine file; `catalogue` stands for all, without a modulus for those that need none.

    Raises:
        InputError: not such a text, a modulus that none of the tasks takes, or one of them needs.
    """
    names = [name for text in texts for name in (_catalogue(modulus) if text == "catalogue" else [text])]
    if modulus is not None and not any(name in CATALOGUE and needs_modulus(name) for name in names):
        raise InputError(f"--modulus {modulus}: none of these tasks takes one")
    found = []
    for name in names:
        if name.endswith(".json"):
            found.append(read_machine_task(name))
        elif name in ORDERED:
            raise InputError(f"task {name}: of operands in order one task is asked at a time: predict --task {name} --train-domain ordered")
        elif name in CATALOGUE:
            found.append(make_task(name, None, base, modulus if needs_modulus(name) else None))
        else:
            found.append(make_task(None, name, base))
    return found


def _catalogue(modulus: int | None) -> list[str]:
    return [name for name in CATALOGUE if modulus is not None or not needs_modulus(name)]


def papers_tasks(base: int) -> list[Task]:
    """Addition and multiplication, plain and modulo B^2 (divides a power of the base) and B^2 + 1 (is prime to it)."""
    plain = [make_task(name, None, base) for name in ("add", "mul")]
    return plain + [make_task(name, None, base, p) for name in ("mod-add", "mod-mul") for p in (base**2, base**2 + 1)]


HEAD = ("task", "encoding", "layout", "upward", "paper", "accuracy at n+1", "rule", "status")
ONLINE = "interleaved: operand digits arrive between result digits, which is another problem than a question and then its answer"


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
        rows = [tuple(map(markdown, row)) for row in rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in (HEAD, ("---",) * len(HEAD), *rows))
    return "\n".join(columns([HEAD, *rows]))


def write_advice(task: Task, found: Sequence[Cell], form: str) -> str:
    """The cells, and for readers the smallest window below them."""
    if form in ("csv", "json"):
        return write(found, form)
    needed = []
    for layout in [layout for layout in layouts_for(task, 1) if layout.interleaved]:
        end, need = {"lsd": "least", "msd": "most"}[layout.direction], needed_window(task, layout.direction, layout.shown)
        needed.append(f"smallest window, {layout.name}, {end} significant digit first: {_tokens(need)}")
    notes = [f"- {markdown(note)}" if form == "markdown" else note for note in (*needed, ONLINE)]
    return "\n".join([write(found, form), "", *notes])


def _tokens(window: Property) -> str:
    return window.certificate if window.digits is None else f"{counted(window.digits, 'token')} before the query ({window.certificate})"


def _row(cell: Cell) -> tuple[str, ...]:
    paper = "silent" if cell.paper is None else cell.paper + ("" if cell.paper == cell.upward else " (differs)")
    accuracy = "-" if cell.accuracy is None else percent(Fraction(cell.accuracy))
    return cell.task, cell.encoding, cell.layout, cell.upward, paper, accuracy, cell.rule, cell.status
