"""Predictions as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from theory.exact.accuracy import uncounted
from theory.predictions.predict import LengthAccuracy, Prediction
from theory.predictions.rulebook import ASSUMPTIONS
from theory.predictions.seen import record
from theory.proofs.properties import Property
from theory.words import counted

#: what an outcome means, for people
MEANING = {
    "exact": "right at every longer length",
    "truncation": "computes the task on operands cut to the trained length",
    "decays": "right at first, less and less with the length",
    "fails": "wrong on longer operands",
    "undetermined": "no rule decides it, or none of the other words fits",
    None: "no longer length was asked for",
}


def prediction_json(found: Prediction) -> dict[str, Any]:
    """The object that `predict --json` prints."""
    task, layout = found.task, found.layout
    return {
        "task": task.to_dict(),
        "encoding": found.encoding.name,
        "family": found.encoding.family,
        "window": found.encoding.window,
        "layers": found.encoding.layers,
        "layout": layout.name,
        "width": layout.width if layout.fixed else None,
        "direction": layout.direction,
        "train": {"domain": found.training.domain, "lengths": list(found.training.lengths)},
        "steps": found.steps,
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
        "smallest_window": {
            "tokens": found.window.digits,
            "direction": found.window_direction,
            "certificate": found.window.certificate,
        },
        "lookahead": [
            {"length": row.length, "best": {str(k): None if best is None else str(best) for k, best in row.best.items()}}
            for row in found.lookahead
        ],
        "outcome": asdict(found.outcome),
        "learned_function": found.learned_function,
        "accuracy": accuracy_json(found),
        "paper": {"outcome": asdict(found.paper.outcome), "source": found.paper.source},
        "rule": found.rule_name,
        "status": found.rule.status,
        "assumptions": [f"{name}: {ASSUMPTIONS[name]}" for name in found.rule.assumptions],
        "refuted_by": found.rule.refuted_by,
        "seen": None if (seen := record().get(found.rule_name)) is None else asdict(seen),
        "reasons": list(found.reasons),
    }


def accuracy_json(found: Prediction) -> list[dict[str, Any]]:
    """One row per test length; `exact` is a fraction as text, null where no function is predicted or no method counts it."""
    return [
        {
            "length": row.length,
            "region": row.region,
            "exact": None if row.exact is None else str(row.exact),
            "value": None if row.exact is None else float(row.exact),
        }
        for row in found.accuracy
    ]


def in_steps(found: Prediction) -> str:
    """How long is trained, where that was said."""
    return "" if found.steps is None else f" in {counted(found.steps, 'step')}"


def prediction_text(found: Prediction) -> str:
    """Verdict first, then why, then the accuracy at each length."""
    task, training = found.task, found.training
    lines = [
        f"{task.text} in base {task.base}, {found.encoding.text}, {_layout(found)} layout, "
        f"trained on lengths {ranges(training.lengths)} ({training.domain}){in_steps(found)}",
        f"upward: {_word(found.outcome.upward)} ({MEANING[found.outcome.upward]})",
        f"downward: {_word(found.outcome.downward)}; in distribution: {_word(found.outcome.in_distribution)}",
        f"learned function: {found.learned_function or 'none predicted'}",
        f"the paper: upward {found.paper.outcome.upward or 'not said'} ({found.paper.source})",
        "",
        f"why (rule: {found.rule_name}; {found.rule.status})",
        *(f"  {reason}" for reason in found.reasons),
        *(f"  assuming {name}: {ASSUMPTIONS[name]}" for name in found.rule.assumptions),
        f"  refuted by: {found.rule.refuted_by}",
        *([f"  seen so far: {seen.text}"] if (seen := record().get(found.rule_name)) else []),
        "",
        "properties",
        f"  translation invariant: {answer(found.translation_invariance)}",
        f"  base compatible: {answer(found.base_compatibility)}",
        f"  low digits suffice: {answer(found.low_support)}",
        *([f"  smallest window: {window_text(found)}"] if found.window.value is not None else []),
        "",
        accuracy_text(found),
        *(["", *lookahead_lines(found)] if found.lookahead else []),
    ]
    return "\n".join(lines)


def window_text(found: Prediction) -> str:
    """What window an interleaved layout needs for the task."""
    end = "least" if found.window_direction == "lsd" else "most"
    if found.window.digits is None:
        return f"none is enough ({found.window.certificate})"
    where = found.layout.name if found.layout.interleaved else "interleaved"
    held = "1 token before the query holds" if found.window.digits == 1 else f"{found.window.digits} tokens before the query hold"
    return f"{held} the I/O memory ({where}, {end} significant digit first)"


def lookahead_lines(found: Prediction) -> list[str]:
    """The best accuracies for each number of digits that an answer looks ahead."""
    if not found.layout.separated:
        first = "best possible accuracy (proven) for who knows which operand is the longer: each result digit before its own digits arrive"
    else:
        first = "best accuracy by lookahead (proven): the result begins at the far end, each digit looks only so many digits further"
    ahead = list(found.lookahead[0].best)
    rows = [("length", *(f"{k} ahead" for k in ahead))]
    for row in found.lookahead:
        rows.append((str(row.length), *("-" if best is None else percent(best) for best in row.best.values())))
    return [first, *columns(rows)]


def accuracy_text(found: Prediction) -> str:
    """The table of lengths."""
    rows = [("length", "region", "accuracy", "exactly"), *(_row(row, found.outcome.of(row.region)) for row in found.accuracy)]
    missing = any(row.exact is None and found.outcome.of(row.region) == "truncation" for row in found.accuracy)
    note = [f"not counted: {uncounted(found.task, found.training.longest)}"] if missing else []
    return "\n".join([*columns(rows), *note])


def _row(row: LengthAccuracy, outcome: str | None) -> tuple[str, ...]:
    if row.exact is None:
        return str(row.length), row.region, "-", "no method counts it" if outcome == "truncation" else "no function predicted"
    return str(row.length), row.region, percent(row.exact), fraction(row.exact)


def percent(share: Fraction) -> str:
    """A share in percent; an accuracy that is not 0 (or 1) never reads as if it were.

    >>> percent(Fraction(1, 55000)), percent(1 - Fraction(1, 10**9))
    ('0.00182 %', '100 % - 1e-07 %')
    """
    if share in (0, 1):
        return f"{100 * share.numerator} %"
    value = float(100 * share)
    if value == 0:
        return "below 1e-300 %"
    return f"{value:.3g} %" if value < 1 else f"{value:.2f} %" if value < 99.99 else f"100 % - {float(100 - 100 * share):.2g} %"


def fraction(share: Fraction) -> str:
    """The fraction, cut where it is long."""
    text = str(share)
    return text if len(text) <= 45 else f"{text[:20]}... ({len(text)} characters; --json prints all)"


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows as aligned lines."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _layout(found: Prediction) -> str:
    layout = found.layout
    if layout.fixed:
        return f"{layout.name} (width {layout.width})"
    return f"{layout.name} ({layout.direction} first)" if layout.interleaved else layout.name


def ranges(lengths: Iterable[int]) -> str:
    """(1, 2, 3, 5) as 1-3,5.

    >>> ranges((1, 2, 3, 5))
    '1-3,5'
    """
    runs: list[list[int]] = []
    for length in lengths:
        if runs and runs[-1][-1] == length - 1:
            runs[-1].append(length)
        else:
            runs.append([length])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _word(outcome: str | None) -> str:
    return outcome or "not asked for"


def answer(found: Property) -> str:
    """The verdict on a property, with its certificate."""
    return f"{ {True: 'yes', False: 'no', None: 'unknown'}[found.value] }: {found.certificate}"
