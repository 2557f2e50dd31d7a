"""Pairs of networks that are equal but for some settings, as evidence: which settings make networks that can be proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from theory.errors import InputError
from verify.certificates.outcomes import Outcome
from verify.claims.schema import PairsEvidence

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

Pair = tuple["Run", "Run"]


def pairs_of(evidence: PairsEvidence, runs: Sequence[Run]) -> list[Pair]:
    """The networks of the first groups that have a partner in the second, each with it.

    Raises:
        InputError: a network would have two partners.
    """
    first, second = (_by_other_settings(evidence, runs, pattern) for pattern in (evidence.pairs, evidence.than))
    return [(run, second[key]) for key, run in first.items() if key in second]


def tally(pairs: Sequence[Pair], outcomes: Mapping[str, Outcome]) -> tuple[int, int]:
    """Of how many pairs the first network alone is certified, and the second alone.

    Raises:
        InputError: a network could not be certified at all.
    """
    won = lost = 0
    for pair in pairs:
        mine, theirs = (_certified(outcomes[run.spec.digest]) for run in pair)
        won, lost = won + (mine and not theirs), lost + (theirs and not mine)
    return won, lost


def _certified(one: Outcome) -> bool:
    if one.verdict == "error":
        raise InputError(f"network {one.digest} (seed {one.seed}): {one.shown}")
    return one.verdict == "certified"


def _by_other_settings(evidence: PairsEvidence, runs: Sequence[Run], pattern: str) -> dict[tuple[object, ...], Run]:
    found: dict[tuple[object, ...], Run] = {}
    for run in runs:
        if fnmatchcase(str(run.result["group"]), pattern):
            key = tuple(_other_settings(run.spec, evidence.differ))
            if (other := found.setdefault(key, run)) is not run:
                twins = f"{other.spec.digest} and {run.spec.digest}"
                raise InputError(f"{pattern}: networks {twins} differ in {', '.join(evidence.differ)} alone: name fewer groups")
    return found


def _other_settings(spec: RunSpec, differ: Sequence[str]) -> Iterator[object]:
    return (getattr(spec, field.name) for field in fields(spec) if field.name not in differ)
