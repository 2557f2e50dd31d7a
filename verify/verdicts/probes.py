"""Hidden states, and what undoes truncation, as evidence: every network of a group is asked live, from its weights, in two processes.

The inputs of a network follow from its seed alone, so that a verdict is the same whenever it is asked for; networks of two seeds are asked
different ones. Inputs on which what is compared does not differ are no trials; how many there are says nothing about the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from theory.errors import InputError
from verify.claims.schema import Claim, ProbesEvidence, resolve_lengths
from verify.verdicts import evidence as ev
from verify.verdicts.statistics import Cell, Unit
from verify.verdicts.workers import Workers, lent

if TYPE_CHECKING:
    from empirical.runs.store import Run

SEED = 2_000_000  # added to the seed of a run; neither its training nor its evaluation drew from there
#: sampled inputs per trial that a claim asks for: to fit probes, and to count them, as on many inputs the two networks do not differ
FITTED, COUNTED = 2, 5
LONGER = 2
PAIRED = 40  # on few of them truncation is undone, or by a zero and not by another digit


@dataclass(frozen=True)
class Job:
    """One network, and what to look for in its hidden states; a control keeps all but the relation, or takes untrained weights instead."""

    folder: Path
    measure: str
    lengths: tuple[int, ...]
    least: int
    control: bool = False
    untrained: bool = False


@dataclass(frozen=True)
class Probed:
    """Successes and trials by length, or why there are none."""

    unit: Unit
    problem: str = ""


Probe = Callable[[Sequence[Job]], Mapping[Job, Probed]]


def jobs_of(claim: Claim, evidence: ProbesEvidence, runs: Sequence[Run], control: bool = False, untrained: bool = False) -> list[Job]:
    """One for each network of the claim's group.

    Raises:
        InputError: the group is no one experiment.
    """
    least = claim.decision.min_examples or 1
    return [
        Job(run.folder, evidence.measure, resolve_lengths(evidence.lengths, run.spec.training.longest), least, control, untrained)
        for run in ev.of_group(runs, evidence.probes.group)
    ]


def probe_jobs(jobs: Sequence[Job], workers: Workers | None = None) -> dict[Job, Probed]:
    """Every job once; those that look at the same states together."""
    together: dict[Job, list[Job]] = {}
    for job in dict.fromkeys(jobs):
        together.setdefault(replace(job, measure=""), []).append(job)
    found: dict[Job, Probed] = {}
    with lent(workers) as pool:
        for some, answers in pool.run(probe_network, list(together.values()), failed):
            found |= zip(some, answers, strict=True)
    return found


def probe_network(jobs: Sequence[Job]) -> list[Probed]:
    """Run jobs that differ in their measure alone; a failure is reported as a value."""
    from empirical.process import settle

    settle()
    try:
        return _probe(jobs)
    except Exception as error:
        return failed(jobs, error)


def _probe(jobs: Sequence[Job]) -> list[Probed]:
    from empirical.runs.store import load_model, load_run
    from empirical.study.trials import EQUIVALENT, QUANTITIES, better_read, nearer
    from empirical.study.truncation import KEYS, SHADOWED, repaired, shadowed
    from empirical.training.loop import build_model
    from verify.verdicts.live_controls import weights_of

    one = jobs[0]
    run = load_run(one.folder)
    trained, initial = load_model(run), build_model(run.spec)
    if one.untrained:
        trained.load_state_dict(weights_of(run, None))
    units: dict[str, list[Cell]] = {job.measure: [] for job in jobs}
    for length in one.lengths:
        networks = trained, initial, run.spec, length
        seed = run.spec.seed + SEED
        counts: dict[str, tuple[int, int]] = {}
        if read := [measure for measure in units if measure in QUANTITIES]:
            counts |= better_read(read, *networks, FITTED * one.least, COUNTED * one.least, seed, one.control)
        if EQUIVALENT in units:
            counts[EQUIVALENT] = nearer(*networks, LONGER * one.least, seed, one.control)
        if SHADOWED in units:
            by_zero, by_another, _ = shadowed(trained, run.spec, length, PAIRED * one.least, seed, one.control)
            counts[SHADOWED] = by_zero, by_zero + by_another
        if KEYS in units:
            found = repaired(trained, run.spec, length, PAIRED * one.least, seed, nonzero=one.control)
            counts[KEYS] = found.repaired, found.undone
        for measure, (held, counted) in counts.items():
            units[measure].append(Cell(length, held, counted))
    return [Probed(units[job.measure]) for job in jobs]


def failed(jobs: Sequence[Job], error: Exception) -> list[Probed]:
    shown = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return [Probed((), f"hidden states of network {job.folder.name}: {shown}") for job in jobs]
