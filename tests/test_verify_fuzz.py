"""Whatever a claims file or a result holds, it is read, or refused in one line that names the place: no traceback, no hang."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from empirical.runs.store import self_digest, sha256, to_json
from tests.command import called, refused
from tests.test_verify_engine import SPEC, claim, honest, run
from theory.errors import InputError
from verify.claims.schema import ROOT, load_claims
from verify.verdicts.engine import run_claims
from verify.verdicts.evidence import load_evidence
from verify.verdicts.observed import matrix, registered_groups
from verify.verdicts.statistics import VERDICTS

TEXT = (ROOT / "paper_claims.yaml").read_text()
LINES = TEXT[TEXT.index("claims:\n") :].splitlines()[:34]  # the first two claims
VALUES = st.none() | st.booleans() | st.integers(-5, 10**30) | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
TRICKS = (
    "&a [x]", "*a", "!!python/object:os.system x", "{<<: *a}", "[" * 60, "- " * 60, "? x", "\t", "%YAML 9.9", "--- x", "...",
    "12:30:45", "2026-01-01", "0o9", ".nan",
)  # fmt: skip
JSON = st.recursive(VALUES, lambda of: st.lists(of, max_size=2) | st.dictionaries(st.text(max_size=3), of, max_size=2), max_leaves=4)
HOW = st.sampled_from(["drop", "double", "indent", "value", "trick"])


def one_line(path: Path, error: InputError) -> None:
    text = str(error)
    assert "\n" not in text
    assert text.startswith(f"{path.name}:")
    assert text.split(":")[1].isdigit()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(LINES) - 1), how=HOW, value=VALUES, trick=st.sampled_from(TRICKS))
def test_any_line_may_be_broken(tmp_path: Path, at: int, how: str, value: Any, trick: str) -> None:
    path, lines = tmp_path / "paper_claims.yaml", list(LINES)
    key = lines[at].split(":")[0]
    new = {"drop": [], "double": [lines[at]] * 2, "indent": ["  " + lines[at]], "value": [f"{key}: {value}"], "trick": [f"{key}: {trick}"]}
    lines[at : at + 1] = new[how]
    path.write_text("\n".join(["version: 1", *lines]), encoding="utf-8", errors="replace")
    try:
        load_claims(path)
    except InputError as error:
        one_line(path, error)


@pytest.mark.parametrize(
    "raw",
    [
        b"version: 1\nclaims: " + b"[" * 5_000_000 + b"\n",
        b"a: &a [x]\n" + b"b: [" + b"*a, " * 2_500_000 + b"]\n",
        b"x" * 10_000_000,
        b"version: 1\nclaims:\n" + b"  - {id: x}\n" * 70_000,
    ],
    ids=["brackets", "aliases", "one word", "many claims"],
)
def test_large_files_are_refused_at_once(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "paper_claims.yaml"
    path.write_bytes(raw)
    refused(called("verify", "list", "--claims", str(path)), "paper_claims.yaml:")


def store(place: Path, **changes: Any) -> Path:
    """A run store with one run whose digests are right, whatever the result says."""
    folder = place / SPEC.digest
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "metrics.jsonl").write_bytes(b"")
    (folder / "spec.json").write_bytes(to_json(SPEC.to_dict()))
    digests = {"weights_sha256": sha256(folder / "weights.safetensors"), "metrics_sha256": sha256(folder / "metrics.jsonl")}
    good = {**run(SPEC.seed).result, **digests, "digest": SPEC.digest, "spec": SPEC.to_dict()}
    result = {key: value for key, value in {**good, **changes}.items() if value != "absent"}
    (folder / "result.json").write_bytes(to_json({**result, "sha256": self_digest(json.loads(to_json(result)))}))
    return place


NAMES = st.sampled_from(["group", "evaluation", "commit", "dirty", "predictions", "data_stream", "versions", "wall_s"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(NAMES, JSON | st.just("absent"), min_size=1, max_size=2))
def test_any_result_is_a_verdict_or_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    runs, problem = [], ""
    try:
        runs = load_evidence(store(tmp_path, **changes))
    except InputError as error:
        problem = str(error)
    assert "\n" not in problem
    assert not problem or "result.json" in problem
    for verdict in run_claims([claim()], ["c"], runs, 20, 0, honest(runs)):
        assert verdict.verdict in VERDICTS


@pytest.mark.parametrize("entry", [{"length": 4}, {"length": 4, "examples": 10, "truth": -1, "learned": None}, 7, {"length": True}])
def test_entries_that_count_nothing_are_named(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(InputError, match=r"result\.json: evaluation\.0"):
        load_evidence(store(tmp_path, evaluation=[entry]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(["task", "train", "accuracy", "outcome", "encoding", "status", "runs"]), value=JSON)
def test_any_prediction_is_shown_or_refused(tmp_path: Path, key: str, value: Any) -> None:
    said = json.loads((ROOT / "results" / "predictions.json").read_text())["groups"]["add-absolute-padded"]
    path = tmp_path / "predictions.json"
    path.write_bytes(to_json({"groups": {"g": {**said, key: value}}}))
    rows, problem = [], ""
    try:
        rows = matrix(registered_groups(tmp_path), [])
    except InputError as error:
        problem = str(error)
    assert bool(rows) != ("predictions" in problem)
