"""Which digits each result digit depends on, as one rule for numbers of any length.

`theory.graphs.dependency` answers for n digits; a rule here answers for every n and is its own proof object: `check()` walks its tables
again.

- Serial: the task has a finite digit-serial machine, whose state is a carry (least significant digit first), or a remainder or an order
  (most). Every column works alike: c_i and the carry out of column i depend on some of a_i, b_i and carry_i, the carry into it.
- Product: in column i of long multiplication c_i and carry_{i+1} are computed from a_0..a_i, b_0..b_i and carry_i. The number of arguments
  grows with i, so this rule holds for all lengths and yet is not local.
- Periodic: f depends on residues of the operands only, so digit a_j acts through B^j mod D. These weights repeat from some digit on:
  all places of the same weight act on the same result digits, and there are as many of them as the number is long.
- Low: an integer polynomial, modulo B^(i+1), is fixed by its operands modulo B^(i+1): c_i depends on a_0..a_i, b_0..b_i at most.

Serial, product and periodic rules are exact: each dependence is shown by values, and no other exists. A number that is too short to show
a dependence has fewer: the edges for n digits are among those of the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

from theory.automata.transducers import Transducer
from theory.errors import InputError
from theory.graphs.dependency import Edge, Node, column, serial_machine
from theory.graphs.periodic import periodic_rule
from theory.language.expressions import Binary, Call, Const, Var, affine, has_call, polynomial
from theory.language.tasks import Task
from theory.proofs.testsets import degrees

CHECKED_COLUMNS = 8

Cell = tuple[int, int, int]
Local = tuple[str, str]


class Rule(Protocol):
    """A dependency rule for all lengths.

    Attributes:
        headline: what kind of rule it is, in a few words.
        lines: the rule, one dependence a line; `c_i <- a_i, b_i, carry_i` reads "c_i depends on a_i, b_i and carry_i".
        in_degree: the number of digits and carries that a result digit is computed from, by the rule.
        exact: whether each dependence really occurs; else there are no others, but some of these may not.
        argument: the proof in one sentence.
    """

    @property
    def headline(self) -> str: ...
    @property
    def lines(self) -> tuple[str, ...]: ...
    @property
    def in_degree(self) -> str: ...
    @property
    def exact(self) -> bool: ...
    @property
    def argument(self) -> str: ...

    def edges(self, digits: int) -> set[Edge]:
        """The rule for columns 0 .. digits - 1, as edges (source, target)."""
        ...

    def check(self) -> bool:
        """Walk the proof again."""
        ...


def dependency_rule(task: Task) -> Rule | None:
    """The rule of a task; None where this version knows none (functions that are neither digit-serial nor periodic).

    Raises:
        InputError: the rule needs a table that is too large, or the states of a machine alternate from column to column.
    """
    machine = serial_machine(task)
    if machine is not None:
        return serial_rule(task, machine)
    terms = polynomial(task.expression)
    if terms == {(1, 1): 1}:
        return Product(task.base)
    if terms is not None:
        return Low(task)
    if degrees(task.expression) == (0, 0) and not has_call(task.expression):
        return periodic_rule(task)
    return None


# ------------------------------------------------------------------------------------------------------------------------------- serial


@dataclass(frozen=True)
class Serial:
    """The rule of a digit-serial machine.

    Attributes:
        carries: the carries into a column once they repeat.
        early: the edges of the columns before that, in reading order; there the start of the machine still shows.
        shown: for each (source, target) two cells (carry, x, y) that differ in the source alone and give different targets.
    """

    task: Task
    machine: Transducer = field(repr=False)
    carries: frozenset[int] = field(repr=False)
    early: tuple[frozenset[Local], ...]
    shown: dict[Local, tuple[Cell, Cell]] = field(repr=False)

    @property
    def headline(self) -> str:
        return "local: every column works alike"

    @property
    def lines(self) -> tuple[str, ...]:
        after = "carry_{i+1}" if self.machine.direction == "lsd" else "carry_{i-1}"
        rows = [_line(name, [f"{s}_i" for s in self._sources(target)]) for target, name in (("c", "c_i"), ("carry", after))]
        if not any("carry" in edge for edge in self.shown):
            return (rows[0],)
        top = "carry_0" if self.machine.direction == "lsd" else "the carry into the top digit"
        return (*rows, f"{top} = {self.machine.start}")

    def _sources(self, target: str) -> list[str]:
        return [source for source in ("a", "b", "carry") if (source, target) in self.shown]

    @property
    def in_degree(self) -> str:
        return str(len(self._sources("c")))

    @property
    def exact(self) -> bool:
        return True

    @property
    def argument(self) -> str:
        end = "least" if self.machine.direction == "lsd" else "most"
        identity = f"{_identity(self.task)[0]} in all states ({len(self.machine.reachable)})"
        return f"digit-serial, {end} significant first: {identity}, so induction over the digits gives the result at every length"

    def edges(self, digits: int) -> set[Edge]:
        columns = range(digits) if self.machine.direction == "lsd" else range(digits)[::-1]
        return {
            ((source, i), (target, i if target == "c" else i + columns.step))
            for k, i in enumerate(columns)
            for source, target in (self.early[k] if k < len(self.early) else self.shown)
            if target == "c" or i != columns[-1]
        }

    def check(self) -> bool:
        """The identity of a step holds in every cell, the carries are those of every late column, and the edges are exactly these."""
        machine, (_, holds) = self.machine, _identity(self.task)
        digits = range(machine.base)
        if not all(holds(s, x, y, *machine.step(s, x, y)) for s in machine.reachable for x in digits for y in digits):
            return False
        carries = frozenset({machine.start})
        for edges in self.early:
            if set(column(machine, carries, machine.base)[0]) != edges:
                return False
            carries = _after(machine, carries)
        if not carries == self.carries == _after(machine, carries):
            return False
        for (source, target), cells in self.shown.items():
            place, result = _PLACES[source], _RESULTS[target]
            (one, other), values = cells, [machine.step(*cell)[result] for cell in cells]
            rests = [cell[:place] + cell[place + 1 :] for cell in cells]
            if rests[0] != rests[1] or one == other or values[0] == values[1] or not {one[0], other[0]} <= self.carries:
                return False
        return set(column(machine, self.carries, machine.base)[0]) == self.shown.keys()


_PLACES, _RESULTS = {"carry": 0, "a": 1, "b": 2}, {"carry": 0, "c": 1}


def _identity(task: Task) -> tuple[str, Callable[[int, int, int, int, int], bool]]:
    """The identity of one step s, x, y -> s', c that makes the machine compute the task, in words and as a predicate."""
    base = task.base
    if task.machine is not None:
        given = task.machine.transducer.step
        return "the machine defines the task, and its own table is walked", lambda s, x, y, t, c: given(s, x, y) == (t, c)
    match task.expression:
        case Binary("//", Var(name), Const(q)):
            text = f"{base}*s + {'x' if name == 'a' else 'y'} = {q}*c + s' with s' < {q}"
            return text, lambda s, x, y, t, c: base * s + (x if name == "a" else y) == q * c + t and 0 <= t < q
        case Call(name):
            parts = ((0, 0), (1, 0), (0, 1))  # high parts A, C in each order: B*A + x and B*C + y with A != C are in the order of A and C
            text = f"{name}({base}*A + x, {base}*C + y) = {base}*{name}(A, C) + c, where s is the order of A and C,"

            def holds(s: int, x: int, y: int, t: int, c: int) -> bool:
                A, C = parts[s]
                a, b = base * A + x, base * C + y
                return task(a, b) == base * task(A, C) + c and t == (a > b) + 2 * (a < b)

            return text, holds
    alpha, beta, _ = affine(task.expression) or (0, 0, 0)
    terms = " + ".join(f"{k}*{v}".removeprefix("1*") for k, v in ((alpha, "x"), (beta, "y")) if k)
    return f"{base}*s' + c = {terms or 0} + s", lambda s, x, y, t, c: base * t + c == alpha * x + beta * y + s and 0 <= c < base


def serial_rule(task: Task, machine: Transducer) -> Serial:
    """Tabulate the carries into each column until they stay the same; the rule is what the columns show from there on."""
    carries, early, met = frozenset({machine.start}), list[frozenset[Local]](), set[frozenset[int]]()
    while (after := _after(machine, carries)) != carries:  # ends for carries: zeros lead to 0, and from there they only grow in number
        if carries in met:
            raise InputError("the states of the machine alternate from column to column: no one rule for all of them")
        met.add(carries)
        early.append(frozenset(column(machine, carries, machine.base)[0]))
        carries = after
    edges, _ = column(machine, carries, machine.base)
    return Serial(task, machine, carries, tuple(early), {edge: _two_cells(machine, carries, *edge) for edge in edges})


def _after(machine: Transducer, carries: Iterable[int]) -> frozenset[int]:
    """The carries after one more column."""
    return frozenset(machine.step(s, x, y)[0] for s in carries for x in range(machine.base) for y in range(machine.base))


def _two_cells(machine: Transducer, carries: Iterable[int], source: str, target: str) -> tuple[Cell, Cell]:
    place, result, first = _PLACES[source], _RESULTS[target], dict[tuple[int, ...], Cell]()
    for cell in product(sorted(carries), range(machine.base), range(machine.base)):
        other = first.setdefault(cell[:place] + cell[place + 1 :], cell)
        if machine.step(*other)[result] != machine.step(*cell)[result]:
            return other, cell
    raise AssertionError("the table has this edge")


# ------------------------------------------------------------------------------------------------------------------------------- product


@dataclass(frozen=True)
class Product:
    """The rule of a*b: B*carry_{i+1} + c_i = sum of a_j * b_{i-j} over 0 <= j <= i, plus carry_i."""

    base: int
    exact: bool = True

    @property
    def headline(self) -> str:
        return "growing: every column has more arguments than the one before"

    @property
    def lines(self) -> tuple[str, ...]:
        arguments = "a_0, ..., a_i, b_0, ..., b_i, carry_i"
        start = "carry_0 = 0" if self.base > 2 else "carry_0 = carry_1 = 0"
        return f"c_i <- {arguments}", f"carry_{{i+1}} <- {arguments}", start

    @property
    def in_degree(self) -> str:
        return "2i + 3"

    @property
    def argument(self) -> str:
        return (
            f"column identity {self.base}*carry_{{i+1}} + c_i = sum of a_j*b_{{i-j}} + carry_i; "
            f"a_j acts on c_i, since {self.base}^j * {self.base}^(i-j) = {self.base}^i"
        )

    def edges(self, digits: int) -> set[Edge]:
        return {edge for i in range(digits) for edge in self._column(i, digits)}

    def _column(self, i: int, digits: int) -> Iterator[Edge]:
        sources: list[Node] = [(kind, j) for kind in "ab" for j in range(i + 1)]
        for source in [*sources, *([("carry", i)] if self._carries(i) else [])]:
            yield source, ("c", i)
            if self._carries(i + 1) and i + 1 < digits:
                yield source, ("carry", i + 1)

    def _carries(self, i: int) -> bool:
        """Whether the carry into column i is ever other than 0; (B-1)^2 carries iff B > 2, and two products always do."""
        return i >= (1 if self.base > 2 else 2)

    def check(self) -> bool:
        """Every dependence of the first columns, each by two settings of a column that differ in one argument."""
        return all(self._acts(i, source, target) for i in range(CHECKED_COLUMNS) for source, (target, _) in self._column(i, i + 2))

    def _acts(self, i: int, source: Node, target: str) -> bool:
        """The source takes 0, 1 or B - 1 (its partner is B - 1), the rest of the column 0 or, if there is any, B - 1."""
        top, place = self.base - 1, 0 if target == "carry" else 1
        own = (0, 1) if source[0] == "carry" else (0, top, top * top)
        rests = (0, top) if source[0] == "carry" or i > 0 else (0,)
        return any(len({divmod(part + rest, self.base)[place] for part in own}) > 1 for rest in rests)


# ----------------------------------------------------------------------------------------------------------------------------------- low


@dataclass(frozen=True)
class Low:
    """An integer polynomial: f(a + B^(i+1)*A, b + B^(i+1)*C) = f(a, b) mod B^(i+1)."""

    task: Task
    exact: bool = False

    @property
    def headline(self) -> str:
        return "triangular: a result digit reads no higher digit"

    @property
    def lines(self) -> tuple[str, ...]:
        return (_line("c_i", [f"{kind}_0, ..., {kind}_i" for kind in self._kinds]),)

    @property
    def _kinds(self) -> str:
        terms = polynomial(self.task.expression) or {}
        return "".join(kind for k, kind in enumerate("ab") if any(key[k] for key in terms))

    @property
    def in_degree(self) -> str:
        return "at most i + 1" if len(self._kinds) == 1 else "at most 2i + 2"

    @property
    def argument(self) -> str:
        return f"an integer polynomial: modulo {self.task.base}^(i+1) it is fixed by its operands modulo {self.task.base}^(i+1)"

    def edges(self, digits: int) -> set[Edge]:
        return {((kind, j), ("c", i)) for i in range(digits) for kind in self._kinds for j in range(i + 1)}

    def check(self) -> bool:
        return polynomial(self.task.expression) is not None


def _line(target: str, sources: list[str]) -> str:
    return f"{target} <- {', '.join(sources) or 'nothing'}"
