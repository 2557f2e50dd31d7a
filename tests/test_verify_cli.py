"""arith-verify as it is used: a real tiny network, a planted wrong claim, edited results, one line per mistake."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from empirical.runs.spec import RunSpec
from verify import cli
from verify.claims.schema import ROOT

OURS = (ROOT / "paper_claims.yaml").read_text()

TINY = """\
version: 1
claims:
  - id: tiny-upward
    family: tiny
    source: {paper: ours, version: "1", location: test}
    quoted: false
    statement: A network after two steps adds nothing correctly.
    kind: empirical
    scale: reduced
    quantity: exact match with a + b at length n+1
    population: networks of group tiny
    prediction: at most 50 %
    decision: {rule: at_most, alpha: 0.05, threshold: 0.5, min_seeds: 1, min_examples: 50}
    evidence: {runs: {group: tiny}, measure: truth, lengths: n+1}
  - id: tiny-wrong
    family: tiny
    source: {paper: ours, version: "1", location: test}
    quoted: false
    statement: It adds everything correctly (planted, wrong).
    kind: empirical
    scale: reduced
    quantity: exact match with a + b at length n+1
    population: networks of group tiny
    prediction: at least 50 %
    decision: {rule: at_least, alpha: 0.05, threshold: 0.5, min_seeds: 1, min_examples: 50}
    evidence: {runs: {group: tiny}, measure: truth, lengths: n+1}
"""

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one real run of two steps."""
    from empirical.training.loop import train

    results = tmp_path_factory.mktemp("store")
    shape = {"layers": 1, "heads": 2, "dim": 16, "steps": 2, "batch": 8, "examples": 60, "warmup": 1}
    spec = RunSpec(task="add", train_lengths=(1,), test_lengths=(1, 2), encoding="absolute", layout="padded", width=2, **shape)
    train(spec, results, group="tiny")
    return results


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def invoke(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["arith-verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        out, err = capsys.readouterr()
        return int(done.value.code or 0), out, err

    return invoke


def refused(answer: tuple[int, str, str], *words: str) -> None:
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert all(word in err for word in words), err


def test_real_network_from_claim_to_verdict(call: Call, trained: Path, tmp_path: Path) -> None:
    claims = tmp_path / "tiny.yaml"
    claims.write_text(TINY)
    code, out, _ = call("all", "--claims", claims, "--results", trained, "--examples", 40, "--seed", 3, "--json")
    answer: dict[str, Any] = json.loads(out)
    assert code == 0
    assert answer["claims_file"] == str(claims)
    assert len(answer["sha256"]) == 64
    assert [(c["id"], c["verdict"]) for c in answer["claims"]] == [("tiny-upward", "supported"), ("tiny-wrong", "refuted")]
    assert set(answer["claims"][0]) == {"id", "family", "kind", "verdict", "detail", "evidence"}
    assert answer["claims"][0]["evidence"]["runs"][0]["evaluated_again"][0]["examples"] == 40


@pytest.mark.parametrize("name", ["result.json", "weights.safetensors", "metrics.jsonl", "spec.json"])
@pytest.mark.parametrize("harm", ["cut", "edit"])
def test_harmed_results_are_refused(call: Call, trained: Path, tmp_path: Path, name: str, harm: str) -> None:
    results, claims = tmp_path / "results", tmp_path / "tiny.yaml"
    shutil.copytree(trained, results)
    claims.write_text(TINY)
    (path,) = results.glob(f"*/{name}")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2] if harm == "cut" else raw.replace(b"1", b"2"))
    refused(call("all", "--claims", claims, "--results", results), name)


def test_forged_counts_with_fresh_digests_are_an_error(call: Call, trained: Path, tmp_path: Path) -> None:
    """Whoever also recomputes the digest is caught by the weights."""
    from empirical.runs.store import self_digest, to_json

    results, claims = tmp_path / "results", tmp_path / "tiny.yaml"
    shutil.copytree(trained, results)
    claims.write_text(TINY)
    (path,) = results.glob("*/result.json")
    result = json.loads(path.read_bytes())
    for entry in result["evaluation"]:
        entry["truth"] = entry["examples"]
    path.write_bytes(to_json({**result, "sha256": self_digest(result)}))
    code, out, _ = call("run", "tiny-wrong", "--claims", claims, "--results", results, "--examples", 60, "--json")
    (verdict,) = json.loads(out)["claims"]
    assert code == 1
    assert verdict["verdict"] == "error"
    assert "contradict the committed counts" in verdict["detail"]


@pytest.mark.parametrize(
    ("claim_id", "old", "new"),
    [
        ("p2-9-every-digit-needed", "moduli: [51, 101, 150, 151, 201], base: 10}}", "moduli: [51, 100, 150, 151, 201], base: 10}}"),
        ("p2-8-addition-low-digits", "moduli: [50, 100, 200]", "moduli: [50, 101, 200]"),
        ("ours-mod-150-exactly-a-third", 'value: "1/3"', 'value: "1/4"'),
        ("table-count-add-151", "count: 658800000000", "count: 658800000001"),
        ("table-addition-d4-truth", "percent: [100, 100, 100, 0, 0,", "percent: [100, 100, 100, 0, 70,"),
        ("p2-5-multiplication-not-invariant", "bases: [2, 10], expected: false", "bases: [2, 10], expected: true"),
    ],
)
def test_planted_wrong_claim_is_refuted(call: Call, tmp_path: Path, claim_id: str, old: str, new: str) -> None:
    claims = tmp_path / "paper_claims.yaml"
    start = OURS.index(f"id: {claim_id}\n")
    assert old in OURS[start:]
    claims.write_text(OURS[:start] + OURS[start:].replace(old, new, 1))
    for path, verdict in ((claims, "refuted"), (ROOT / "paper_claims.yaml", "supported")):
        code, out, _ = call("run", claim_id, "--claims", path, "--results", tmp_path, "--json")
        assert (code, json.loads(out)["claims"][0]["verdict"]) == (0, verdict)


def test_table_for_people(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("run", "p2-8-addition-low-digits", "p2-10-downward", "--results", tmp_path)
    assert code == 0
    assert "supported" in out
    assert "2 claims: 1 supported, 1 untested" in out
    assert "sha256" in out
    assert str(ROOT / "paper_claims.yaml") in out


def test_list_and_show(call: Call) -> None:
    code, out, _ = call("list", "--json")
    assert code == 0
    assert len(json.loads(out)["claims"]) >= 20
    assert "p2-5-addition-invariant" in call("list")[1]
    assert "translation invariant" in call("show", "p2-5-addition-invariant")[1]
    assert json.loads(call("show", "p2-5-addition-invariant", "--json")[1])["kind"] == "theorem"


def test_mistakes_are_one_line(call: Call, tmp_path: Path) -> None:
    refused(call("run", "p2-5-adition-invariant"), "did you mean p2-5-addition-invariant")
    refused(call("show", "nothing-like-it-at-all"), "unknown claim")
    refused(call("all", "--claims", tmp_path / "none.yaml"), "--claims")
    refused(call("all", "--results", tmp_path / "none"), "--results")
    bad = tmp_path / "paper_claims.yaml"
    bad.write_text("version: 1\nclaims:\n  - {id: x, id: y}\n")
    refused(call("list", "--claims", bad), "paper_claims.yaml:3:", "duplicate key")


@pytest.mark.parametrize("arguments", [("all", "--examples", "0"), ("nonsense",), ("run",), ("all", "--seed", "x")])
def test_usage(call: Call, arguments: tuple[str, ...]) -> None:
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err


def test_no_torch_without_networks() -> None:
    import subprocess

    code = "import sys, verify.cli, verify.verdicts.engine; "
    code += "sys.exit(sum(name in sys.modules for name in ('torch', 'z3', 'scipy', 'sympy')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_all_filters_notes_and_compares(call: Call, trained: Path, tmp_path: Path) -> None:
    claims, ledger = tmp_path / "tiny.yaml", tmp_path / "ledger.jsonl"
    claims.write_text(TINY.replace("family: tiny", "family: other", 1))
    common = ("--claims", claims, "--results", trained, "--examples", 40, "--seed", 3, "--ledger", ledger)
    code, out, _ = call("all", *common, "--only", "other", "--markdown")
    assert code == 0
    assert "`tiny-upward` | ✓ supported" in out
    assert "tiny-wrong" not in out
    assert call("all", *common, "--fail-on", "refuted")[0] == 1
    code, out, _ = call("diff", "--ledger", ledger, "--json")
    assert [(change["claim"], change["what"]) for change in json.loads(out)] == [("tiny-wrong", "new")]
    claims.write_text(claims.read_text().replace("threshold: 0.5", "threshold: 0.0"))
    assert call("all", *common)[0] == 0
    assert "1 of 2" not in call("diff", "--ledger", ledger)[1]
    refused(call("all", *common, "--only", "nothing"), "unknown family 'nothing'")
    refused(call("all", *common, "--scale", "huge"), "unknown scale 'huge'")
    refused(call("all", *common, "--scale", "paper"), "is of scale paper")
    refused(call("all", *common, "--retrain", "nothing"), "unknown claim 'nothing'")
    lines = ledger.read_text()
    refused(call("all", *common, "--fail-on", "supported"), "--fail-on supported")
    refused(call("run", "tiny-wrong", *common, "--fail-on", "refutd"), "--fail-on refutd")
    assert ledger.read_text() == lines  # refused before anything was decided


def test_report_files(call: Call, trained: Path, tmp_path: Path) -> None:
    claims, page = tmp_path / "tiny.yaml", tmp_path / "report.html"
    claims.write_text(TINY)
    common = ("--claims", claims, "--results", trained)
    found = tmp_path / "verdicts.json"
    assert call("report", *common, "--examples", 40, "--json", found, "--junit", tmp_path / "junit.xml")[0] == 0
    assert call("report", *common, "--verdicts", found, "--html", page, "--markdown", tmp_path / "report.md")[0] == 0
    assert '<article id="tiny-wrong" class="refuted"' in page.read_text()
    assert (tmp_path / "junit.xml").read_text().startswith("<?xml")
    written = json.loads(found.read_text())
    first, *rest = written["claims"]
    edits = [{"seed": None}, {"commit": 3}, {"claims": []}, {"claims": [first, first]}, {"claims": [{**first, "detail": 3}, *rest]}]
    edits += [{"claims": [{**first, "evidence": evidence}, *rest]} for evidence in (None, [1], {**first["evidence"], "runs": [{}]})]
    for edit in edits:
        (tmp_path / "edited.json").write_text(json.dumps({**written, **edit}))
        answer = call("report", *common, "--verdicts", tmp_path / "edited.json", "--html", tmp_path / "edited.html")
        refused(answer, "edited.json: ", "write it anew")
    assert not (tmp_path / "edited.html").exists()
    refused(call("report", *common), "nothing to write")
    refused(call("report", *common, "--verdicts", tmp_path / "none", "--html", page), "none: No such file")
    answer = call("report", *common, "--verdicts", found, "--html", tmp_path / "none" / "x.html")
    refused(answer, "x.html", "is no folder")
    common = (*common, "--ledger", tmp_path / "none.jsonl")
    refused(call("report", *common, "--json", tmp_path / "new.json", "--html", tmp_path), "a folder")
    refused(call("report", *common, "--json", page, "--html", page), "asked for in two formats")
    refused(call("report", *common, "--json", tmp_path / "new.json", "--fail-on", "all"), "--fail-on all")
    assert not list(tmp_path.glob("n*"))  # nothing decided, nothing written


def test_retraining_puts_new_networks_in_the_place_of_the_old(call: Call, trained: Path, tmp_path: Path) -> None:
    claims, into = tmp_path / "tiny.yaml", tmp_path / "anew"
    claims.write_text(TINY)
    common = ("--claims", claims, "--results", trained, "--examples", 40, "--json")
    code, out, _ = call("run", "tiny-upward", *common, "--retrain", "tiny-upward", "--into", into)
    assert code == 0
    (new,), (old,) = into.glob("*/result.json"), trained.glob("*/result.json")
    assert new.parent.name == old.parent.name
    (record,) = json.loads(out)["claims"][0]["evidence"]["runs"]
    assert record["weights_sha256"] == json.loads(new.read_text())["weights_sha256"]
    shutil.copytree(trained, tmp_path / "told")
    (tmp_path / "told" / "predictions.json").write_text(json.dumps({"groups": {"tiny": {"runs": {"0": new.parent.name}}}}))
    common = ("--claims", claims, "--results", tmp_path / "told", "--examples", 40, "--json", "--retrain", "tiny-upward")
    assert call("run", "tiny-upward", *common, "--into", tmp_path / "third")[0] == 0
    assert json.loads((tmp_path / "third" / new.parent.name / "result.json").read_text())["predictions"]  # new, and registered as the old
    (into / "predictions.json").write_text("{}")
    refused(call("run", "tiny-upward", *common, "--into", into), "anew/predictions.json: other predictions than those of", "empty folder")
    refused(call("run", "p2-8-addition-low-digits", "--results", trained, "--retrain", "p2-8-addition-low-digits"), "rests on no networks")


def test_lint_and_schema(call: Call, trained: Path, tmp_path: Path) -> None:
    code, out, _ = call("lint")
    assert code == 0, out
    claims = tmp_path / "tiny.yaml"
    claims.write_text(TINY.replace("It adds everything correctly (planted, wrong).", "A network after two steps adds nothing correctly."))
    code, out, _ = call("lint", "--claims", claims, "--results", trained)
    assert code == 1
    assert "claims tiny-upward and tiny-wrong say the same" in out
    found = json.loads(call("schema")[1])
    assert {"claims", "version", "assumptions"} == set(found["properties"])
    assert "p2-5-addition-invariant" not in json.dumps(found)
