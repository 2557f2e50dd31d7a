"""The checker is checked: no control comes out supported, and planted faults in real results are caught."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, load_runs, self_digest, to_json
from tests.test_verify_engine import claim, decision
from verify.claims.schema import ROOT, Claim, load_claims
from verify.verdicts import controls, live_controls
from verify.verdicts.controls import Control, run_controls
from verify.verdicts.engine import run_claims
from verify.verdicts.evidence import load_evidence
from verify.verdicts.reevaluate import evaluate_job
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, REFUTED, SUPPORTED

CLAIMS = load_claims(ROOT / "paper_claims.yaml").claims


@pytest.fixture(scope="module")
def found() -> list[Control]:
    """Fabricated controls of every claim of ours, on the committed runs."""
    return run_controls(CLAIMS, [one.id for one in CLAIMS], load_evidence(ROOT / "results"), 0, live=False)


def test_no_claim_of_ours_is_supported_on_its_opposite(found: list[Control]) -> None:
    assert not [control for control in found if control.alarming]
    opposed = {control.claim for control in found if control.name == "opposite"}
    assert opposed == {one.id for one in CLAIMS}


def test_evidence_as_predicted_refutes_nothing(found: list[Control]) -> None:
    """Where it does not support a claim, the claim is about more than its evidence can show: weak, and said so."""
    verdicts = {control.verdict for control in found if control.name == "as predicted"}
    assert SUPPORTED in verdicts
    assert verdicts <= {SUPPORTED, INCONCLUSIVE}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real networks of a few steps, that differ in their seed."""
    from empirical.training.loop import train

    results = tmp_path_factory.mktemp("store")
    for seed in (1, 2):
        spec = RunSpec(
            task="copy", train_lengths=(1,), test_lengths=(1, 2), encoding="absolute", layout="padded", width=2, base=6,
            layers=1, heads=2, dim=32, steps=300, batch=64, examples=100, warmup=5, dropout=0.0, lr=5e-3, seed=seed,
        )  # fmt: skip
        train(spec, results, group="tiny")
    return results


def learns(**changes: Any) -> Claim:
    return claim(
        decision=decision("at_least", threshold=0.5, min_seeds=2, min_examples=3, **changes),
        evidence={"runs": {"group": "tiny"}, "measure": "truth", "lengths": "n"},
    )


def decided(results: Path, one: Claim) -> tuple[str, str]:
    (verdict,) = run_claims([one], [one.id], load_runs(results), 60, 5, reevaluate=lambda jobs: map(evaluate_job, jobs))
    return verdict.verdict, verdict.detail


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a result, and make its own digest right again."""
    result = json.loads(path.read_bytes())
    change(result)
    path.write_bytes(to_json({**result, "sha256": self_digest(result)}))


def test_live_controls_of_a_real_group(store: Path) -> None:
    """The networks learned to copy one digit; shuffled or with untrained weights they did not."""
    runs = load_runs(store)
    assert decided(store, learns())[0] == SUPPORTED
    found = {control.name: control for control in run_controls([learns()], ["c"], runs, 3)}
    assert set(found) == {controls.AS_PREDICTED, controls.OPPOSITE, controls.SHUFFLED, controls.SWAPPED}
    assert all(control.passed for control in found.values()), found


def test_a_failure_without_a_guard_is_found_out(store: Path) -> None:
    """'It fails' is true of any broken network; the controls say so, and `id_at_least` is the remedy."""
    fails = claim(
        decision=decision("at_most", threshold=0.9, min_seeds=2, min_examples=20),
        evidence={"runs": {"group": "tiny"}, "measure": "truth", "lengths": "n"},
    )
    found = {control.name: control for control in run_controls([fails], ["c"], load_runs(store), 3)}
    assert found[controls.SHUFFLED].alarming
    assert found[controls.SWAPPED].alarming
    guarded = fails.model_copy(update={"decision": fails.decision.model_copy(update={"id_at_least": 0.95})})
    assert not any(control.alarming for control in run_controls([guarded], ["c"], load_runs(store), 3))


def test_another_task_is_preferred_over_untrained_weights(store: Path) -> None:
    first, second = load_runs(store)
    assert live_controls.other_network(first, [first, second]) is None
    other = Run(replace(second.spec, task="max"), second.result, second.folder)
    assert live_controls.other_network(first, [first, other]) == second.folder
    assert live_controls.other_network(first, [first, Run(replace(other.spec, dim=64), other.result, other.folder)]) is None


def swap_weights(results: Path) -> None:
    """Weights of an untrained network, with every digest made right."""
    run = load_runs(results)[0]
    planted = live_controls.with_weights(run, live_controls.weights_of(run, None), results.parent / "planted")
    shutil.rmtree(run.folder)
    shutil.move(planted.folder, run.folder)


def forge_counts(results: Path) -> None:
    def change(result: dict[str, Any]) -> None:
        for entry in result["evaluation"]:
            entry["truth"] = 0

    edit(next(results.glob("*/result.json")), change)


def copy_a_network(results: Path) -> None:
    """One network passed off as two: the second's weights and results are the first's."""
    first, second = load_runs(results)
    shutil.copy(first.folder / "weights.safetensors", second.folder)
    edit(second.folder / "result.json", lambda result: result.update(weights_sha256=first.result["weights_sha256"]))


def register(results: Path, digests: dict[str, str]) -> None:
    (results / "predictions.json").write_bytes(to_json({"groups": {"tiny": {"runs": digests}}}))


def hide_a_seed(results: Path) -> None:
    register(results, {"9": "a" * 16, **{str(run.spec.seed): run.spec.digest for run in load_runs(results)}})


def register_dirty(results: Path) -> None:
    from empirical.runs.store import sha256

    register(results, {str(run.spec.seed): run.spec.digest for run in load_runs(results)})
    for path in results.glob("*/result.json"):
        edit(path, lambda result: result.update(predictions=sha256(results / "predictions.json"), dirty=True))


def edit_predictions(results: Path) -> None:
    register_dirty(results)
    for path in results.glob("*/result.json"):
        edit(path, lambda result: result.update(dirty=False))
    register(results, {"later": "b" * 16, **{str(run.spec.seed): run.spec.digest for run in load_runs(results)}})


def stale(results: Path) -> None:
    path = next(results.glob("*/weights.safetensors"))
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")


@pytest.mark.parametrize(
    ("fault", "verdict", "words"),
    [
        (swap_weights, ERROR, "the weights contradict the committed counts"),
        (forge_counts, ERROR, "the weights contradict the committed counts"),
        (copy_a_network, ERROR, "have the same weights: one of them is a copy"),
        (hide_a_seed, INCONCLUSIVE, "1 of 3 registered networks of tiny have not finished"),
        (register_dirty, ERROR, "is marked as registered, but its code was not committed"),
        (edit_predictions, ERROR, "its registered predictions were edited since"),
        (stale, "refused", "weights.safetensors: digest mismatch"),
    ],
)
def test_planted_faults_are_caught(
    store: Path, tmp_path: Path, fault: Callable[[Path], None], verdict: str, words: str
) -> None:
    results = tmp_path / "results"
    shutil.copytree(store, results)
    fault(results)
    one = learns()
    try:
        found = decided(results, one)
    except ValueError as error:
        found = "refused", str(error)
    assert found[0] == verdict, found
    assert words in found[1]


def test_a_seed_count_that_is_not_reached_decides_nothing(store: Path) -> None:
    one = learns()
    three = one.model_copy(update={"decision": one.decision.model_copy(update={"min_seeds": 3})})
    verdict, detail = decided(store, three)
    assert verdict == INCONCLUSIVE
    assert detail.startswith("2 seeds, 3 needed; 100 % at length 1")


def test_swapped_weights_do_not_support_a_failure(store: Path, tmp_path: Path) -> None:
    """Both the true and the planted weights fail at length 2; that the planted ones also fail at length 1 gives them away."""
    fails = claim(
        decision=decision("at_most", threshold=0.99, min_seeds=2, min_examples=20, id_at_least=0.9),
        evidence={"runs": {"group": "tiny"}, "measure": "truth", "lengths": "n+1"},
    )
    assert decided(store, fails)[0] in (SUPPORTED, INCONCLUSIVE, REFUTED)
    results = tmp_path / "results"
    shutil.copytree(store, results)
    swap_weights(results)
    assert decided(results, fails)[0] == ERROR
