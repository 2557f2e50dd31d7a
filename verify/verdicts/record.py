"""What networks did under each rule of the theory as it stands, which predictions quote (theory.predictions.seen).

A group counts under the rule that decides it today, not under the one that was registered for it: rules are renamed and sharpened. It
counts, too, under the rule that a prediction without steps of training quotes, which speaks of the limit; where keys hold digits at no
price, only if it was trained for LATE steps, as shorter training is known to leave them plenty, which is nothing against the limit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from theory.predictions.rulebook import RULES
from theory.predictions.rules import decide
from theory.predictions.seen import Seen
from verify.verdicts.observed import NOT_LEARNED, Row
from verify.verdicts.score import LATE, score

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run


def record_of(results: Path, runs: Sequence[Run]) -> dict[str, Seen]:
    """By rule, over the registered groups whose networks have all finished and learned their task."""
    specs = {run.spec.digest: run.spec for run in runs}
    rows = [(row, rules_of(specs[row.digests[0]])) for row in score(results, runs).rows if row.observed != NOT_LEARNED]
    names = sorted({name for _, rules in rows for name in rules})
    return {name: _seen(name, [row for row, rules in rows if name in rules]) for name in names}


def _seen(name: str, rows: Sequence[Row]) -> Seen:
    observed = [row.observed for row in rows]
    near = [row.shares.near for row in rows if row.shares.near is not None]
    rule = RULES[name]
    told = rule.outcome == "truncation" or "A2" in rule.assumptions or name.startswith("zeros only")  # of other rules, it says nothing
    cut = [row.shares.truncated for row in rows if told and row.shares.truncated is not None]
    counts = {outcome: observed.count(outcome) for outcome in sorted(set(observed))}
    return Seen(len(rows), counts, round(median(near), 4), round(median(cut), 4) if len(cut) == len(rows) else None)


def rules_of(spec: RunSpec) -> tuple[str, ...]:
    """The name of the rule that decides a run, and that of the one of the limit of training which it bears on, if that is another."""
    encoding = spec.make_encoding()
    after, limit = (
        decide(spec.make_task(), encoding, spec.make_layout(), spec.training, spec.test_domain, steps).name for steps in (spec.steps, None)
    )
    soon = encoding.keyed and not encoding.priced and spec.steps < LATE
    return (after,) if soon or after == limit else (after, limit)


def record_json(found: dict[str, Seen]) -> str:
    return json.dumps({name: asdict(seen) for name, seen in found.items()}, indent=1) + "\n"
