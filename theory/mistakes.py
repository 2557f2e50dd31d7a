"""What wrong answers are: explanations of each answer, and how often each holds, against how often it would by chance.

An explanation gives, for operands a and b, a finite set of answers that it accounts for; most answers are accounted for by none, some by
several. In order of priority:

- right: f(a, b);
- truncation: f(a mod B^n, b mod B^n), n the longest trained length: the function that theory predicts for unseen places;
- carry: the right answer with one carry dropped or added; the carries above it follow, or are right;
- truncated carry: the truncated answer with such a carry;
- shifted: the digits of the right answer (at least two) one place off, with any digit in the place that falls free;
- copy: one of the operands;
- constant: the most common wrong answer of the batch, where it makes up a tenth of the wrong ones;
- unexplained: anything else; `no number` is what cannot be read as one.

Chance: were the answers of one length shuffled among its questions, this share of them would be accounted for all the same. Only an
explanation that holds far more often than that explains anything. Pure Python on integers of any size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from theory.errors import InputError
from theory.language.expressions import Expression, affine, evaluate
from theory.language.tasks import Task, digit_count

#: in order of priority
KINDS = ("right", "truncation", "carry", "truncated carry", "shifted", "copy", "constant", "unexplained", "no number")
CONSTANT = 0.1  # of the wrong answers: the least share of the most common one that is called constant

Answered = tuple[int, int, int | None]  # a, b, and the answer; None for no number


@dataclass(frozen=True)
class Tally:
    """How often one explanation holds at one length.

    `first` counts the answers of which it is the first explanation, so that these add up to all; `holds` those that it accounts for,
    whatever else does; `wrong` those of them that are wrong. `chance` is the share that it would account for by chance, from 0 to 1; None
    where that means nothing (constant, unexplained, fewer than two answers).
    """

    kind: str
    first: int
    holds: int
    wrong: int
    chance: float | None


@dataclass(frozen=True)
class Mistakes:
    """The answers at one length: the digits of the longer operand."""

    length: int
    examples: int
    tallies: Mapping[str, Tally]

    @property
    def right(self) -> int:
        return self.tallies["right"].holds


def explanations(task: Task, trained: int, a: int, b: int) -> dict[str, frozenset[int]]:
    """The answers that each explanation accounts for, in order of priority; `constant` needs the batch.

    Args:
        trained: the longest trained length, in digits.

    Raises:
        InputError: a negative operand, a trained length below 1, or a task with a negative value there.

    >>> from theory.language.tasks import make_task
    >>> found = explanations(make_task("add"), 2, 47, 195)  # 242; 47 + 95 = 142
    >>> {kind: sorted(found[kind]) for kind in ("right", "truncation", "carry", "copy")}
    {'right': [242], 'truncation': [142], 'carry': [142, 232, 1242], 'copy': [47, 195]}
    """
    if min(a, b) < 0 or trained < 1:
        raise InputError(f"operands {a}, {b}, trained length {trained}: operands start at 0, lengths at 1")
    truth, power = int(task(a, b)), task.base**trained
    if truth < 0:
        raise InputError(f"{task.text} is {truth} at a = {a}, b = {b}: negative results have no digits")
    x, y = a % power, b % power
    return {
        "right": frozenset({truth}),
        "truncation": frozenset({int(task(x, y))}),
        "carry": frozenset(_off_by_a_carry(task, a, b)),
        "truncated carry": frozenset(_off_by_a_carry(task, x, y)),
        "shifted": frozenset(_shifted(truth, task.base)) - {truth},
        "copy": frozenset({a, b}),
    }


@cache
def _linear(expression: Expression) -> tuple[int, int, int] | None:
    found = affine(expression)
    return None if found is None or min(found) < 0 else found


def _off_by_a_carry(task: Task, a: int, b: int) -> Iterator[int]:
    """The answers with the carry into one place off by one; below a modulus, the carries are those of the number that it reduces.

    For alpha*a + beta*b + gamma the carry into place i is f(a mod B^i, b mod B^i) // B^i, so one that does not occur is not dropped, and
    none grows beyond the largest. Of other tasks any carry is taken to be possible.
    """
    base, inner, linear = task.base, task.inner, _linear(task.inner)
    truth, whole, modulus = int(task(a, b)), int(evaluate(inner, a, b)), task.modulus
    if whole < 0:
        return
    size = max(digit_count(a, base), digit_count(b, base), digit_count(whole, base) - 1)
    for place in range(1, size + 1):
        power = base**place
        digit = whole // power % base
        changes: tuple[int, ...] = (-1, 1)
        if linear is not None:
            alpha, beta, gamma = linear
            carry, most = (alpha * (a % power) + beta * (b % power) + gamma) // power, ((alpha + beta) * (power - 1) + gamma) // power
            changes = tuple(change for change in (-1, 1) if 0 <= carry + change <= most)
        for change in changes:
            for wrong in (whole + change * power, whole + ((digit + change) % base - digit) * power):
                answer = wrong if modulus is None else wrong % modulus
                if wrong >= 0 and answer != truth:
                    yield answer


def _shifted(truth: int, base: int) -> Iterator[int]:
    """The digits one place up, in as many places or in one more, or one place down, with any digit on top."""
    if truth < base:
        return
    top = base ** (digit_count(truth, base) - 1)
    for digit in range(base):
        yield truth * base + digit
        yield truth % top * base + digit
        yield digit * top + truth // base


def constant_of(task: Task, rows: Iterable[Answered]) -> int | None:
    """The most common wrong answer, if it is a tenth of them and given at least twice; the smallest such."""
    wrong = Counter(answer for a, b, answer in rows if answer is not None and answer != task(a, b))
    if not wrong:
        return None
    answer, count = min(wrong.items(), key=lambda item: (-item[1], item[0]))
    return answer if count >= max(2, CONSTANT * wrong.total()) else None


def classify(task: Task, trained: int, a: int, b: int, answer: int | None, constant: int | None = None) -> str:
    """The first of KINDS that accounts for an answer; `constant` is that of its batch, see `constant_of`.

    >>> from theory.language.tasks import make_task
    >>> task = make_task("add")
    >>> [classify(task, 2, 47, 195, answer) for answer in (242, 142, 232, 2420, 195, 5, None)]
    ['right', 'truncation', 'carry', 'shifted', 'copy', 'unexplained', 'no number']
    """
    return _kinds(explanations(task, trained, a, b), answer, constant)[0]


def _kinds(found: Mapping[str, frozenset[int]], answer: int | None, constant: int | None) -> list[str]:
    """All that accounts for an answer, by priority."""
    if answer is None:
        return ["no number"]
    kinds = [kind for kind, answers in found.items() if answer in answers]
    if answer == constant and "right" not in kinds:
        kinds.append("constant")
    return kinds or ["unexplained"]


def summarise(task: Task, trained: int, rows: Iterable[Answered]) -> tuple[Mistakes, ...]:
    """The tallies of a batch of answers, by length.

    Args:
        trained: the longest trained length, in digits.
        rows: operands and answer; None for an answer that is no number.

    Raises:
        InputError: as `explanations`.
    """
    batch = list(rows)
    constant = constant_of(task, batch)
    by_length: dict[int, list[Answered]] = {}
    for row in batch:
        by_length.setdefault(digit_count(max(row[0], row[1]), task.base), []).append(row)
    return tuple(_mistakes(task, trained, length, by_length[length], constant) for length in sorted(by_length))


def _mistakes(task: Task, trained: int, length: int, rows: list[Answered], constant: int | None) -> Mistakes:
    given = Counter(answer for _, _, answer in rows if answer is not None)
    first, holds, wrong, lucky = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for a, b, answer in rows:
        found = explanations(task, trained, a, b)
        kinds = _kinds(found, answer, constant)
        first[kinds[0]] += 1
        holds.update(kinds)
        if kinds[0] != "right":
            wrong.update(kinds)
        for kind, answers in found.items():  # the answers to other questions that would fit this one too
            lucky[kind] += sum(given[one] for one in answers) - (answer in answers)
    others = len(rows) * (len(rows) - 1)
    chances = {kind: count / others for kind, count in lucky.items()} if others else {}
    tallies = {kind: Tally(kind, first[kind], holds[kind], wrong[kind], chances.get(kind)) for kind in KINDS}
    return Mistakes(length, len(rows), tallies)
