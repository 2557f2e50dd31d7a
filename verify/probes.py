"""Hidden states as evidence: every network of a group is probed live, from its weights, in two processes.

The inputs of a network follow from its seed alone, so that a verdict is the same whenever it is asked for; two seeds have other inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verify import evidence as ev
from verify.claims import Claim, ProbesEvidence, resolve_lengths
from verify.statistics import Cell, Unit
from verify.workers import Workers, lent

if TYPE_CHECKING:
    from empirical.store import Run

SEED = 2_000_000  # added to the seed of a run; neither its training nor its evaluation drew from there
INPUTS = 2  # sampled inputs for each trial that a claim asks for: on some the two networks do not differ


@dataclass(frozen=True)
class Job:
    """One network, and what to look for in its hidden states; a control keeps all but the relation, or takes untrained weights instead."""

    folder: Path
    measure: str
    lengths: tuple[int, ...]
    examples: int
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
    examples = INPUTS * (claim.decision.min_examples or 1)
    return [
        Job(run.folder, evidence.measure, resolve_lengths(evidence.lengths, run.spec.training.longest), examples, control, untrained)
        for run in ev.of_group(runs, evidence.probes.group)
    ]


def probe_job(job: Job) -> Probed:
    """Run one job; a failure is reported as a value."""
    import torch

    from empirical.store import load_model, load_run
    from empirical.train import build_model
    from empirical.trials import trials
    from verify.live_controls import weights_of

    torch.set_num_threads(1)
    try:
        run = load_run(job.folder)
        spec, initial = run.spec, build_model(run.spec).eval()
        trained = load_model(run)
        if job.untrained:
            trained.load_state_dict(weights_of(run, None))
        unit = []
        for length in job.lengths:
            held, counted = trials(job.measure, trained, initial, spec, length, job.examples, spec.seed + SEED, job.control)
            unit.append(Cell(length, held, counted))
        return Probed(unit)
    except Exception as error:
        return failed(job, error)


def failed(job: Job, error: Exception) -> Probed:
    return Probed((), f"hidden states of network {job.folder.name}: {type(error).__name__}: {error}")


def probe_jobs(jobs: Sequence[Job], workers: Workers | None = None) -> dict[Job, Probed]:
    """Every job once."""
    with lent(workers) as pool:
        return dict(pool.run(probe_job, list(dict.fromkeys(jobs)), failed))
