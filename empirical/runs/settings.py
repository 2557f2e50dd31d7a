"""What a user writes, as a RunSpec: short names, a preset, and defaults for layout, width and test lengths.

The options of `arith-train run`, the tables of a plan and the axes of a grid all pass through `make_spec`, so they mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empirical.runs.spec import PRESETS, RunSpec, spec_from_dict
from theory.errors import InputError
from theory.language.domains import domain_of_tests, parse_lengths
from theory.language.encodings import DEFAULT_LAYOUT, ENCODINGS

#: short name -> field of RunSpec
SHORT = {
    "pe": "encoding", "train": "train_lengths", "test": "test_lengths", "lengths": "test_lengths", "domain": "test_domain",
    "watch": "watched_lengths",
}  # fmt: skip

#: what a command line takes where nothing is said; everything else has its default in RunSpec
DEFAULTS: Mapping[str, Any] = {"encoding": "absolute", "train_lengths": "1-3"}


def long_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under the names of RunSpec's fields; None is nothing said.

    Raises:
        InputError: one setting under two names.

    >>> long_names({"pe": "none", "train-domain": "both", "width": None})
    {'encoding': 'none', 'train_domain': 'both'}
    """
    out: dict[str, Any] = {}
    for name, value in settings.items():
        long = SHORT.get(plain := name.replace("-", "_"), plain)
        if long in out:
            raise InputError(f"setting {long} is given twice: leave {name} out")
        if value is not None:
            out[long] = value
    return out


def make_spec(settings: Mapping[str, Any]) -> RunSpec:
    """The run of these settings.

    Where nothing is said, the layout is the encoding's own, operands are tested in order if they are trained so, test lengths run from 1
    to the width or else to twice the trained length, and the width is that of the longest operand.

    Raises:
        InputError: an unknown or missing setting, or a value that RunSpec refuses.

    >>> spec = make_spec({"task": "add", "pe": "window", "window": 4, "train": "1-3", "preset": "local"})
    >>> spec.layout, spec.test_lengths, spec.width, spec.layers
    ('interleaved', (1, 2, 3, 4, 5, 6), 6, 1)
    """
    values = long_names(settings)
    if "expr" in values and values.setdefault("task", "expr") != "expr":
        raise InputError("give either --task or --expr, not both")
    preset = values.pop("preset", "small")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}: choose from {', '.join(PRESETS)}")
    if (trained := _longest(values.get("train_lengths"))) is not None:
        width = values.get("width")
        values.setdefault("test_lengths", tuple(range(1, (width if isinstance(width, int) else 2 * trained) + 1)))
        if (tested := _longest(values["test_lengths"])) is not None:
            values.setdefault("width", max(trained, tested))
    values.setdefault("layout", DEFAULT_LAYOUT.get(ENCODINGS.get(str(values.get("encoding")), ""), "padded"))
    if isinstance(trained_on := values.get("train_domain"), str):
        values.setdefault("test_domain", domain_of_tests(None, trained_on))
    layers, heads, dim = PRESETS[preset]
    return spec_from_dict({"layers": layers, "heads": heads, "dim": dim, **values})


def _longest(lengths: Any) -> int | None:
    """The longest of the lengths; None where they are none, which RunSpec says better."""
    if isinstance(lengths, str):
        return max(parse_lengths(lengths))
    return max(lengths) if isinstance(lengths, list | tuple) and lengths and all(type(x) is int for x in lengths) else None
