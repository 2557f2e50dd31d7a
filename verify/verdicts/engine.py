"""From claims to verdicts.

Statistical claims are decided family by family, whatever was asked for, so that a verdict never depends on which
other claims were run. Then the networks behind the asked-for ones are evaluated again on fresh inputs; where the
fresh counts contradict the committed ones, the verdict is `error`: neither can be trusted.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from verify.certificates.outcomes import Outcome, outcomes
from verify.checks import CheckResult, run_check
from verify.claims.schema import CertificateEvidence, CheckEvidence, Claim, PairsEvidence, PendingEvidence, ProbesEvidence, RunsEvidence
from verify.verdicts import evidence as ev
from verify.verdicts.basis import Basis, describe, prepare
from verify.verdicts.observed import LEARNED
from verify.verdicts.pairs import pairs_of
from verify.verdicts.probes import Job as ProbeJob
from verify.verdicts.probes import Probe, Probed, jobs_of, probe_jobs
from verify.verdicts.reevaluate import Fresh, Job, evaluate_jobs
from verify.verdicts.statistics import (
    ERROR,
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    UNTESTED,
    Cell,
    Decision,
    Unit,
    clopper_pearson,
    holm,
    same_rate,
    seeds_bound,
)

if TYPE_CHECKING:
    from empirical.runs.store import Run

#: level at which fresh counts contradict committed ones: hundreds of comparisons and still no false alarm
CONTRADICTION = 1e-6

Reevaluate = Callable[[Sequence[Job]], Iterable[Fresh]]
Certify = Callable[[Sequence["Run"]], Iterable[Outcome]]
Prove = Callable[[Sequence[tuple[str, Mapping[str, Any]]]], Iterable[CheckResult]]
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


def run_claims(
    claims: Sequence[Claim],
    chosen: Sequence[str],
    runs: Sequence[Run],
    examples: int,
    seed: int,
    reevaluate: Reevaluate = evaluate_jobs,
    progress: Progress = lambda what, done, total: None,
    certify: Certify = outcomes,
    probe: Probe = probe_jobs,
    prove: Prove | None = None,
    sample: bool = False,
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
        certify: Decides of each network whether it is right at every length; outcomes in the order of the networks.
        probe: Probes hidden states; of every network of a claim that rests on them, whatever `sample` says.
        prove: Runs checks, given as (name, parameters), in their order; default: here, one by one.
        sample: Evaluate again only one network of each group, chosen by the seed.
    """
    asked = [claim for claim in claims if claim.id in set(chosen)]
    families = {claim.family for claim in asked}
    statistical = [claim for claim in claims if claim.family in families and claim.statistical]
    probed = _probe_all(statistical, runs, probe, progress)
    proved = _certify_all([*asked, *statistical], runs, certify, progress)
    bases = {claim.id: prepare(claim, runs, probed, proved) for claim in statistical}
    decisions = {claim_id: basis.verdict for claim_id, basis in bases.items() if basis.verdict is not None}
    for family in sorted(families):
        every = [claim for claim in statistical if claim.family == family]
        members = {claim.id: claim for claim in every if claim.id not in decisions}
        rules = {claim_id: rule for claim_id in members if (rule := bases[claim_id].rule) is not None}
        alphas = {claim_id: members[claim_id].decision.alpha or 0.05 for claim_id in rules}
        decisions |= holm(rules, alphas, waiting=len(every) - len(rules))
    again = [claim for claim in asked if claim.id in bases]
    fresh = _evaluate_again(again, bases, examples, seed, reevaluate, progress, sample)
    checks = {claim.id: claim.evidence for claim in asked if isinstance(claim.evidence, CheckEvidence)}
    results = dict[str, CheckResult]()
    for claim_id, result in zip(checks, (prove or _one_by_one)([(each.check, each.params) for each in checks.values()]), strict=True):
        results[claim_id] = result
        progress("checks", len(results), len(checks))
    verdicts = []
    for claim in asked:
        if claim.id in bases:
            verdicts.append(_conclude(claim, decisions[claim.id], bases[claim.id], fresh))
        elif isinstance(claim.evidence, CertificateEvidence):
            verdicts.append(certify_group(claim, claim.evidence, runs, partial(_looked_up, proved)))
        elif claim.id in results:
            found, check = results[claim.id], checks[claim.id]
            facts = {"check": check.check, "params": check.params, "examined": found.examined, "versions": _versions("sympy", "z3-solver")}
            verdicts.append(_verdict(claim, found.verdict, found.detail, facts))
        else:
            assert isinstance(claim.evidence, PendingEvidence)
            verdicts.append(_verdict(claim, UNTESTED, claim.evidence.pending, {}))
    return verdicts


def _probe_all(claims: Sequence[Claim], runs: Sequence[Run], probe: Probe, progress: Progress) -> Mapping[ProbeJob, Probed]:
    """What hidden states show, for the claims that rest on them; groups that are no one experiment are left out."""
    jobs: list[ProbeJob] = []
    for claim in claims:
        if isinstance(claim.evidence, ProbesEvidence):
            with suppress(InputError):
                jobs += jobs_of(claim, claim.evidence, runs)
    progress("hidden states probed", 0, len(jobs))
    return probe(jobs) if jobs else {}


def _one_by_one(checks: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[CheckResult]:
    return map(attempt, checks)


def attempt(check: tuple[str, Mapping[str, Any]]) -> CheckResult:
    """The result of a check; a crash is a verdict about our checker, never about the claim."""
    try:
        return run_check(*check)
    except Exception as error:
        return CheckResult(ERROR, describe(error), 0)


def crashed(check: tuple[str, Mapping[str, Any]], error: Exception) -> CheckResult:
    """The result of a check whose process died."""
    return CheckResult(ERROR, describe(error), 0)


def _versions(*packages: str) -> dict[str, str]:
    return {name: version(name) for name in packages}


def _certify_all(claims: Sequence[Claim], runs: Sequence[Run], certify: Certify, progress: Progress) -> dict[str, Outcome]:
    """The outcome of each network that certificates are asked of, in groups or in pairs; groups that are no one experiment are left out."""
    networks: dict[str, Run] = {}
    for claim in claims:
        with suppress(InputError):
            if isinstance(claim.evidence, CertificateEvidence):
                networks |= {run.spec.digest: run for run in ev.of_group(runs, claim.evidence.certificates.group)}
            elif isinstance(claim.evidence, PairsEvidence):
                networks |= {run.spec.digest: run for pair in pairs_of(claim.evidence, runs) for run in pair}
    found: dict[str, Outcome] = {}
    for digest, one in zip(networks, certify(list(networks.values())), strict=True):
        found[digest] = one
        progress("networks certified", len(found), len(networks))
    return found


def _looked_up(found: Mapping[str, Outcome], networks: Sequence[Run]) -> list[Outcome]:
    return [found[run.spec.digest] for run in networks]


def _verdict(claim: Claim, verdict: str, detail: str, evidence: Mapping[str, Any]) -> Verdict:
    return Verdict(claim.id, claim.family, claim.kind, verdict, detail, dict(evidence))


def certify_group(
    claim: Claim,
    evidence: CertificateEvidence,
    runs: Sequence[Run],
    certify: Certify,
) -> Verdict:
    """A claim that every network of a group is right at every length, or that none is: a proof for each, nothing about other seeds."""
    group, wanted = evidence.certificates.group, evidence.outcome
    found: list[Outcome] = []
    try:
        networks = ev.of_group(runs, group)
        absent = ev.missing(networks, group)
        by_digest = {run.spec.digest: run for run in networks}
        for one in certify(networks):
            found.append(_as_asked(one, evidence, by_digest))
    except Exception as error:  # as above: our checker's, not the claim's
        return _verdict(claim, ERROR, describe(error), {})
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


def _as_asked(one: Outcome, evidence: CertificateEvidence, by_digest: Mapping[str, Run]) -> Outcome:
    """What a network reads speaks for a claim only where it learned its task: one that learned nothing may read nothing."""
    if evidence.outcome in ("truncating", "local"):
        told = one.as_told(evidence.outcome)
        if told.verdict == evidence.outcome and not ev.learned_in_distribution(by_digest[one.digest], LEARNED):
            unlearned = f"right on less than {LEARNED:.0%} of pairs of the longest trained length"
            return replace(told, verdict="undecided", shown=unlearned)
        return told
    return one if evidence.digits is None else replace(one, verdict=one.up_to(evidence.digits))


def _example(found: Sequence[Outcome]) -> str:
    """The network nearest to the other side."""
    nearest = min(found, key=lambda one: math.inf if one.margin is None else one.margin)
    margin = "" if nearest.margin is None else f"; {nearest.contexts} contexts, smallest lead {nearest.margin:.3g} logits"
    return f"network {nearest.digest} (seed {nearest.seed}): {nearest.shown}{margin}"


def _evaluate_again(
    asked: Sequence[Claim],
    bases: Mapping[str, Basis],
    examples: int,
    seed: int,
    reevaluate: Reevaluate,
    progress: Progress,
    sample: bool,
) -> dict[str, Fresh]:
    """Fresh counts of the networks that an asked-for claim rests on, at all lengths those claims speak of."""
    lengths: dict[str, set[int]] = {}
    networks: dict[str, Run] = {}
    for claim in asked:
        for digest, run in bases[claim.id].networks.items():
            networks[digest] = run
            asked_again = lengths.setdefault(digest, set())
            if isinstance(claim.evidence, RunsEvidence):
                asked_again.update(cell.length for cell in bases[claim.id].units[digest])
            if claim.decision.id_at_least is not None:  # what was learned is looked at again, too
                asked_again.add(run.spec.training.longest)
    there = {digest: run for digest, run in networks.items() if not run.trimmed}
    chosen = sampled(there.values(), seed) if sample else set(there)
    jobs = [Job(run.folder, tuple(sorted(lengths[digest])), examples, seed) for digest, run in there.items() if digest in chosen]
    fresh: dict[str, Fresh] = {}
    for result in reevaluate(jobs):
        fresh[result.folder.name] = result
        progress("networks evaluated again", len(fresh), len(jobs))
    return fresh


def sampled(networks: Iterable[Run], seed: int) -> set[str]:
    """One network of each group, chosen by the seed among those whose weights are there."""
    groups: dict[str, list[str]] = {}
    for run in networks:
        if not run.trimmed:
            groups.setdefault(str(run.result["group"]), []).append(run.spec.digest)
    return {random.Random(f"{seed} {group}").choice(sorted(digests)) for group, digests in groups.items()}


def _conclude(claim: Claim, decision: Decision, basis: Basis, fresh: Mapping[str, Fresh]) -> Verdict:
    """The verdict of a statistical claim, once its networks were evaluated again."""
    records, problems = [], []
    for digest, run in basis.networks.items():
        record, problem = _network_record(claim, run, basis.units[digest], fresh.get(digest))
        records.append(record)
        problems += [problem] if problem else []
    facts = {**basis.facts, **({"runs": records} if records else {})}
    if problems:
        return _verdict(claim, ERROR, problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""), facts)
    parts = [decision.detail, *_observed(basis), *basis.notes]
    if left_out := sum(run.trimmed for run in basis.networks.values()):
        those = "one network are" if left_out == 1 else f"{left_out} networks are"
        parts.append(f"the weights of {those} left out of the store, so counts stand as committed")
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


def _network_record(claim: Claim, run: Run, unit: Unit, again: Fresh | None) -> tuple[dict[str, Any], str]:
    """What a verdict shows of one network, and how its fresh counts contradict the committed ones, if they do."""
    alpha = (claim.decision.alpha or 0.05) / len(unit)
    record: dict[str, Any] = {
        "digest": run.spec.digest,
        "group": run.result["group"],
        "seed": run.spec.seed,
        **{name: run.result.get(name) for name in ("weights_sha256", "commit", "dirty", "code_sha256", "versions", "predictions")},
        "cells": [_cell_record(cell, alpha) for cell in unit],
    }
    name = f"network {run.spec.digest} (seed {run.spec.seed})"
    if again is None:  # not in the sample
        return record, ""
    if again.problem:
        return record, f"{name} could not be evaluated again: {again.problem}"
    pairs: list[tuple[Cell, Cell]] = []
    try:
        if isinstance(claim.evidence, RunsEvidence):  # hidden states were looked at live in the first place
            second = ev.cells_of(dict(again.entries), claim.evidence.measure, [cell.length for cell in unit])
            record["evaluated_again"] = [asdict(cell) for cell in second]
            pairs += zip(unit, second, strict=True)
        if claim.decision.id_at_least is not None:  # the networks that did learn: so must these weights have
            longest = [run.spec.training.longest]
            pairs += zip(ev.run_cells(run, "truth", longest), ev.cells_of(dict(again.entries), "truth", longest), strict=True)
    except ev.Unmeasured as error:
        return record, f"{name} evaluated again: {error}"
    for cell, other in pairs:
        if (p := same_rate(cell, other)) < CONTRADICTION:
            shown = f"{cell.correct} of {cell.examples} committed, {other.correct} of {other.examples} now (p = {p:.1g})"
            return record, f"{name}: the weights contradict the committed counts at length {cell.length}: {shown}"
    return record, ""


def _cell_record(cell: Cell, alpha: float) -> dict[str, Any]:
    interval = clopper_pearson(cell.correct, cell.examples, alpha)
    return {**asdict(cell), "low": round(interval.low, 6), "high": round(interval.high, 6)}
