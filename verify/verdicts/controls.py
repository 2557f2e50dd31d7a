"""Controls: evidence on which a claim must come out supported, and evidence on which it must not.

- as predicted: counts as the claim predicts them; where they do not support it, no evidence of this size can.
- opposite: counts from outside the predicted region; of a check, parameters under which its statement is false; of a certificate,
  networks of the other outcome.
- shuffled answers: a network's own answers, given to other questions of the same length; of hidden states, shuffled labels, or other
  inputs in the place of the equivalent ones; of what undoes truncation, other digits in the place of zeros.
- other weights: those of a network of the same shape that learned another task, or untrained ones where there is none; of hidden states
  untrained ones, set against other untrained ones.

On the last three no claim may come out supported. What fabricated counts decide needs no network; the live controls ask one network of
each group, and its counts, scaled to the examples of the evidence so that none is saved by having too few, stand for every seed.
Claims that something fails need `id_at_least` to pass them: networks that learned nothing fail at everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from verify.certificates.outcomes import Outcome
from verify.checks import WRONG, run_check
from verify.claims.schema import (
    CertificateEvidence,
    CheckEvidence,
    Claim,
    PairsEvidence,
    PendingEvidence,
    ProbesEvidence,
    RunsEvidence,
    ScoreEvidence,
    TableEvidence,
    resolve_lengths,
)
from verify.verdicts import evidence as ev
from verify.verdicts.basis import describe, prepare, scored
from verify.verdicts.engine import certify_group
from verify.verdicts.live_controls import Live, ask
from verify.verdicts.probes import Job, Probed, jobs_of, probe_jobs
from verify.verdicts.statistics import ERROR, SUPPORTED, UNTESTED, Cell, more_often

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

AS_PREDICTED, OPPOSITE, SHUFFLED, SWAPPED = "as predicted", "opposite", "shuffled answers", "other weights"

Shares = Callable[[int], float]  # length -> share of right answers
Entries = Sequence[Mapping[str, Any]]  # counts by length, as in an evaluation
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Control:
    """One control of one claim."""

    claim: str
    name: str
    verdict: str
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the verdict is as it must be; a control that crashed controls nothing."""
        return (self.verdict == SUPPORTED) if self.name == AS_PREDICTED else self.verdict not in (SUPPORTED, ERROR)

    @property
    def alarming(self) -> bool:
        """Whether the checker would believe what is false; a claim that needs more evidence than it has is only weak."""
        return not self.passed and (self.name != AS_PREDICTED or self.verdict == ERROR)


def run_controls(
    claims: Sequence[Claim],
    chosen: Sequence[str],
    runs: Sequence[Run],
    seed: int,
    live: bool = True,
    progress: Progress = lambda what, done, total: None,
) -> list[Control]:
    """All controls of the chosen claims, each at the strictest level that Holm's procedure has for its family.

    Args:
        claims: All claims of the file.
        chosen: Ids of those to control.
        runs: The committed runs.
        seed: Seed of the live questions.
        live: Whether networks are asked, too.
    """
    asked = [claim for claim in claims if claim.id in set(chosen)]
    answers = ask(asked, runs, seed, progress) if live else {}
    probed = probe_jobs([job for claim in asked for job in _wrong_jobs(claim, runs).values()]) if live else {}
    found: list[Control] = []
    for index, claim in enumerate(asked):
        progress("controls", index, len(asked))
        family = sum(other.family == claim.family and other.statistical for other in claims)
        try:
            found += _controls(claim, runs, answers, probed, max(family, 1))
        except Exception as error:  # of our controls, not of the claim
            found.append(Control(claim.id, OPPOSITE, ERROR, describe(error)))
    return found


def _controls(
    claim: Claim, runs: Sequence[Run], live: Mapping[str, Live], probed: Mapping[Job, Probed], family: int
) -> Iterator[Control]:
    match claim.evidence:
        case CheckEvidence(check=check, params=params):
            wrong = WRONG[check](params)
            result = run_check(check, wrong)
            changed = ", ".join(f"{key} = {value}" for key, value in wrong.items() if params.get(key) != value)
            yield Control(claim.id, OPPOSITE, result.verdict, f"with {changed}: {result.detail}")
        case RunsEvidence():
            yield from _runs_controls(claim, claim.evidence, runs, live, family)
        case ProbesEvidence():
            yield from _probes_controls(claim, claim.evidence, runs, probed, family)
        case ScoreEvidence():
            yield from _score_controls(claim, family)
        case PairsEvidence():
            yield from _pairs_controls(claim, family)
        case TableEvidence(table=table):
            cells = ev.table_cells(table)
            for name, (shares, _) in _fabricated_shares(claim, ev.setting_of_table(table), [cell.length for cell in cells]).items():
                row = table.model_copy(update={"percent": tuple(100 * shares(cell.length) for cell in cells)})
                yield _decided(claim.model_copy(update={"evidence": TableEvidence(table=row)}), name, [], family)
        case CertificateEvidence():
            yield from _certificate_controls(claim, claim.evidence, runs, live)
        case PendingEvidence(pending=pending):
            yield Control(claim.id, OPPOSITE, UNTESTED, pending)


def _decided(claim: Claim, name: str, runs: Sequence[Run], family: int, probed: Mapping[Job, Probed] | None = None) -> Control:
    basis = prepare(claim, runs, probed)
    decision = basis.verdict if basis.rule is None else basis.rule((claim.decision.alpha or 0.05) / family)
    assert decision is not None
    return Control(claim.id, name, decision.verdict, decision.detail)


def _runs_controls(
    claim: Claim, evidence: RunsEvidence, runs: Sequence[Run], live: Mapping[str, Live], family: int
) -> Iterator[Control]:
    groups = [evidence.runs.group, *([evidence.than.group] if evidence.than else [])]
    specs = [_spec_of(runs, group, evidence.lengths) for group in groups]
    lengths = resolve_lengths(evidence.lengths, specs[0].training.longest)
    committed = [entry["examples"] for run in runs if run.result["group"] in groups for entry in run.result["evaluation"]]
    examples, seeds = max([claim.decision.min_examples or 1, *committed]), range(claim.decision.min_seeds or 1)
    for name, sides in _fabricated_shares(claim, ev.setting_of_run(specs[0]), lengths).items():
        found = []
        for group, spec, shares in zip(groups, specs, sides, strict=False):
            expected = dict.fromkeys(spec.train_lengths, 1.0) | {n: shares(n) for n in lengths}
            counts = {n: round(share * examples) for n, share in expected.items()}
            entries = [{"length": n, "examples": examples, "truth": count, "learned": count} for n, count in counts.items()]
            found += [fabricated(spec, seed, group, entries) for seed in seeds]
        yield _decided(claim, name, found, family)
    if evidence.than is None and (answers := live.get(groups[0])):
        for name, asked in ((SHUFFLED, answers.shuffled), (SWAPPED, answers.swapped)):
            scaled = [_scaled(entry, examples) for entry in asked]
            yield _decided(claim, name, [fabricated(specs[0], seed, groups[0], scaled) for seed in seeds], family)


def _score_controls(claim: Claim, family: int) -> Iterator[Control]:
    """All predictions as the claim has them, and half as often or as often again."""
    threshold, groups = claim.decision.threshold or 0.0, max(claim.decision.min_examples or 1, 100)
    shares = (1.0, threshold / 2) if claim.decision.rule == "at_least" else (0.0, (1 + threshold) / 2)
    for name, share in zip((AS_PREDICTED, OPPOSITE), shares, strict=True):
        rule = scored(claim, round(share * groups), groups).rule
        assert rule is not None
        found = rule((claim.decision.alpha or 0.05) / family)
        yield Control(claim.id, name, found.verdict, found.detail)


def _pairs_controls(claim: Claim, family: int) -> Iterator[Control]:
    """The rule itself: as if the first network of every pair were certified and the second not, and the other way round."""
    pairs = claim.decision.min_examples or 1
    for name, won in ((AS_PREDICTED, pairs), (OPPOSITE, 0)):
        found = more_often(won, pairs - won, pairs, (claim.decision.alpha or 0.05) / family, pairs)
        yield Control(claim.id, name, found.verdict, found.detail)


def _wrong_jobs(claim: Claim, runs: Sequence[Run]) -> dict[str, Job]:
    """The controls of hidden states, asked of the first network of the group."""
    if not isinstance(claim.evidence, ProbesEvidence):
        return {}
    first = ev.of_group(runs, claim.evidence.probes.group)[:1]
    wrongly: list[tuple[str, dict[str, bool]]] = [(SHUFFLED, {"control": True}), (SWAPPED, {"untrained": True})]
    return {name: job for name, how in wrongly for job in jobs_of(claim, claim.evidence, first, **how)}


def _probes_controls(
    claim: Claim, evidence: ProbesEvidence, runs: Sequence[Run], probed: Mapping[Job, Probed], family: int
) -> Iterator[Control]:
    """Of networks that learned their training lengths: only what was looked for in their states is another."""
    group = evidence.probes.group
    spec, examples = _spec_of(runs, group), claim.decision.min_examples or 1
    learned = [{"length": n, "examples": examples, "truth": examples, "learned": examples} for n in spec.train_lengths]
    networks = [fabricated(spec, seed, group, learned) for seed in range(claim.decision.min_seeds or 1)]
    jobs = jobs_of(claim, evidence, networks)
    given = {
        name: Probed([Cell(length, round(shares(length) * examples), examples) for length in jobs[0].lengths])
        for name, (shares, _) in _fabricated_shares(claim, ev.setting_of_run(spec), jobs[0].lengths).items()
    }
    given |= {name: probed[job] for name, job in _wrong_jobs(claim, runs).items() if job in probed}
    for name, found in given.items():
        yield _decided(claim, name, networks, family, dict.fromkeys(jobs, found))


def _spec_of(runs: Sequence[Run], group: str, lengths: str = "n") -> RunSpec:
    """That of the group's runs; where there are none yet, one of the papers' scale, so that it may speak for any claim."""
    from empirical.runs.spec import RunSpec

    found = ev.of_group(runs, group)
    if found:
        return found[0].spec
    layers, heads, dim = min(ev.PAPER_MODELS)
    width = max(ev.PAPER_WIDTH, *resolve_lengths(lengths, 4))
    return RunSpec("add", (4,), (5,), "absolute", "padded", width, layers=layers, heads=heads, dim=dim)


def fabricated(spec: RunSpec, seed: int, group: str, entries: Entries) -> Run:
    """A run that exists on paper only."""
    from pathlib import Path

    from empirical.runs.store import Run

    made = replace(spec, seed=seed)
    return Run(made, {"group": group, "evaluation": list(entries), "data_stream": "per seed"}, Path("fabricated") / made.digest)


def _scaled(entry: Mapping[str, Any], examples: int) -> dict[str, Any]:
    counts = {key: None if entry[key] is None else round(entry[key] * examples / entry["examples"]) for key in ("truth", "learned")}
    return {**entry, **counts, "examples": examples}


def _fabricated_shares(claim: Claim, setting: ev.Setting, lengths: Sequence[int]) -> dict[str, tuple[Shares, Shares]]:
    """Shares of right answers as the claim predicts them, and as its opposite does; the second of a pair is for the group compared with."""
    decision = claim.decision

    def at(value: float | str | None) -> Shares:
        shares = {length: float(ev.expected_value(value or 0.0, setting, length)) for length in lengths}
        return shares.__getitem__

    threshold, margin = decision.threshold or 0.0, decision.margin or 0.0
    match decision.rule:
        case "at_least":
            predicted, opposite = _always(1.0), _always(threshold / 2)
        case "at_most":
            predicted, opposite = _always(0.0), _always((1 + threshold) / 2)
        case "compare":
            return {AS_PREDICTED: (_always(1.0), _always(0.0)), OPPOSITE: (_always(0.5), _always(0.5))}
        case "fits_better":
            predicted, opposite = at(decision.expected), at(decision.rival)
        case _:
            predicted = at(decision.expected)
            far = 4 * margin
            opposite = lambda length: predicted(length) + (far if predicted(length) + far <= 1 else -far)  # noqa: E731
    return {AS_PREDICTED: (predicted, predicted), OPPOSITE: (opposite, opposite)}


def _always(share: float) -> Shares:
    return lambda length: share


def _certificate_controls(
    claim: Claim, evidence: CertificateEvidence, runs: Sequence[Run], live: Mapping[str, Live]
) -> Iterator[Control]:
    """The group as it must be, the group of the other outcome, and one of its networks with other weights."""
    group, wanted = evidence.certificates.group, evidence.outcome
    spec = _spec_of(runs, group)
    networks = [fabricated(spec, seed, group, []) for seed in range(claim.decision.min_seeds or 1)]
    other = "certified" if wanted == "refuted" else "refuted"
    given = {AS_PREDICTED: (wanted, "fabricated"), OPPOSITE: (other, "fabricated")}
    if wanted == "certified" and (answers := live.get(group)) and answers.outcome is not None:  # others read alike
        given[SWAPPED] = (answers.outcome.verdict, answers.outcome.shown)
    for name, (verdict, shown) in given.items():
        outcomes = [_fabricated_outcome(run.spec, verdict, shown) for run in networks]
        found = certify_group(claim, evidence, networks, partial(_given, outcomes))
        yield Control(claim.id, name, found.verdict, found.detail)


def _fabricated_outcome(spec: RunSpec, verdict: str, shown: str) -> Outcome:
    told = {name: (verdict == name, shown) for name in ("truncating", "local")}
    return Outcome(spec.digest, spec.seed, verdict, shown, contexts=1, wrong_digits=1, told=told)


def _given(outcomes: Sequence[Outcome], networks: Sequence[Run]) -> Sequence[Outcome]:
    return outcomes
