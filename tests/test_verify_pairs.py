"""Claims on which of two networks is proved, pair by pair: who is paired, what the sign test decides, and what stops a claim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import comb
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, self_digest, to_json
from verify.certificates.outcomes import Outcome
from verify.claims.lint import groups_of
from verify.claims.schema import Claim, PairsEvidence
from verify.verdicts import basis, evidence
from verify.verdicts.controls import run_controls
from verify.verdicts.engine import Verdict, run_claims
from verify.verdicts.pairs import pairs_of
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, REFUTED, SUPPORTED, UNTESTED, more_often

SOFT = RunSpec("add", (1, 2), (1, 2, 3), "sparse", "padded", 4, price=0.1, charge="log", anneal=0.5)
EVIDENCE = PairsEvidence(pairs="soft-*", than="hard-*", differ=("anneal",))
CLAIM = Claim.model_validate(
    {
        "id": "c", "family": "F", "source": {"paper": "ours", "version": "1", "location": "here"}, "quoted": False,
        "statement": "a soft start makes networks provable", "kind": "empirical", "scale": "reduced", "quantity": "certificates",
        "population": "pairs", "prediction": "more of the soft ones", "evidence": EVIDENCE.model_dump(),
        "decision": {"rule": "more_often", "alpha": 0.05, "min_examples": 6},
    }
)  # fmt: skip


def run(spec: RunSpec, group: str) -> Run:
    return Run(spec, {"group": group, "evaluation": [], "data_stream": "per seed"}, Path("nowhere") / spec.digest)


def networks(seeds: int, tasks: Sequence[str] = ("add", "mul")) -> list[Run]:
    """Soft and hard networks of some tasks; the seeds of the hard ones are one more, so that one has no partner."""
    found = []
    for task in tasks:
        found += [run(replace(SOFT, task=task, seed=seed), f"soft-{task}") for seed in range(seeds)]
        found += [run(replace(SOFT, task=task, seed=seed, anneal=0.0), f"hard-{task}") for seed in range(seeds + 1)]
    return found


def decide(runs: Sequence[Run], verdict_of: Any, claim: Claim = CLAIM) -> Verdict:
    """The verdict where certifying a network gives what `verdict_of` says of it."""

    def certify(asked: Sequence[Run]) -> Iterator[Outcome]:
        return (Outcome(one.spec.digest, one.spec.seed, verdict_of(one), "shown") for one in asked)

    (found,) = run_claims([claim], ["c"], runs, 100, 0, certify=certify)
    return found


def soft(one: Run) -> str:
    return "certified" if one.spec.anneal else "refuted"


def test_pairs_are_equal_but_for_the_settings_named() -> None:
    pairs = pairs_of(EVIDENCE, networks(3))
    assert len(pairs) == 6
    for mine, theirs in pairs:
        assert (mine.spec.anneal, theirs.spec.anneal) == (0.5, 0.0)
        assert replace(mine.spec, anneal=0.0) == theirs.spec
    dearer = [replace(one, spec=replace(one.spec, price=0.3)) if one.spec.anneal == 0 else one for one in networks(3)]
    assert pairs_of(EVIDENCE, dearer) == []  # these differ in the price, too
    assert len(pairs_of(EVIDENCE.model_copy(update={"differ": ("anneal", "price")}), dearer)) == 6


@pytest.mark.parametrize(
    ("verdict_of", "verdict"),
    [
        (soft, SUPPORTED),
        (lambda one: "refuted" if one.spec.anneal else "certified", REFUTED),
        (lambda one: "undecided" if one.spec.anneal else "certified", REFUTED),
        (lambda one: "certified", INCONCLUSIVE),
        (lambda one: "refuted", INCONCLUSIVE),
        (lambda one: soft(one) if one.spec.task == "add" else "certified", INCONCLUSIVE),  # 4 pairs alone differ
        (lambda one: "error", ERROR),
    ],
)
def test_the_verdict_is_that_of_the_pairs_that_differ(verdict_of: Any, verdict: str) -> None:
    assert decide(networks(4), verdict_of).verdict == verdict


def test_what_a_verdict_says() -> None:
    found = decide(networks(4), soft)
    assert found.detail.startswith("of 8 pairs of networks 8 by the first alone, 0 by the second alone")
    assert "16 of 16 networks were trained without a registered prediction" in found.detail
    assert [{each["proved"] for each in pair} for pair in found.evidence["pairs"]] == [{"certified", "refuted"}] * 8


def test_too_few_pairs_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide(networks(2), soft).verdict == INCONCLUSIVE  # 4, and 6 are needed
    assert decide([one for one in networks(4) if one.spec.anneal], soft).verdict == UNTESTED
    monkeypatch.setattr(evidence, "missing", lambda runs, group: ["0" * 16] if group == "hard-*" else [])
    found = decide(networks(4), soft)
    assert (found.verdict, "1 registered networks have not finished" in found.detail) == (INCONCLUSIVE, True)


def test_two_partners_are_an_error_that_names_them() -> None:
    twice = [*networks(4), *(run(replace(SOFT, task="add", seed=seed, anneal=0.25), "soft-again") for seed in range(4))]
    found = decide(twice, soft)
    assert (found.verdict, "differ in anneal alone: name fewer groups" in found.detail) == (ERROR, True)


@pytest.mark.parametrize("differ", [[], ["seed"], ["tempo"], "anneal"])
def test_settings_that_are_none_are_refused(differ: Any) -> None:
    with pytest.raises(ValidationError):
        PairsEvidence.model_validate({"pairs": "soft-*", "than": "hard-*", "differ": differ})


def test_groups_by_name_are_found() -> None:
    assert groups_of(CLAIM, networks(2)) == ["soft-add", "soft-mul", "hard-add", "hard-mul"]
    assert groups_of(CLAIM) == ["soft-*", "hard-*"]


@pytest.mark.parametrize("alpha", [0.05, 0.0125])
@pytest.mark.parametrize("differing", [0, 1, 5, 6, 9, 14])
def test_equal_chances_are_called_a_difference_in_at_most_alpha_of_all_cases(differing: int, alpha: float) -> None:
    """By enumeration: of all ways in which the pairs that differ may fall, none more likely than another."""
    called = dict.fromkeys((SUPPORTED, REFUTED, INCONCLUSIVE), 0)
    for won in range(differing + 1):
        called[more_often(won, differing - won, 20, alpha, 1).verdict] += comb(differing, won)
    assert called[SUPPORTED] == called[REFUTED] <= alpha / 2 * 2**differing
    assert differing < 9 or called[SUPPORTED] > 0  # and it can be called


def test_the_controls_of_the_claim() -> None:
    as_predicted, opposite = run_controls([CLAIM], ["c"], networks(2), 0, live=False)
    assert (as_predicted.verdict, opposite.verdict) == (SUPPORTED, REFUTED)
    assert as_predicted.passed
    assert opposite.passed


def test_a_planted_count_the_wrong_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basis, "tally", lambda pairs, outcomes: (0, len(pairs)))
    with pytest.raises(AssertionError):
        test_the_verdict_is_that_of_the_pairs_that_differ(soft, SUPPORTED)


def test_a_registered_network_without_a_run_is_missed(tmp_path: Path) -> None:
    """Also one of a group that has no run at all."""
    assert evidence.missing([], "hard-*") == []
    one = Run(SOFT, {"group": "soft-add"}, tmp_path / SOFT.digest)
    body = {"groups": {name: {"runs": {"0": digest}} for name, digest in (("hard-add", "a" * 16), ("soft-add", SOFT.digest))}}
    (tmp_path / "predictions.json").write_bytes(to_json({**body, "sha256": self_digest(body)}))
    assert evidence.missing([one], "hard-*") == ["a" * 16]
    assert evidence.missing([one], "*") == ["a" * 16]
    assert evidence.missing([one], "soft-add") == []
