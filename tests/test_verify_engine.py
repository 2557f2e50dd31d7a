"""From claims and runs to verdicts, with fabricated runs; the networks' second evaluation is fabricated too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from empirical.runs.spec import RunSpec
from empirical.runs.store import Run
from theory.errors import InputError
from verify.claims.schema import ROOT, Claim, load_claims
from verify.verdicts import engine, evidence
from verify.verdicts.controls import run_controls
from verify.verdicts.engine import Verdict, run_claims
from verify.verdicts.reevaluate import Fresh, Job
from verify.verdicts.score import Tally
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, REFUTED, SUPPORTED, UNTESTED

SPEC = RunSpec(task="add", train_lengths=(1, 2, 3), test_lengths=(1, 2, 3, 4, 6), encoding="absolute", layout="padded", width=6)


def claim(**changes: Any) -> Claim:
    values: dict[str, Any] = {
        "id": "c",
        "family": "F",
        "source": {"paper": "P1", "version": "v1", "location": "statement 2"},
        "quoted": False,
        "statement": "networks truncate",
        "kind": "empirical",
        "scale": "reduced",
        "quantity": "agreement",
        "population": "networks",
        "prediction": "at least 95 %",
        "decision": {"rule": "at_least", "alpha": 0.05, "threshold": 0.95, "min_seeds": 3, "min_examples": 1000},
        "evidence": {"runs": {"group": "g"}, "measure": "learned", "lengths": "n+1"},
    }
    return Claim.model_validate(values | changes)


def decision(rule: str, **values: Any) -> dict[str, Any]:
    return {"rule": rule, "alpha": 0.05, "min_examples": 1000, "min_seeds": 3, **values}


def run(seed: int, learned: int | None = 2000, truth: int = 0, group: str = "g", identical: int = 2000, **spec: Any) -> Run:
    made = replace(SPEC, seed=seed, **spec)
    entries = [{"length": n, "region": "id", "examples": 2000, "truth": identical, "learned": identical} for n in (1, 2, 3)]
    entries += [{"length": n, "region": "upward", "examples": 2000, "truth": truth, "learned": learned} for n in (4, 6)]
    return Run(made, {"group": group, "evaluation": entries, "data_stream": "per seed"}, Path("results") / made.digest)


def honest(runs: Sequence[Run], jobs_seen: list[Job] | None = None) -> Callable[[Sequence[Job]], Iterator[Fresh]]:
    """A second evaluation that finds the committed rates again."""

    def evaluate(jobs: Sequence[Job]) -> Iterator[Fresh]:
        for job in jobs:
            if jobs_seen is not None:
                jobs_seen.append(job)
            entries = next(run for run in runs if run.folder == job.folder).result["evaluation"]
            scaled = {
                e["length"]: {**e, "examples": 200, **{key: None if e[key] is None else e[key] // 10 for key in ("truth", "learned")}}
                for e in entries
                if e["length"] in job.lengths
            }
            yield Fresh(job.folder, scaled)

    return evaluate


def decide(claims: Claim | Sequence[Claim], runs: Sequence[Run], reevaluate: Any = None) -> list[Verdict]:
    claims = [claims] if isinstance(claims, Claim) else list(claims)
    return run_claims(claims, [one.id for one in claims], runs, 200, 7, reevaluate or honest(runs))


def test_networks_on_one_data_stream_say_nothing_about_other_seeds() -> None:
    shared = [Run(one.spec, {**one.result, "data_stream": None}, one.folder) for one in (run(s) for s in range(3))]
    (verdict,) = decide(claim(), shared)
    assert verdict.verdict == SUPPORTED
    assert "the same training batches" in verdict.detail
    assert "at least 37% of initialisations" in verdict.detail


def test_supported_says_what_it_means_for_other_seeds() -> None:
    (verdict,) = decide(claim(), [run(s) for s in range(3)])
    assert verdict.verdict == SUPPORTED
    assert "at least 37% of seeds" in verdict.detail
    record = verdict.evidence["runs"][0]
    assert record["cells"] == [{"length": 4, "correct": 2000, "examples": 2000, "low": pytest.approx(0.998, abs=0.001), "high": 1.0}]
    assert record["evaluated_again"] == [{"length": 4, "correct": 200, "examples": 200}]


def test_trimmed_networks_are_not_evaluated_again_and_the_verdict_says_so(tmp_path: Path) -> None:
    runs = [replace(one, folder=tmp_path / one.spec.digest) for one in map(run, range(3))]
    runs[1].folder.mkdir()
    (runs[1].folder / "weights.sha256").write_text("")
    (verdict,) = decide(claim(), runs)
    assert verdict.verdict == SUPPORTED
    assert "the weights of one network are left out" in verdict.detail
    assert ["evaluated_again" in record for record in verdict.evidence["runs"]] == [True, False, True]


def test_the_networks_that_are_asked_anew_have_weights(tmp_path: Path) -> None:
    runs = [replace(one, folder=tmp_path / one.spec.digest) for one in map(run, range(3))]
    for one in runs[:2]:
        one.folder.mkdir()
        (one.folder / "weights.sha256").write_text("")
    assert all(engine.sampled(runs, seed) == {runs[2].spec.digest} for seed in range(9))


def scored_claim(rule: str = "at_least", threshold: float = 0.95, groups: int = 60) -> Claim:
    return claim(decision={"rule": rule, "alpha": 0.05, "threshold": threshold, "min_examples": groups}, evidence={"score": "*"})


@pytest.mark.parametrize(
    ("right", "wrong", "one", "verdict"),
    [
        (100, 0, scored_claim(), SUPPORTED),
        (60, 40, scored_claim(), REFUTED),
        (95, 5, scored_claim(), INCONCLUSIVE),
        (50, 9, scored_claim(), INCONCLUSIVE),  # too few
        (0, 100, scored_claim("at_most", 0.3), SUPPORTED),
        (60, 40, scored_claim("at_most", 0.3), REFUTED),
    ],
)
def test_a_claim_on_the_score_counts_groups(right: int, wrong: int, one: Claim, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally("all", right, right + wrong, 0.0, 1.0)
    monkeypatch.setattr("verify.verdicts.evidence.registered", lambda run: True)
    monkeypatch.setattr("verify.verdicts.basis.score", lambda store, runs, pattern: SimpleNamespace(total=tally, rows=()))
    (found,) = decide(one, [run(0)])
    assert found.verdict == verdict
    assert found.evidence == {"right": right, "decided": right + wrong, "groups": []}
    assert decide(one, [])[0].verdict == UNTESTED
    monkeypatch.setattr("verify.verdicts.evidence.registered", lambda run: False)
    assert decide(one, [run(0)])[0].verdict == UNTESTED
    passed = {control.name: control.passed for control in run_controls([one], ["c"], [], 0, False)}
    assert passed == {"as predicted": True, "opposite": True}


@pytest.mark.parametrize(
    ("runs", "verdict", "words"),
    [
        ([run(s, learned=500) for s in range(3)], REFUTED, "fails for 3 of 3"),
        ([run(0), run(1), run(2, learned=500)], INCONCLUSIVE, "holds for 2, fails for 1 of 3"),
        ([run(0), run(1)], INCONCLUSIVE, "2 seeds, 3 needed"),
        ([], UNTESTED, "no run of group g yet"),
        ([run(s, group="other") for s in range(3)], UNTESTED, "no run of group g yet"),
        ([run(s, learned=None) for s in range(3)], INCONCLUSIVE, "learned was not measured at length 4"),
        ([run(0), run(1), run(2, dim=128)], ERROR, "differ in more than their seed"),
        ([run(0), run(1), run(2, learned=2001)], ERROR, "2001 right answers of 2000"),
        ([Run(SPEC, {"group": "g"}, Path("x"))], ERROR, "KeyError"),
    ],
)
def test_branches(runs: list[Run], verdict: str, words: str) -> None:
    (found,) = decide(claim(), runs)
    assert found.verdict == verdict
    assert words in found.detail


@pytest.mark.parametrize(
    ("changes", "truth", "verdict"),
    [
        ({"decision": decision("at_most", threshold=0.05)}, 10, SUPPORTED),
        ({"decision": decision("at_most", threshold=0.05)}, 1000, REFUTED),
        ({"decision": decision("equals", expected="truncation_accuracy", margin=0.01)}, 0, SUPPORTED),
        ({"decision": decision("equals", expected="truncation_accuracy", margin=0.01)}, 200, REFUTED),
        ({"decision": decision("equals", expected="1/3", margin=0.1)}, 667, SUPPORTED),
        ({"decision": decision("equals", expected="reciprocal", margin=0.1)}, 667, INCONCLUSIVE),  # addition has no modulus
    ],
)
def test_rules_on_the_truth(changes: dict[str, Any], truth: int, verdict: str) -> None:
    one = claim(**changes, evidence={"runs": {"group": "g"}, "measure": "truth", "lengths": "n+1"})
    assert decide(one, [run(s, truth=truth) for s in range(3)])[0].verdict == verdict


def test_networks_that_did_not_learn_are_set_aside() -> None:
    picky = claim(decision=decision("at_least", threshold=0.95, id_at_least=0.95))
    runs = [run(s) for s in range(3)] + [run(9, learned=0, identical=1000)]
    (verdict,) = decide(picky, runs)
    assert verdict.verdict == SUPPORTED
    assert "1 of 4 networks of g set aside" in verdict.detail
    (verdict,) = decide(picky, runs[1:])
    assert verdict.verdict == INCONCLUSIVE
    assert decide(claim(), runs)[0].verdict == INCONCLUSIVE


def test_an_untrained_network_never_supports_a_failure() -> None:
    fails = claim(
        decision=decision("at_most", threshold=0.05, id_at_least=0.95),
        evidence={"runs": {"group": "g"}, "measure": "truth", "lengths": "n+1"},
    )
    assert decide(fails, [run(s, truth=0, identical=0) for s in range(3)])[0].verdict == INCONCLUSIVE


def test_reduced_scale_never_supports_a_paper_scale_claim() -> None:
    (verdict,) = decide(claim(scale="paper"), [run(s) for s in range(3)])
    assert verdict.verdict == UNTESTED
    assert "3 reduced-scale runs of g say nothing at paper scale" in verdict.detail
    paper = [run(s, width=20, layers=3, heads=3, dim=48) for s in range(3)]
    assert decide(claim(scale="paper"), paper)[0].verdict == SUPPORTED
    for change in ({"width": 19}, {"dim": 96}, {"base": 3}, {"layout": "aligned"}):
        assert not evidence.is_paper_scale(replace(paper[0].spec, **change))


def test_compare() -> None:
    one = claim(
        decision=decision("compare", margin=0.0),
        evidence={"runs": {"group": "g"}, "than": {"group": "h"}, "measure": "truth", "lengths": "n+1"},
    )
    high, low = [run(s, truth=1900) for s in range(3)], [run(s, truth=20, group="h", encoding="none") for s in range(3)]
    assert decide(one, high + low)[0].verdict == SUPPORTED
    swapped = [Run(r.spec, {**r.result, "group": "h" if r.result["group"] == "g" else "g"}, r.folder) for r in high + low]
    assert decide(one, swapped)[0].verdict == REFUTED
    assert decide(one, high)[0].verdict == UNTESTED
    other_n = [run(s, truth=20, group="h", train_lengths=(1, 2), test_lengths=(3, 4)) for s in range(3)]
    for r in other_n:
        r.result["evaluation"].append({"length": 3, "region": "upward", "examples": 2000, "truth": 0, "learned": 0})
    assert decide(one, high + other_n)[0].verdict == SUPPORTED, "n+1 of each: lengths 4 and 3"
    uneven = claim(decision=one.decision.model_dump(exclude_none=True), evidence={**one.evidence.model_dump(), "lengths": "n+1, 4"})
    found = decide(uneven, high + other_n)[0]
    assert found.verdict == ERROR
    assert "only one can be set against" in found.detail


def table(rule: str, percent: list[float], **values: Any) -> Claim:
    row = {"task": "mod-add", "modulus": 150, "trained": 4, "domain": "both", "lengths": "5-6", "percent": percent, "samples": 10_000}
    return claim(
        kind="table", scale="paper", decision={"rule": rule, "alpha": 0.05, "min_examples": 1000, **values}, evidence={"table": row}
    )


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (table("at_least", [99.9, 99.8], threshold=0.95), SUPPORTED),
        (table("at_least", [99.9, 9.8], threshold=0.95), REFUTED),
        (table("at_most", [1, 2], threshold=0.05), SUPPORTED),
        (table("equals", [33.3, 33.4], expected="reciprocal", margin=0.02), SUPPORTED),
        (table("goodness_of_fit", [33.3, 33.4], expected="truncation_accuracy", margin=0.02), SUPPORTED),
        (table("goodness_of_fit", [30, 40], expected="truncation_accuracy", margin=0.02), REFUTED),
        (table("fits_better", [33.3, 33.4], expected="truncation_accuracy", rival=0.4), SUPPORTED),
        (table("fits_better", [33.3, 33.4], expected=0.4, rival="reciprocal"), REFUTED),
    ],
)
def test_published_rows(one: Claim, verdict: str) -> None:
    assert decide(one, [])[0].verdict == verdict


def contradicting(jobs: Sequence[Job]) -> Iterator[Fresh]:
    for job in jobs:
        yield Fresh(job.folder, {4: {"length": 4, "examples": 200, "truth": 0, "learned": 100}})


def failing(jobs: Sequence[Job]) -> Iterator[Fresh]:
    for job in jobs:
        yield Fresh(job.folder, {}, "RuntimeError: weights do not fit")


def forgetful(jobs: Sequence[Job]) -> Iterator[Fresh]:
    for job in jobs:
        yield Fresh(job.folder, {})


@pytest.mark.parametrize(
    ("reevaluate", "words"),
    [
        (contradicting, "contradict the committed counts at length 4: 2000 of 2000 committed, 100 of 200 now"),
        (failing, "could not be evaluated again: RuntimeError: weights do not fit"),
        (forgetful, "was not measured at length 4"),
    ],
)
def test_committed_counts_alone_are_not_believed(reevaluate: Any, words: str) -> None:
    (verdict,) = decide(claim(), [run(s) for s in range(3)], reevaluate)
    assert verdict.verdict == ERROR
    assert words in verdict.detail
    assert "2 more" in verdict.detail


def test_each_network_is_evaluated_once_for_all_claims() -> None:
    runs, jobs = [run(s) for s in range(3)], list[Job]()
    claims = [claim(), claim(id="d", evidence={"runs": {"group": "g"}, "measure": "learned", "lengths": "2n"})]
    decide(claims, runs, honest(runs, jobs))
    assert [job.lengths for job in jobs] == [(4, 6)] * 3
    assert {job.examples for job in jobs} == {200}


def test_a_verdict_does_not_depend_on_what_else_is_run() -> None:
    runs = [run(s, learned=1925) for s in range(3)]  # close: clear alone, not clear among many claims
    family = [claim(id=f"c{n}") for n in range(40)]
    assert decide(family[0], runs)[0].verdict == SUPPORTED
    together = decide(family, runs)
    alone = run_claims(family, ["c0"], runs, 200, 7, honest(runs))
    assert [v.verdict for v in together if v.id == "c0"] == [v.verdict for v in alone] == [INCONCLUSIVE]
    other_families = [family[0], *(claim(id=f"x{n}", family=f"X{n}") for n in range(39))]
    assert decide(other_families, runs)[0].verdict == SUPPORTED


def test_a_crashing_check_is_an_error_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(name: str, params: Any) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(engine, "run_check", crash)
    one = claim(
        kind="theorem",
        scale="symbolic",
        decision={"rule": "proof"},
        evidence={"check": "modular_multiplication_limit", "params": {"moduli": [3], "reciprocal": False}},
    )
    (verdict,) = decide(one, [])
    assert verdict.verdict == ERROR
    assert verdict.detail == "ZeroDivisionError: planted"


def test_pending_is_untested() -> None:
    (verdict,) = decide(claim(decision={"rule": "proof"}, evidence={"pending": "no probe yet"}), [])
    assert (verdict.verdict, verdict.detail) == (UNTESTED, "no probe yet")


def test_every_claim_on_runs_of_ours_can_be_supported_and_refuted() -> None:
    """Negative control of the whole file: with no run nothing empirical is supported, and with wrong runs neither."""
    claims = [one for one in load_claims(ROOT / "paper_claims.yaml").claims if one.evidence_kind == "runs"]
    assert claims
    assert {verdict.verdict for verdict in decide(claims, [])} == {UNTESTED}


def test_pilot_runs_are_never_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.runs import store

    monkeypatch.setattr(
        store, "load_runs", lambda folder: [run(0, group="pilot-a"), run(1, group="g"), Run(SPEC, {"group": None}, Path("x"))]
    )
    assert [found.spec.seed for found in evidence.load_evidence(Path("any"))] == [1]


def test_results_folder(tmp_path: Path) -> None:
    assert evidence.results_folder(tmp_path) == tmp_path
    with pytest.raises(InputError, match="--results"):
        evidence.results_folder(tmp_path / "none")
