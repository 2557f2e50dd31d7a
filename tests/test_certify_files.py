"""Certificates as files, which are proved again and refused where tampered with, and claims on groups of networks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from empirical.runs.store import Run, load_run, self_digest, sha256, to_json, trim
from empirical.training.loop import train
from tests.certified import DOUBLING, claim, stored
from tests.command import command, refused
from theory.errors import InputError
from theory.local.inputs import all_inputs
from theory.local.windows import Contexts
from verify.certificates import files as certificates
from verify.certificates import outcomes as of_groups
from verify.certificates.files import certificate_json, read
from verify.certificates.files import save as write_certificate
from verify.certificates.outcomes import Outcome, beyond_roles
from verify.certificates.proof import Certificate, certify, machine_of
from verify.verdicts.engine import Verdict, run_claims
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, REFUTED, SUPPORTED, UNTESTED

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(DOUBLING, tmp_path_factory.mktemp("store"), group="doubling")


# ------------------------------------------------------------------------------------------------------------------- files


def test_the_file_says_what_was_found_and_can_be_proved_again(network: Run) -> None:
    found = certify(network)
    path = write_certificate(found)
    content = read(path)
    assert path == network.folder / "certificate.json"
    assert content["weights_sha256"] == sha256(network.folder / "weights.safetensors")
    assert {key: content[key] for key in certificate_json(found)} == json.loads(json.dumps(certificate_json(found)))
    assert "torch" in content["versions"]
    certificates.compare(path, content, found)
    machine = machine_of(network)
    assert sum(len(block.answer) for block in Contexts(all_inputs(machine), 5).blocks(7)) == content["contexts"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("margin", 99.0), ("contexts", 35), ("contexts_sha256", "0" * 64), ("verdict", "refuted"), ("rounding", {"float64": 0.0}),
        ("deviation", 1.0), ("deviation", None), ("commit", "another"), ("commit", 7), ("code_sha256", "0"), ("dirty", "no"),
        ("versions", {"torch": "2"}), ("versions", None), ("approved", True),
    ],
)
def test_a_tampered_certificate_is_refused(network: Run, key: str, value: object, tmp_path: Path) -> None:
    found = certify(network)
    content = json.loads(write_certificate(found).read_bytes()) | {key: value}
    path = tmp_path / "certificate.json"
    path.write_bytes(to_json(content))
    with pytest.raises(InputError, match="digest mismatch"):
        read(path)
    path.write_bytes(to_json(content | {"sha256": self_digest(content)}))  # a forger mends the digest
    with pytest.raises(InputError, match=f"{key} is"):
        certificates.compare(path, read(path), found)


def test_the_command(network: Run, tmp_path: Path) -> None:
    """Certified 0, not certified 1, bad input 2; one child process each, so few of them."""
    store = tmp_path / "store"
    shutil.copytree(network.folder, store / network.folder.name)
    done = command("verify", "certify", network.spec.digest[:6], "--results", str(store))
    path = store / network.folder.name / "certificate.json"
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("certified for all lengths: 2 * a in base 2")
    assert done.out.rstrip().endswith(f"{path}: written")
    path.write_text(path.read_text().replace('"failing": 0', '"failing": 1'))
    refused(command("verify", "certify", "--check", str(path)), "digest mismatch")


def test_the_command_without_a_process_of_its_own(network: Run, tmp_path: Path) -> None:
    path = write_certificate(certify(network))

    def run(digest: str | None, check: Path | None, results: Path | None = network.folder.parent) -> tuple[Certificate, Path]:
        return certificates.command(digest, results, check, 1000, lambda done, total: None)

    assert run(None, path, None)[0].verdict == "certified"  # in the store that it lies in
    assert run(network.spec.digest[:4], path)[1] == path
    for digest, check, words in (
        (None, None, "which run"),
        ("zz", None, "no finished runs"),
        ("zz", path, "it is of run"),
        (None, tmp_path / "none.json", "No such file"),
    ):
        with pytest.raises(InputError, match=words):
            run(digest, check)
    refuted = stored(tmp_path, DOUBLING)
    moved = tmp_path / "elsewhere.json"
    shutil.copy(path, moved)
    with pytest.raises(InputError, match="weights_sha256 is"):
        run(None, moved, refuted.folder.parent)


# ------------------------------------------------------------------------------------------------------------------ claims


def decide(verdicts: Sequence[str], outcome: str = "certified") -> Verdict:
    rows = [{"length": DOUBLING.training.longest, "truth": 90 if name == "unlearned" else 95, "examples": 100} for name in verdicts]
    runs = [Run(replace(DOUBLING, seed=seed), {"group": "g", "evaluation": [row]}, Path("x")) for seed, row in enumerate(rows)]

    def fabricated(found: Sequence[Run]) -> list[Outcome]:
        named = [(run.spec.digest, run.spec.seed, verdicts[run.spec.seed]) for run in found]
        told = {name: {"truncating": ({"blind": True, "unlearned": True, "reads": False}.get(name), name)} for name in verdicts}
        return [Outcome(digest, seed, verdict, f"it is {verdict}", 36, 1.5, told=told[verdict]) for digest, seed, verdict in named]

    (verdict,) = run_claims([claim(outcome)], ["c"], runs, 20, 0, certify=fabricated)
    return verdict


@pytest.mark.parametrize(
    ("verdicts", "outcome", "verdict", "words"),
    [
        (["certified"] * 3, "certified", SUPPORTED, "3 of 3 networks certified"),
        (["refuted"] * 3, "refuted", SUPPORTED, "3 of 3 networks refuted"),
        (["certified", "refuted"], "certified", REFUTED, "1 of 2 networks certified"),
        (["certified", "refuted"], "refuted", REFUTED, "it is certified"),
        (["certified", "undecided"], "certified", INCONCLUSIVE, "it is undecided"),
        (["undecided", "refuted"], "certified", REFUTED, "it is refuted"),
        (["certified", "error", "refuted"], "certified", ERROR, "it is error"),
        (["certified"], "certified", INCONCLUSIVE, "1 networks certified, 2 needed"),
        ([], "certified", UNTESTED, "no run of group g yet"),
        (["blind"] * 2, "truncating", SUPPORTED, "2 of 2 networks truncating"),
        (["blind", "reads"], "truncating", REFUTED, "1 of 2 networks truncating"),
        (["blind", "certified"], "truncating", INCONCLUSIVE, "1 of 2 networks truncating"),  # not decided
        (["blind", "unlearned"], "truncating", INCONCLUSIVE, "1 of 2 networks truncating"),  # it may read nothing as it knows nothing
        (["reads", "unlearned"], "truncating", REFUTED, "0 of 2 networks truncating"),
        (["blind", "error"], "truncating", ERROR, "it is error"),
        (["blind"] * 2, "local", ERROR, "0 of 2 networks local"),  # nothing is told about that
    ],
)
def test_claims_on_groups(verdicts: list[str], outcome: str, verdict: str, words: str) -> None:
    found = decide(verdicts, outcome)
    assert found.verdict == verdict
    assert words in found.detail


def test_a_claim_needs_its_number_of_networks() -> None:
    with pytest.raises(ValueError, match="min_seeds"):
        claim(decision={"rule": "proof"})
    with pytest.raises(ValueError, match="at_least goes with"):
        claim(decision={"rule": "at_least", "alpha": 0.05, "threshold": 0.9, "min_examples": 1, "min_seeds": 1})


def test_networks_of_a_claim_are_certified_live(network: Run, tmp_path: Path) -> None:
    """In a process of their own; a broken one is a value."""
    (found,) = of_groups.outcomes([network])
    assert (found.verdict, found.contexts) == ("certified", 36)
    assert found.shown.startswith("certified for all lengths")
    assert of_groups.outcome(replace(network, folder=tmp_path)).verdict == "error"
    assert list(of_groups.outcomes([])) == []


def test_many_contexts_are_read_from_the_certificate(network: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beyond LIVE contexts a claim reads the certificate, of these very weights or not at all."""
    shutil.copytree(network.folder, tmp_path / network.folder.name, ignore=shutil.ignore_patterns("certificate.json"))
    run = load_run(tmp_path / network.folder.name)
    monkeypatch.setattr(of_groups, "LIVE", 0)
    assert of_groups.outcome(run).verdict == "error"
    path = write_certificate(certify(run))
    assert (of_groups.outcome(run).verdict, of_groups.outcome(run).contexts) == ("certified", 36)
    content = read(path) | {"contexts": 35}
    path.write_text(json.dumps({**content, "sha256": self_digest(content)}))
    assert "it is of 35 contexts, and there are 36" in of_groups.outcome(run).shown
    content = read(path) | {"weights_sha256": "0" * 64}
    path.write_text(json.dumps({**content, "sha256": self_digest(content)}))
    assert "other weights" in of_groups.outcome(run).shown
    path.write_text(path.read_text().replace('"certified"', '"refuted"'))
    assert "edited" in of_groups.outcome(run).shown


def test_a_network_without_weights_keeps_its_certificate(network: Run, tmp_path: Path) -> None:
    """Its contexts are few, and can be counted from the theory, but there is nothing to run on them."""
    folder = tmp_path / network.spec.digest
    shutil.copytree(network.folder, folder)
    run = load_run(folder)
    write_certificate(certify(run))
    trim(run)
    assert of_groups.outcome(run).verdict == "certified"
    assert "left out" in of_groups.outcome(run).shown
    (folder / "certificate.json").unlink()
    assert of_groups.outcome(run).verdict == "error"


def test_a_forged_certificate_of_a_wrong_network_is_contradicted_by_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Planted: an untrained network whose certificate says `certified`, with every digest made to fit."""
    run = stored(tmp_path, DOUBLING)
    path = write_certificate(certify(run))
    forged = read(path) | {"verdict": "certified", "wrong_input": None, "failing": 0, "failures": []}
    path.write_text(json.dumps({**forged, "sha256": self_digest(forged)}))
    monkeypatch.setattr(of_groups, "LIVE", 0)
    found = of_groups.outcome(run)
    assert found.verdict == "error"
    assert "the network is wrong on 32 of 32 random lines" in found.shown


def test_what_is_read_beside_the_roles_is_named() -> None:
    assert beyond_roles(["c_0 reads a_0, b_0", "c_1 reads b_1, a_0, c_0", "c_2 reads nothing"]) == []
    found = beyond_roles(["c_0 reads a_0, a_1", "c_1 reads a_1", "c_2 reads c_0, c_1, b_10, b_2"])
    assert found == ["c_0 reads a_1, too", "c_2 reads c_0, b_10, too"]
    for line in json.loads('["garbage", "c_0 reads", "c_0 reads a_x", null]'):  # as an edited certificate may have it
        with pytest.raises(InputError, match="does not say what a digit reads"):
            beyond_roles([line])
