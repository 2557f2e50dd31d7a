"""Counts the tables of findings.md from the store: `python -m results.tables recipes`, from the project's folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from empirical.runs.store import Run, load_runs
from theory.predictions.rulebook import AGREEING, RIGHT, RULES
from verify.certificates.outcomes import recorded
from verify.verdicts.observed import LEARNED, NOT_LEARNED, OUTCOMES
from verify.verdicts.record import rules_of
from verify.verdicts.score import LATE, score

STORE = Path(__file__).parent

#: a recipe in words, and the groups trained by it
RECIPES = (
    ("a price of 0.3 on the share off `<bos>`", "sparse-*"),
    ("a price of 0.1 on it", "frugal-*"),
    ("0.03 or 1.5 on it, in a field of 20 digits", "wide-*"),
    ("a price of 0.3 on the logarithm, in a field of 20", "rest-wide-*"),
    ("softmax first, then the logarithm at 0.1 or 0.3", "annealed-*"),
    ("of these, in a field of 20", "annealed-wide-*"),
)
#: the last recipe on (a + b) mod 36 in a field of 20 digits, and each of its parts taken back: the same seeds, one task
PARTS = (
    ("softmax first, then the logarithm at 0.3", "paired-whole"),
    ("sparsemax from the start", "paired-hard"),
    ("charged for the share off `<bos>`", "paired-share"),
    ("a hundredth of the price", "paired-cheap"),
)
#: groups with absolute positions, by task: those trained briefly first
PATIENCE = (
    "add-absolute-padded", "add-absolute-padded-40k", "modadd100-absolute-padded", "modadd100-absolute-padded-30k", "scarce-10-mod100",
    "diverse-10-mod50", "diverse-10-mod150", "places-3-mod16", "diverse-4-mod16", "grid-mod36-absolute-padded", "diverse-6-mod36",
    "unpriced-mod25", "patient-mod25", "unpriced-add", "patient-add", "unpriced-half", "patient-half", "grid-max-absolute-padded",
    "patient-max",
)  # fmt: skip


def share(run: Run, length: int, measure: str) -> float:
    entry = next(entry for entry in run.result["evaluation"] if entry["length"] == length)
    return float(entry[measure] / entry["examples"])


def learned(run: Run) -> bool:
    return share(run, run.spec.training.longest, "truth") >= LEARNED


def proved(runs: Sequence[Run], recipes: Sequence[tuple[str, str]]) -> list[str]:
    head = "| recipe | networks | learned (95 % right) | of them proved to answer as cut | proved to compute the prediction |"
    lines = [head, "|---|---|---|---|---|"]
    for words, pattern in recipes:
        mine = [run for run in runs if fnmatchcase(run.result["group"], pattern) and run.spec.sparse]
        found = [recorded(run, None) for run in mine if learned(run)]
        cut = sum(one.told["truncating"][0] is True for one in found)
        whole = sum(one.verdict == "certified" for one in found)
        lines.append(f"| {words} (`{pattern}`) | {len(mine)} | {len(found)} | {cut} | {whole} |")
    return lines


def patience(runs: Sequence[Run]) -> list[str]:
    late = [run for run in runs if run.spec.encoding == "absolute" and run.spec.steps >= LATE and learned(run)]
    if not {run.result["group"] for run in late} <= {*PATIENCE}:
        sys.exit("a group of long training is not in PATIENCE: name it there")
    lines = ["| task | base | trained places | steps | group | as cut one digit on, networks that learned |", "|---|---|---|---|---|---|"]
    for group in PATIENCE:
        mine = [run for run in runs if run.result["group"] == group and learned(run)]
        spec, shares = mine[0].spec, ", ".join(f"{100 * each:.4g}" for each in sorted(map(cut_share, mine)))
        lines.append(f"| {spec.make_task().text} | {spec.base} | {spec.training.longest} | {spec.steps:,} | `{group}` | {shares} % |")
    most, nearly = (sum(cut_share(run) >= bar for run in late) for bar in (AGREEING, RIGHT))
    told = f"{most} of {len(late)} networks on 95 % and more, {nearly} of them on 99 %"
    return [*lines, f"| all | | | {LATE:,} and more | | {told} |"]


def rules(runs: Sequence[Run]) -> list[str]:
    """Of the rules as they stand, which were sharpened on many of these very groups; registered predictions are scored elsewhere."""
    specs = {run.spec.digest: run.spec for run in runs}
    rows = [(row, rules_of(specs[row.digests[0]])[0]) for row in score(STORE, runs).rows if row.observed != NOT_LEARNED]
    said = {name: [row for row, rule in rows if rule == name] for name, rule in RULES.items() if rule.outcome in OUTCOMES}
    right = {name: sum(row.observed == RULES[name].outcome for row in mine) for name, mine in said.items()}
    decided = sum(map(len, said.values()))
    lines = [f"| {name} | {RULES[name].outcome} | {right[name]} of {len(mine)} |" for name, mine in said.items() if mine]
    head = ["| rule | says | groups that do, of those that learned |", "|---|---|---|"]
    total = f"| all that decide | | {sum(right.values())} of {decided} |"
    return [*head, *lines, total, f"| none decides | undetermined | {len(rows) - decided} of {len(rows)} |"]


def cut_share(run: Run) -> float:
    return share(run, run.spec.training.longest + 1, "learned")


if __name__ == "__main__":
    tables: dict[str, Callable[[Sequence[Run]], list[str]]] = {
        "recipes": partial(proved, recipes=RECIPES), "parts": partial(proved, recipes=PARTS), "patience": patience, "rules": rules,
    }  # fmt: skip
    if len(sys.argv) != 2 or sys.argv[1] not in tables:
        sys.exit(f"usage: python -m results.tables {' | '.join(tables)}")
    print("\n".join(tables[sys.argv[1]](load_runs(STORE))))
