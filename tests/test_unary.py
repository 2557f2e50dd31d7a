"""The unary layout, where b is not shown: what is drawn, held out, predicted, certified and asked is of a alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from empirical.data.lines import to_ints
from empirical.data.noise import Noise, step_key
from empirical.data.streams import Stream, distinct_pairs, sampler_of
from empirical.runs.spec import RunSpec
from empirical.runs.store import Run
from empirical.study.evaluate import answer, draw_test
from empirical.training.loop import train
from tests.certified import with_weights
from tests.command import command, refused
from tests.networks import TINY
from theory.errors import InputError
from verify.certificates.proof import certify

CPU = torch.device("cpu")
DOUBLING = RunSpec(
    task="double", base=2, train_lengths=(1, 2, 3, 4), test_lengths=(1, 6), encoding="window", window=2, layout="unary",
    width=6, layers=1, heads=2, dim=16, steps=250, batch=32, lr=1e-2, dropout=0.0, weight_decay=0.0, warmup=10, examples=20,
)  # fmt: skip
TRIPLE = replace(TINY, task="triple", layout="unary", base=10, train_lengths=(2,), test_lengths=(2, 3), heldout=4)


@pytest.mark.parametrize("sampling", ["domain", "carries"])
def test_what_is_held_out_is_never_seen_with_another_b(sampling: str) -> None:
    """Were pairs held out, each a would be trained on beside some other b."""
    spec = replace(TRIPLE, sampling=sampling)
    stream, trained = Stream(spec, CPU), set[tuple[int, ...]]()
    for step in range(20):
        lines, loss_N = stream.lines(200, torch.tensor(step), Noise(step_key(torch.tensor(1), torch.tensor(step))))
        trained.update(tuple(row) for row in lines.token_NT[loss_N].tolist())
    pairs, unseen = draw_test(spec, 2, 500, CPU)
    tested = {tuple(row) for row in stream.renderer.lines(pairs).token_NT.tolist()}
    assert unseen
    assert not draw_test(spec, 3, 50, CPU)[1]  # one a in eleven is shorter: b, which is not shown, is the longer one
    assert draw_test(replace(spec, test_domain="both"), 3, 50, CPU)[1]
    assert not pairs.b_ND.any()
    assert 60 < len(trained) < 90  # of 100
    assert 10 < len(tested) < 40
    assert not trained & tested


def test_a_has_the_law_of_the_first_of_a_pair() -> None:
    """Of pairs of D_2 one in eleven has a below 10."""
    pairs = sampler_of(TRIPLE, CPU).draw(20_000, Noise(step_key(torch.tensor(1), torch.tensor(1))))
    short = sum(a < 10 for a in to_ints(pairs.a_ND, 10)) / 20_000
    assert abs(short - 1 / 11) < 0.01


def test_no_more_different_lines_are_asked_for_than_there_are() -> None:
    spec = replace(TRIPLE, train_pairs=50)
    assert len(set(to_ints(distinct_pairs(sampler_of(spec, CPU), spec, CPU).a_ND, 10))) == 50
    with pytest.raises(InputError, match="train_pairs 101: only up to 100 pairs"):
        Stream(replace(spec, train_pairs=101), CPU)


def test_tasks_that_read_b_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the unary layout shows a alone, but a \+ b reads b"):
        replace(TRIPLE, task="add")
    said = "the unary layout shows a alone, but a + b reads b: use the interleaved layout"
    refused(command("theory", "predict", "--task", "add", "--pe", "relative", "--layout", "unary"), said)
    refused(command("theory", "table", "--tasks", "add", "--pe", "relative", "--layout", "unary"), said)
    store = tmp_path / "store"
    run = ("--task", "add", "--pe", "relative", "--layout", "unary", "--train", "1", "--lengths", "2", "--results", str(store))
    refused(command("empirical", "run", *run), said)
    assert not store.exists()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(DOUBLING, tmp_path_factory.mktemp("store"), group="doubling")


def test_a_network_is_certified_and_is_right_on_long_numbers(network: Run) -> None:
    """Half the window that doubling needs beside a b, and 10 contexts in the place of 36."""
    found = certify(network)
    assert (found.verdict, found.receptive_field, found.smallest_window) == ("certified", 3, 2)
    assert (found.findings.contexts, found.findings.failing, found.wrong) == (10, 0, None)
    for length in (1, 2, 7, 150):
        assert answer(network, 2**length // 3, 0) == 2 * (2**length // 3)
    done = command("empirical", "answer", network.spec.digest, "11", "--results", str(network.folder.parent))
    assert done.code == 0
    assert done.out.startswith("2 * a at a = 11: the network answers 22, which is right\n")
    assert "tokens: ^1011011001\n" in done.out  # 1011 among the digits of 10110


def test_a_planted_wrong_weight_is_found(network: Run, tmp_path: Path) -> None:
    weights = load_file(network.folder / "weights.safetensors")
    weights["blocks.0.attention.encoding.distance"][2] = -60.0  # blind for the digit before
    found = certify(with_weights(tmp_path / DOUBLING.digest, DOUBLING, weights))
    wrong = found.wrong
    assert found.verdict == "refuted"
    assert wrong is not None
    assert wrong.b == 0
    assert answer(found.run, wrong.a, 0) == wrong.answer != 2 * wrong.a
    assert all(answer(found.run, a, 0) == 2 * a for a in range(2 ** (wrong.digits - 1)))


def test_a_quotient_is_read_from_the_other_end(tmp_path: Path) -> None:
    """An untrained network is wrong on some a, which may begin with zeros: b, which is not shown, is as long."""
    spec = replace(DOUBLING, task="third", direction="msd", window=4)
    run = train(replace(spec, steps=1), tmp_path, group="g")
    found = certify(run)
    assert found.wrong is not None
    assert found.wrong.truth == found.wrong.a // 3
    assert answer(run, found.wrong.a, found.wrong.b) == found.wrong.answer
