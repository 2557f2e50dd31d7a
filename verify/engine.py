"""From claims to verdicts.

Statistical claims are decided family by family, whatever was asked for, so that a verdict never depends on which
other claims were run. Then the networks behind the asked-for ones are evaluated again on fresh inputs; where the
fresh counts contradict the committed ones, the verdict is `error`: neither can be trusted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from verify import evidence as ev
from verify.certificates import Outcome, outcomes
from verify.checks import run_check
from verify.claims import CertificateEvidence, CheckEvidence, Claim, PendingEvidence, RunsEvidence, TableEvidence, resolve_lengths
from verify.reevaluate import Fresh, Job, evaluate_jobs
from verify.statistics import (
    ERROR,
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    UNTESTED,
    Cell,
    Decision,
    Interval,
    Unit,
    clopper_pearson,
    fits_better,
    goodness_of_fit,
    greater,
    holm,
    in_region,
    same_rate,
    seeds_bound,
)

if TYPE_CHECKING:
    from empirical.store import Run

#: level at which fresh counts contradict committed ones: hundreds of comparisons and still no false alarm
CONTRADICTION = 1e-6

Reevaluate = Callable[[Sequence[Job]], Iterable[Fresh]]
Certify = Callable[[Sequence["Run"]], Iterable[Outcome]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Verdict:
    """The outcome for one claim; `evidence` is plain JSON data."""

    id: str
    family: str
    kind: str
    verdict: str
    detail: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Basis:
    """A statistical claim prepared for its rule, with the networks it rests on."""

    rule: Callable[[float], Decision] | None
    verdict: Decision | None
    networks: Mapping[str, Run] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def run_claims(
    claims: Sequence[Claim],
    chosen: Sequence[str],
    runs: Sequence[Run],
    examples: int,
    seed: int,
    reevaluate: Reevaluate = evaluate_jobs,
    progress: Progress = lambda what, done, total: None,
    certify: Certify = outcomes,
) -> list[Verdict]:
    """Decide the chosen claims, in the order of the file.

    Args:
        claims: All claims of the file; families are corrected over all of them.
        chosen: Ids to report.
        runs: The committed runs.
        examples: Fresh inputs per network and length.
        seed: Seed of the fresh inputs.
        reevaluate: Evaluates jobs, in any order.
        progress: Told what is being done, and how much of it is done.
        certify: Decides of each network whether it is right at every length.
    """
    asked = [claim for claim in claims if claim.id in set(chosen)]
    families = {claim.family for claim in asked}
    statistical = [claim for claim in claims if claim.family in families and claim.evidence_kind in ("runs", "table")]
    bases = {claim.id: prepare(claim, runs) for claim in statistical}
    decisions = {claim_id: basis.verdict for claim_id, basis in bases.items() if basis.verdict is not None}
    for family in sorted(families):
        members = {claim.id: claim for claim in statistical if claim.family == family and claim.id not in decisions}
        rules = {claim_id: rule for claim_id in members if (rule := bases[claim_id].rule) is not None}
        decisions |= holm(rules, {claim_id: members[claim_id].decision.alpha or 0.05 for claim_id in rules})
    fresh = _evaluate_again([claim for claim in asked if claim.id in bases], bases, examples, seed, reevaluate, progress)
    verdicts = []
    for index, claim in enumerate(asked):
        progress("checks", index, len(asked))
        if claim.id in bases:
            verdicts.append(_conclude(claim, decisions[claim.id], bases[claim.id], fresh))
        elif isinstance(claim.evidence, CertificateEvidence):
            verdicts.append(certify_group(claim, claim.evidence, runs, certify, progress))
        else:
            verdicts.append(_run_symbolic(claim))
    return verdicts


def _verdict(claim: Claim, verdict: str, detail: str, evidence: Mapping[str, Any]) -> Verdict:
    return Verdict(claim.id, claim.family, claim.kind, verdict, detail, dict(evidence))


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _run_symbolic(claim: Claim) -> Verdict:
    """A claim that rests on a live check, or on nothing yet."""
    if isinstance(claim.evidence, PendingEvidence):
        return _verdict(claim, UNTESTED, claim.evidence.pending, {})
    assert isinstance(claim.evidence, CheckEvidence)
    facts = {"check": claim.evidence.check, "params": claim.evidence.params}
    try:
        result = run_check(claim.evidence.check, claim.evidence.params)
    except Exception as error:  # a crash is a verdict about our checker, never about the claim
        return _verdict(claim, ERROR, _describe(error), facts)
    return _verdict(claim, result.verdict, result.detail, {**facts, "examined": result.examined})


def certify_group(
    claim: Claim,
    evidence: CertificateEvidence,
    runs: Sequence[Run],
    certify: Certify,
    progress: Progress = lambda what, done, total: None,
) -> Verdict:
    """A claim that every network of a group is right at every length, or that none is: a proof for each, nothing about other seeds."""
    group, wanted = evidence.certificates.group, evidence.outcome
    found: list[Outcome] = []
    try:
        networks = ev.of_group(runs, group)
        absent = ev.missing(networks, group)
        for one in certify(networks):
            found.append(one if evidence.digits is None else replace(one, verdict=one.up_to(evidence.digits)))
            progress("networks certified", len(found), len(networks))
    except Exception as error:  # as above: our checker's, not the claim's
        return _verdict(claim, ERROR, _describe(error), {})
    facts = {"networks": [asdict(one) for one in found]}
    if not found:
        return _verdict(claim, UNTESTED, f"no run of group {group} yet", facts)
    other = sorted((one for one in found if one.verdict != wanted), key=lambda one: (one.verdict != "error", one.verdict == "undecided"))
    if other:
        verdict = {"error": ERROR, "undecided": INCONCLUSIVE}.get(other[0].verdict, REFUTED)
        first = f"network {other[0].digest} (seed {other[0].seed}): {other[0].shown}"
        return _verdict(claim, verdict, f"{len(found) - len(other)} of {len(found)} networks {wanted}; {first}", facts)
    if absent:
        shortage = f"{len(absent)} of {len(found) + len(absent)} registered networks of {group} have not finished"
        return _verdict(claim, INCONCLUSIVE, shortage, facts)
    if len(found) < (claim.decision.min_seeds or 1):
        return _verdict(claim, INCONCLUSIVE, f"{len(found)} networks {wanted}, {claim.decision.min_seeds} needed", facts)
    return _verdict(claim, SUPPORTED, f"{len(found)} of {len(found)} networks {wanted}; {_example(found)}", facts)


def _example(found: Sequence[Outcome]) -> str:
    """The network nearest to the other side."""
    nearest = min(found, key=lambda one: math.inf if one.margin is None else one.margin)
    margin = "" if nearest.margin is None else f"; {nearest.contexts} contexts, smallest lead {nearest.margin:.3g} logits"
    return f"network {nearest.digest} (seed {nearest.seed}): {nearest.shown}{margin}"


def prepare(claim: Claim, runs: Sequence[Run]) -> Basis:
    """Gather the counts of a claim on runs or on a published row, and bind them to its rule."""
    try:
        if isinstance(claim.evidence, TableEvidence):
            return _prepare_table(claim, claim.evidence)
        assert isinstance(claim.evidence, RunsEvidence)
        return _prepare_runs(claim, claim.evidence, runs)
    except ev.Unmeasured as error:
        return Basis(None, Decision(INCONCLUSIVE, str(error)))
    except Exception as error:  # broken evidence is a verdict of its own; the other claims go on
        return Basis(None, Decision(ERROR, _describe(error)))


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


def _prepare_runs(claim: Claim, evidence: RunsEvidence, runs: Sequence[Run]) -> Basis:
    decision = claim.decision
    seeds, least = decision.min_seeds or 1, decision.min_examples or 1
    networks: dict[str, Run] = {}
    units: dict[str, Unit] = {}
    notes: list[str] = []
    sides: list[list[Unit]] = []
    for side in filter(None, (evidence.runs, evidence.than)):
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
        own = {run.spec.digest: ev.run_cells(run, evidence.measure, lengths) for run in learned}
        units |= own
        sides.append(list(own.values()))
    if decision.rule == "compare":
        mine, theirs = sides
        if mine and theirs and [cell.length for cell in mine[0]] != [cell.length for cell in theirs[0]]:
            raise InputError("the two groups were trained on other lengths, so n is not the same")
        return Basis(lambda alpha: greater(mine, theirs, decision.margin or 0.0, alpha, seeds, least), None, networks, units, tuple(notes))
    facts: dict[str, Any] = {}
    regions: dict[int, Interval] = {}
    if networks:
        setting = ev.setting_of_run(next(iter(networks.values())).spec)
        regions = _regions(claim, setting, lengths)
        facts["regions"] = {length: [region.low, region.high] for length, region in regions.items()}
    return Basis(lambda alpha: in_region(sides[0], regions, alpha, seeds, least), None, networks, units, tuple(notes), facts)


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


def _evaluate_again(
    asked: Sequence[Claim], bases: Mapping[str, Basis], examples: int, seed: int, reevaluate: Reevaluate, progress: Progress
) -> dict[str, Fresh]:
    """Fresh counts of every network that an asked-for claim rests on, at all lengths those claims speak of."""
    lengths: dict[str, set[int]] = {}
    networks: dict[str, Run] = {}
    for claim in asked:
        for digest, run in bases[claim.id].networks.items():
            networks[digest] = run
            lengths.setdefault(digest, set()).update(cell.length for cell in bases[claim.id].units[digest])
            if claim.decision.id_at_least is not None:  # what was learned is looked at again, too
                lengths[digest].add(run.spec.training.longest)
    jobs = [Job(run.folder, tuple(sorted(lengths[digest])), examples, seed) for digest, run in networks.items()]
    fresh: dict[str, Fresh] = {}
    for result in reevaluate(jobs):
        fresh[result.folder.name] = result
        progress("networks evaluated again", len(fresh), len(jobs))
    return fresh


def _conclude(claim: Claim, decision: Decision, basis: Basis, fresh: Mapping[str, Fresh]) -> Verdict:
    """The verdict of a statistical claim, once its networks were evaluated again."""
    records, problems = [], []
    for digest, run in basis.networks.items():
        record, problem = _network_record(claim, run, basis.units[digest], fresh[digest])
        records.append(record)
        problems += [problem] if problem else []
    facts = {**basis.facts, **({"runs": records} if records else {})}
    if problems:
        return _verdict(claim, ERROR, problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""), facts)
    parts = [decision.detail, *_observed(basis), *basis.notes]
    if decision.verdict == SUPPORTED and records and claim.decision.rule != "compare":
        others = "seeds" if all(run.result.get("data_stream") == "per seed" for run in basis.networks.values()) else "initialisations"
        parts.append(f"so at least {seeds_bound(len(records)):.0%} of {others} behave so, at 95 % confidence")
    return _verdict(claim, decision.verdict, "; ".join(parts), facts)


def _observed(basis: Basis) -> list[str]:
    """What the networks of each group did, the least and the most accurate: 'add-x: 98.2-99.1 % at length 4'."""
    shares: dict[str, dict[int, list[float]]] = {}
    for digest, run in basis.networks.items():
        for cell in basis.units[digest]:
            shares.setdefault(str(run.result["group"]), {}).setdefault(cell.length, []).append(100 * cell.correct / cell.examples)
    out = []
    for group, by_length in shares.items():
        text = ", ".join(f"{_span(values)} % at length {length}" for length, values in by_length.items())
        out.append(f"{group}: {text}" if len(shares) > 1 else text)
    return out


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low}-{high}"


def _network_record(claim: Claim, run: Run, unit: Unit, again: Fresh) -> tuple[dict[str, Any], str]:
    """What a verdict shows of one network, and how its fresh counts contradict the committed ones, if they do."""
    assert isinstance(claim.evidence, RunsEvidence)
    alpha = (claim.decision.alpha or 0.05) / len(unit)
    record: dict[str, Any] = {
        "digest": run.spec.digest,
        "group": run.result["group"],
        "seed": run.spec.seed,
        **{name: run.result.get(name) for name in ("weights_sha256", "commit", "dirty", "code_sha256", "versions", "predictions")},
        "cells": [_cell_record(cell, alpha) for cell in unit],
    }
    name = f"network {run.spec.digest} (seed {run.spec.seed})"
    if again.problem:
        return record, f"{name} could not be evaluated again: {again.problem}"
    measure, lengths = claim.evidence.measure, [cell.length for cell in unit]
    try:
        second = ev.cells_of(dict(again.entries), measure, lengths)
        pairs = list(zip(unit, second, strict=True))
        if claim.decision.id_at_least is not None:  # the networks that did learn: so must these weights have
            longest = [run.spec.training.longest]
            pairs += zip(ev.run_cells(run, "truth", longest), ev.cells_of(dict(again.entries), "truth", longest), strict=True)
    except ev.Unmeasured as error:
        return record, f"{name} evaluated again: {error}"
    record["evaluated_again"] = [asdict(cell) for cell in second]
    for cell, other in pairs:
        if (p := same_rate(cell, other)) < CONTRADICTION:
            shown = f"{cell.correct} of {cell.examples} committed, {other.correct} of {other.examples} now (p = {p:.1g})"
            return record, f"{name}: the weights contradict the committed counts at length {cell.length}: {shown}"
    return record, ""


def _cell_record(cell: Cell, alpha: float) -> dict[str, Any]:
    interval = clopper_pearson(cell.correct, cell.examples, alpha)
    return {**asdict(cell), "low": round(interval.low, 6), "high": round(interval.high, 6)}
