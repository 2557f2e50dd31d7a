"""Networks on ordered operands (a >= b): runs, draws against the law of every pair, training, certificates."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from empirical.data.carries import CarrySampler
from empirical.data.lines import PairSampler, held_out, less, to_ints
from empirical.data.noise import Noise, step_key
from empirical.runs.settings import make_spec
from empirical.runs.spec import RunSpec
from empirical.runs.store import trim
from empirical.study.evaluate import answer, evaluate
from empirical.training.loop import train
from tests.certified import stored
from tests.command import called
from tests.ordered import law
from theory.errors import InputError
from theory.language.layouts import make_layout, render
from theory.language.tasks import make_task
from verify.certificates.files import read
from verify.certificates.proof import certify
from verify.certificates.text import certificate_text

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"expr": "a - b"}, "--train-domain ordered"),
        ({"expr": "a - b", "train_domain": "ordered", "domain": "either"}, "(--domain ordered)"),
        ({"expr": "b - a", "train_domain": "ordered"}, "negative"),
        ({"expr": "a - b - 1", "train_domain": "ordered"}, "negative"),
    ],
)
def test_runs_on_other_operands_are_refused(settings: dict[str, str], hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        make_spec({"pe": "none", "train": "1-2", **settings})


def test_what_is_trained_in_order_is_tested_in_order() -> None:
    assert make_spec({"task": "sub", "pe": "none", "train": "1-2", "train_domain": "ordered"}).test_domain == "ordered"


# ------------------------------------------------------------------------------------------------------------------------------ data


def test_draws_have_the_law_and_keep_out_what_is_held_out() -> None:
    sampler = PairSampler("ordered", (2,), 3, torch.device("cpu"))
    pairs = sampler.draw(40_000, Noise(step_key(torch.tensor(5), torch.tensor(0))))
    drawn = Counter(zip(to_ints(pairs.a_ND, 3), to_ints(pairs.b_ND, 3), strict=True))
    stated = law(2, 3)
    assert drawn.keys() == stated.keys()
    chi = sum((drawn[pair] - 40_000 * float(p)) ** 2 / (40_000 * float(p)) for pair, p in stated.items())
    assert chi < len(stated) + 5 * (2 * len(stated)) ** 0.5
    out: dict[tuple[int, int], set[bool]] = defaultdict(set)
    for a, b, held in zip(to_ints(pairs.a_ND, 3), to_ints(pairs.b_ND, 3), held_out(pairs, 4).tolist(), strict=True):
        out[a, b].add(held)
    assert all(len(said) == 1 for said in out.values())  # the same pair is held out whichever way round it was drawn
    assert {True, False} == set().union(*out.values())


def test_less() -> None:
    numbers = torch.tensor([[a % 3, a // 3 % 3, a // 9] for a in range(27)])
    for a in range(27):
        assert less(numbers, numbers[a].expand(27, -1)).tolist() == [b < a for b in range(27)]


def test_draws_with_each_number_of_borrows_equally_often() -> None:
    spec = RunSpec(
        task="sub", base=3, train_lengths=(2,), test_lengths=(3,), encoding="none", layout="interleaved", width=3, train_domain="ordered",
        test_domain="ordered", sampling="carries",
    )  # fmt: skip
    pairs = CarrySampler(spec, torch.device("cpu")).draw(30_000, Noise(step_key(torch.tensor(3), torch.tensor(0))))
    drawn = Counter(zip(to_ints(pairs.a_ND, 3), to_ints(pairs.b_ND, 3), strict=True))
    stated = law(2, 3)
    assert drawn.keys() == stated.keys()
    for borrow in (False, True):
        some = {pair: p for pair, p in stated.items() if (pair[0] % 3 < pair[1] % 3) == borrow}
        assert abs(sum(drawn[pair] for pair in some) - 15_000) < 450
        for pair, p in some.items():
            share = float(p / sum(some.values()))
            assert abs(drawn[pair] - 15_000 * share) < 6 * (15_000 * share) ** 0.5


def test_lines_of_subtraction() -> None:
    task = make_task("sub")
    assert render(make_layout("interleaved", 3), task, 200, 1, 3) == "^019009201"
    assert render(make_layout("plain", 3), task, 200, 1, 3) == "^200-1=199;"


# ---------------------------------------------------------------------------------------------------------------------- certificates

SUB = RunSpec(
    task="sub", base=2, train_lengths=(1, 2, 3, 4), test_lengths=(1, 4, 6), encoding="window", window=4, layout="interleaved", width=6,
    train_domain="ordered", test_domain="ordered", layers=1, heads=4, dim=32, steps=1600, batch=64, lr=5e-3, dropout=0.0,
    weight_decay=0.0, warmup=10, examples=20,
)  # fmt: skip


def test_subtraction_is_trained_and_certified(tmp_path: Path) -> None:
    run = train(SUB, tmp_path, group="sub")
    found = certify(run)
    assert (found.verdict, found.smallest_window, found.findings.contexts) == ("certified", 4, 36)
    assert "a - b in base 2, a >= b" in certificate_text(found)
    a, b = 2**400 + 12345, 2**399 + 98765
    assert answer(run, a, b) == a - b
    with pytest.raises(InputError, match="larger number first"):
        answer(run, b, a)
    for entry in run.result["evaluation"]:
        assert (entry["truth"], entry["learned"]) == (entry["examples"], None)
        assert sum(entry["truth_digits"]) == entry["examples"] * entry["length"]
    trim(run)
    with pytest.raises(InputError, match=r"left out of this store: [^(]*--results$"):
        certify(run)


@pytest.mark.parametrize(
    "spec", [SUB, replace(SUB, task="add"), replace(SUB, task="expr", expr="2*a - b"), replace(SUB, window=3), replace(SUB, base=3)],
    ids=["sub", "add", "double", "window 3", "base 3"],
)  # fmt: skip
def test_a_shortest_wrong_input_is_in_order(spec: RunSpec, tmp_path: Path) -> None:
    run = stored(tmp_path, spec)
    found = certify(run)
    wrong = found.wrong
    assert wrong is not None
    assert wrong.a >= wrong.b
    assert answer(run, wrong.a, wrong.b) == wrong.answer != wrong.truth == run.spec.make_task()(wrong.a, wrong.b)
    for length in range(1, wrong.digits):
        assert all(answer(run, a, b) == run.spec.make_task()(a, b) for a, b in law(length, spec.base))


def test_a_run_is_named_by_its_folder_too(tmp_path: Path) -> None:
    run = stored(tmp_path, SUB)
    done = called("verify", "certify", str(run.folder))
    assert done.code == 1
    assert read(run.folder / "certificate.json")["operands"] == "a >= b"
    assert called("verify", "certify", "--check", str(run.folder / "certificate.json")).code == 1  # of a wrong network, and true


def test_contexts_out_of_reach_are_counted_and_refused(tmp_path: Path) -> None:
    """123a in base 10 needs ten tokens; no weights are read for that."""
    run = stored(tmp_path, replace(SUB, task="expr", expr="123*a", base=10, window=10, train_domain="either", test_domain="either"))
    with pytest.raises(InputError, match=r"12301010100 contexts of up to 11 tokens, .* show a alone, with --layout unary, or train"):
        certify(run)


def test_bands_are_not_enumerated(tmp_path: Path) -> None:
    banded = replace(SUB, encoding="banded", layout="aligned", window=None, test_lengths=(1, 4))
    with pytest.raises(InputError, match="--pe window"):
        certify(stored(tmp_path, banded))


def test_evaluation_of_an_untrained_network(tmp_path: Path) -> None:
    from empirical.runs.store import load_model

    run = stored(tmp_path, SUB)
    for entry in evaluate(load_model(run), SUB, (3,), 50, seed=1):
        assert entry["learned"] is None
