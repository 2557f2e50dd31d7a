"""Pairs of networks that are equal but for some settings, as evidence: which settings make networks that can be proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from theory.errors import InputError
from verify.certificates.outcomes import Outcome
from verify.claims.schema import PairsEvidence
from verify.verdicts.evidence import copies

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

Pair = tuple["Run", "Run"]


def pairs_of(evidence: PairsEvidence, runs: Sequence[Run]) -> list[Pair]:
    """The networks of the first groups that have a partner in the second, each with it.

    Raises:
        InputError: a network is there twice or would have two partners, or pairs differ in opposite directions.
    """
    first, second = (in_groups(runs, pattern) for pattern in (evidence.pairs, evidence.than))
    names = f"{evidence.pairs} and {evidence.than}"
    if both := {run.spec.digest for run in first} & {run.spec.digest for run in second}:
        raise InputError(f"{names}: network {min(both)} is in both: name other groups")
    if copied := copies([*first, *second]):
        raise InputError(f"{names}: {copied}")
    partners = _by_other_settings(evidence, evidence.than, second)
    found = _by_other_settings(evidence, evidence.pairs, first)
    pairs = [(run, partners[key]) for key, run in found.items() if key in partners]
    if len({_direction(evidence, pair) for pair in pairs}) > 1:
        raise InputError(f"{names}: {_named(evidence)} grows in some pairs and falls in others: name other groups")
    return pairs


def in_groups(runs: Sequence[Run], pattern: str) -> list[Run]:
    """The runs of groups with such a name."""
    return [run for run in runs if fnmatchcase(str(run.result["group"]), pattern)]


def _direction(evidence: PairsEvidence, pair: Pair) -> tuple[bool, ...]:
    """Of each setting that a pair differs in, whether the first network has more of it; text is ordered as text."""
    values = [[getattr(run.spec, name) for name in evidence.differ] for run in pair]
    numbers = [all(isinstance(value, int | float) for value in both) for both in zip(*values, strict=True)]
    return tuple(x > y if number else str(x) > str(y) for x, y, number in zip(*values, numbers, strict=True))


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


def _by_other_settings(evidence: PairsEvidence, pattern: str, runs: Sequence[Run]) -> dict[tuple[object, ...], Run]:
    found: dict[tuple[object, ...], Run] = {}
    for run in runs:
        key = tuple(_other_settings(run.spec, evidence.differ))
        if (other := found.setdefault(key, run)) is not run:
            twins = f"{other.spec.digest} and {run.spec.digest}"
            raise InputError(f"{pattern}: networks {twins} differ in {_named(evidence)} alone: name fewer groups")
    return found


def _other_settings(spec: RunSpec, differ: Sequence[str]) -> Iterator[object]:
    return (getattr(spec, field.name) for field in fields(spec) if field.name not in differ)


def _named(evidence: PairsEvidence) -> str:
    return ", ".join(evidence.differ)
