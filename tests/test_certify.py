"""Certificates: a small network proved right, planted faults found with an input, and what is refused."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.runs.store import Run
from empirical.study.evaluate import answer
from empirical.training.loop import train
from tests.certified import DOUBLING, stored, with_weights
from theory.errors import InputError
from verify.certificates.files import certificate_json
from verify.certificates.findings import Failure, WrongInput
from verify.certificates.proof import _wrong_input, certify, contexts_of, machine_of
from verify.certificates.text import certificate_text

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(DOUBLING, tmp_path_factory.mktemp("store"), group="doubling")


def test_a_network_is_certified_and_is_right_on_long_numbers(network: Run) -> None:
    found = certify(network)
    assert (found.verdict, found.receptive_field, found.smallest_window) == ("certified", 5, 4)
    findings = found.findings
    assert findings.proved == ("exact", "float64", "float32")
    assert (findings.contexts, findings.failing, findings.failures, found.wrong) == (36, 0, (), None)
    assert findings.margin is not None
    assert findings.deviation is not None
    narrow, wide = findings.rounding["float32"], findings.rounding["float64"]
    assert narrow is not None
    assert wide is not None
    assert 0 < wide < narrow < findings.margin
    assert findings.deviation < narrow
    for length in (1, 2, 7, 150):
        a, b = random.Random(length).getrandbits(length), random.Random(-length).getrandbits(length)
        assert answer(network, a, b) == 2 * a


def test_a_planted_wrong_weight_is_found(network: Run, tmp_path: Path) -> None:
    """The head that looks four tokens back goes blind: the network is right on short numbers still, and the input shown is really wrong."""
    weights = load_file(network.folder / "weights.safetensors")
    weights["blocks.0.attention.encoding.distance"][4] = -60.0
    planted = certify(with_weights(tmp_path / DOUBLING.digest, DOUBLING, weights))
    assert planted.verdict == "refuted"
    assert planted.findings.failing > 0
    assert planted.findings.proved == ()
    wrong = planted.wrong
    assert wrong is not None
    assert wrong.truth == 2 * wrong.a
    assert answer(planted.run, wrong.a, wrong.b) == wrong.answer != wrong.truth
    for a in range(2 ** (wrong.digits - 1)):
        for b in range(2 ** (wrong.digits - 1)):
            assert answer(planted.run, a, b) == 2 * a, "a shorter wrong input"


@pytest.mark.parametrize(
    "spec",
    [
        replace(DOUBLING, window=3),  # too small: some contexts have two answers
        replace(DOUBLING, expr="a // 3", base=3, direction="msd"),
        replace(DOUBLING, task="add", expr=None, base=3, layers=2, window=2),
    ],
    ids=["small", "msd", "two layers"],
)
def test_untrained_networks_are_refuted_by_an_input(spec: RunSpec, tmp_path: Path) -> None:
    found = certify(stored(tmp_path, spec))
    wrong = found.wrong
    assert (found.verdict, found.findings.faithful) == ("refuted", True)
    assert wrong is not None
    assert wrong.truth == spec.make_task()(wrong.a, wrong.b) != answer(found.run, wrong.a, wrong.b)
    text = certificate_text(found)
    assert text.startswith("not certified: a shortest wrong input has")
    assert f"answers {'no number' if wrong.answer is None else wrong.answer}" in text


def test_a_wrong_overflow_digit_of_shorter_numbers_is_not_lost_among_many_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many contexts of two digits fail, and behind them in the list that of 9 + 9 after its last digit, which has one."""
    run = stored(tmp_path, replace(DOUBLING, task="add", expr=None, base=10))
    monkeypatch.setattr("empirical.study.evaluate.answer", lambda run, a, b: a + b + 1)
    many = [Failure((x, y, x + y, 1, z), 0, z + 1, 1) for x in range(5) for y in range(5) for z in range(9)]
    found = _wrong_input(run, machine_of(run), contexts_of(run), [*many, Failure((9, 9, 8, 0, 0), 0, 1, 1)])
    assert (len(many), found) == (225, WrongInput(1, 9, 9, 18, 19))


def test_numbers_that_are_not_finite_prove_nothing(tmp_path: Path) -> None:
    def spoil(model: GPT) -> None:
        model.norm.weight[0] = float("nan")

    found = certify(stored(tmp_path, DOUBLING, spoil))
    assert found.verdict != "certified"
    assert found.findings.proved == ()
    assert json.loads(json.dumps(certificate_json(found), allow_nan=False))["margin"] is None


def test_a_tie_is_undecided(network: Run, tmp_path: Path) -> None:
    """Two tokens with one embedding: the argmax takes the first, which is right, but no rounding error is small enough."""
    weights = load_file(network.folder / "weights.safetensors")
    weights["tokens.weight"][2] = weights["tokens.weight"][1]
    found = certify(with_weights(tmp_path / DOUBLING.digest, DOUBLING, weights))
    assert (found.verdict, found.findings.failing, found.findings.margin) == ("undecided", 0, 0.0)
    assert "some lead is within rounding" in certificate_text(found)


def test_arithmetic_beyond_its_bounds_proves_nothing(network: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: float32 is claimed to be as fine as float64; the stored network itself shows that it is not."""
    monkeypatch.setattr("verify.certificates.rounding.ARITHMETICS", {"float64": 2.0**-53, "float32": 2.0**-53})
    found = certify(network)
    assert (found.verdict, found.findings.proved, found.findings.faithful) == ("undecided", (), False)
    assert "more than rounding explains" in certificate_text(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": "bias", "window": None}, "no hard window"),
        ({"layout": "aligned"}, "keeps no fixed number of digit groups"),
        ({"task": "mul", "expr": None}, "no finite machine"),
        ({"direction": "msd"}, "no finite machine that begins at the msd"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        certify(stored(tmp_path, replace(DOUBLING, **changes)))


def test_weights_of_another_specification_are_refused(network: Run, tmp_path: Path) -> None:
    weights = load_file(network.folder / "weights.safetensors")
    weights["blocks.0.up.weight"] = weights["blocks.0.up.weight"][:32]
    with pytest.raises(InputError, match="not the weights of this specification"):
        certify(with_weights(tmp_path / DOUBLING.digest, DOUBLING, weights))


def test_too_many_contexts_are_refused_with_the_limit(network: Run) -> None:
    with pytest.raises(InputError, match=r"36 contexts of up to 5 tokens, more than the limit of 35: allow more with --limit"):
        certify(network, limit=35)
