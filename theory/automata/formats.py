"""Machines as text: JSON to read and write, Graphviz and Mermaid to look at.

JSON, one object with exactly these keys:

    {"base": 10, "operands": 2, "direction": "lsd", "start": 0,
     "table": [[[next, digit], ... B^operands cells], ... one row per state]}

Cell x (one operand) or x*B + y (two) of a row is for the digits x, y; `next` is the number of a row, `digit` the result digit written.

In a drawing the groups of an edge are one label `in / out`: `0-8 / 1-9` reads 0..8 and writes 1..9 in this order. `in` is x, y,
x + y, 2x + y, ..., the simplest sum that every cell depends on alone; without one, one line per x: `3: 0-6 / 3-9` has x = 3, y = 0..6.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from theory.automata.machines import Group, Machine, TooLarge
from theory.errors import InputError

MAX_TEXT = 40_000_000  # characters of JSON
MAX_DRAWN = 60  # states
MAX_LINES = 12  # of an edge's label
Feature = tuple[int, int]
KEYS = ("base", "operands", "direction", "start", "table")


def to_json(machine: Machine) -> str:
    """The documented JSON, one line per state.

    >>> from theory.automata.machines import Machine
    >>> print(to_json(Machine(2, 1, 0, [[(0, 0), (0, 1)]])), end="")
    {"base": 2, "operands": 1, "direction": "lsd", "start": 0, "table": [
     [[0,0],[0,1]]]}
    """
    head = json.dumps({key: getattr(machine, key) for key in KEYS[:-1]})
    rows = ",\n ".join(json.dumps(row, separators=(",", ":")) for row in machine.table)
    return f'{head[:-1]}, "table": [\n {rows}]}}\n'


def from_json(text: str) -> Machine:
    """Read the documented JSON.

    Raises:
        InputError: not the documented object; the line names the key, row or cell and what is expected there.
    """
    if len(text) > MAX_TEXT:
        raise TooLarge(f"machine: {len(text)} characters of JSON, at most {MAX_TEXT} are read")
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise InputError("machine: the JSON is nested too deeply, write one object with base, operands, direction, start, table") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"machine: not readable as JSON ({str(error)[:80]}), write one object like the documented one") from None
    if not isinstance(data, dict) or data.keys() != set(KEYS):
        raise InputError(f"machine: the JSON must be one object with exactly the keys {', '.join(KEYS)}")
    return Machine(**data)


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(items)
    if len(data) < len(items):
        raise InputError("machine: a key occurs twice in the JSON, write each once")
    return data


# ------------------------------------------------------------------------------------------------------------------------- drawing


def to_dot(machine: Machine) -> str:
    """Graphviz text; a point marks the start."""
    lines = ["digraph machine {", "  rankdir=LR;", f'  label="{title(machine)}";', "  node [shape=circle];", "  start [shape=point];"]
    lines.append(f"  start -> s{machine.start};")
    lines += [f'  s{state} [label="{state}"];' for state in machine.states]
    for s, t, label in labelled_edges(machine):
        text = r"\n".join(label)  # Graphviz reads backslash n as a new line
        lines.append(f'  s{s} -> s{t} [label="{text}"];')
    return "\n".join([*lines, "}"])


def to_mermaid(machine: Machine) -> str:
    """Mermaid flowchart text; a small circle marks the start."""
    lines = ["---", f'title: "{title(machine)}"', "---", "flowchart LR", f"  start(( )) --> s{machine.start}"]
    lines += [f"  s{state}(({state}))" for state in machine.states]
    lines += [f'  s{s} -->|"{"<br/>".join(label)}"| s{t}' for s, t, label in labelled_edges(machine)]
    return "\n".join(lines)


def labelled_edges(machine: Machine) -> list[tuple[int, int, list[str]]]:
    """(state, next state, lines of the label) for every edge.

    Raises:
        TooLarge: more than 60 states.
    """
    if len(machine.table) > MAX_DRAWN:
        raise TooLarge(f"a drawing of {len(machine.table)} states is not readable: minimise the machine to at most {MAX_DRAWN}")
    feature = _feature(machine)
    found = []
    for s, row in enumerate(machine.table):
        for t in sorted({following for following, _ in row}):
            cells = [(machine.group(number), digit) for number, (following, digit) in enumerate(row) if following == t]
            lines = _by_row(cells) if feature is None else [_read_write([(_combined(feature, group), digit) for group, digit in cells])]
            found.append((s, t, lines))
    return found


def _feature(machine: Machine) -> Feature | None:
    """The simplest (alpha, beta) so that every cell depends on alpha*x + beta*y alone; None where there is none with coefficients <= 9."""
    limit = 10 if machine.operands == 2 else 1
    for feature in sorted(((alpha, beta) for alpha in range(10) for beta in range(limit)), key=lambda pair: (sum(pair), pair[1])):
        values = [_combined(feature, machine.group(number)) for number in machine.groups]
        if all(len(set(zip(values, row, strict=True))) == len(set(values)) for row in machine.table):
            return feature
    return None


def _combined(feature: Feature, group: Group) -> int:
    return sum(slope * digit for slope, digit in zip(feature, group, strict=False))


def _by_row(cells: list[tuple[Group, int]]) -> list[str]:
    """One line per x, or per set of x with the same line."""
    rows: dict[str, list[int]] = {}
    for x, members in groupby(cells, key=lambda cell: cell[0][0]):
        rows.setdefault(_read_write([(group[1], digit) for group, digit in members]), []).append(x)
    lines = [f"{_spans(xs)}: {text}" for text, xs in rows.items()]
    return lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], f"and {len(lines) - MAX_LINES + 1} more lines"]


def _read_write(moves: list[tuple[int, int]]) -> str:
    """`0-8 / 1-9` for the moves (0, 1), (1, 2), ..., (8, 9), each kept once."""
    ordered = sorted(set(moves))
    written = [digit for _, digit in ordered]
    return f"{_spans([value for value, _ in ordered])} / {written[0] if len(set(written)) == 1 else _spans(written)}"


def _spans(values: list[int]) -> str:
    """Consecutive values as ranges: 0, 1, 2, 5 is `0-2,5`."""
    runs = [list(run) for _, run in groupby(enumerate(values), key=lambda item: item[1] - item[0])]
    return ",".join(str(run[0][1]) if len(run) == 1 else f"{run[0][1]}-{run[-1][1]}" for run in runs)


def title(machine: Machine) -> str:
    """Base, direction, and what the labels of the edges combine: `x + y / digit written`."""
    end = "least" if machine.direction == "lsd" else "most"
    feature = _feature(machine)
    terms = "x: y" if feature is None else " + ".join(f"{k}{v}".removeprefix("1") for k, v in zip(feature, "xy", strict=True) if k)
    return f"base {machine.base}, {end} significant digit first, {terms or 'nothing'} / digit written"
