"""Claims on hidden states: from live trials to verdicts, with fabricated trials and with a network that is trained here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, load_model, load_runs
from empirical.study.trials import EQUIVALENT, QUANTITIES
from empirical.study.truncation import KEYS, SHADOWED, repaired, shadowed
from tests.test_verify_engine import claim, decision, honest, run
from verify.claims.evidence_kinds import ProbesEvidence
from verify.claims.lint import groups_of
from verify.claims.schema import Claim
from verify.verdicts import controls, live_controls
from verify.verdicts.controls import run_controls
from verify.verdicts.engine import Verdict, run_claims
from verify.verdicts.probes import PAIRED, SEED, Job, Probed, probe_jobs
from verify.verdicts.reevaluate import evaluate_job
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, REFUTED, SUPPORTED, UNTESTED, Cell


def probes(measure: str = "equivalent inputs", lengths: str = "n+1", **changes: Any) -> Claim:
    values = {"threshold": 0.95, **changes}
    return claim(decision=decision("at_least", **values), evidence={"probes": {"group": "g"}, "measure": measure, "lengths": lengths})


def decide(one: Claim, runs: Sequence[Run], held: Callable[[Job], int], counted: int = 2000, reevaluate: Any = None) -> Verdict:
    def probe(jobs: Sequence[Job]) -> Mapping[Job, Probed]:
        return {job: Probed([Cell(length, held(job), counted) for length in job.lengths]) for job in jobs}

    (verdict,) = run_claims([one], [one.id], runs, 200, 7, reevaluate or honest(runs), probe=probe)
    return verdict


RUNS = [run(seed) for seed in range(3)]


@pytest.mark.parametrize(
    ("runs", "held", "counted", "verdict", "words"),
    [
        (RUNS, 1990, 2000, SUPPORTED, "holds for 3 of 3 networks; 99.5 % at length 4; "),
        (RUNS, 1000, 2000, REFUTED, "fails for 3 of 3"),
        (RUNS, 1900, 2000, INCONCLUSIVE, "holds for 0, fails for 0 of 3"),
        (RUNS, 990, 990, INCONCLUSIVE, "990 examples in a cell, 1000 needed"),
        (RUNS, 0, 0, INCONCLUSIVE, "is a trial: those that are compared never differ"),
        (RUNS[:2], 1990, 2000, INCONCLUSIVE, "2 seeds, 3 needed"),
        ([], 1990, 2000, UNTESTED, "no run of group g yet"),
        ([*RUNS, run(4, dim=128)], 1990, 2000, ERROR, "differ in more than their seed"),
    ],
)
def test_branches(runs: list[Run], held: int, counted: int, verdict: str, words: str) -> None:
    found = decide(probes(), runs, lambda job: held, counted)
    assert (found.verdict, words in found.detail) == (verdict, True), found.detail


def test_networks_that_did_not_learn_are_set_aside_and_the_others_looked_at_again() -> None:
    runs = [*RUNS, run(9, identical=1000)]
    one = probes(id_at_least=0.95)
    found = decide(one, runs, lambda job: 0 if job.folder == runs[-1].folder else 2000)
    assert found.verdict == SUPPORTED
    assert "1 of 4 networks of g set aside" in found.detail
    asked: list[Any] = []
    decide(one, RUNS, lambda job: 2000, reevaluate=honest(RUNS, asked))
    assert [job.lengths for job in asked] == [(3,)] * 3
    lost = decide(one, RUNS, lambda job: 2000, reevaluate=honest([run(seed, identical=20) for seed in range(3)]))
    assert lost.verdict == ERROR
    assert "the weights contradict the committed counts at length 3" in lost.detail


def test_what_probing_could_not_do_is_an_error_and_what_it_did_not_do_is_said() -> None:
    def broken(jobs: Sequence[Job]) -> Mapping[Job, Probed]:
        return {job: Probed((), "hidden states of network x: torn") for job in jobs}

    for probe, verdict, words in ((broken, ERROR, "torn"), (lambda jobs: {}, INCONCLUSIVE, "were not probed")):
        (found,) = run_claims([probes()], ["c"], RUNS, 200, 7, honest(RUNS), probe=probe)
        assert (found.verdict, words in found.detail) == (verdict, True)


def test_the_measures_are_those_of_empirical_and_no_others() -> None:
    measures = [*QUANTITIES, EQUIVALENT, SHADOWED, KEYS]
    assert [probes(measure).evidence.measure for measure in measures] == measures
    assert groups_of(probes()) == ["g"]
    for bad in ({"measure": "beauty"}, {"lengths": "n-1"}, {"probes": {"group": "pilot-x"}}):
        with pytest.raises(ValidationError):
            ProbesEvidence.model_validate({"probes": {"group": "g"}, "measure": "carries", "lengths": "n", **bad})
    with pytest.raises(ValidationError, match="rule equals goes with"):
        claim(decision=decision("equals", expected=0.5, margin=0.1), evidence=probes().evidence.model_dump())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that adds two-digit numbers in base 4 most of the time: enough for its states to be ordered."""
    from empirical.training.loop import train

    results = tmp_path_factory.mktemp("store")
    spec = RunSpec(
        task="add", train_lengths=(1, 2), test_lengths=(2, 3), encoding="absolute", layout="padded", width=3, base=6,
        layers=1, heads=2, dim=32, steps=400, batch=64, examples=100, warmup=5, dropout=0.0, lr=5e-3, seed=1,
    )  # fmt: skip
    train(spec, results, group="g")
    return results


def test_a_trained_network_is_ordered_and_its_controls_are_not(store: Path) -> None:
    runs = load_runs(store)
    one = probes("result digits", "n", threshold=0.75, min_seeds=1, min_examples=100)
    (found,) = run_claims([one], ["c"], runs, 60, 5, reevaluate=lambda jobs: map(evaluate_job, jobs))
    assert found.verdict == SUPPORTED, found.detail
    given = {control.name: control for control in run_controls([one], ["c"], runs, 3)}
    assert set(given) == {controls.AS_PREDICTED, controls.OPPOSITE, controls.SHUFFLED, controls.SWAPPED}
    assert all(control.passed for control in given.values()), given


def test_planted_untrained_weights_do_not_support_it(store: Path, tmp_path: Path) -> None:
    runs = load_runs(store)
    planted = live_controls.with_weights(runs[0], live_controls.weights_of(runs[0], None), tmp_path / "planted")
    one = probes("result digits", "n", threshold=0.75, min_seeds=1, min_examples=100)
    (found,) = run_claims([one], ["c"], [planted], 60, 5, reevaluate=lambda jobs: map(evaluate_job, jobs))
    assert found.verdict != SUPPORTED
    shutil.rmtree(planted.folder)
    (gone,) = probe_jobs([Job(planted.folder, "carries", (2,), 10)]).values()
    assert "missing" in gone.problem


def test_jobs_on_the_same_states_are_one_and_each_gets_its_own_counts(store: Path) -> None:
    folder = load_runs(store)[0].folder
    jobs = [Job(folder, measure, (2,), 50) for measure in ("result digits", "digit sums", "carries")]
    together = probe_jobs([*jobs, *jobs])
    assert list(together) == jobs
    for job in jobs:
        assert probe_jobs([job]) == {job: together[job]}
    (refused,) = probe_jobs([Job(folder, "equivalent inputs", (2,), 10)]).values()
    assert "longer operands than the trained 2" in refused.problem


def test_what_undoes_truncation_is_counted_where_it_is_undone(store: Path) -> None:
    (run,) = load_runs(store)
    jobs = [Job(run.folder, "keys of zeros", (3,), 20, control) for control in (False, True)]
    for job, found in probe_jobs(jobs).items():
        counts = repaired(load_model(run), run.spec, 3, PAIRED * 20, run.spec.seed + SEED, nonzero=job.control)
        assert found.unit == [Cell(3, counts.repaired, counts.undone)]
        assert counts.undone > 0, "the network is no perfect one"
    jobs = [Job(run.folder, "shadowed zeros", (3,), 20, control) for control in (False, True)]
    for job, found in probe_jobs(jobs).items():
        by_zero, by_another, _ = shadowed(load_model(run), run.spec, 3, PAIRED * 20, run.spec.seed + SEED, job.control)
        assert found.unit == [Cell(3, by_zero, by_zero + by_another)]
        assert by_zero + by_another > 0, "the network is no perfect one"
