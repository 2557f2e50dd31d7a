"""Claims on which of two networks is proved, pair by pair: who is paired, what the sign test decides, and what stops a claim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import comb
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from empirical.runs import store
from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, self_digest, to_json
from theory.errors import InputError
from verify.certificates.outcomes import Outcome
from verify.claims.lint import groups_of
from verify.claims.schema import Claim, PairsEvidence
from verify.verdicts import basis, evidence
from verify.verdicts.controls import run_controls
from verify.verdicts.engine import Verdict, run_claims
from verify.verdicts.pairs import pairs_of
from verify.verdicts.retrain import retrain
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, REFUTED, SUPPORTED, UNTESTED, more_often
from verify.verdicts.workers import Workers

SOFT = RunSpec("add", (1, 2), (1, 2, 3), "sparse", "padded", 4, price=0.1, charge="log", anneal=0.5)
EVIDENCE = PairsEvidence(pairs="soft-*", than="hard-*", differ=("anneal",))
CLAIM = Claim.model_validate(
    {
        "id": "c", "family": "F", "source": {"paper": "ours", "version": "1", "location": "here"}, "quoted": False,
        "statement": "a soft start makes networks provable", "kind": "empirical", "scale": "reduced", "quantity": "certificates",
        "population": "pairs", "prediction": "more of the soft ones", "evidence": EVIDENCE.model_dump(),
        "decision": {"rule": "more_often", "alpha": 0.05, "min_examples": 8},
    }
)  # fmt: skip


@pytest.fixture(autouse=True)
def all_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "registered", lambda run: "unregistered" not in run.result)


def run(spec: RunSpec, group: str, folder: Path = Path("nowhere"), **result: Any) -> Run:
    return Run(spec, {"group": group, "evaluation": [], "data_stream": "per seed", **result}, folder / spec.digest)


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
    for name, value in {"price": 0.3, "charge": "share", "heldout": 8, "batch": 32}.items():  # these differ in another thing, too
        other = [replace(one, spec=replace(one.spec, **{name: value})) if one.spec.anneal == 0 else one for one in networks(3)]
        assert pairs_of(EVIDENCE, other) == []
        assert len(pairs_of(EVIDENCE.model_copy(update={"differ": ("anneal", name)}), other)) == 6


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


def test_what_a_verdict_says(tmp_path: Path) -> None:
    runs = networks(4)
    left_out = replace(runs[0], folder=tmp_path / runs[0].spec.digest)
    left_out.folder.mkdir()
    (left_out.folder / "weights.sha256").write_text("0" * 64)
    found = decide([left_out, *runs[1:]], soft)
    assert found.detail.startswith("of 8 pairs of networks 8 by the first alone, 0 by the second alone")
    assert "2 of 10 networks of hard-* have no partner" in found.detail
    assert "16 of 16 networks are right on less than 95% of pairs" in found.detail
    assert "of 1 network certificates stand as committed" in found.detail
    assert "different versions" not in found.detail
    runs[0].result["versions"] = {"torch": "2.11.0"}
    assert "1 pair trained by different versions of the libraries" in decide(runs, soft).detail
    assert [{each["proved"] for each in pair} for pair in found.evidence["pairs"]] == [{"certified", "refuted"}] * 8
    assert {each["group"] for pair in found.evidence["pairs"] for each in pair} == {"soft-add", "soft-mul", "hard-add", "hard-mul"}


def test_a_claim_is_decided_by_its_own_pairs_alone() -> None:
    """More of them could help it: neither unregistered ones count, nor those of groups that were named alike later."""
    seven = [one for one in networks(4) if (one.spec.task, one.spec.seed) != ("mul", 3)]
    assert decide(seven, soft).verdict == INCONCLUSIVE  # 7 to 0, but the claim speaks of 8
    last = [one for one in networks(4) if (one.spec.task, one.spec.seed) == ("mul", 3)]
    late = [replace(one, result={**one.result, "unregistered": True}) for one in last]
    found = decide([*seven, *late], soft)
    assert (found.verdict, "1 pair left out: trained without a registered prediction" in found.detail) == (INCONCLUSIVE, True)
    found = decide(networks(5), soft)
    assert (found.verdict, found.detail) == (INCONCLUSIVE, "10 pairs, and the claim was made of 8: name fewer groups")
    assert decide([one for one in networks(4) if one.spec.anneal], soft).verdict == UNTESTED


@pytest.mark.parametrize("side", ["soft-*", "hard-*"])
def test_unfinished_networks_are_waited_for(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "missing", lambda runs, group: ["0" * 16] if group == side else [])
    found = decide(networks(4), soft)
    assert (found.verdict, "1 registered network not finished" in found.detail) == (INCONCLUSIVE, True)


def test_reduced_networks_say_nothing_at_paper_scale() -> None:
    assert decide(networks(4), soft, CLAIM.model_copy(update={"scale": "paper"})).verdict == UNTESTED


def _again(runs: list[Run]) -> list[Run]:
    return [*runs, *(run(replace(SOFT, task="add", seed=seed, anneal=0.25), "soft-again") for seed in range(4))]


def _copied(runs: list[Run]) -> list[Run]:
    return [replace(one, result={**one.result, "weights_sha256": "1" * 64}) for one in runs]


def _reversed(runs: list[Run]) -> list[Run]:
    names = {"soft-mul": "hard-mul", "hard-mul": "soft-mul"}
    return [replace(one, result={**one.result, "group": names.get(one.result["group"], one.result["group"])}) for one in runs]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_again, "differ in anneal alone: name fewer groups"),
        (_copied, "have the same weights: one of them is a copy"),
        (_reversed, "anneal grows in some pairs and falls in others"),
    ],
)
def test_networks_that_make_no_pairs_are_an_error_that_names_them(spoil: Any, words: str) -> None:
    found = decide(spoil(networks(4)), soft)
    assert (found.verdict, words in found.detail) == (ERROR, True)


def test_a_network_is_no_partner_of_itself() -> None:
    found = decide(networks(4), soft, CLAIM.model_copy(update={"evidence": EVIDENCE.model_copy(update={"than": "*"})}))
    assert (found.verdict, "is in both: name other groups" in found.detail) == (ERROR, True)


def test_the_verdict_is_the_same_whatever_else_is_asked() -> None:
    """Claims of its family are decided with it, and those that wait for their networks count, too."""
    runs, nine = networks(9, ("add",)), {"rule": "more_often", "alpha": 0.05, "min_examples": 9}
    claims = [Claim.model_validate({**CLAIM.model_dump(), "id": name, "decision": nine}) for name in ("c", "d")]
    waiting = CLAIM.model_copy(update={"id": "e", "evidence": EVIDENCE.model_copy(update={"than": "none-*"})})

    def certify(asked: Sequence[Run]) -> Iterator[Outcome]:
        proved = ("certified" if one.spec.anneal or one.spec.seed > 6 else "refuted" for one in asked)
        return (Outcome(one.spec.digest, one.spec.seed, verdict, "shown") for one, verdict in zip(asked, proved, strict=True))

    def verdicts(given: Sequence[Claim], chosen: Sequence[str]) -> list[str]:
        return [one.verdict for one in run_claims(given, chosen, runs, 100, 0, certify=certify)]

    assert verdicts(claims, ["c", "d"]) == [SUPPORTED, SUPPORTED]  # 7 to 0: p = 0.0078, at most 0.05 / 2 / 2
    assert verdicts(claims, ["c"]) == [SUPPORTED]
    assert verdicts([*claims, waiting], ["c", "e"]) == [SUPPORTED, UNTESTED]
    others = [waiting.model_copy(update={"id": f"e{number}"}) for number in range(3)]
    assert verdicts([*claims, *others], ["c"]) == [INCONCLUSIVE]  # 0.05 / 2 / 5


@pytest.mark.parametrize("differ", [[], ["seed"], ["tempo"], "anneal", ["anneal", "anneal"]])
def test_settings_that_are_none_are_refused(differ: Any) -> None:
    with pytest.raises(ValidationError):
        PairsEvidence.model_validate({"pairs": "soft-*", "than": "hard-*", "differ": differ})
    with pytest.raises(ValidationError):
        PairsEvidence.model_validate({"pairs": "pilot-*", "than": "hard-*", "differ": ["anneal"]})


def test_groups_by_name_are_found() -> None:
    assert groups_of(CLAIM, {"soft-mul", "soft-add", "hard-add", "other"}) == ["soft-add", "soft-mul", "hard-add"]
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
    many = [CLAIM, *(CLAIM.model_copy(update={"id": f"c{number}"}) for number in range(7))]
    as_predicted, _ = run_controls(many, ["c"], networks(2), 0, live=False)
    assert as_predicted.verdict == INCONCLUSIVE  # 8 to 0 is too few in a family of 8: p = 0.0039 > 0.05 / 2 / 8


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


def test_nothing_is_retrained_from_changed_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Half an hour later, none of its networks would count."""
    monkeypatch.setattr(store, "provenance", lambda: {"dirty": True})
    with Workers() as workers, pytest.raises(InputError, match="claim c counts networks of committed code alone"):
        retrain([CLAIM], networks(1), tmp_path, tmp_path / "new", workers, lambda *_: None)
    assert not (tmp_path / "new").exists()
