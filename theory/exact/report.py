"""What `arith-theory accuracy` prints: per length, per region, per digit, and the closed form; as text or JSON.

The accuracy of a region is the mean over the lengths asked for that lie in it, each with the same weight: a test set that has as many pairs
of each length, as the papers' do, and as theory.language.domains defines a union of lengths. Weighing pairs alike instead would leave
nothing but the longest length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory.errors import InputError
from theory.exact.accuracy import uncounted
from theory.exact.closed_forms import ClosedForm, NoClosedForm, closed_form
from theory.exact.digitwise import digit_accuracies, uncounted_digits
from theory.predictions.predict import Prediction
from theory.predictions.report import accuracy_json, accuracy_text, columns, fraction, percent, ranges
from theory.progress import watched

MAX_DIGITS = 20_000  # result digits over all lengths asked for

Shares = Sequence[Fraction | None]


@dataclass(frozen=True)
class Report:
    """A prediction with the parts asked for: `digits` has a row per length, least significant digit first."""

    found: Prediction
    digits: tuple[Shares, ...] | None
    closed: ClosedForm | NoClosedForm | None


def make_report(found: Prediction, per_digit: bool, closed: bool) -> Report:
    """Count what is asked for.

    Raises:
        InputError: the learned function is the truncation, and no length (no digit) beyond the trained ones can be counted.
    """
    task, n = found.task, found.training.longest
    upward = [row for row in found.accuracy if row.region == "upward"]
    if found.outcome.upward == "truncation" and upward and all(row.exact is None for row in upward):
        raise InputError(f"the accuracy of {task.text} is not counted: {uncounted(task, n)}")
    rows = _digits(found) if per_digit else None
    form: ClosedForm | NoClosedForm | None = None
    if closed:
        form = _closed(found, [row.length for row in upward])
    return Report(found, rows, form)


def means(shares: Sequence[Shares], regions: Sequence[str]) -> dict[str, tuple[Fraction | None, ...]]:
    """Per region the mean of its rows, column by column; None where one of them is."""
    out: dict[str, tuple[Fraction | None, ...]] = {}
    for region in dict.fromkeys(regions):
        rows = [row for row, where in zip(shares, regions, strict=True) if where == region]
        known = [[share for share in column if share is not None] for column in zip(*rows, strict=True)]
        out[region] = tuple(sum(column, Fraction(0)) / len(rows) if len(column) == len(rows) else None for column in known)
    return out


def _digits(found: Prediction) -> tuple[Shares, ...]:
    """All rows at the width of the widest result asked for: the digits above a result are zeros on both sides, so they agree."""
    task, n = found.task, found.training.longest
    widths = [task.result_width(row.length) for row in found.accuracy]
    if sum(widths) > MAX_DIGITS:
        raise InputError(f"{sum(widths)} digits are asked for: --per-digit counts up to {MAX_DIGITS}, so take fewer or shorter lengths")
    rows: list[Shares] = []
    for row, width in zip(watched(found.accuracy, "lengths"), widths, strict=True):
        kind = found.outcome.of(row.region)
        shares: Shares = [Fraction(1) if kind == "exact" else None] * width
        if kind == "truncation":
            shares = digit_accuracies(task, n, row.length, found.test_domain)
            if not any(shares):
                raise InputError(f"the digits of {task.text} are not counted: {uncounted_digits(task)}")
        above: Shares = [Fraction(1) if kind in ("exact", "truncation") else None] * (max(widths) - width)
        rows.append([*shares, *above])
    return tuple(rows)


def _closed(found: Prediction, lengths: list[int]) -> ClosedForm | NoClosedForm:
    if found.outcome.upward != "truncation":
        learned = "the accuracy is 1" if found.outcome.upward == "exact" else "no function is predicted"
        return NoClosedForm(f"closed forms are of truncation; here {learned} on longer operands")
    try:
        return closed_form(found.task, found.training.longest, found.test_domain, lengths)
    except NoClosedForm as reason:
        return reason


# ------------------------------------------------------------------------------------------------------------------------------ JSON


def to_json(report: Report) -> dict[str, Any]:
    """The object that `accuracy --json` prints; exact values are fractions as text, null where there is none."""
    found = report.found
    regions = [row.region for row in found.accuracy]
    lengths = {region: [row.length for row in found.accuracy if row.region == region] for region in regions}
    whole = means([[row.exact] for row in found.accuracy], regions)
    out: dict[str, Any] = {"learned_function": found.learned_function, "accuracy": accuracy_json(found)}
    out["regions"] = [{"region": region, "lengths": lengths[region], **_value(share)} for region, (share,) in whole.items()]
    if report.digits is not None:
        rows = zip(found.accuracy, report.digits, strict=True)
        out["digits"] = [{"length": row.length, "region": row.region, "shares": _texts(shares)} for row, shares in rows]
        out["digit_regions"] = [{"region": region, "shares": _texts(shares)} for region, shares in means(report.digits, regions).items()]
    if report.closed is not None:
        out["closed_form"] = _closed_json(report.closed)
    return out


def _value(share: Fraction | None) -> dict[str, Any]:
    return {"exact": None, "value": None} if share is None else {"exact": str(share), "value": float(share)}


def _texts(shares: Shares) -> list[str | None]:
    return [None if share is None else str(share) for share in shares]


def _closed_json(form: ClosedForm | NoClosedForm) -> dict[str, Any]:
    if isinstance(form, NoClosedForm):
        return {"exists": False, "reason": str(form)}
    return {
        "exists": bool(form.classes),
        "exact_from": form.start,
        "period": form.period,
        "classes": [{"m_mod": residue, "expression": str(terms.expression())} for residue, terms in form.classes.items()],
        "limit": str(form.limit),
        "uniform_limit": None if form.uniform is None else str(form.uniform),
        "bound": str(form.bound.expression()),
        "first_right": form.first_right,
        "checked_at": list(form.checked),
    }


# ------------------------------------------------------------------------------------------------------------------------------ text


def to_text(report: Report) -> str:
    """The table of lengths, the regions, and what else was asked for."""
    found = report.found
    regions = [row.region for row in found.accuracy]
    lines = [f"learned function: {found.learned_function or 'none predicted'}", accuracy_text(found)]
    lines += ["", "per region (mean over its lengths)"]
    whole = means([[row.exact] for row in found.accuracy], regions)
    named = {region: ranges(row.length for row in found.accuracy if row.region == region) for region in whole}
    lines += columns([("region", "lengths", "accuracy", "exactly"), *((r, named[r], *_shown(share)) for r, (share,) in whole.items())])
    if report.digits is not None:
        lines += ["", "per digit (0 is the least significant)", *_digit_lines(report, regions)]
    if report.closed is not None:
        lines += ["", *_closed_lines(report.closed)]
    return "\n".join(lines)


def _shown(share: Fraction | None) -> tuple[str, str]:
    return ("-", "not counted") if share is None else (percent(share), fraction(share))


def _digit_lines(report: Report, regions: list[str]) -> list[str]:
    assert report.digits is not None
    rows = [("length", "region", "digits", "accuracy")]
    for row, shares in zip(report.found.accuracy, report.digits, strict=True):
        rows += [(str(row.length), row.region, *run) for run in _runs(shares)]
    for region, shares in means(report.digits, regions).items():
        rows += [("all", region, *run) for run in _runs(shares)]
    missing = any(share is None for shares in report.digits for share in shares)
    note = [f"not counted: {uncounted_digits(report.found.task)}"] if missing and report.found.outcome.upward == "truncation" else []
    return [*columns(rows), *note]


def _runs(shares: Shares) -> list[tuple[str, str]]:
    """Neighbouring digits that read alike, as one."""
    runs: list[tuple[list[int], str]] = []
    for i, share in enumerate(shares):
        text = _shown(share)[0]
        if runs and runs[-1][1] == text:
            runs[-1][0].append(i)
        else:
            runs.append(([i], text))
    return [(ranges(digits), text) for digits, text in runs]


def _closed_lines(form: ClosedForm | NoClosedForm) -> list[str]:
    if isinstance(form, NoClosedForm):
        return [f"closed form: none ({form})"]
    lines = []
    for residue, terms in form.classes.items():
        when = f" where m mod {form.period} = {residue}" if form.period != 1 else ""
        lines.append(f"accuracy(m) = {terms.expression()}{when}")
    if form.period is None:
        lines.append("closed form: no terms are given, as the powers of the base have a period above 1000 modulo P")
    elif not form.classes:
        lines.append("closed form: ask for lengths beyond the trained ones to see it")
    uniform = "" if form.uniform in (None, form.limit) else f"; {form.uniform} for longer and longer trained operands"
    lines.append(f"exact for every m >= {form.start}; limit {form.limit}{uniform}")
    lines.append(f"|accuracy(m) - {form.limit}| <= {form.bound.expression()}")
    if form.first_right is not None:
        lines.append(f"not 0 from m = {form.first_right} on")
    if form.checked:
        lines.append(f"checked against exact counts at m = {ranges(form.checked)}, besides those that determine it")
    return lines
