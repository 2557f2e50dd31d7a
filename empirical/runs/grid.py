"""Grids: every combination of a few settings, on one line.

    task=add,mul pe=absolute,relative train=1-2,1-3 seed=0-4

An axis is `name=values`, with any setting of `arith-train run`; axes are separated by spaces or commas, values by commas. Whole numbers
may be ranges (`seed=0-4`), lengths are written `1-3` or `2+4`. A modulus goes to the tasks that have one, a window, a price or
annealing to the encodings that have one. Runs that differ in their seed alone form a group, named after the values that tell the groups
apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from itertools import product
from typing import Any

from empirical.runs.plan import Group
from empirical.runs.settings import DEFAULTS, long_names, make_spec
from empirical.runs.spec import RunSpec
from theory.errors import InputError
from theory.language.encodings import ENCODINGS, PRICEABLE, SPARSE
from theory.language.tasks import CATALOGUE, needs_modulus

MAX_RUNS = 10_000
TYPES = {field.name: str(field.type).removesuffix(" | None") for field in fields(RunSpec)} | {"preset": "str"}
_AXIS = re.compile(r"(?:^|[\s,])\s*([A-Za-z][A-Za-z_-]*)=(?!=)")
_COMMA = re.compile(r",(?![^(]*\))")  # outside brackets: max(a, b) is one expression


def read_grid(text: str, name: str | None = None) -> list[Group]:
    """The groups of a grid; `name` is put before their names.

    Raises:
        InputError: an unknown, empty or repeated axis, a value twice, a setting that RunSpec refuses, or more than 10,000 runs.

    >>> [(group.name, group.seeds) for group in read_grid("task=add,mul train=1 seed=0-2")]
    [('add', (0, 1, 2)), ('mul', (0, 1, 2))]
    """
    axes = _axes(text)
    seeds = axes.pop("seed", ["0"])
    varied = [axis for axis, values in axes.items() if len(values) > 1]
    groups: dict[RunSpec, Group] = {}
    used: set[str] = set()
    total = len(seeds)
    for values in axes.values():
        total *= len(values)
    if total > MAX_RUNS:
        raise InputError(f"a grid of {total} runs: at most {MAX_RUNS} are made, give fewer values")
    for point in product(*axes.values()):
        words = _applicable(dict(zip(axes, point, strict=True)))
        used |= set(words)
        parts = [name or "", *(_plain(words[axis]) for axis in varied if axis in words)]
        label = "-".join(filter(None, parts)) or words.get("task", "add")
        task = {} if "expr" in words else {"task": "add"}
        spec = make_spec({**DEFAULTS, **task, **{axis: _value(axis, word) for axis, word in words.items()}})
        groups.setdefault(spec, Group(label, spec, tuple(_value("seed", seed) for seed in seeds)))
    if idle := sorted(set(axes) - used):
        raise InputError(f"grid: nothing in the grid takes the axis {idle[0]}: leave it out")
    found = list(groups.values())
    for group in found:
        _ = group.specs  # refuses a seed that no run may have
    if len({group.name for group in found}) < len(found):
        raise InputError("two groups of the grid have one name: give one of their values another spelling")
    return found


def _axes(text: str) -> dict[str, list[str]]:
    """Axis -> values, as text, under RunSpec's names."""
    marks = list(_AXIS.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        raise InputError(f"grid {text!r}: write it like task=add,mul pe=absolute seed=0-4")
    axes: dict[str, list[str]] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        (axis,) = long_names({mark[1]: ""})
        if axis not in TYPES:
            raise InputError(f"grid: unknown setting {mark[1]!r}: choose from {', '.join(sorted(TYPES))}")
        if axis in axes:
            raise InputError(f"grid: {mark[1]} is given twice: give its values once, separated by commas")
        body = text[mark.end() : following.start() if following else len(text)].strip().removesuffix(",")
        values = [value for part in _COMMA.split(body) for value in _spread(axis, part.strip())]
        if "" in values:
            raise InputError(f"grid: {mark[1]} has an empty value: write it like {mark[1]}=x,y")
        if len(set(values)) < len(values):
            raise InputError(f"grid: {mark[1]} has a value twice: leave one out")
        axes[axis] = values
    return axes


def _spread(axis: str, word: str) -> Sequence[str]:
    """A range of whole numbers as its members."""
    match = re.fullmatch(r"(\d{1,9})-(\d{1,9})", word, re.ASCII)
    if TYPES[axis] != "int" or match is None:
        return [word]
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + MAX_RUNS:
        raise InputError(f"grid: {axis}={word}: ranges ascend, and hold at most {MAX_RUNS} numbers")
    return [str(number) for number in range(first, last + 1)]


def _value(axis: str, word: str) -> Any:
    try:
        match TYPES[axis]:
            case "int":
                return int(word)
            case "float":
                return float(word)
            case "bool":
                return {"true": True, "false": False}[word]
            case "str":
                return word
    except (ValueError, KeyError):
        raise InputError(f"grid: {axis}={word}: {TYPES[axis]} is expected") from None
    return word.replace("+", ",")  # lengths


def _applicable(words: dict[str, str]) -> dict[str, str]:
    """Without the modulus where the task has none, and without the window, the price or the annealing where the encoding has none."""
    task, encoding = words.get("task", "add"), words.get("encoding", DEFAULTS["encoding"])
    without = set()
    if task in CATALOGUE and "expr" not in words and not needs_modulus(task):
        without.add("modulus")
    if ENCODINGS.get(encoding, "window") != "window":
        without.add("window")
    if encoding in ENCODINGS and encoding not in PRICEABLE:
        without |= {"price", "charge"}
    if encoding in ENCODINGS and encoding not in SPARSE:
        without.add("anneal")
    return {axis: word for axis, word in words.items() if axis not in without}


def _plain(word: str) -> str:
    """A value as part of a name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-")
