"""The digit dependency graph of a task: which digits and carries each result digit is computed from.

Nodes are the operand digits a0, a1, ..., b0, ..., the result digits c0, ... and, where a column algorithm exists, the carries into each
column. Every edge is exact: it is there iff some values show that changing the source alone changes the target.

- alpha*a + beta*b + gamma: the columns of the carry machine, each with the carries that really occur there.
- a*b: column i adds all products a_j * b_k with j + k = i and the carry.
- every other task has edges from operand to result digits only. For an affine expression mod p they are decided on the residues that the
  other digits can reach, for other expressions on all pairs of operands, or on all pairs of their residues where the task is periodic.

Constants are no nodes: the carry into column 0 and a carry that is always the same are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.expressions import affine, evaluate, polynomial
from theory.properties import short
from theory.tasks import Task
from theory.testsets import degrees, magnitude, period
from theory.transducers import Transducer, affine_transducer

if TYPE_CHECKING:
    import networkx as nx

LIMIT = 1_000_000  # operand pairs, residue pairs, residues or machine steps per column
MAX_DIGITS = 100
MAX_PNG_COLUMNS = 40
COLOURS = {"a": "#4C78A8", "b": "#E8833A", "carry": "#8C8C99", "c": "#3F9B5B"}
Node = tuple[str, int]
Edge = tuple[Node, Node]


def dependency_graph(task: Task, digits: int) -> nx.DiGraph:
    """The graph for operands of up to `digits` digits; node attributes `kind` (a, b, carry or c) and `index`.

    Raises:
        InputError: digits < 1 or > 100, a result that may be negative, or a task that is too large to decide exactly.

    >>> from theory.tasks import make_task
    >>> sorted(dependency_graph(make_task("add"), digits=3).predecessors("c2"))
    ['a2', 'b2', 'carry2']
    """
    import networkx as nx

    if digits < 1:
        raise InputError(f"digits {digits}: the graph needs at least 1 digit")
    if digits > MAX_DIGITS:
        raise InputError(f"digits {digits}: the graph has at most {MAX_DIGITS}")
    width = task.result_width(digits)
    machine = affine_transducer(task)
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


def _column_edges(machine: Transducer, digits: int, width: int) -> Iterator[Edge]:
    """Column i: c_i and carry_{i+1} from a_i, b_i and carry_i, tabulated over the carries that occur in the column."""
    if len(machine.reachable) * machine.base**2 > LIMIT:
        raise InputError(f"{len(machine.reachable)} carries in base {machine.base} are too many: take smaller coefficients or base")
    known: dict[tuple[frozenset[int], int], tuple[list[tuple[str, str]], frozenset[int]]] = {}
    carries = frozenset({machine.start})
    for i in range(width):
        column = carries, machine.base if i < digits else 1
        if column not in known:
            known[column] = _column(machine, *column)
        edges, carries = known[column]
        for source, target in edges:
            if target == "c" or i + 1 < width:
                yield (source, i), (target, i if target == "c" else i + 1)


def _column(machine: Transducer, carries: frozenset[int], values: int) -> tuple[list[tuple[str, str]], frozenset[int]]:
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
    for (kind, j), steps, tables in _tables(task, digits, width):
        for i, (table, rest) in enumerate(tables):
            if any(_moves(table, rest, step) for step in steps):
                yield (kind, j), ("c", i)


def _moves(table: Any, rest: Any, step: int) -> bool:
    """Whether the step changes an entry at some residue of the rest; most steps show it at the first few."""
    return any((table[(part + step) % len(table)] != table[part]).any() for part in (rest[:64], rest))


def _tables(task: Task, digits: int, width: int) -> Iterator[tuple[Node, set[int], list[tuple[Any, Any]]]]:
    """For each operand digit: the steps its values make, and per result digit its table over the residues and the residues of the rest."""
    import numpy as np

    expression, base, p, coefficients = task.expression, task.base, task.modulus, affine(task.inner)
    powers = [base**j for j in range(digits)]
    if p is not None and coefficients is not None and p * max(min(base, p), digits * width) <= 100 * LIMIT:
        planes = [np.arange(p) // base**i % base for i in range(width)]
        weights = {(kind, j): slope * powers[j] % p for kind, slope in zip("ab", coefficients, strict=False) for j in range(digits)}
        rests: dict[int, Any] = {}  # by the weight left out
        for node, weight in weights.items():
            if weight not in rests:
                rests[weight] = _residues([other for key, other in weights.items() if key != node], base, p, coefficients[2])
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
    for kind, size, other in (("a", *sizes), ("b", *sizes[::-1])):
        columns = _residues(powers, base, other)
        tables = [(plane if kind == "a" else plane.T)[:, columns] for plane in planes]
        for j, power in enumerate(powers):
            rest = _residues([weight for weight in powers if weight != power], base, size)
            yield (kind, j), _steps(power, base, size), [(table, rest) for table in tables]


def _steps(weight: int, base: int, modulus: int) -> set[int]:
    """The residues that a digit other than 0 adds."""
    return {weight * x % modulus for x in range(1, min(base, modulus + 1))} - {0}


def _residues(weights: Sequence[int], base: int, modulus: int, start: int = 0) -> Any:
    """The residues of start + the sum of weight * digit over all digits 0..base-1, ascending."""
    import numpy as np

    mask = np.zeros(modulus, dtype=bool)
    mask[start % modulus] = True
    most = modulus // gcd(modulus, *weights)
    for weight in weights:
        if np.count_nonzero(mask) == most:
            break
        mask = np.logical_or.reduce([mask, *(np.roll(mask, step) for step in _steps(weight, base, modulus))])
    return np.flatnonzero(mask)


def to_mermaid(graph: nx.DiGraph) -> str:
    """Mermaid flowchart text."""
    lines = ["flowchart TD"]
    for node, data in graph.nodes(data=True):
        lines.append(f"  {node}(({node})):::{data['kind']}")
    lines += [f"  {source} --> {target}" for source, target in graph.edges]
    lines += [f"  classDef {kind} fill:{colour},stroke:#333,color:#fff" for kind, colour in COLOURS.items()]
    return "\n".join(lines)


def to_dot(graph: nx.DiGraph) -> str:
    """Graphviz text: one rank per digit, digit 0 on the right."""
    columns = sorted({data["index"] for _, data in graph.nodes(data=True)})
    lines = ["digraph dependencies {", "  rankdir=RL;", "  node [shape=circle, style=filled, fontcolor=white, width=0.7, fixedsize=true];"]
    for index in columns:
        nodes = [(node, data["kind"]) for node, data in graph.nodes(data=True) if data["index"] == index]
        shown = " ".join(f'{node} [fillcolor="{COLOURS[kind]}"];' for node, kind in nodes)
        lines.append(f"  {{ rank=same; {shown} }}")
    representatives = [next(node for node, data in graph.nodes(data=True) if data["index"] == index) for index in columns]
    lines += [f"  {right} -> {left} [style=invis];" for right, left in pairwise(representatives)]
    for source, target in graph.edges:
        lines.append(f'  {source} -> {target} [color="{COLOURS[graph.nodes[source]["kind"]]}", constraint=false];')
    return "\n".join([*lines, "}"])


def to_json(graph: nx.DiGraph) -> str:
    """Node-link JSON; `networkx.node_link_graph(json.loads(text), edges="links")` reads it back."""
    nodes = [{"id": node, **data} for node, data in graph.nodes(data=True)]
    links = [{"source": source, "target": target} for source, target in graph.edges]
    return json.dumps({"directed": True, "multigraph": False, "graph": {}, "nodes": nodes, "links": links}, indent=1)


def _place(kind: str, index: int, row: float) -> tuple[float, float]:
    """Columns as on paper, digit 0 on the right; a carry stands on the border of the column it enters."""
    x, y = {"a": (-0.24, 2.0), "b": (0.24, 2.0), "carry": (0.5, 1.0), "c": (0.0, 0.0)}[kind]
    return 1.9 * (x - index), row * y


def draw_png(graph: nx.DiGraph, path: str | Path) -> None:
    """Draw the graph into a PNG file; an edge has the colour of its source.

    Raises:
        InputError: matplotlib is not installed, the graph is too wide, or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("a PNG needs matplotlib: pip install 'arith-theory[plots]'") from None
    kinds = {data["kind"] for _, data in graph.nodes(data=True)}
    columns = 1 + max(data["index"] for _, data in graph.nodes(data=True))
    if columns > MAX_PNG_COLUMNS:
        raise InputError(f"a PNG of {columns} columns is too wide, at most {MAX_PNG_COLUMNS} are drawn: take fewer digits or --format dot")
    row = max(1.6, 0.36 * columns)
    places = {node: _place(data["kind"], data["index"], row) for node, data in graph.nodes(data=True)}
    left, right = min(x for x, _ in places.values()) - 1.6, max(x for x, _ in places.values()) + 0.5
    figure = Figure(figsize=(right - left, 2 * row + 1), dpi=160)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(-0.5, 2 * row + 0.5))
    axes.axis("off")
    for kind, label in (("a", "operands"), ("carry", "carries"), ("c", "result")):
        if kind in kinds:
            axes.text(left + 0.25, _place(kind, 0, row)[1], label, color="#777777", va="center", fontsize=12)
    for source, target in graph.edges:
        colour = COLOURS[graph.nodes[source]["kind"]]
        style = {"arrowstyle": "-|>", "mutation_scale": 10, "color": colour, "alpha": 0.75, "lw": 1.2, "shrinkA": 13, "shrinkB": 14}
        axes.annotate("", places[target], places[source], arrowprops=style, zorder=1)
    for node, data in graph.nodes(data=True):
        x, y = places[node]
        axes.scatter(x, y, s=640, color=COLOURS[data["kind"]], edgecolors="white", linewidths=1.5, zorder=2)
        name = "s" if data["kind"] == "carry" else data["kind"]
        axes.text(x, y, f"${name}_{{{data['index']}}}$", color="white", ha="center", va="center", fontsize=13, zorder=3)
    try:
        figure.savefig(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
