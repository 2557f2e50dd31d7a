"""Predictions as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from theory.domains import make_training
from theory.encodings import DEFAULT_LAYOUT, make_encoding
from theory.layouts import make_layout
from theory.predict import ASSUMPTIONS, LengthAccuracy, Prediction, predict
from theory.properties import Property
from theory.tasks import make_task

#: what an outcome means, for people
MEANING = {
    "exact": "right at every longer length",
    "truncation": "computes the task on operands cut to the trained length",
    "decays": "right at first, less and less with the length",
    "fails": "wrong on longer operands",
    "undetermined": "no rule decides it",
    None: "no longer length was asked for",
}


def prediction_json(found: Prediction) -> dict[str, Any]:
    """The object that `predict --json` prints."""
    task, layout = found.task, found.layout
    return {
        "task": {"name": task.name, "expression": task.text, "base": task.base, "modulus": task.modulus},
        "encoding": found.encoding.name,
        "family": found.encoding.family,
        "window": found.encoding.window,
        "layers": found.encoding.layers,
        "layout": layout.name,
        "width": layout.width if layout.fixed else None,
        "direction": layout.direction,
        "train": {"domain": found.training.domain, "lengths": list(found.training.lengths)},
        "test": {"domain": found.test_domain, "lengths": [row.length for row in found.accuracy]},
        "properties": {
            "translation_invariant": found.translation_invariance.value,
            "base_compatible": found.base_compatibility.value,
            "compatible_digits": found.base_compatibility.digits,
            "low_support": found.low_support.digits,
        },
        "certificates": {
            "translation_invariant": found.translation_invariance.certificate,
            "base_compatible": found.base_compatibility.certificate,
            "low_support": found.low_support.certificate,
        },
        "outcome": asdict(found.outcome),
        "learned_function": found.learned_function,
        "accuracy": accuracy_json(found),
        "paper": {"outcome": asdict(found.paper.outcome), "source": found.paper.source},
        "status": found.status,
        "assumptions": [f"{name}: {ASSUMPTIONS[name]}" for name in found.assumptions],
        "reasons": list(found.reasons),
    }


def accuracy_json(found: Prediction) -> list[dict[str, Any]]:
    """One row per test length; `exact` is a fraction as text, null where no function is predicted."""
    return [
        {
            "length": row.length,
            "region": row.region,
            "exact": None if row.exact is None else str(row.exact),
            "value": None if row.exact is None else float(row.exact),
        }
        for row in found.accuracy
    ]


def prediction_text(found: Prediction) -> str:
    """Verdict first, then why, then the accuracy at each length."""
    task, training = found.task, found.training
    lines = [
        f"{task.text} in base {task.base}, {found.encoding.name} positions, {_layout(found)} layout, "
        f"trained on lengths {_ranges(training.lengths)} ({training.domain})",
        f"upward: {_word(found.outcome.upward)} ({MEANING[found.outcome.upward]}); {found.status}",
        f"downward: {_word(found.outcome.downward)}; in distribution: {_word(found.outcome.in_distribution)}",
        f"learned function: {found.learned_function or 'none predicted'}",
        f"the paper: upward {found.paper.outcome.upward or 'not said'} ({found.paper.source})",
        "",
        "why",
        *(f"  {reason}" for reason in found.reasons),
        *(f"  assuming {name}: {ASSUMPTIONS[name]}" for name in found.assumptions),
        "",
        "properties",
        f"  translation invariant: {_answer(found.translation_invariance)}",
        f"  base compatible: {_answer(found.base_compatibility)}",
        f"  low digits suffice: {_answer(found.low_support)}",
        "",
        accuracy_text(found),
    ]
    return "\n".join(lines)


def accuracy_text(found: Prediction) -> str:
    """The table of lengths."""
    rows = [("length", "region", "accuracy", "exactly"), *map(_row, found.accuracy)]
    return "\n".join(_columns(rows))


def _row(row: LengthAccuracy) -> tuple[str, ...]:
    if row.exact is None:
        return str(row.length), row.region, "-", "no function predicted"
    return str(row.length), row.region, percent(row.exact), _fraction(row.exact)


def percent(share: Fraction) -> str:
    """A share in percent; an accuracy that is not 0 (or 1) never reads as if it were."""
    if share in (0, 1):
        return f"{100 * share.numerator} %"
    value = float(100 * share)
    return f"{value:.3g} %" if value < 1 else f"{value:.2f} %" if value < 99.99 else f"100 % - {float(100 - 100 * share):.2g} %"


def _fraction(share: Fraction) -> str:
    text = str(share)
    return text if len(text) <= 45 else f"{text[:20]}... ({len(text)} characters; --json prints all)"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _layout(found: Prediction) -> str:
    layout = found.layout
    if layout.fixed:
        return f"{layout.name} (width {layout.width})"
    return f"{layout.name} ({layout.direction} first)" if layout.name == "interleaved" else layout.name


def _ranges(lengths: Iterable[int]) -> str:
    """(1, 2, 3, 5) as 1-3,5."""
    runs: list[list[int]] = []
    for length in lengths:
        if runs and runs[-1][-1] == length - 1:
            runs[-1].append(length)
        else:
            runs.append([length])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _word(outcome: str | None) -> str:
    return outcome or "not asked for"


def _answer(found: Property) -> str:
    return f"{ {True: 'yes', False: 'no', None: 'unknown'}[found.value] }: {found.certificate}"


#: the papers' matrix
MATRIX_TASKS = ("add", "mul", "mod-add", "mod-mul")
MATRIX_ENCODINGS = ("absolute", "relative")


def matrix(base: int, train: str) -> list[dict[str, Any]]:
    """The papers' tasks by encodings, each in its default layout (and relative also in the papers' own), to two digits beyond training."""
    rows = []
    training = make_training("either", train)
    lengths = tuple(range(1, training.longest + 3))
    moduli = (base**2, base**2 + 1)  # the one divides a power of the base, the other is prime to it
    tasks = [make_task(name, None, base, p) for name in MATRIX_TASKS for p in (moduli if name.startswith("mod") else (None,))]
    for task in tasks:
        for family in MATRIX_ENCODINGS:
            for layout in dict.fromkeys((DEFAULT_LAYOUT.get(family, "padded"), "padded")):
                found = predict(task, make_encoding(family), make_layout(layout, max(lengths)), training, lengths, "either")
                after = next(row.exact for row in found.accuracy if row.region == "upward")
                rows.append(
                    {
                        "task": task.text,
                        "encoding": family,
                        "layout": layout,
                        "outcome": asdict(found.outcome),
                        "paper": asdict(found.paper.outcome),
                        "learned_function": found.learned_function,
                        "accuracy": {"length": training.longest + 1, "exact": None if after is None else str(after)},
                        "status": found.status,
                        "reason": found.reasons[-1],
                    }
                )
    return rows


def matrix_text(rows: Sequence[dict[str, Any]]) -> str:
    """The matrix as a table: upward outcomes, ours and the paper's."""
    head = ("task", "encoding", "layout", "upward", "paper", "accuracy at n+1", "status")
    return "\n".join(_columns([head, *map(_matrix_row, rows)]))


def _matrix_row(row: dict[str, Any]) -> tuple[str, ...]:
    exact = row["accuracy"]["exact"]
    accuracy = "-" if exact is None else percent(Fraction(exact))
    paper = row["paper"]["upward"] or "silent"
    differs = "" if paper in ("silent", row["outcome"]["upward"]) else " (differs)"
    return row["task"], row["encoding"], row["layout"], row["outcome"]["upward"], paper + differs, accuracy, row["status"]
