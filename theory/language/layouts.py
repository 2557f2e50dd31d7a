"""Layouts: in which order the digits of a, b and the result c stand in the token sequence.

A layout is a list of slots. `slots` is the only place that knows an order; theory reads positions off it and
the data of the trained networks is rendered through it. To add a layout, add a row to LAYOUTS and its order here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from theory.errors import InputError
from theory.language.domains import MAX_LENGTH, restricted, short_operand
from theory.language.expressions import operands
from theory.language.tasks import Task, digit_count

LAYOUTS = {
    "padded": "the papers': <bos> a + b = c, zero-padded, operands most and result least significant digit first",
    "aligned": "<bos> a + b = c, zero-padded, all least significant digit first",
    "interleaved": "<bos> a0 b0 c0 a1 b1 c1 ..., operand digits arrive between result digits",
    "unary": "<bos> a0 c0 a1 c1 ..., interleaved, for tasks of a alone: b is not shown",
    "plain": "<bos> a + b = c <eos>, unpadded, all most significant digit first",
    "reversed": "<bos> a + b = c <eos>, unpadded, operands most and result least significant digit first",
}


class Slot(NamedTuple):
    """One token: kind `a`, `b`, `c` with the place of the digit (0 = least significant), or `bos`, `op`, `eq`, `eos`."""

    kind: str
    place: int = 0


class Widths(NamedTuple):
    """Digits written for a, b and c."""

    a: int
    b: int
    c: int


@dataclass(frozen=True)
class Layout:
    """An order of tokens; `width` is the operand width of the zero-padded layouts."""

    name: str
    width: int
    direction: str = "lsd"

    @property
    def fixed(self) -> bool:
        """Whether every sequence has the same length."""
        return self.name in ("padded", "aligned")

    @property
    def result_direction(self) -> str:
        """The end at which the result is begun: `lsd` or `msd`."""
        return "msd" if self.name == "plain" else self.direction

    @property
    def interleaved(self) -> bool:
        """Whether the digits of one place stand together."""
        return self.name in ("interleaved", "unary")

    @property
    def shown(self) -> str:
        """The operands that are written."""
        return "a" if self.name == "unary" else "ab"

    def shows(self, task: Task) -> bool:
        """Whether the operands that the task reads are written."""
        return "b" in self.shown or operands(task.expression) == 1

    @property
    def separated(self) -> bool:
        """Whether separators stand between the digits of a, b and c."""
        return not self.interleaved

    @property
    def unpadded(self) -> bool:
        return self.name in ("plain", "reversed")

    def widths(self, task: Task, length: int, domain: str = "either") -> Widths:
        """Digits written for operands of `length` digits (unpadded layouts: of exactly that length, and b of as many as the domain allows).

        Raises:
            InputError: the task reads an operand that is not written, or its value may be negative.
        """
        if not self.shows(task):
            raise InputError(f"the {self.name} layout shows a alone, but {task.text} reads b: use the interleaved layout")
        if self.fixed:
            return Widths(self.width, self.width, task.result_width(self.width))
        if self.interleaved:
            groups = max(length, task.result_width(length))
            return Widths(groups, groups if "b" in self.shown else 0, groups)
        if (short := short_operand(domain)) is None:
            return Widths(length, length, task.result_width(length))
        return Widths(length, min(short, length), restricted(task, domain).result_width(length))

    def pair_widths(self, task: Task, a: int, b: int, length: int) -> Widths:
        """Digits written for one pair drawn from a domain at `length`."""
        if self.unpadded:
            return Widths(*(digit_count(value, task.base) for value in (a, b, task(a, b))))
        return self.widths(task, length)

    def slots(self, widths: Widths) -> tuple[Slot, ...]:
        """The token sequence."""
        def lsd(kind: str, width: int) -> list[Slot]:
            return [Slot(kind, i) for i in range(width)]

        bos, op, eq, eos = Slot("bos"), Slot("op"), Slot("eq"), Slot("eos")
        a, b, c = (lsd(kind, width) for kind, width in zip("abc", widths, strict=True))
        match self.name:
            case "padded":
                return (bos, *a[::-1], op, *b[::-1], eq, *c)
            case "aligned":
                return (bos, *a, op, *b, eq, *c)
            case "interleaved" | "unary":
                groups = range(widths.c) if self.direction == "lsd" else range(widths.c)[::-1]
                return (bos, *(Slot(kind, i) for i in groups for kind in self.shown + "c"))
            case "plain":
                return (bos, *a[::-1], op, *b[::-1], eq, *c[::-1], eos)
            case _:
                return (bos, *a[::-1], op, *b[::-1], eq, *c, eos)


def make_layout(name: str, width: int, direction: str = "lsd") -> Layout:
    """A layout by its name; `width` is that of the operands, in digits (the papers: 20).

    Raises:
        InputError: unknown name or direction, width < 1 or > 1000, a direction for a layout that has none.

    >>> make_layout("padded", 3).fixed, make_layout("interleaved", 3, "msd").result_direction
    (True, 'msd')
    """
    if name not in LAYOUTS:
        raise InputError(f"unknown layout {name!r}: choose from {', '.join(LAYOUTS)}")
    if direction not in ("lsd", "msd"):
        raise InputError(f"unknown direction {direction!r}: choose lsd or msd")
    layout = Layout(name, width, direction)
    if direction == "msd" and not layout.interleaved:
        raise InputError(f"--direction msd goes with the interleaved layouts, not with {name}")
    if width < 1:
        raise InputError(f"width {width}: the width must be at least 1")
    if width > MAX_LENGTH:
        raise InputError(f"a width above {MAX_LENGTH}: operands have at most {MAX_LENGTH} digits")
    return layout


def digits(value: int, width: int, base: int) -> list[int]:
    """Digits of value, least significant first.

    Raises:
        InputError: value needs more than `width` digits.

    >>> digits(205, 4, 10)
    [5, 0, 2, 0]
    """
    out = []
    rest = value
    for _ in range(width):
        rest, digit = divmod(rest, base)
        out.append(digit)
    if rest:
        raise InputError(f"{value} does not fit into {width} digits in base {base}: choose a larger width")
    return out


#: tokens beyond the digits 0..B-1, in vocabulary order
SPECIALS = ("op", "eq", "bos", "eos")


def vocabulary_size(base: int) -> int:
    return base + len(SPECIALS)


def token_id(slot: Slot, operands: Mapping[str, Sequence[int]], base: int) -> int:
    """Token of one slot: the digit itself, or base + index of the special token."""
    return operands[slot.kind][slot.place] if slot.kind in operands else base + SPECIALS.index(slot.kind)


def encode(layout: Layout, task: Task, a: int, b: int, length: int) -> list[int]:
    """Token ids of one line with its true result.

    >>> from theory.language.tasks import make_task
    >>> encode(make_layout("plain", 3), make_task("add"), 7, 58, 2)
    [12, 7, 10, 5, 8, 11, 6, 5, 13]
    """
    widths = layout.pair_widths(task, a, b, length)
    numbers = zip("abc", (a, b, task(a, b)), widths, strict=True)
    values = {kind: digits(value, width, task.base) for kind, value, width in numbers if kind in layout.shown + "c"}
    return [token_id(slot, values, task.base) for slot in layout.slots(widths)]


def sign(task: Task) -> str:
    """What people read between the operands."""
    return "*" if "mul" in task.name else "-" if "sub" in task.name else "+"


def render(layout: Layout, task: Task, a: int, b: int, length: int) -> str:
    """One line as people read it; digits above 9 as letters, above z in brackets.

    >>> from theory.language.tasks import make_task
    >>> render(make_layout("padded", 3), make_task("add"), 7, 58, 2)
    '^007+058=5600'
    >>> render(make_layout("interleaved", 3), make_task("add"), 7, 58, 2)
    '^785056000'
    >>> render(make_layout("unary", 3), make_task("double"), 57, 0, 2)
    '^745101'
    """
    symbols = {"bos": "^", "eos": ";", "eq": "=", "op": sign(task)}
    def show(token: int) -> str:
        if token >= task.base:
            return symbols[SPECIALS[token - task.base]]
        return "0123456789abcdefghijklmnopqrstuvwxyz"[token] if token < 36 else f"[{token}]"
    return "".join(show(token) for token in encode(layout, task, a, b, length))
