"""Windows: what the last tokens before a query fix, for digit-serial tasks in the interleaved layouts.

A line is <bos> x_0 y_0 c_0 x_1 y_1 c_1 ...: one group per step of the task's machine, x and y the operand digits that it reads and c the
result digit that it writes; in the unary layout <bos> x_0 c_0 x_1 c_1 ..., as the task does not depend on y. The query of c_t is the token
before it, y_t (unary: x_t). A network that sees `visible` tokens (the query and the window of r = visible - 1 tokens before it) answers a
function of these tokens, its context. So it can be right on every input iff each context that some input reaches has one true answer, and
then it is right on every input iff it gives that answer in each of them: by induction on t, what it has written as c_0 .. c_{t-1} is true.

Contexts are enumerated from the machine alone, as theory.local.contexts says. Inputs are all pairs of operands, each written at the length
of its longer one (D_1, D_2, ... of theory.language.domains), in as many groups as the result needs. Least significant digit first, every
digit sequence begins such an input, so the groups of zeros at its end reach no context of their own; most significant first, an input of
more than one group does not begin with the group (0, 0).

Of ordered operands (a >= b) least significant first the same holds: whatever the digits so far, and whatever is borrowed, a further group
(1, 0) makes a > b. So they reach every context that any pair reaches, and the smallest window is the same; lines of one length, and inputs
that end, are fewer. Most significant first the first group that is not a pair of equal digits has x > y.

Where b is short (by-K) its digits are 0 from place K on, which inputs remember; of these the contexts are always enumerated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

from theory.automata.machines import TooLarge
from theory.automata.transducers import Transducer, window_needed
from theory.language.domains import short_operand
from theory.language.layouts import Slot, token_id
from theory.language.tasks import Task
from theory.local.contexts import Kind, Known, Reachable, answers
from theory.local.inputs import C, Pair, Source, State, X, Y, all_inputs, inputs_of_length, local_machine
from theory.proofs.properties import Property

MAX_SITUATIONS = 1_000_000  # situations read while looking for the smallest window
MAX_WORK = 4_000_000  # situations read to find the contexts of a window, some seconds


@lru_cache(256)  # one task meets many layouts and encodings
def needed_window(task: Task, direction: str, shown: str = "ab", domain: str = "either") -> Property:
    """The least number of tokens before a query that fix its digit where these operands are interleaved, as `digits`; False: no number."""
    tokens = window_needed(task, direction, shown) if short_operand(domain) is None else None
    machine = local_machine(task, direction, domain)
    if tokens is None and machine is None:
        return Property(None, "no finite machine is known for the task in this direction")
    try:
        tokens = smallest_window(machine, shown, domain) if tokens is None and machine is not None else tokens
    except TooLarge as reason:
        return Property(None, f"undecided: {reason}")
    if tokens is None:
        return Property(False, "I/O memory without bound: tokens before the query never show the state, however many are seen")
    last = "token before the query fixes" if tokens == 1 else f"{tokens} tokens before the query fix"
    return Property(True, f"I/O memory: the last {last} the next digit, and no fewer do", tokens)


# ------------------------------------------------------------------------------------------------------------------------- knowledge

def everything(source: Source, phase: int, count: bool = True) -> Known:
    """What is possible before a token of this phase when nothing was seen; without `count`, the numbers of groups are left at 0."""
    found: dict[tuple[Any, ...], int] = {}
    for state, trail in source.trails.items():
        before = len(trail) if count else 0
        if phase == X:
            found[state,] = before
            continue
        for x, y in source.pairs:
            after = source.step(state, x, y)
            if after is not None:
                situation = (state, x) if phase == Y else after
                found[situation] = min(before, found.get(situation, before))
    return frozenset(found.items())


def read(source: Source, known: Known, phase: int, operand: Sequence[int] | None = None) -> dict[int, Known]:
    """What is possible after each token that can come next; of operand digits, after those in `operand` alone."""
    operand = range(source.base) if operand is None else operand
    found: dict[int, dict[tuple[Any, ...], int]] = {}

    def add(token: int, situation: tuple[Any, ...], before: int) -> None:
        branch = found.setdefault(token, {})
        branch[situation] = min(before, branch.get(situation, before))

    for situation, before in known:
        if phase == C:
            state, c = situation
            add(c, (state,), before)
        elif phase == X and "b" not in source.shown:
            for x, y in product(operand, range(source.base)):
                if (after := source.step(situation[0], x, y)) is not None:
                    add(x, after, before)
        elif phase == X:
            for x in operand:
                if any(source.step(situation[0], x, y) for y in range(source.base)):
                    add(x, (situation[0], x), before)
        else:
            for y in operand:
                after = source.step(situation[0], situation[1], y)
                if after is not None:
                    add(y, after, before)
    return {token: frozenset(branch.items()) for token, branch in sorted(found.items())}


# -------------------------------------------------------------------------------------------------------------------- smallest window


def smallest_window(machine: Transducer, shown: str = "ab", domain: str = "either") -> int | None:
    """The least number of tokens before the query that leaves one answer in every context; None if no number does.

    A wider window refines the contexts, so the first that is enough decides. Windows r, r+3, r+6, ... begin at the same token of a group:
    each reads three more tokens (unary: two) from the same ignorance. What stays ambiguous is followed, and where it recurs it recurs for
    ever.

    Raises:
        TooLarge: more than MAX_SITUATIONS situations to follow.

    >>> from theory.language.tasks import make_task
    >>> smallest_window(local_machine(make_task("add"), "lsd"))  # tokens: a_i, c_{i-1}, b_{i-1}, a_{i-1}
    4
    """
    source = all_inputs(machine, domain if short_operand(domain) is not None else "either", shown)
    readers = {phase: _ambiguous(source, phase) for phase in source.cycle}
    window = 0
    while True:
        left = next(readers[source.first(window + 1)])
        if left is None:
            return None
        if not left:
            return window
        window += 1


def _ambiguous(source: Source, phase: int) -> Iterator[set[Known] | None]:
    """For ever longer contexts that begin at this phase: the ambiguous ones (as what they leave possible); None once they recur."""
    family, seen, work = {everything(source, phase, count=False)}, set[frozenset[Known]](), 0
    while True:
        for token in source.to_query(phase):
            family, work = _read_all(source, family, token, work)
        yield None if frozenset(family) in seen else {known for known in family if len(answers(known)) > 1}
        seen.add(frozenset(family))
        phase = C


def _read_all(source: Source, family: set[Known], phase: int, work: int) -> tuple[set[Known], int]:
    """What is possible after one more token, where more than one situation is."""
    digits = () if phase == C else source.letters[phase]
    work += sum(map(len, family)) * max(1, len(digits))
    if work > MAX_SITUATIONS:
        raise TooLarge(f"more than {MAX_SITUATIONS} situations to follow")
    return {after for known in family for after in read(source, known, phase, digits).values() if len(after) > 1}, work


# -------------------------------------------------------------------------------------------------------------------------- contexts


@dataclass(frozen=True)
class Contexts(Reachable):
    """The contexts of up to `visible` tokens that a source of inputs reaches; shorter ones show <bos>, and hide nothing."""

    source: Source
    visible: int

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """Start contexts, shortest first, and last the contexts that do not reach back to <bos>.

        Raises:
            TooLarge: more than MAX_WORK situations to follow.
        """
        bos = token_id(Slot("bos"), {}, self.source.base)
        starts = frozenset(((state,), 0) for state in self.source.starts)
        cycle = len(self.source.cycle)
        begun = [self._kind((bos,), starts, X, length - 1) for length in range(cycle, self.visible + 1, cycle)]
        phase = self.source.first(self.visible)
        found = (*begun, self._kind((), everything(self.source, phase), phase, self.visible))
        return tuple(kind for kind in found if kind.ends)

    def _kind(self, prefix: tuple[int, ...], known: Known, phase: int, tokens: int) -> Kind:
        layer, tables, work, cycle = [known], [], 0, self.source.cycle
        for depth in range(cycle.index(phase), cycle.index(phase) + tokens):
            work += sum(map(len, layer)) * self.source.base
            if work > MAX_WORK:
                raise TooLarge(f"more than {MAX_WORK} situations of the machine to follow")
            number: dict[Known, int] = {}
            branches = [read(self.source, node, cycle[depth % len(cycle)]) for node in layer]
            for after in (after for branch in branches for after in branch.values()):
                number.setdefault(after, len(number))
            tables.append(tuple(tuple(number[b[t]] if t in b else -1 for t in range(self.source.base)) for b in branches))
            layer = list(number)
        columns = tuple(range(len(prefix), len(prefix) + tokens))
        offsets = tuple(range(len(prefix) + tokens))[::-1]
        return Kind(offsets, prefix + (-1,) * tokens, columns, tuple(tables), tuple(layer))

    def groups_before(self, kind: Kind, end: int, given: int) -> int | None:
        """The fewest groups before the query's own, in an input that shows such a context and whose true answer is not `given`."""
        fewest = min((before for (_, c), before in kind.ends[end] if c != given), default=None)
        shown = len(kind.tables) // len(self.source.cycle)  # each visible c ends a group
        return None if fewest is None else fewest + shown

    def history(self, tokens: tuple[int, ...], given: int) -> tuple[Pair, ...]:
        """The digit pairs of a shortest beginning of an input that shows this context and whose true answer is not `given`.

        Raises:
            ValueError: there is none.
        """
        if (found := next(self.histories(tokens, given), None)) is None:
            raise ValueError(f"no input shows {tokens} with another answer than {given}")
        return found

    def histories(self, tokens: tuple[int, ...], given: int) -> Iterator[tuple[Pair, ...]]:
        """The same for every state before the context and all digits hidden in its first group, the shortest first."""
        source, hides = self.source, self.source.cycle.index(self.source.first(len(tokens)))
        if tokens[0] >= source.base:  # <bos>: nothing is hidden
            tokens, hides, begun = tokens[1:], 0, list(source.starts)
        else:
            begun = sorted(source.trails, key=lambda state: len(source.trails[state]))
        for state in begun:
            for hidden in product(range(source.base), repeat=hides):
                shown = _follow(source, state, (*hidden, *tokens), given)
                if shown is not None:
                    yield (*source.trails[state], *shown)


def _follow(source: Source, state: State, tokens: tuple[int, ...], given: int) -> tuple[Pair, ...] | None:
    """The pairs of these tokens (from the begin of a group to a query), if the machine writes their c and then not `given`."""
    if not tokens:
        return ()
    operands, later = len(source.shown), tokens[len(source.cycle) :]
    x, written = tokens[0], tokens[operands : operands + 1]
    ways: dict[tuple[State, int] | None, int] = {}
    for y in range(source.base) if operands == 1 else tokens[1:2]:
        ways.setdefault(source.step(state, x, y), y)  # digits that are not shown, one for each way on
    for after, y in ways.items():
        if after is not None and (after[1] == written[0] if written else after[1] != given):
            rest = _follow(source, after[0], later, given)
            if rest is not None:
                return (x, y), *rest
    return None


def training_length(task: Task, machine: Transducer, visible: int, domain: str = "either", shown: str = "ab") -> int:
    """The least n such that operands of 1 to n digits reach every context that any input reaches.

    >>> from theory.language.tasks import make_task
    >>> task = make_task("add")
    >>> training_length(task, local_machine(task, "lsd"), visible=5)
    4
    """
    goal, n = Contexts(all_inputs(machine, domain, shown), visible).count(), 1
    while Contexts(inputs_of_length(machine, task, range(1, n + 1), domain, shown), visible).count() < goal:
        n += 1
    return n
