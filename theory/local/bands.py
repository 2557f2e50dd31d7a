"""Bands: attention that sees only the offsets that the layout's role codes name, and the contexts that it then meets.

The local rule for c_i reads a_i, b_i, a_{i-1}, b_{i-1} and c_{i-1} (theory.local.alignment.ROLES). Where the digit shift lifts, each of
these roles stands at one offset from the query of c_i, the token before it, whatever i; the band is these offsets, and the query itself. In
the aligned layout of width W,

    <bos> a_0 .. a_{W-1} + b_0 .. b_{W-1} = c_0 .. c_W,

c_{i-1} stands at 0, b_i at W, b_{i-1} at W+1, a_i at 2W+1 and a_{i-1} at 2W+2. Nothing here knows that: offsets are read off the layout.

At both ends of the line the same offsets show marks. The query of c_0 is "=", and <bos> and "+" stand where a_{-1} and b_{-1} would; the
query of c_W sees a_{W-1}, b_{W-1}, c_{W-1}, and "+" and "=" where a_W and b_W would stand. So there are three kinds of context, told apart
by their marks: the first digit, those between (which all places share), and the top. Trained on operands of n digits, zero-padded, a
network sees at the top the padding alone, (0, 0, 0), when n <= W-2. Operands of W-1 digits reach one context more there, (0, 0, 1): the
carry out of the last digit. Operands of W digits reach 2 B^2 of them in all. So what training shows ends at W-2, one new context decides
W-1, and W asks for 2 B^2 - 1 answers that nothing in training fixes.

With L layers the offsets in sight are the sums of up to L offsets of the band, as far as the line goes back. All counts are exact: lines
are read group by group through the machine of the task, operands restricted to the digits that a length allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import NamedTuple

from theory.automata.machines import TooLarge
from theory.automata.transducers import Transducer
from theory.errors import InputError
from theory.language.domains import Training
from theory.language.encodings import Encoding
from theory.language.layouts import Layout, Slot, token_id
from theory.language.tasks import Task
from theory.local.alignment import ROLES, positions, shift_lifts
from theory.local.contexts import Kind, Known, Reachable, answers
from theory.local.inputs import C, Pair, Source, X, Y
from theory.local.windows import MAX_SITUATIONS, read

RELATIVE = Encoding("relative", "relative")


def band(layout: Layout, task: Task) -> tuple[int, ...]:
    """The offsets from a query to the roles of the local rule, and to itself.

    Raises:
        InputError: the layout is not of fixed width, or a role stands at different offsets for different digits.
    """
    if not layout.fixed:
        hint = "use --pe window" if layout.interleaved else "use the aligned layout"
        raise InputError(f"the {layout.name} layout has no band, as its lines have no fixed width: {hint}")
    lift = shift_lifts(RELATIVE, layout, task, (layout.width,))
    if not lift.value:
        raise InputError(f"the {layout.name} layout has no band: {lift.certificate}: use the aligned layout")
    at = positions(layout, task, layout.width)
    codes = [at.code("relative", i, Slot(kind, i - step)) for i in range(at.results) for kind, step in ROLES]
    return tuple(sorted({0, *(code[0] for code in codes if code is not None)}))


def seen_offsets(encoding: Encoding, layout: Layout, task: Task) -> tuple[int, ...] | None:
    """The offsets that one layer sees from a query; None where it sees all.

    Raises:
        InputError: a banded encoding in a layout that has no band.
    """
    if encoding.window is not None:
        return tuple(range(encoding.window + 1))
    return band(layout, task) if encoding.family == "banded" else None


def reach(offsets: Sequence[int], layers: int) -> tuple[int, ...]:
    """The offsets that `layers` layers see: sums of so many; 0 is one of them."""
    return tuple(sorted({sum(chosen) for chosen in combinations_with_replacement(offsets, layers)}))


# ------------------------------------------------------------------------------------------------------------------------------ views


@dataclass(frozen=True)
class View:
    """What a query sees, the same for all c_i with these marks.

    Attributes:
        offsets: Of the visible tokens, furthest first.
        marks: Their token ids; -1 for a digit.
        groups: The columns of a_j, b_j and c_j among them, -1 where out of sight, for the groups j = i - asked, i - asked + 1, ...
        asked: Which of these groups is the query's own.
    """

    offsets: tuple[int, ...]
    marks: tuple[int, ...]
    groups: tuple[tuple[int, int, int], ...]
    asked: int


def views(layout: Layout, task: Task, offsets: Sequence[int]) -> dict[View, list[int]]:
    """Every view that some query has, with the i of the queries that have it."""
    found: dict[View, list[int]] = {}
    widths = layout.widths(task, layout.width)
    slots = layout.slots(widths)
    for i in range(widths.c):
        query = slots.index(Slot("c", i)) - 1
        back = [offset for offset in sorted(offsets, reverse=True) if offset <= query]
        shown = [slots[query - offset] for offset in back]
        column = {slot: at for at, slot in enumerate(shown) if slot.kind in "abc"}
        marks = tuple(-1 if slot in column else token_id(slot, {}, task.base) for slot in shown)
        first, last = (pick((i, *(slot.place for slot in column))) for pick in (min, max))
        groups = [tuple(column.get(Slot(kind, j), -1) for kind in "abc") for j in range(first, last + 1)]
        view = View(tuple(back), marks, tuple((a, b, c) for a, b, c in groups), i - first)
        found.setdefault(view, []).append(i)
    return found


# ---------------------------------------------------------------------------------------------------------------------------- operands

#: which digit pairs a place can hold: any; a top pair of D_n, and of D_abn; the padding
FREE, TOP, FULL, PAD = range(4)


class Operands(NamedTuple):
    """The pairs of a domain at one length; what they reach counts as reached by inputs of this `size`."""

    length: int
    domain: str
    size: int

    def place(self, j: int) -> int:
        """Which digit pairs place j can hold."""
        if j >= self.length:
            return PAD
        if j < self.length - 1 or self.length == 1:
            return FREE
        return FULL if self.domain == "both" else TOP


def holds(place: int, x: int, y: int) -> bool:
    """Whether such a place can hold the digit pair."""
    return (True, x > 0 or y > 0, x > 0 < y, x == 0 == y)[place]


def up_to(digits: int) -> tuple[Operands, ...]:
    """All pairs of operands of up to so many digits."""
    return tuple(Operands(n, "either", n) for n in range(1, digits + 1))


# ---------------------------------------------------------------------------------------------------------------------------- contexts


@dataclass(frozen=True)
class BandContexts(Reachable):
    """The contexts that some operands reach where these offsets are in sight, each with the least size of such operands."""

    task: Task
    machine: Transducer
    layout: Layout
    offsets: tuple[int, ...]
    operands: tuple[Operands, ...]
    limit: int | None = None  # of situations to follow; default: MAX_SITUATIONS

    @property
    def visible(self) -> int:
        """Tokens in sight, at most."""
        return max(len(view.offsets) for view in self.views)

    @cached_property
    def views(self) -> dict[View, list[int]]:
        return views(self.layout, self.task, self.offsets)

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """One for each view.

        Raises:
            TooLarge: more than `limit` situations to follow.
        """
        return tuple(self._kind(view, places) for view, places in self.views.items())

    @cached_property
    def source(self) -> Source:
        """The machine, in states (its own, the (place, is it the query's) of the groups to come, the answer once it is known)."""

        def step(state: tuple[int, tuple[tuple[int, bool], ...], int | None], x: int, y: int) -> tuple[tuple[object, ...], int] | None:
            inner, ((place, asked), *rest), answer = state
            if not holds(place, x, y):
                return None
            after, c = self.machine.step(inner, x, y)
            return (after, tuple(rest), c if asked else answer), c

        return Source(self.machine.base, frozenset(), step)

    @cached_property
    def moves(self) -> dict[tuple[frozenset[int], int], frozenset[int]]:
        return {}

    def states(self, given: Operands) -> Iterator[frozenset[int]]:
        """The states that the machine can be in before group 0, 1, ..."""
        here = frozenset([self.machine.start])
        for j in range(max(max(places) for places in self.views.values()) + 1):
            yield here
            key = here, given.place(j)
            if key not in self.moves:
                pairs = ((x, y) for x in range(self.task.base) for y in range(self.task.base) if holds(key[1], x, y))
                self.moves[key] = frozenset(self.machine.step(state, x, y)[0] for x, y in pairs for state in here)
            here = self.moves[key]

    @cached_property
    def before(self) -> list[tuple[Operands, list[frozenset[int]]]]:
        """For each kind of operands, the smallest first, the states before each group."""
        return [(given, list(self.states(given))) for given in sorted(self.operands, key=lambda given: given.size)]

    def _kind(self, view: View, places: list[int]) -> Kind:
        layer, tables, columns, work = [self._begun(view, places)], [], [], 0
        for group in view.groups:
            for phase, column in zip((X, Y, C), group, strict=True):
                work += sum(map(len, layer)) * self.task.base
                if work > (self.limit or MAX_SITUATIONS):
                    raise TooLarge(f"more than {self.limit or MAX_SITUATIONS} situations to follow")
                branches = [read(self.source, node, phase) for node in layer]
                if column < 0:
                    layer = [_either(branch.values()) for branch in branches]
                    continue
                number: dict[Known, int] = {}
                for after in (after for branch in branches for after in branch.values()):
                    number.setdefault(after, len(number))
                tables.append(tuple(tuple(number[b[t]] if t in b else -1 for t in range(self.task.base)) for b in branches))
                columns.append(column)
                layer = list(number)
        ends = tuple(frozenset(((None, answer), size) for ((_, _, answer),), size in known) for known in layer)
        return Kind(view.offsets, view.marks, tuple(columns), tuple(tables), ends)

    def _begun(self, view: View, places: list[int]) -> Known:
        """What is possible before the first group of the view."""
        found: dict[tuple[object, ...], int] = {}
        for given, states in self.before:
            for first in (i - view.asked for i in places):
                rest = tuple((given.place(first + k), k == view.asked) for k in range(len(view.groups)))
                for state in states[first]:
                    found.setdefault(((state, rest, None),), given.size)
        return frozenset(found.items())

    def groups_before(self, kind: Kind, end: int, given: int) -> int | None:
        """The least size of operands that show such a context and whose true answer is not `given`."""
        return min((size for (_, c), size in kind.ends[end] if c != given), default=None)

    def history(self, tokens: tuple[int, ...], given: int) -> tuple[Pair, ...]:
        """The digit pairs of shortest operands that show this context and whose true answer is not `given`.

        Raises:
            ValueError: there are none.
        """
        marks = tuple(token if token >= self.task.base else -1 for token in tokens)
        queries = [(view, i) for view, places in self.views.items() if view.marks == marks for i in places]
        for operands, _ in self.before:
            for view, i in queries:
                if (found := self._shown(operands, view, i, tokens, given)) is not None:
                    return found[: operands.length]
        raise ValueError(f"no input shows {tokens} with another answer than {given}")

    def _shown(self, operands: Operands, view: View, i: int, tokens: tuple[int, ...], given: int) -> tuple[Pair, ...] | None:
        """The digit pairs of such operands that show the tokens to the query of c_i: one path to each state is enough."""
        first = i - view.asked
        paths: dict[tuple[int, bool], tuple[Pair, ...]] = {(self.machine.start, False): ()}
        for j in range(max(first + len(view.groups), operands.length)):
            group = view.groups[j - first] if first <= j < first + len(view.groups) else (-1, -1, -1)
            want = [tokens[column] if column >= 0 else None for column in group]
            after: dict[tuple[int, bool], tuple[Pair, ...]] = {}
            for (state, wrong), path in paths.items():
                for x in range(self.task.base) if want[0] is None else (want[0],):
                    for y in range(self.task.base) if want[1] is None else (want[1],):
                        following, c = self.machine.step(state, x, y)
                        if holds(operands.place(j), x, y) and want[2] in (None, c):
                            after.setdefault((following, c != given if j == i else wrong), (*path, (x, y)))
            paths = after
        return next((path for (_, wrong), path in paths.items() if wrong), None)


def _either(branches: Iterable[Known]) -> Known:
    """What is possible after a token that is not seen."""
    found: dict[tuple[object, ...], int] = {}
    for situation, size in (item for known in branches for item in known):
        found[situation] = min(size, found.get(situation, size))
    return frozenset(found.items())


# ---------------------------------------------------------------------------------------------------------------------------- coverage


class Missed(NamedTuple):
    """Contexts that training does not show: the operands' digits that first reach them, how many they are, and which c_i they ask for."""

    digits: int
    contexts: int
    places: tuple[int, ...]


@dataclass(frozen=True)
class Coverage:
    """What the training operands reach of all that operands of up to `width` digits reach.

    Attributes:
        contexts: How many the latter reach.
        ambiguous: How many of them leave the answer open.
        missed: What training does not show, by the digits that first reach it.
    """

    width: int
    contexts: int
    ambiguous: int
    missed: tuple[Missed, ...]

    @property
    def digits(self) -> int:
        """The most digits such that training shows every context of operands of up to so many."""
        return min((one.digits - 1 for one in self.missed), default=self.width)

    def text(self) -> str:
        """What is missed, in words."""
        parts = [f"operands of {one.digits} digits reach {one.contexts} more, at c_{_range(one.places)}" for one in self.missed]
        return "; ".join(parts) if parts else "none is missed"


def _range(places: tuple[int, ...]) -> str:
    return str(places[0]) if len(places) == 1 else f"{places[0]} to c_{places[-1]}"


def coverage(
    task: Task, machine: Transducer, layout: Layout, offsets: tuple[int, ...], training: Training, limit: int | None = None
) -> Coverage:
    """Which contexts training shows, by their least size: training counts as 0 digits.

    Raises:
        TooLarge: more than `limit` situations to follow.
    """
    trained = tuple(Operands(n, training.domain, 0) for n in training.lengths)
    contexts = BandContexts(task, machine, layout, offsets, (*up_to(layout.width), *trained), limit)
    missed: dict[tuple[int, tuple[int, ...]], int] = {}
    total = ambiguous = 0
    for kind, places in zip(contexts.kinds, contexts.views.values(), strict=True):
        for number, known in zip(kind.ways(), kind.ends, strict=True):
            total += number
            ambiguous += number * (len(answers(known)) > 1)
            if (digits := min(size for _, size in known)) > 0:
                key = digits, tuple(places)
                missed[key] = missed.get(key, 0) + number
    return Coverage(layout.width, total, ambiguous, tuple(Missed(digits, n, places) for (digits, places), n in sorted(missed.items())))
