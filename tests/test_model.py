"""The network: causal, local where its window says so, and the same by every way of asking it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from empirical.data.lines import Lines, PairSampler, renderer_of
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import evaluate, greedy
from empirical.study.scoring import exact_matches
from empirical.training.loop import build_model, teacher_forced
from tests.networks import SPECS, TINY

torch.set_num_threads(1)
CPU = torch.device("cpu")


def network(spec: RunSpec) -> GPT:
    """Untrained, with weights large enough that answers vary."""
    model = build_model(spec)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


def lines_of(spec: RunSpec, count: int = 40) -> tuple[Lines, Lines]:
    """Lines with the true answer, and with that of the truncated function."""
    torch.manual_seed(1)
    drawn = PairSampler("either", (1, 2, 3), spec.base, CPU).draw(count)
    renderer = renderer_of(spec, CPU)
    return renderer.lines(drawn), renderer.lines(drawn, spec.make_task().truncated(1))


def all_logits(model: GPT, token_NT: Tensor, at_NT: Tensor | None = None) -> Tensor:
    return model(token_NT, torch.arange(token_NT.shape[1]), at_BT=at_NT)


def naive_greedy(model: GPT, lines: Lines) -> Tensor:
    """Greedy decoding without a cache: the whole line anew for each token."""
    token_NT = lines.token_NT.clone()
    for t in range(1, token_NT.shape[1]):
        best_N = all_logits(model, token_NT[:, :t], lines.at_NT)[:, -1].argmax(1)
        token_NT[:, t] = torch.where(lines.answer_NT[:, t], best_N, token_NT[:, t])
    return token_NT


@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_later_tokens_do_not_matter(name: str) -> None:
    model, lines = network(SPECS[name]), lines_of(SPECS[name])[0]
    token_NT = lines.token_NT
    before = all_logits(model, token_NT, lines.at_NT)
    changed = token_NT.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 3
    torch.testing.assert_close(all_logits(model, changed, lines.at_NT)[:, :-1], before[:, :-1], rtol=0, atol=0)


@pytest.mark.parametrize(("layers", "window"), [(1, 2), (2, 2), (1, 5)])
@torch.no_grad()
def test_a_window_hides_what_is_further_back(layers: int, window: int) -> None:
    model = network(replace(TINY, layout="interleaved", encoding="window", window=window, layers=layers))
    token_BT = torch.randint(0, 3, (8, 20))
    reach, last = layers * window, 19
    before = model(token_BT, torch.tensor([last]))
    for back in range(1, 20):
        changed = token_BT.clone()
        changed[:, last - back] = (changed[:, last - back] + 1) % 3
        same = torch.equal(model(changed, torch.tensor([last])), before)
        assert same == (back > reach)


@pytest.mark.parametrize("layers", [1, 2])
@torch.no_grad()
def test_a_band_hides_all_but_its_offsets(layers: int) -> None:
    """At width 3: 0, 3, 4, 7 and 8 tokens back, or sums of two of these."""
    model = network(replace(TINY, layout="aligned", encoding="banded", layers=layers))
    band = (0, 3, 4, 7, 8)
    seen = set(band) if layers == 1 else {x + y for x in band for y in band}
    token_BT = torch.randint(0, 3, (8, 24))
    before = model(token_BT, torch.tensor([20]))
    for back in range(1, 21):
        changed = token_BT.clone()
        changed[:, 20 - back] = (changed[:, 20 - back] + 1) % 3
        assert torch.equal(model(changed, torch.tensor([20])), before) == (back not in seen)


@pytest.mark.parametrize(
    ("encoding", "layout", "window"),
    [
        ("relative", "interleaved", None),
        ("bias", "interleaved", None),
        ("none", "interleaved", None),
        ("window", "interleaved", 3),
        ("banded", "aligned", None),
    ],
)
@torch.no_grad()
def test_attention_is_the_formula(encoding: str, layout: str, window: int | None) -> None:
    """Scores (q.k + q.R[distance]) / sqrt(E) for shaw, q.k / sqrt(E) + b[distance] for bias, by loops; distances alone, never positions."""
    model = network(replace(TINY, layout=layout, encoding=encoding, window=window, max_distance=4))
    attention, x_TC = model.blocks[0].attention, torch.randn(9, 16)
    k_THE, v_THE = attention.kv(x_TC).view(9, 2, 2, 8).unbind(1)
    q_THE = attention.q(x_TC).view(9, 2, 8)
    out_TC = torch.zeros(9, 16)
    for query in range(9):
        for head in range(2):
            seen = range(9) if window is None else range(window + 1)
            keys = [key for key in range(query + 1) if query - key in (attention.offsets if encoding == "banded" else seen)]
            scores = []
            for key in keys:
                distance = attention.offsets.index(query - key) if encoding == "banded" else min(query - key, 4)
                score = q_THE[query, head] @ k_THE[key, head] / 8**0.5
                if encoding == "relative":
                    score = score + q_THE[query, head] @ attention.distance[distance] / 8**0.5
                elif encoding != "none":
                    score = score + attention.distance[distance, head]
                scores.append(score)
            weights = torch.stack(scores).softmax(0)
            out_TC[query, 8 * head : 8 * head + 8] = sum(w * v_THE[key, head] for w, key in zip(weights, keys, strict=True))
    found = attention(x_TC[None], torch.arange(9), torch.arange(9)[None], None)[0][0]
    torch.testing.assert_close(found, attention.out(out_TC), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SPECS)
def test_the_cache_changes_nothing(name: str) -> None:
    model, lines = network(SPECS[name]), lines_of(SPECS[name])[0]
    assert torch.equal(greedy(model, lines), naive_greedy(model, lines))


@pytest.mark.parametrize("name", SPECS)
def test_teacher_forcing_counts_what_greedy_decoding_gets_right(name: str) -> None:
    """For any target string, the truth or another; here also the network's own answers, so that some are right."""
    spec = SPECS[name]
    model, (truth, cut) = network(spec), lines_of(spec)
    own = replace(truth, token_NT=greedy(model, truth))
    for lines in (truth, cut, own):
        same = ((greedy(model, lines) == lines.token_NT) | ~lines.answer_NT).all(1)
        assert torch.equal(teacher_forced(model, lines), same)
    assert teacher_forced(model, own).all()


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if not spec.make_layout().unpadded])
def test_targets_are_matched_together_as_each_alone(name: str) -> None:
    """The truth, the truncated function, the network's own answers, and these with one token changed at any place."""
    spec = SPECS[name]
    model, (truth, cut) = network(spec), lines_of(spec, 60)
    own_NT = greedy(model, truth)
    mixed = torch.where(torch.arange(60)[:, None] % 3 == 0, own_NT, truth.token_NT)
    wrong = own_NT.clone()
    place_N = truth.asked_Q[torch.arange(60) % 2]  # these are answers in short lines, too
    wrong[torch.arange(60), place_N] = (wrong[torch.arange(60), place_N] + 1) % spec.base
    targets = [replace(truth, token_NT=token_NT) for token_NT in (mixed, truth.token_NT, cut.token_NT, own_NT, wrong)]
    found = exact_matches(model, targets)
    for lines, mask in zip(targets, found, strict=True):
        assert torch.equal(mask, ((own_NT == lines.token_NT) | ~lines.answer_NT).all(1))
    assert found[3].all()
    assert not found[4].any()


@pytest.mark.parametrize("name", SPECS)
def test_counts_without_decoding_are_those_of_decoding(name: str) -> None:
    spec, model = SPECS[name], network(SPECS[name])
    decoded, matched = (evaluate(model, spec, (1, 2, 3), 60, 5, places) for places in (True, False))
    assert [{**row, "truth_digits": None} for row in decoded] == matched


@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_asking_some_positions_gives_the_same_logits(name: str) -> None:
    model, lines = network(SPECS[name]), lines_of(SPECS[name])[0]
    some = torch.tensor([2, 4, 5])
    expected = all_logits(model, lines.token_NT, lines.at_NT)[:, some]
    torch.testing.assert_close(model(lines.token_NT, some, at_BT=lines.at_NT), expected, rtol=1e-5, atol=1e-5)
