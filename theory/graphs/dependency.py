"""The digit dependency graph of a task: which digits and carries each result digit is computed from.

Nodes are the operand digits a0, a1, ..., b0, ..., the result digits c0, ... and, where a column algorithm exists, the carries into each
column. Every edge is exact: it is there iff some values show that changing the source alone changes the target.

- alpha*a + beta*b + gamma: the columns of the carry machine, each with the carries that really occur there. carry_i enters column i.
- a//q and b//q: the same from the other end, where the carry into a column is the remainder of the digits above it.
- max(a, b) and min(a, b): from the same end, where it is the order of the digits above (0 equal, 1 a is larger, 2 b is).
- a*b: column i adds all products a_j * b_k with j + k = i and the carry.
- a task given by a machine: its own columns, where the carry is the machine's state.
- every other task has edges from operand to result digits only. For an affine expression mod p they are decided on the residues that the
  other digits can reach, for other expressions on all pairs of operands, or on all pairs of their residues where the task is periodic.

Constants are no nodes: the carry into the first column and a carry that is always the same are left out. `theory.graphs.dependence` states
the same for numbers of any length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import gcd
from typing import TYPE_CHECKING, Any

from theory.automata.transducers import Transducer, affine_transducer, order_transducer, quotient_transducer
from theory.errors import InputError
from theory.language.domains import check_signs
from theory.language.expressions import affine, evaluate, polynomial
from theory.language.tasks import Task
from theory.proofs.properties import short
from theory.proofs.testsets import degrees, magnitude, period

if TYPE_CHECKING:
    import networkx as nx

LIMIT = 1_000_000  # operand pairs, residue pairs, residues or machine steps per column
MAX_DIGITS = 100
Node = tuple[str, int]
Edge = tuple[Node, Node]


def dependency_graph(task: Task, digits: int) -> nx.DiGraph:
    """The graph for operands of up to `digits` digits; node attributes `kind` (a, b, carry or c) and `index`.

    Raises:
        InputError: digits < 1 or > 100, a result that may be negative, or a task that is too large to decide exactly.

    >>> from theory.language.tasks import make_task
    >>> sorted(dependency_graph(make_task("add"), digits=3).predecessors("c2"))
    ['a2', 'b2', 'carry2']
    """
    import networkx as nx

    if digits < 1:
        raise InputError(f"digits {digits}: the graph needs at least 1 digit")
    if digits > MAX_DIGITS:
        raise InputError(f"digits {digits}: the graph has at most {MAX_DIGITS}")
    check_signs(task)
    width = task.result_width(digits)
    machine = serial_machine(task)
    if machine is not None:
        edges = list(_column_edges(machine, digits, width))
    elif polynomial(task.expression) == {(1, 1): 1}:
        edges = list(_product_edges(task.base, digits, width))
    else:
        edges = list(_digit_edges(task, digits, width))
    carries = sorted({node for edge in edges for node in edge if node[0] == "carry"})
    operands = [(kind, i) for kind in "ab" for i in range(digits)]
    graph = nx.DiGraph()
    for kind, index in (*operands, *carries, *(("c", i) for i in range(width))):
        graph.add_node(f"{kind}{index}", kind=kind, index=index)
    graph.add_edges_from((f"{source[0]}{source[1]}", f"{target[0]}{target[1]}") for source, target in edges)
    return graph


def serial_machine(task: Task) -> Transducer | None:
    """The digit-serial machine whose state is the carry (or remainder, or order), or the task's own; None for tasks of other forms.

    Raises:
        InputError: more states than can be tabulated.
    """
    if task.machine is not None:
        return task.machine.transducer
    machine = affine_transducer(task) or quotient_transducer(task) or order_transducer(task)
    if machine is not None and len(machine.reachable) * machine.base**2 > LIMIT:
        raise InputError(f"{len(machine.reachable)} carries in base {machine.base} are too many: take smaller coefficients or base")
    return machine


def _column_edges(machine: Transducer, digits: int, width: int) -> Iterator[Edge]:
    """Column i: c_i and the carry out of it from a_i, b_i and carry_i, tabulated over the carries that occur in the column."""
    known: dict[tuple[frozenset[int], int], tuple[list[tuple[str, str]], frozenset[int]]] = {}
    carries = frozenset({machine.start})
    columns = range(width) if machine.direction == "lsd" else range(digits)[::-1]
    for i in columns:
        case = carries, machine.base if i < digits else 1
        if case not in known:
            known[case] = column(machine, *case)
        edges, carries = known[case]
        for source, target in edges:
            if target == "c" or i != columns[-1]:
                yield (source, i), (target, i if target == "c" else i + columns.step)


def column(machine: Transducer, carries: Collection[int], values: int) -> tuple[list[tuple[str, str]], frozenset[int]]:
    """The edges of a column with these carries and digits below `values`, and the carries out of it."""
    table = {(s, x, y): machine.step(s, x, y) for s in carries for x in range(values) for y in range(values)}
    places, results = enumerate(("carry", "a", "b")), (("c", 1), ("carry", 0))
    edges = [(source, target) for place, source in places for target, result in results if _acts(table, place, result)]
    return edges, frozenset(carry for carry, _ in table.values())


def _acts(table: dict[tuple[int, int, int], tuple[int, int]], place: int, result: int) -> bool:
    """Whether the argument at `place` ever changes component `result` of the value when the other arguments stay."""
    seen: dict[tuple[int, ...], int] = {}
    return any(seen.setdefault(key[:place] + key[place + 1 :], value[result]) != value[result] for key, value in table.items())


def _product_edges(base: int, digits: int, width: int) -> Iterator[Edge]:
    """Column i of long multiplication: c_i and carry_{i+1} from all a_j, b_k with j + k = i and from carry_i."""
    carry = 0  # the largest carry into the column
    for i in range(width):
        places = range(max(0, i - digits + 1), min(i, digits - 1) + 1)
        sources = [*(("a", j) for j in places), *(("b", i - j) for j in places), *([("carry", i)] if carry else [])]
        carry = ((base - 1) ** 2 * len(places) + carry) // base
        for source in sources:
            yield source, ("c", i)
            if carry:
                yield source, ("carry", i + 1)


def _digit_edges(task: Task, digits: int, width: int) -> Iterator[Edge]:
    """c_i from a_j iff c_i differs between digit j = 0 and another one, the other digits being the same."""
    for (kind, j), steps, tables in tabulated(task, digits, width):
        for i, (table, rest) in enumerate(tables):
            if any(moves(table, rest, step) for step in steps):
                yield (kind, j), ("c", i)


def moves(table: Any, rest: Any, step: int) -> bool:
    """Whether the step changes an entry at some residue of the rest; most steps show it at the first few."""
    return any((table[(part + step) % len(table)] != table[part]).any() for part in (rest[:64], rest))


def tabulated(task: Task, digits: int, width: int, recurring: range = range(0)) -> Iterator[tuple[Node, set[int], list[tuple[Any, Any]]]]:
    """For each operand digit: the steps its values make, and per result digit its table over the residues and the residues of the rest.

    A digit place in `recurring` stands for unlimited places of the same weight: it belongs to the rest of every digit, its own included.
    """
    import numpy as np

    expression, base, p, coefficients = task.expression, task.base, task.modulus, affine(task.inner)
    powers = [base**j for j in range(digits)]
    if p is not None and coefficients is not None and p * max(min(base, p), digits * width) <= 100 * LIMIT:
        planes = [np.arange(p) // base**i % base for i in range(width)]
        slopes = dict(zip("ab", coefficients[:2], strict=True))
        weights = {(kind, j): slope * powers[j] % p for kind, slope in slopes.items() for j in range(digits)}
        endless = [weight for (_, j), weight in weights.items() if j in recurring]
        rests: dict[int, Any] = {}  # by the weight left out
        for node, weight in weights.items():
            if weight not in rests:
                others = [other for key, other in weights.items() if key != node]
                rests[weight] = residues(others, base, p, coefficients[2], endless)
            yield node, _steps(weight, base, p), [(plane, rests[weight]) for plane in planes]
        return
    full = base**digits
    sizes = [full if degree else min(full, d) for degree, d in zip(degrees(expression), period(expression), strict=True)]
    if sizes[0] * sizes[1] > LIMIT:
        pairs = " x ".join(map(short, sizes))
        raise InputError(f"the graph of {task.text} needs {pairs} cases, at most {LIMIT} are enumerated: take fewer digits")
    a, b = (np.arange(size).astype(np.int64 if magnitude(expression, max(sizes)) < 2**62 else object) for size in sizes)
    values = np.broadcast_to(evaluate(expression, a[:, None], b[None, :]), sizes)
    planes = [(values // base**i % base).astype(np.int64) for i in range(width)]
    endless = [powers[j] for j in recurring]
    for kind, size, other in (("a", *sizes), ("b", *sizes[::-1])):
        columns = residues(powers, base, other, 0, endless)
        tables = [(plane if kind == "a" else plane.T)[:, columns] for plane in planes]
        for j, power in enumerate(powers):
            rest = residues(powers[:j] + powers[j + 1 :], base, size, 0, endless)
            yield (kind, j), _steps(power, base, size), [(table, rest) for table in tables]


def _steps(weight: int, base: int, modulus: int) -> set[int]:
    """The residues that a digit other than 0 adds."""
    return {weight * x % modulus for x in range(1, min(base, modulus + 1))} - {0}


def residues(weights: Sequence[int], base: int, modulus: int, start: int = 0, endless: Sequence[int] = ()) -> Any:
    """The residues of start + the sum of weight * digit over all digits 0..base-1, ascending; `endless` weights take any multiple."""
    import numpy as np

    unit = gcd(modulus, *endless)  # all multiples of these weights: the multiples of their common divisor
    mask = np.zeros(modulus, dtype=bool)
    mask[start % unit :: unit] = True
    most = modulus // gcd(modulus, *weights, *endless)
    for weight in weights:
        if np.count_nonzero(mask) == most:
            break
        mask = np.logical_or.reduce([mask, *(np.roll(mask, step) for step in _steps(weight, base, modulus))])
    return np.flatnonzero(mask)
