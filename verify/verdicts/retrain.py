"""Evidence trained anew: the networks of a claim, from the plan that they come from, in a store of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from theory.errors import InputError
from verify.claims.lint import groups_of
from verify.claims.schema import Claim, PairsEvidence, ScoreEvidence
from verify.verdicts import evidence as ev
from verify.verdicts.workers import Workers

if TYPE_CHECKING:
    from empirical.runs.plan import Group
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

Job = tuple["RunSpec", str, Path]


def retrain(
    claims: Sequence[Claim], runs: Sequence[Run], results: Path, into: Path, workers: Workers, progress: Callable[[str, int, int], None]
) -> list[Run]:
    """The runs with those of the claims' groups replaced by new ones; a training that was stopped goes on where it was.

    Raises:
        InputError: a claim rests on no networks, or on registered ones and the code is not committed; no plan and no run says how its
            group is trained; the new store holds other predictions than the old one; a training failed.
    """
    from empirical.runs.store import provenance

    counting = [claim.id for claim in claims if isinstance(claim.evidence, PairsEvidence | ScoreEvidence)]
    if counting and provenance()["dirty"]:
        raise InputError(f"claim {counting[0]} counts networks of committed code alone: commit what is changed in theory and empirical")
    groups: dict[str, list[RunSpec]] = {}
    known = {str(run.result["group"]) for run in runs} | {group.name for group in planned(results)}
    for claim in claims:
        if not (named := groups_of(claim, known)):
            raise InputError(f"claim {claim.id} rests on no networks: there is nothing to train")
        groups |= {group: specs_of(group, runs, results) for group in named}
    carry_predictions(results, into)
    jobs = [(spec, group, into) for group, specs in groups.items() for spec in specs]
    progress("networks trained", 0, len(jobs))
    for done, (_, problem) in enumerate(workers.run(_train, jobs, lambda job, error: f"{type(error).__name__}: {error}"), 1):
        if problem:
            raise InputError(f"training failed: {problem}: what is finished is kept in {into}")
        progress("networks trained", done, len(jobs))
    new = [run for run in ev.load_evidence(into) if run.result["group"] in groups]
    return [run for run in runs if run.result["group"] not in groups] + new


def carry_predictions(results: Path, into: Path) -> None:
    """Copy what was registered before the old networks to the new store: it was there before the new ones, too.

    Raises:
        InputError: the new store holds another file of that name.
    """
    from empirical.runs.store import write_atomically

    into.mkdir(parents=True, exist_ok=True)
    for path in sorted(results.glob("predictions*.json")):
        copy = into / path.name
        if not copy.exists():
            write_atomically(copy, path.read_bytes())
        elif copy.read_bytes() != path.read_bytes():
            raise InputError(f"{copy}: other predictions than those of {results}: give an empty folder with --into")


def planned(results: Path) -> list[Group]:
    """The groups of all plans in a store."""
    from empirical.runs.plan import read_plan

    return [group for path in sorted(results.glob("plan*.toml")) for group in read_plan(path)]


def specs_of(group: str, runs: Sequence[Run], results: Path) -> list[RunSpec]:
    """How the networks of a group are trained: as its plan says, else as its runs were."""
    for one in planned(results):
        if one.name == group:
            return one.specs
    if found := [run.spec for run in ev.of_group(runs, group)]:
        return found
    raise InputError(f"group {group}: neither a plan in {results} nor a run says how it is trained")


def _train(job: Job) -> str:
    """Train one network in a process of its own; what went wrong, or nothing."""
    from empirical.process import settle
    from empirical.training.loop import train

    settle()
    spec, group, into = job
    try:
        train(spec, into, group=group)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
