"""Statistical claims made ready: the counts that a claim rests on, bound to its decision rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.words import counted
from verify.certificates.outcomes import Outcome
from verify.claims.evidence_kinds import Runs
from verify.claims.schema import Claim, PairsEvidence, ProbesEvidence, RunsEvidence, ScoreEvidence, TableEvidence, resolve_lengths
from verify.verdicts import evidence as ev
from verify.verdicts.observed import LEARNED
from verify.verdicts.pairs import in_groups, pairs_of, tally
from verify.verdicts.probes import Job, Probed, jobs_of
from verify.verdicts.score import score
from verify.verdicts.statistics import (
    ERROR,
    INCONCLUSIVE,
    UNTESTED,
    Cell,
    Decision,
    Interval,
    Unit,
    fits_better,
    goodness_of_fit,
    greater,
    in_region,
    more_often,
)

if TYPE_CHECKING:
    from empirical.runs.store import Run


@dataclass(frozen=True)
class Basis:
    """A statistical claim prepared for its rule, with the networks it rests on."""

    rule: Callable[[float], Decision] | None
    verdict: Decision | None
    networks: Mapping[str, Run] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def describe(error: Exception) -> str:
    """An error as one line; those that name an input speak for themselves."""
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def prepare(
    claim: Claim, runs: Sequence[Run], probed: Mapping[Job, Probed] | None = None, proved: Mapping[str, Outcome] | None = None
) -> Basis:
    """Gather the counts of a claim and bind them to its rule.

    Args:
        claim: On runs, their hidden states, their certificates in pairs, the predictions made for them, or on a published row.
        runs: The committed runs.
        probed: What the hidden states show.
        proved: What came of certifying a network, by its digest.
    """
    try:
        if isinstance(claim.evidence, TableEvidence):
            return _prepare_table(claim, claim.evidence)
        if isinstance(claim.evidence, ScoreEvidence):
            return _prepare_score(claim, claim.evidence, runs)
        if isinstance(claim.evidence, PairsEvidence):
            return _prepare_pairs(claim, claim.evidence, runs, proved or {})
        assert isinstance(claim.evidence, RunsEvidence | ProbesEvidence)
        return _prepare_runs(claim, claim.evidence, runs, probed or {})
    except ev.Unmeasured as error:
        return Basis(None, Decision(INCONCLUSIVE, str(error)))
    except Exception as error:  # broken evidence is a verdict of its own; the other claims go on
        return Basis(None, Decision(ERROR, describe(error)))


def _prepare_table(claim: Claim, evidence: TableEvidence) -> Basis:
    """A published row is one network, so nothing is said about other seeds."""
    row, setting, decision = ev.table_cells(evidence.table), ev.setting_of_table(evidence.table), claim.decision
    least = decision.min_examples or 1

    def shares(value: float | str | None) -> dict[int, float]:
        return {cell.length: float(ev.expected_value(value or 0.0, setting, cell.length)) for cell in row}

    facts: dict[str, Any] = {"row": [asdict(cell) for cell in row]}
    if decision.expected is not None:
        facts["expected"] = shares(decision.expected)
    match decision.rule:
        case "goodness_of_fit":
            fit = partial(goodness_of_fit, row, shares(decision.expected), decision.margin or 0.0)
            return Basis(lambda alpha: fit(alpha, least), None, facts=facts)
        case "fits_better":
            better = partial(fits_better, row, shares(decision.expected), shares(decision.rival))
            return Basis(lambda alpha: better(alpha, least), None, facts={**facts, "rival": shares(decision.rival)})
        case _:
            regions = _regions(claim, setting, [cell.length for cell in row])
            return Basis(lambda alpha: in_region([row], regions, alpha, 1, least), None, facts=facts, notes=("one published network",))


def _prepare_score(claim: Claim, evidence: ScoreEvidence, runs: Sequence[Run]) -> Basis:
    """Counts of groups, each as its networks are stored; which groups and networks these are stands in the facts."""
    if not any(ev.registered(run) for run in runs):
        return Basis(None, Decision(UNTESTED, "no networks yet that predictions were registered for"))
    found = score(runs[0].folder.parent, runs, evidence.score)
    basis = scored(claim, found.total.right, found.total.of)
    rows = [{"group": row.group, "predicted": row.predicted, "observed": row.observed, "networks": list(row.digests)} for row in found.rows]
    named = {digest for row in found.rows for digest in row.digests}
    left_out = sum(run.trimmed for run in runs if run.spec.digest in named)
    note = f"counts of {len(named)} networks as committed, the weights of {left_out} of them left out of the store"
    return replace(basis, facts={**basis.facts, "groups": rows}, notes=(note,))


def scored(claim: Claim, right: int, decided: int) -> Basis:
    """A claim on how often predictions came true: each group that one was made for is one trial."""
    decision = claim.decision
    least, threshold = decision.min_examples or 1, decision.threshold or 0.0
    region = Interval(threshold, 1.0) if decision.rule == "at_least" else Interval(0.0, threshold)

    def rule(alpha: float) -> Decision:
        if decided < least:
            return Decision(INCONCLUSIVE, f"{decided} groups were decided, {least} needed")
        verdict = in_region([[Cell(0, right, decided)]], {0: region}, alpha, 1, least).verdict
        return Decision(verdict, f"{right} of {decided} decided groups did as predicted")

    return Basis(rule, None, facts={"right": right, "decided": decided})


def _prepare_pairs(claim: Claim, evidence: PairsEvidence, runs: Sequence[Run], proved: Mapping[str, Outcome]) -> Basis:
    """Which networks are certified, pair by pair. As more pairs could help a claim, those that it does not speak of do not count."""
    right = [run for run in runs if claim.scale != "paper" or ev.is_paper_scale(run.spec)]
    sides = [in_groups(right, name) for name in (evidence.pairs, evidence.than)]
    if absent := [digest for side, name in zip(sides, (evidence.pairs, evidence.than), strict=True) for digest in ev.missing(side, name)]:
        return Basis(None, Decision(INCONCLUSIVE, f"{counted(len(absent), 'registered network')} not finished"))
    found = pairs_of(evidence, right)
    pairs = [pair for pair in found if all(map(ev.registered, pair))]
    left = len(found) - len(pairs)
    notes = [f"{counted(left, 'pair')} left out: trained without a registered prediction"] if left else []
    if not pairs:
        none = f"no networks of {evidence.than} yet that have a partner in {evidence.pairs}"
        return Basis(None, Decision(UNTESTED, "; ".join([none, *notes])))
    if len(pairs) > (claimed := claim.decision.min_examples or 1):
        return Basis(None, Decision(INCONCLUSIVE, f"{len(pairs)} pairs, and the claim was made of {claimed}: name fewer groups"))
    both = [run for pair in pairs for run in pair]
    won, lost = tally(pairs, proved)
    if alone := len(sides[1]) - len(found):
        notes.append(f"{alone} of {len(sides[1])} networks of {evidence.than} have no partner")
    if unlearned := sum(not ev.learned_in_distribution(run, LEARNED) for run in both):
        notes.append(f"{unlearned} of {len(both)} networks are right on less than {LEARNED:.0%} of pairs of the longest trained length")
    if apart := sum(mine.result.get("versions") != theirs.result.get("versions") for mine, theirs in pairs):
        notes.append(f"{counted(apart, 'pair')} trained by different versions of the libraries")
    if left_out := sum(run.trimmed for run in both):
        notes.append(f"of {counted(left_out, 'network')} certificates stand as committed, their weights left out of the store")
    facts = {"pairs": [[_network(run) | {"proved": proved[run.spec.digest].verdict} for run in pair] for pair in pairs]}
    return Basis(lambda alpha: more_often(won, lost, len(pairs), alpha, claimed), None, notes=tuple(notes), facts=facts)


def _network(run: Run) -> dict[str, Any]:
    """Which network it is, and how it came about."""
    told = {name: run.result.get(name) for name in ("group", "weights_sha256", "commit", "dirty", "versions", "predictions")}
    return {"digest": run.spec.digest, "seed": run.spec.seed, **told}


def _prepare_runs(claim: Claim, evidence: RunsEvidence | ProbesEvidence, runs: Sequence[Run], probed: Mapping[Job, Probed]) -> Basis:
    decision = claim.decision
    seeds, least = decision.min_seeds or 1, decision.min_examples or 1
    networks: dict[str, Run] = {}
    units: dict[str, Unit] = {}
    notes: list[str] = []
    sides: list[list[Unit]] = []
    own: Mapping[str, Unit]
    for side in _sides(evidence):
        found = ev.of_group(runs, side.group)
        right = [run for run in found if claim.scale != "paper" or ev.is_paper_scale(run.spec)]
        if len(right) < len(found):
            notes.append(f"{len(found) - len(right)} reduced-scale runs of {side.group} say nothing at paper scale")
        if not right:
            return Basis(None, Decision(UNTESTED, "; ".join([f"no run of group {side.group} yet", *notes])))
        if unregistered := sum(not ev.registered(run) for run in right):
            notes.append(f"{unregistered} of {len(right)} networks of {side.group} were trained without a registered prediction")
        if absent := ev.missing(found, side.group):
            shortage = f"{len(absent)} of {len(found) + len(absent)} registered networks of {side.group} have not finished"
            return Basis(None, Decision(INCONCLUSIVE, "; ".join([shortage, *notes])))
        if sum(run.result.get("data_stream") != "per seed" for run in right) > 1:
            notes.append(f"networks of {side.group} differ in initial weights alone: their seeds drew the same training batches")
        learned = [run for run in right if ev.learned_in_distribution(run, decision.id_at_least)]
        if len(learned) < len(right):
            count = f"{len(right) - len(learned)} of {len(right)} networks of {side.group}"
            notes.append(f"{count} set aside: below {decision.id_at_least} on trained lengths")
        networks |= {run.spec.digest: run for run in learned}
        lengths = resolve_lengths(evidence.lengths, right[0].spec.training.longest)
        if isinstance(evidence, ProbesEvidence):
            own = _probed_units(claim, evidence, learned, probed)
        else:
            own = {run.spec.digest: ev.run_cells(run, evidence.measure, lengths) for run in learned}
        units |= own
        sides.append(list(own.values()))
    if decision.rule == "compare":
        mine, theirs = sides
        asked = [[cell.length for cell in side[0]] for side in sides if side]
        if len({*map(tuple, asked)}) == 2 and max(map(len, asked)) > 1:
            raise InputError(f"the two groups were trained on other lengths: of {evidence.lengths} only one can be set against the other's")
        return Basis(lambda alpha: greater(mine, theirs, decision.margin or 0.0, alpha, seeds, least), None, networks, units, tuple(notes))
    facts: dict[str, Any] = {}
    regions: dict[int, Interval] = {}
    if networks:
        setting = ev.setting_of_run(next(iter(networks.values())).spec)
        regions = _regions(claim, setting, lengths)
        facts["regions"] = {length: [region.low, region.high] for length, region in regions.items()}
    return Basis(lambda alpha: in_region(sides[0], regions, alpha, seeds, least), None, networks, units, tuple(notes), facts)


def _sides(evidence: RunsEvidence | ProbesEvidence) -> list[Runs]:
    """The group that a claim speaks of, and the one that it is compared with."""
    if isinstance(evidence, ProbesEvidence):
        return [evidence.probes]
    return [evidence.runs, *([evidence.than] if evidence.than else [])]


def _probed_units(claim: Claim, evidence: ProbesEvidence, networks: Sequence[Run], probed: Mapping[Job, Probed]) -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for run, job in zip(networks, jobs_of(claim, evidence, networks), strict=True):
        if (found := probed.get(job)) is None:
            raise ev.Unmeasured(f"the hidden states of network {run.spec.digest} were not probed")
        if found.problem:
            raise InputError(found.problem)
        if not all(cell.examples for cell in found.unit):
            raise ev.Unmeasured(f"no input of network {run.spec.digest} is a trial: those that are compared never differ")
        units[run.spec.digest] = found.unit
    return units


def _regions(claim: Claim, setting: ev.Setting, lengths: Sequence[int]) -> dict[int, Interval]:
    """The accuracies that at_least, at_most or equals allow, per length."""
    decision = claim.decision
    match decision.rule:
        case "at_least":
            return dict.fromkeys(lengths, Interval(decision.threshold or 0.0, 1.0))
        case "at_most":
            return dict.fromkeys(lengths, Interval(0.0, decision.threshold or 0.0))
        case _:
            margin, values = decision.margin or 0.0, {n: float(ev.expected_value(decision.expected or 0.0, setting, n)) for n in lengths}
            return {length: Interval(value - margin, value + margin) for length, value in values.items()}
