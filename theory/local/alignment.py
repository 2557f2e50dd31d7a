"""Layout times encoding: does the digit shift lift to the token sequence, and which codes did training show?

The query of c_i is the token before it. A position encoding gives each (query, key) pair a code: absolute the two
positions, relative and window their difference, abacus the difference of digit indices, randomised only whether the key comes before the
query, none nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from theory.language.domains import Training, short_operand
from theory.language.encodings import Encoding
from theory.language.layouts import Layout, Slot
from theory.language.tasks import Task

Code = tuple[int, ...]
Key = TypeVar("Key")

#: roles of the local rule for c_i: (kind, digits already passed since)
ROLES = (("a", 0), ("b", 0), ("a", 1), ("b", 1), ("c", 1))


@dataclass(frozen=True)
class Positions:
    """Token positions of the digits of one sequence."""

    place: dict[Slot, int]
    results: int

    def code(self, family: str, i: int, key: Slot) -> Code | None:
        """Code that the encoding family gives to (query of c_i, key); None when either is absent or the key comes later."""
        if key not in self.place or i >= self.results:
            return None
        query, position = self.place[Slot("c", i)] - 1, self.place[key]
        if position > query:
            return None
        match family:
            case "absolute":
                return (query, position)
            case "abacus":
                return (i - key.place,)
            case "randomised":
                return (int(position < query),)
            case "none":
                return ()
            case _:
                return (query - position,)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The slot at each position."""
        return tuple(self.place)

    @cached_property
    def operands(self) -> tuple[Slot, ...]:
        """The operand digits, lowest first."""
        return tuple(sorted((slot for slot in self.place if slot.kind in "ab"), key=lambda slot: slot.place))

    def operands_at(self, family: str, code: Code) -> Iterator[Slot]:
        """The operand digits that have this code for some c_i, lowest first."""
        for key in self.operands:
            if any(self.code(family, i, key) == code for i in self._asking(family, code, key)):
                yield key

    def _asking(self, family: str, code: Code, key: Slot) -> Iterable[int]:
        """The only c_i that can give the digit this code: at most one, unless codes tell no distance."""
        match family:
            case "none" | "randomised":
                return range(self.results)
            case "abacus":
                return (code[0] + key.place,) if code[0] + key.place >= 0 else ()
            case _:
                query = self.place[key] + code[0]
                return (slot.place for slot in self.slots[query + 1 : query + 2] if slot.kind == "c")


def _different(layout: Layout, lengths: Iterable[int]) -> list[int]:
    """Lengths that stand for all: in a layout of fixed width one is enough, and the longest shows most digits."""
    return sorted(set(lengths))[-1:] if layout.fixed else sorted(set(lengths))


def positions(layout: Layout, task: Task, length: int, domain: str = "either") -> Positions:
    """Of the longest line of such operands that the domain has."""
    widths = layout.widths(task, length, domain)
    return Positions({slot: i for i, slot in enumerate(layout.slots(widths))}, widths.c)


@dataclass(frozen=True)
class Lift:
    """Whether every role has one code over all digits and lengths, with the code of each role or the witness against."""

    value: bool
    certificate: str


def shift_lifts(encoding: Encoding, layout: Layout, task: Task, lengths: Iterable[int], domain: str = "either") -> Lift:
    """Whether the digit shift i -> i+1 lifts to the encoding's symmetry, checked over the given lengths.

    It does iff every role has one code, and no other digit looks like the role's: the same code, neither of them the query's own token,
    and no separator between them. Fixed widths make the check complete; for unpadded layouts two lengths suffice to refute it. Looks are
    compared at the first and the last result digit: in every family digits that look alike at any query do so at one of these.

    >>> from theory.language.encodings import make_encoding
    >>> from theory.language.layouts import make_layout
    >>> from theory.language.tasks import make_task
    >>> shift_lifts(make_encoding("relative"), make_layout("padded", 6), make_task("add"), (4, 5)).certificate
    'a_i has code 8 for c_0 but 10 for c_1'
    >>> shift_lifts(make_encoding("relative"), make_layout("aligned", 6), make_task("add"), (4, 5)).value
    True
    """
    found: dict[tuple[str, int], tuple[Code, int, int]] = {}
    ahead = -1 if layout.result_direction == "lsd" else 1
    for length in _different(layout, lengths):
        places = positions(layout, task, length, domain)
        for i in range(places.results):
            for kind, step in ROLES:
                if (code := places.code(encoding.family, i, Slot(kind, i + ahead * step))) is None:
                    continue
                first, at, when = found.setdefault((kind, step), (code, i, length))
                if code != first:
                    where = f"c_{i}" + (f" at length {length}" if length != when else "")
                    return Lift(False, f"{_role(kind, ahead * step)} has code {_show(first)} for c_{at} but {_show(code)} for {where}")
        for i in {0, places.results - 1}:
            roles = [Slot(kind, i + ahead * step) for kind, step in ROLES]
            if (alike := _alike(places, encoding.family, layout.separated, i, roles)) is not None:
                return Lift(False, f"{alike} have one code for c_{i}, so they cannot be told apart")
    if ("c", 1) not in found and any(positions(layout, task, length, domain).results > 1 for length in lengths):
        return Lift(False, f"{_role('c', ahead)} is not yet written when c_i is asked for, so the state cannot be read off")
    return Lift(True, ", ".join(f"{_role(kind, ahead * step)} at {_show(code)}" for (kind, step), (code, _, _) in found.items()))


def _alike(places: Positions, family: str, separated: bool, i: int, roles: list[Slot]) -> str | None:
    """A role's digit, and another digit that looks the same to the query of c_i."""
    seen: dict[tuple[Code, bool, str], Slot] = {}
    own = places.place[Slot("c", i)] - 1
    for slot in sorted((slot for slot in places.place if slot.kind in "abc"), key=lambda slot: slot not in roles):
        if (code := places.code(family, i, slot)) is None:
            continue
        first = seen.setdefault((code, places.place[slot] == own, slot.kind if separated else ""), slot)
        if first != slot and first in roles:
            return f"{first.kind}_{first.place} and {slot.kind}_{slot.place}"
    return None


def _role(kind: str, step: int) -> str:
    return f"{kind}_i" if step == 0 else f"{kind}_{{i{step:+}}}"


def _show(code: Code) -> str:
    return str(code[0]) if len(code) == 1 else str(code)


@dataclass(frozen=True)
class Support:
    """What the training lines showed at a code: `nonzero` digits, the digit 0 alone (`zero`), or nothing (`unseen`).

    Pairs of a query and a digit are many (2 million at 1000 digits), so none is listed: a code is asked which pairs have it.
    """

    family: str
    lines: tuple[tuple[Positions, int], ...]  # with the digits of the operands
    short: int | None = None  # those that b has at most

    def of(self, codes: Iterable[Code]) -> frozenset[str]:
        """Every kind of support that occurs among the codes."""
        return frozenset(map(self.kind, set(codes)))

    def kind(self, code: Code) -> str:
        """The support of one code. The first digit that a line has at it is its lowest, which decides for the line, unless b is short."""
        if self.family == "absolute":
            query, position = code
            asked = self._asked.get(query, 0) if position <= query else 0
            shown = (kind for kind in ("nonzero", "zero") if asked & self._digits.get((position, kind), 0))
            return next(shown, "unseen")
        found = "unseen"
        for places, length in reversed(self.lines):  # the longest shows most
            for slot in places.operands_at(self.family, code):
                if self._varies(slot, length):
                    return "nonzero"
                found = "zero"
                if self.short is None:
                    break
        return found

    def _varies(self, slot: Slot, length: int) -> bool:
        return slot.place < length and (slot.kind == "a" or self.short is None or slot.place < self.short)

    @cached_property
    def _asked(self) -> dict[int, int]:
        """By position, the lines in which it asks for a result digit, as bits."""
        return _bits((place - 1, line) for line, (at, _) in enumerate(self.lines) for slot, place in at.place.items() if slot.kind == "c")

    @cached_property
    def _digits(self) -> dict[tuple[int, str], int]:
        """By position and kind, the lines that have an operand digit there, as bits."""
        lines = enumerate(self.lines)
        digits = ((at.place[slot], self._varies(slot, length), line) for line, (at, length) in lines for slot in at.operands)
        return _bits(((place, "nonzero" if inside else "zero"), line) for place, inside, line in digits)


def _bits(found: Iterable[tuple[Key, int]]) -> dict[Key, int]:
    bits: dict[Key, int] = {}
    for key, line in found:
        bits[key] = bits.get(key, 0) | 1 << line
    return bits


def training_support(encoding: Encoding, layout: Layout, task: Task, training: Training) -> Support:
    """Codes of operand digits in the training lines, over every (c_i, operand digit) pair.

    >>> from theory.language.domains import make_training
    >>> from theory.language.encodings import make_encoding
    >>> from theory.language.layouts import make_layout
    >>> from theory.language.tasks import make_task
    >>> training_support(make_encoding("abacus"), make_layout("aligned", 2), make_task("add"), make_training("either", "1")).kind((-1,))
    'zero'
    """
    lines = tuple((positions(layout, task, length, training.domain), length) for length in _different(layout, training.lengths))
    return Support(encoding.family, lines, short_operand(training.domain))


Pair = tuple[int, Slot]


def digit_codes(
    encoding: Encoding, layout: Layout, task: Task, length: int, places: range, causal: bool = False, domain: str = "either"
) -> dict[Pair, Code]:
    """Codes of (c_i, operand digit at one of `places`), for every result query; with `causal`, of the digits at i and below only."""
    at = positions(layout, task, length, domain)
    pairs = ((i, Slot(kind, j)) for i in range(at.results) for kind in "ab" for j in places if j <= i or not causal)
    return {(i, slot): code for i, slot in pairs if (code := at.code(encoding.family, i, slot)) is not None}


def keeps_codes(
    encoding: Encoding, layout: Layout, task: Task, training: Training, length: int, places: range, domain: str = "either"
) -> bool:
    """Whether each digit at `places` has, for each result digit that training asks for, a code that it had in training."""
    trained: dict[Pair, set[Code]] = {}
    for n in _different(layout, training.lengths):
        for pair, code in digit_codes(encoding, layout, task, n, places, domain=training.domain).items():
            trained.setdefault(pair, set()).add(code)
    longer = digit_codes(encoding, layout, task, length, places, domain=domain)
    return all(longer[pair] in codes for pair, codes in trained.items() if pair in longer)
