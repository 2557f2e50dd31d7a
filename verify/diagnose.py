"""What a model does, from its answers alone: accuracy per length, what the wrong answers are, and which prediction they fit.

The answers come from any model, as a CSV file with the columns a, b and answer; nothing is trained or run.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.language.domains import MAX_LENGTH, Training, check_signs, of_sort, short_operand
from theory.language.tasks import Task, digit_count
from theory.mistakes import Answered, Mistakes, Tally, classify, constant_of, summarise
from theory.predictions.matrix import advise
from theory.predictions.rulebook import AGREEING, DECAYING, FAILING, RIGHT
from theory.words import counted
from verify.claims.yamlfile import NEWLINE
from verify.verdicts.statistics import Interval, clopper_pearson, place

if TYPE_CHECKING:
    from rich.console import Console

ALPHA = 0.05
LEARNED = 0.95  # of the longest trained length: below, a model has not learned what it was trained on
COLUMNS = ("a", "b", "answer")
SHOWN = 3  # unexplained answers in the report
FITS, OPEN, NOT = "fits", "open", "does not fit"
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)", re.ASCII)
_LONGEST = 4000  # decimal digits that are read


@dataclass(frozen=True)
class Fit:
    """Whether the answers fit one outcome, why, and for which encodings in which layouts theory predicts it."""

    outcome: str
    fit: str
    why: str
    predicted_for: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """All that the answers say. `repeated` counts questions that were asked before; they are no independent examples."""

    task: Task
    training: Training
    rows: Sequence[Answered]
    repeated: int
    lengths: tuple[Mistakes, ...]
    fits: tuple[Fit, ...]
    constant: int | None

    @property
    def observed(self) -> str:
        """The first outcome that fits, if those before it do not; else what is open."""
        if not self.fits:
            return "undecided: no question is longer than the trained lengths"
        for index, found in enumerate(self.fits):
            if found.fit == FITS:
                return found.outcome
            if found.fit == OPEN:
                left = [one.outcome for one in self.fits[index:] if one.fit != NOT]
                return f"undecided: too few answers to tell whether it is {' or '.join(left)}"
        return "mixed: none of the outcomes that theory knows"

    @property
    def learned(self) -> bool | None:
        """Whether the longest trained length is learned; None without questions of it, or with too few."""
        found = next((one for one in self.lengths if one.length == self.training.longest), None)
        if found is None:
            return None
        return {"inside": True, "outside": False}.get(place(_interval(found.right, found.examples), Interval(LEARNED, 1.0)))


def read_answers(path: Path) -> list[Answered]:
    """The rows of a CSV file with the columns a, b and answer (others are passed over), numbers in decimal.

    Commas between groups of three digits are read. An answer that is no number, or one of more than 4000 digits, is
    None: models say such things.

    Raises:
        InputError: `FILE:LINE: ...` for a file that is missing, no CSV, without these columns, or with an operand that is no number >= 0.
    """
    try:
        raw = path.read_bytes()
        rows = list(_rows(io.StringIO(raw.decode("utf-8-sig"), newline=""), path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: give a CSV file with the columns a, b, answer") from None
    except UnicodeDecodeError as error:
        line = raw.count(NEWLINE, 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8 text: save the file as UTF-8") from None
    if not rows:
        raise InputError(f"{path}:2: no answers: write one line for each below the header")
    return rows


def _rows(file: io.StringIO, path: Path) -> Iterator[Answered]:
    reader = csv.reader(file)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if missing := [name for name in COLUMNS if name not in header]:
            raise InputError(f"{path}:1: no column {missing[0]!r}: the first line names the columns a, b, answer")
        if twice := [name for name in COLUMNS if header.count(name) > 1]:
            raise InputError(f"{path}:1: two columns {twice[0]!r}: keep one")
        at = [header.index(name) for name in COLUMNS]
        for row in reader:
            line = reader.line_num
            if not any(row):
                continue
            if len(row) <= max(at):
                raise InputError(f"{path}:{line}: {len(row)} fields, {len(header)} columns: write a, b and answer")
            a, b, answer = (_number(row[index]) for index in at)
            if a is None or b is None or min(a, b) < 0:
                name, index = ("a", at[0]) if a is None or a < 0 else ("b", at[1])
                shown = row[index] if len(row[index]) <= 40 else f"{row[index][:40]}..."
                raise InputError(f"{path}:{line}: {name} = {shown!r}: write a decimal number >= 0")
            yield a, b, answer
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}: write plain CSV") from None


def _number(text: str) -> int | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > _LONGEST:
        return None
    return int(text.replace(",", ""))


def diagnose(task: Task, training: Training, rows: Sequence[Answered]) -> Diagnosis:
    """What the answers are and fit.

    Raises:
        InputError: operands of more than 1000 digits, or a result that has no digits.
    """
    longest = max(digit_count(max(a, b), task.base) for a, b, _ in rows)
    if longest > MAX_LENGTH:
        raise InputError(f"operands of {longest} digits in base {task.base}: at most {MAX_LENGTH} are diagnosed")
    check_signs(task, {"--train-domain": training.domain})
    other = next(((a, b) for a, b, _ in rows if not of_sort(training.domain, task.base, a, b)), None)
    if short_operand(training.domain) is not None and other is not None:
        raise InputError(f"a = {other[0]}, b = {other[1]}: no pair of the domain {training.domain}, leave such rows out")
    task.result_width(longest)
    found = summarise(task, training.longest, rows)
    repeated = len(rows) - len({(a, b) for a, b, _ in rows})
    return Diagnosis(task, training, rows, repeated, found, _fits(task, training, found), constant_of(task, rows))


def _interval(count: int, examples: int, alpha: float = ALPHA) -> Interval:
    return clopper_pearson(count, examples, alpha)


def _fits(task: Task, training: Training, lengths: Sequence[Mistakes]) -> tuple[Fit, ...]:
    """The outcomes in the order in which they are tested, at the first longer length and at 2n, or else the longest."""
    upward = {one.length: one for one in lengths if training.region(one.length) == "upward"}
    if not upward:
        return ()
    near, far = upward[min(upward)], upward.get(2 * training.longest, upward[max(upward)])
    ends = [near] if near is far else [near, far]
    level = ALPHA / len(ends)
    exact = [_judge(one, "right", Interval(float(RIGHT), 1.0), level) for one in ends]
    truncated = [_judge(near, "truncation", Interval(float(AGREEING), 1.0), ALPHA)]
    decays = [_judge(near, "right", Interval(float(DECAYING), 1.0), level), _falls(near, far, level)]
    fails = [_judge(near, "right", Interval(0.0, float(FAILING)), ALPHA)]
    expected: dict[str, list[str]] = {}
    for cell in advise(task, training):
        expected.setdefault(cell.upward, []).append(f"{cell.encoding}, {cell.layout}")
    tests = {"exact": exact, "truncation": truncated, "decays": decays, "fails": fails}
    return tuple(
        Fit(name, _all(fit for fit, _ in found), "; ".join(why for _, why in found), tuple(expected.get(name, ())))
        for name, found in tests.items()
    )


def _all(fits: Iterable[str]) -> str:
    found = set(fits)
    return NOT if NOT in found else OPEN if OPEN in found else FITS


def _judge(one: Mistakes, kind: str, region: Interval, alpha: float) -> tuple[str, str]:
    """Whether the share of answers of a kind lies in a region, by its confidence interval."""
    count = one.tallies[kind].holds
    interval = _interval(count, one.examples, alpha)
    bound = f"at least {region.low:.0%}" if region.high == 1.0 else f"at most {region.high:.0%}"
    fit = {"inside": FITS, "outside": NOT, "across": OPEN}[place(interval, region)]
    return fit, f"{kind} {_percent(count / one.examples)} ({_span(interval)}) at length {one.length}, asked {bound}"


def _falls(near: Mistakes, far: Mistakes, alpha: float) -> tuple[str, str]:
    if near is far:
        return OPEN, "only one longer length, so no decay is seen"
    before, after = (_interval(one.right, one.examples, alpha) for one in (near, far))
    fit = FITS if after.high < before.low else NOT if after.low > before.high else OPEN
    return fit, f"right {_percent(far.right / far.examples)} ({_span(after)}) at length {far.length}, asked lower"


def unexplained(found: Diagnosis) -> list[Answered]:
    """The first answers that nothing explains."""
    task, trained = found.task, found.training.longest
    rows = (row for row in found.rows if classify(task, trained, *row, found.constant) == "unexplained")
    return [row for row, _ in zip(rows, range(SHOWN), strict=False)]


def diagnosis_json(found: Diagnosis) -> dict[str, Any]:
    """The diagnosis as plain values; shares from 0 to 1, numbers that may be long as text."""
    return {
        "task": found.task.text,
        "base": found.task.base,
        "trained": list(found.training.lengths),
        "answers": len(found.rows),
        "repeated": found.repeated,
        "learned": found.learned,
        "observed": found.observed,
        "constant": None if found.constant is None else str(found.constant),
        "lengths": [
            {
                "length": one.length,
                "region": found.training.region(one.length),
                "examples": one.examples,
                "right": one.right,
                "interval": [round(x, 6) for x in (_of(one, one.right).low, _of(one, one.right).high)],
                "answers_are": {
                    kind: {"first": tally.first, "holds": tally.holds, "wrong": tally.wrong, "chance": tally.chance}
                    for kind, tally in one.tallies.items()
                },
            }
            for one in found.lengths
        ],
        "outcomes": [
            {"outcome": fit.outcome, "fit": fit.fit, "why": fit.why, "predicted_for": list(fit.predicted_for)} for fit in found.fits
        ],
        "unexplained": [[str(a), str(b), str(answer)] for a, b, answer in unexplained(found)],
    }


def _of(one: Mistakes, count: int) -> Interval:
    return _interval(count, one.examples)


def print_diagnosis(console: Console, found: Diagnosis) -> None:
    """Tables for people: accuracy, what the wrong answers are, which outcome they fit."""
    from rich import box
    from rich.table import Table

    task, training = found.task, found.training
    trained = ",".join(map(str, training.lengths))
    console.print(f"{task.text} in base {task.base}, trained on lengths {trained}: {counted(len(found.rows), 'answer')}", highlight=False)
    columns = ("length", "region", "answers", "right", "95 % interval", "wrong answers are, by priority (by chance)")
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for one in found.lengths:
        kinds = (tally for kind, tally in one.tallies.items() if kind != "right" and tally.first)
        shown = ", ".join(_share(tally, one.examples) for tally in sorted(kinds, key=lambda tally: -tally.first))
        region = training.region(one.length)
        share, interval = _percent(one.right / one.examples), _span(_of(one, one.right))
        table.add_row(str(one.length), region, str(one.examples), share, interval, shown or "-")
    console.print(table)
    for fit in found.fits:
        where = "; ".join(fit.predicted_for[:4]) + (f"; {len(fit.predicted_for) - 4} more" if len(fit.predicted_for) > 4 else "")
        console.print(f"[bold]{fit.outcome}[/bold]: {fit.fit}: {fit.why}", highlight=False)
        console.print(f"   theory predicts it for {where or 'no encoding and layout'}", style="dim", highlight=False)
    console.print(f"observed: [bold]{found.observed}[/bold]", highlight=False)
    if found.learned is False:
        below = f"below {LEARNED:.0%} at length {training.longest}: the model has not learned its trained lengths"
        console.print(f"{below}, so its longer answers say little", highlight=False)
    if found.repeated:
        console.print(f"{found.repeated} questions are repeated: the intervals are narrower than they should be", highlight=False)
    for a, b, answer in unexplained(found):
        console.print(f"unexplained: a = {a}, b = {b}: {answer}; right is {task(a, b)}", highlight=False)


def _share(tally: Tally, examples: int) -> str:
    also = f", holds for {_percent(tally.wrong / examples)}" if tally.wrong > tally.first else ""
    chance = "" if tally.chance is None else f" ({_percent(tally.chance)})"
    return f"{tally.kind} {_percent(tally.first / examples)}{chance}{also}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _span(interval: Interval) -> str:
    return f"{100 * interval.low:.3g}-{100 * interval.high:.3g} %"
