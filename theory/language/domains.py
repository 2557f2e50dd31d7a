"""Domains of operand pairs: which pairs of which lengths, and with what law.

The only definition of D_n in the project: exact accuracies sum over these boxes, and training and test pairs
are drawn from them. Ordered operands (a >= b) make no boxes, as a and b are not independent; but where the highest place at which they
differ is known, their digit pairs at different places are. So every domain has parts, and counts that go digit by digit sum over these.

In `by-K` the second operand stays short however long the first is, as in N x 2 multiplication. There f is f(a, b mod B^K), and what holds
of that function for all pairs holds in the domain. What does not hold need not fail there: (0, B) is a pair of no length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from theory.errors import InputError
from theory.language.expressions import Binary, Call, Const, Expression, Var, operands, substitute
from theory.language.tasks import digit_count

if TYPE_CHECKING:
    from theory.language.tasks import Task

#: domains that are made of boxes
DOMAINS = {
    "either": "D_n: the longer operand has exactly n digits, uniform over such pairs",
    "both": "D_abn: both operands have exactly n digits, uniform",
    "sampler": "the papers' sampler: a coin chooses which operand has exactly n digits, the other is uniform below B^n",
}
#: every domain; for K stands a number, as in by-2
LAWS = {
    **DOMAINS,
    "ordered": "a pair of D_n, swapped where a < b: a >= b, and a has exactly n digits",
    "by-K": "N x K: a has exactly n digits, b at most K (and at most n), uniform",
}
BY = re.compile(r"by-([1-9]\d{0,2})", re.ASCII)
MAX_LENGTH = 1000


@dataclass(frozen=True)
class Operand:
    """Numbers of up to `digits` digits; with `full`, of exactly that many. 0 is a one-digit number."""

    digits: int
    full: bool

    @property
    def nonzero_top(self) -> bool:
        """Whether the most significant digit must not be 0."""
        return self.full and self.digits > 1

    def range(self, base: int) -> tuple[int, int]:
        """Half-open range [low, high) of the values."""
        return (base ** (self.digits - 1) if self.nonzero_top else 0), base**self.digits


def digits_at(operand: Operand, place: int, base: int) -> range:
    """What the digit at a place can be; given the operand, the digits of different places are independent and uniform."""
    if place >= operand.digits:
        return range(1)
    return range(1 if operand.nonzero_top and place == operand.digits - 1 else 0, base)


@dataclass(frozen=True)
class Box:
    """Independent, uniform operands; `weight` is the probability of the box within its domain."""

    weight: Fraction
    a: Operand
    b: Operand


def check_domain(domain: str) -> None:
    """Refuse an unknown domain.

    Raises:
        InputError: with those that there are.
    """
    if domain not in (*DOMAINS, "ordered") and short_operand(domain) is None:
        raise InputError(f"unknown domain {domain!r}: choose from {', '.join(LAWS)}")


def short_operand(domain: str) -> int | None:
    """K of the domain by-K, the digits that b has at most; None where b is as long as a may be.

    >>> short_operand("by-2"), short_operand("either")
    (2, None)
    """
    return int(match[1]) if (match := BY.fullmatch(domain)) else None


def selects(domain: str) -> bool:
    """Whether the domain has pairs of one sort alone: a >= b, or a short b."""
    return domain not in DOMAINS


def shows(trained: str, tested: str) -> bool:
    """Whether a training domain has the sort of pairs that a test domain has.

    >>> shows("by-2", "by-1"), shows("by-2", "either"), shows("either", "by-2"), shows("both", "by-2"), shows("ordered", "by-2")
    (True, False, True, False, False)
    """
    if (most := short_operand(trained)) is not None:
        return (asked := short_operand(tested)) is not None and asked <= most
    if short_operand(tested) is not None:
        return trained in ("either", "sampler")
    return trained == tested or trained != "ordered"


def plain(task: Task, domain: str) -> Task:
    """The task without what a short b makes idle: b % m is b in by-K where m >= B^K; elsewhere the task itself.

    Raises:
        InputError: a task that is given by a machine, on a short b.
    """
    most = short_operand(domain)
    if most is None or operands(task.expression) == 1:
        return task
    if task.machine is not None:
        raise InputError(f"domain {domain}: what a machine's facts become where b is short is not known: use either, both or sampler")
    return replace(task, expression=_idle(task.expression, task.base**most))


def _idle(expression: Expression, size: int) -> Expression:
    match expression:
        case Binary("%", Var("b"), Const(m)) if m >= size:
            return Var("b")
        case Binary(op, left, right):
            return Binary(op, _idle(left, size), _idle(right, size))
        case Call(args=args):
            return replace(expression, args=tuple(_idle(arg, size) for arg in args))
    return expression


def restricted(task: Task, domain: str) -> Task:
    """f(a, b mod B^K), which the task is in by-K, as b has no further digits there; elsewhere the task itself.

    Raises:
        InputError: as `plain`.
    """
    short, most = plain(task, domain), short_operand(domain)
    if most is None or operands(short.expression) == 1:
        return short
    low = Binary("%", Var("b"), Const(task.base**most))
    return replace(short, expression=_low(substitute(short.expression, {"a": Var("a"), "b": low})))


def _low(expression: Expression) -> Expression:
    """With (b % M) % m as b % m where m divides M."""
    match expression:
        case Binary("%", Binary("%", Var("b"), Const(size)), Const(m)) if size % m == 0:
            return Binary("%", Var("b"), Const(m))
        case Binary(op, left, right):
            return Binary(op, _low(left), _low(right))
        case Call(args=args):
            return replace(expression, args=tuple(map(_low, args)))
    return expression


def boxes(domain: str, length: int, base: int) -> tuple[Box, ...]:
    """The law of a domain at one length, as a mixture of disjoint or overlapping boxes; weights sum to 1.

    Raises:
        InputError: an unknown domain, or `ordered`, which is not made of boxes.

    >>> [str(box.weight) for box in boxes("either", 4, 10)]
    ['10/11', '1/11']
    >>> [box.a.range(10) for box in boxes("either", 4, 10)]
    [(1000, 10000), (0, 1000)]
    """
    if domain == "ordered":
        raise InputError("domain ordered: not counted here, as its operands are not independent: use either, both or sampler")
    exact, upto = Operand(length, True), Operand(length, False)
    if (most := short_operand(domain)) is not None:
        return (Box(Fraction(1), exact, Operand(min(most, length), False)),)
    if length == 1 or domain == "both":
        return (Box(Fraction(1), exact, exact),)
    if domain == "sampler":
        return (Box(Fraction(1, 2), exact, upto), Box(Fraction(1, 2), upto, exact))
    if domain == "either":  # exact x upto, and shorter x exact
        return (Box(Fraction(base, base + 1), exact, upto), Box(Fraction(1, base + 1), Operand(length - 1, False), exact))
    check_domain(domain)
    raise AssertionError("a domain without boxes")


@dataclass(frozen=True)
class Group:
    """What the digit pair at one place can be, uniformly: x in xs and y in ys, with `order` "=" or ">" those with x = y or x > y alone."""

    xs: range
    ys: range
    order: str = ""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for x in self.xs:
            for y in self.ys:
                if not self.order or (x == y if self.order == "=" else x > y):
                    yield x, y

    def __len__(self) -> int:
        if self.order == "=":
            return len(range(max(self.xs.start, self.ys.start), min(self.xs.stop, self.ys.stop)))
        return sum(1 for _ in self) if self.order else len(self.xs) * len(self.ys)


@dataclass(frozen=True)
class Part:
    """Pairs whose digit pairs at different places are independent; `weight` is the probability of the part within its domain.

    With `apart` the operands are equal above this place and a's digit is the larger at it; at -1 they are equal.
    """

    weight: Fraction
    a: Operand
    b: Operand
    base: int
    apart: int | None = None

    def at(self, place: int) -> Group:
        """What the digit pair at a place can be."""
        order = "" if self.apart is None or place < self.apart else ">" if place == self.apart else "="
        return Group(digits_at(self.a, place, self.base), digits_at(self.b, place, self.base), order)


def parts(domain: str, length: int, base: int) -> tuple[Part, ...]:
    """The law of any domain at one length, as a mixture of parts; weights sum to 1.

    >>> [(str(part.weight), part.apart) for part in parts("ordered", 2, 10)]  # of the 9900 pairs of D_2
    [('1/110', -1), ('9/110', 0), ('10/11', 1)]
    """
    if domain != "ordered":
        return tuple(Part(box.weight, box.a, box.b, base) for box in boxes(domain, length, base))
    exact, upto = Operand(length, True), Operand(length, False)
    pairs = base ** (2 * length) - (base ** (2 * length - 2) if length > 1 else 0)  # in D_n; those with a > b and their mirror images
    found = []
    for apart in range(-1, length):
        part = Part(Fraction(1), exact, upto if apart == length - 1 else exact, base, apart)
        places = [(apart, 2 * base ** (2 * apart))] if apart >= 0 else []  # below it all are free
        places += [(length - 1, base ** (length - 2 - apart))] if apart < length - 1 else []  # equal, and all but the top one free
        size = prod(len(part.at(place)) * others for place, others in places)
        found.append(replace(part, weight=Fraction(size, pairs)))
    return tuple(found)


def of_sort(domain: str, base: int, a: int, b: int) -> bool:
    """Whether a pair is of the sort that the domain has, at whatever length."""
    if (most := short_operand(domain)) is not None:
        return b < base**most and digit_count(b, base) <= digit_count(a, base)  # a has the length of the pair
    return a >= b or domain != "ordered"


def contains(domain: str, length: int, base: int, a: int, b: int) -> bool:
    """Whether the domain has this pair at this length."""
    laws = boxes("either" if domain == "ordered" else domain, length, base)
    return of_sort(domain, base, a, b) and any(a in range(*box.a.range(base)) and b in range(*box.b.range(base)) for box in laws)


def check_signs(task: Task, domains: Mapping[str, str] | None = None) -> None:
    """Refuse a task whose value may be negative on one of the domains, which are named by the option that chooses them.

    Raises:
        InputError: with the remedy; without domains, where none can be chosen.
    """
    option = next((option for option, domain in (domains or {}).items() if domain != "ordered"), None)
    if task.needs_order and (option or not domains):
        order = f"operands with a >= b ({option} ordered), or " if option else ""
        raise InputError(f"{task.text} may be negative, which has no digits: use {order}a result modulo a power of the base")


def domain_of_tests(domain: str | None, trained: str) -> str:
    """The test domain where one is named; else that of training if it has pairs of one sort alone, or `either`."""
    if domain is not None:
        check_domain(domain)
    return domain or (trained if selects(trained) else "either")


@dataclass(frozen=True)
class Training:
    """A training domain: equal parts of the given lengths, each with the domain's law."""

    domain: str
    lengths: tuple[int, ...]

    @property
    def longest(self) -> int:
        return max(self.lengths)

    def region(self, length: int) -> str:
        """Where a test length lies: `id`, `downward` or `upward`.

        A length between two trained ones that is not trained itself counts as downward.
        """
        if length in self.lengths:
            return "id"
        return "upward" if length > self.longest else "downward"


def make_training(domain: str, lengths: str | tuple[int, ...]) -> Training:
    """A training domain from its names: `domain` one of LAWS, lengths in digits; see `parse_lengths`.

    Raises:
        InputError: unknown domain, bad lengths.

    >>> make_training("either", "1-3").longest
    3
    >>> make_training("either", "4").region(7)
    'upward'
    """
    check_domain(domain)
    return Training(domain, parse_lengths(lengths) if isinstance(lengths, str) else lengths)


def parse_lengths(text: str) -> tuple[int, ...]:
    """Lengths from text such as '4', '1-9' or '1,3,5-7', ascending.

    Raises:
        InputError: not of that form, empty, reversed, 0, or above 1000.

    >>> parse_lengths("1,3,5-7")
    (1, 3, 5, 6, 7)
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip(), re.ASCII)
        if match is None:
            raise InputError(f"lengths {text!r}: write them like 4, 1-9 or 1,3,5-7")
        first = int(match[1])
        last = int(match[2] or first)
        if last < first:
            raise InputError(f"lengths {text!r}: the range {part.strip()} is reversed, write {last}-{first}")
        if first < 1 or last > MAX_LENGTH:
            raise InputError(f"lengths {text!r}: lengths run from 1 to {MAX_LENGTH}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))
