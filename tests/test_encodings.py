"""Each encoding has its defining symmetry: of shifts, of order, of significance, of what is out of sight."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from empirical.data.lines import Lines, PairSampler, renderer_of
from empirical.data.noise import Noise
from empirical.network.encodings.absolute import Sinusoidal
from empirical.network.encodings.alibi import Alibi
from empirical.network.encodings.base import Encoding
from empirical.network.encodings.fire import Fire
from empirical.network.encodings.numbering import NONE, Numbering, make_numbering
from empirical.network.encodings.relative import Shaw, T5Bias, buckets
from empirical.network.encodings.rope import Rope
from empirical.network.model import sparsemax, weigh
from empirical.runs.spec import TRAINABLE, RunSpec
from empirical.training.loop import build_model
from tests.networks import TINY
from theory.errors import InputError
from theory.language.encodings import ENCODINGS
from theory.language.layouts import Slot
from theory.local.alignment import positions

torch.set_num_threads(1)
CPU = torch.device("cpu")
HEADS, SIZE, TOKENS = 4, 6, 12


def scores(encoding: Encoding, at_T: Tensor) -> Tensor:
    """Scores (H, T, T) of fixed random queries and keys, where the tokens have these positions; keys to come are zeroed."""
    generator = torch.Generator().manual_seed(3)
    q, k = (torch.randn(1, HEADS, len(at_T), SIZE, generator=generator) for _ in "qk")
    at_1T = at_T[None]
    q, k = encoding.turn(q, at_1T), encoding.turn(k, at_1T)
    return encoding.score(q @ k.mT, q, at_1T, at_1T)[0].tril()


def made(name: str) -> Encoding:
    torch.manual_seed(1)
    encoding = {
        "none": Encoding, "shaw": lambda: Shaw(None, 5, SIZE), "t5": lambda: T5Bias(32, HEADS), "alibi": lambda: Alibi(HEADS),
        "rope": Rope, "fire": lambda: Fire(40, HEADS),
    }[name]()  # fmt: skip
    with torch.no_grad():
        for weight in encoding.parameters():
            if weight.dim() == 2:
                weight.normal_()
    return encoding


@pytest.mark.parametrize("name", ["none", "shaw", "t5", "alibi", "rope", "fire"])
@pytest.mark.parametrize("shift", [1, 7, 25])
@torch.no_grad()
def test_relative_scores_do_not_see_a_shift(name: str, shift: int) -> None:
    """Fire: as long as positions stay below its threshold."""
    at_T = torch.arange(TOKENS)
    torch.testing.assert_close(scores(made(name), at_T + shift), scores(made(name), at_T), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["shaw", "t5", "alibi", "rope", "fire"])
@torch.no_grad()
def test_relative_scores_see_distances(name: str) -> None:
    at_T = torch.arange(TOKENS)
    assert not torch.allclose(scores(made(name), 2 * at_T), scores(made(name), at_T), atol=1e-2)


@torch.no_grad()
def test_fire_squeezes_long_lines() -> None:
    """Beyond the threshold the first token looks equally far from every query, at the end of the interval; so a shift is seen."""
    fire = Fire(5, HEADS)
    at_1K = torch.arange(30)[None]
    added_HQK = fire.score(torch.zeros(1, HEADS, 30, 30), torch.zeros(1, HEADS, 30, SIZE), at_1K, at_1K)[0]
    torch.testing.assert_close(added_HQK[:, 6:, 0], added_HQK[:, 29:, 0].expand(-1, 24), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(added_HQK[:, 29, 20], added_HQK[:, 9, 0])


@torch.no_grad()
def test_alibi_falls_with_a_slope_for_each_head() -> None:
    at_1K = torch.arange(5)[None]
    added_HQK = Alibi(4).score(torch.zeros(1, 4, 5, 5), torch.zeros(1, 4, 5, SIZE), at_1K, at_1K)[0]
    for head, slope in enumerate((1 / 4, 1 / 16, 1 / 64, 1 / 256)):
        assert added_HQK[head, 4].tolist() == [-slope * back for back in (4, 3, 2, 1, 0)]


def test_t5_buckets() -> None:
    """Those of the paper at its own size: 32 buckets over 128, the first 16 of one distance each, then as many to every power of 2."""
    rows = buckets(128)
    assert rows[:17] == list(range(17))
    assert rows == sorted(rows)
    assert rows[128] == 31
    firsts = [rows.index(16 + step) for step in range(16)]
    assert firsts == [min(back for back in range(129) if back**16 >= 16**16 * 8**step) for step in range(16)]


@torch.no_grad()
def test_sinusoids_multiply_to_a_function_of_the_distance() -> None:
    added_TC = Sinusoidal().embed(torch.zeros(1, 40, 16), torch.arange(40)[None])[0]
    product_TT = added_TC @ added_TC.T
    for back in (1, 5, 11):
        diagonal = product_TT.diagonal(back)
        torch.testing.assert_close(diagonal, diagonal[:1].expand(len(diagonal)), rtol=1e-4, atol=1e-6)


def network(spec: RunSpec) -> torch.nn.Module:
    model = build_model(spec)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


@torch.no_grad()
def test_without_positions_one_layer_sees_a_multiset() -> None:
    """The tokens before the query may be in any order, to rounding; with learned positions they may not."""
    token_BT = torch.randint(0, 3, (8, 10))
    mixed = token_BT[:, [4, 2, 7, 0, 1, 8, 3, 6, 5, 9]]
    for name, same in (("none", True), ("learned", False)):
        model = network(replace(TINY, encoding=name, layout="plain", test_lengths=(1, 2, 3)))
        first, second = (model(x, torch.tensor([9])) for x in (token_BT, mixed))
        assert torch.allclose(first, second, atol=1e-5) is same


@torch.no_grad()
def test_positional_attention_does_not_see_digits() -> None:
    """Every layer reads each place with the same weight whatever stands there; with positions added to tokens it does not."""
    token_2T = torch.stack([torch.randint(0, 3, (10,)), torch.randint(0, 3, (10,))])
    for name, same in (("positional", True), ("sparse", True), ("learned", False)):
        spec = replace(TINY, encoding=name, layers=2, layout="plain", test_lengths=(1, 2, 3), price=0.1 * (name == "sparse"))
        model, scores = network(spec), list[Tensor]()
        model(token_2T, torch.arange(10), scores=scores)
        assert len(scores) == 2
        for score_2HTT in scores:
            weight_2HTT = weigh(score_2HTT, spec.sparse)
            assert torch.equal(weight_2HTT[0], weight_2HTT[-1]) is same
            assert not torch.allclose(weight_2HTT[:, :, 9], weight_2HTT[:, :, 9].mean(2, keepdim=True), atol=1e-3)  # positions matter


@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=9))
def test_sparsemax_is_the_nearest_point_of_the_simplex(scores: list[float]) -> None:
    """Its weights are those of the only point at which no weight can be moved from one key to another to come nearer (KKT)."""
    score = torch.tensor(scores, dtype=torch.float64)
    weight = sparsemax(score)
    gap = score - weight  # one number where there is weight, and no more than that elsewhere
    assert float(weight.sum()) == pytest.approx(1)
    assert bool((weight >= 0).all())
    assert torch.allclose(gap[weight > 0], gap[weight > 0].mean(), atol=1e-9)
    assert bool((gap <= gap[weight > 0].mean() + 1e-9).all())
    hidden = torch.cat((score, torch.tensor([-torch.inf])))
    assert torch.equal(sparsemax(hidden), torch.cat((weight, torch.zeros(1))))


def test_what_is_far_behind_weighs_nothing_and_learns_nothing() -> None:
    score = torch.tensor([2.0, 1.5, 0.9], requires_grad=True)
    weight = sparsemax(score)
    assert weight.tolist() == [0.75, 0.25, 0]
    weight[0].backward()  # type: ignore[no-untyped-call]
    assert score.grad is not None
    assert score.grad.tolist() == [0.5, -0.5, 0]


# ----------------------------------------------------------------------------------------------------------------------------- numbering


def lines_of(spec: RunSpec, count: int, training: bool, seed: int = 0) -> Lines:
    torch.manual_seed(seed)
    pairs = PairSampler("either", spec.train_lengths, spec.base, CPU).draw(count)
    return renderer_of(spec, CPU).lines(pairs, training=training, noise=Noise(torch.tensor(seed)) if training else None)


def test_randomised_positions_are_ordered_subsets_each_as_often() -> None:
    numbering = Numbering("randomised", 5)
    for noise in (None, Noise(torch.tensor(5))):
        torch.manual_seed(4)
        drawn = numbering.draw(torch.zeros(6000, 3, dtype=torch.long), False, noise)
        seen = Counter(map(tuple, drawn.tolist()))
        assert set(seen) == set(combinations(range(5), 3))
        assert chisquare(list(seen.values())).pvalue > 1e-4


@pytest.mark.parametrize("name", ["randomised", "randomised-rope", "randomised-alibi"])
@torch.no_grad()
def test_randomised_networks_see_the_order_and_more(name: str) -> None:
    """Positions come from a range four times the longest line, ascending; other draws give other logits: only order is common to all."""
    spec = replace(TINY, encoding=name)
    model, first, second = network(spec), lines_of(spec, 30, True), lines_of(spec, 30, True, seed=1)
    assert first.at_NT is not None
    assert (first.at_NT.diff(dim=1) > 0).all()
    assert int(first.at_NT.max()) < make_numbering(spec).positions == 4 * first.token_NT.shape[1]
    some = torch.tensor([6])
    assert not torch.allclose(model(first.token_NT, some, at_BT=first.at_NT), model(first.token_NT, some, at_BT=second.at_NT))


@pytest.mark.parametrize("layout", ["padded", "aligned", "interleaved", "reversed", "plain"])
@pytest.mark.parametrize("encoding", ["abacus", "coupled"])
def test_significance_is_what_theory_says(layout: str, encoding: str) -> None:
    """The number of a_j minus that of a_i is j - i, the code that theory gives; a common start moves all digits and nothing else."""
    spec = replace(TINY, layout=layout, encoding=encoding)
    numbering, places = make_numbering(spec), positions(spec.make_layout(), spec.make_task(), 2)
    slots = spec.make_layout().slots(spec.make_layout().widths(spec.make_task(), 2))
    place_NT = torch.tensor([numbering.places(slots)] * 300)
    fixed_T = numbering.draw(place_NT, False, None)[0].tolist()
    starts = set()
    for row in numbering.draw(place_NT, True, Noise(torch.tensor(9))).tolist():
        start = row[slots.index(Slot("a", 0))] - fixed_T[slots.index(Slot("a", 0))]
        assert [x + start if p != NONE else x for x, p in zip(fixed_T, place_NT[0].tolist(), strict=True)] == row
        starts.add(start)
    assert starts == set(range(numbering.positions - max(fixed_T)))  # every number is learned at every place that can have it
    assert len(starts) > 1
    number = dict(zip(slots, fixed_T, strict=True))
    for slot in slots:
        if slot.kind in "abc":
            for i in range(places.results):
                if (code := places.code("abacus", i, slot)) is not None:
                    assert code == (number[Slot("c", i)] - number[slot],)
        elif slot.kind in ("op", "eq") and encoding == "coupled":
            assert number[slot] == number[Slot("a", 0)] - 1
        else:
            assert number[slot] == 0


def test_lines_beyond_the_numbers_are_refused() -> None:
    for encoding in ("learned", "randomised", "abacus"):
        renderer = renderer_of(replace(TINY, layout="reversed", encoding=encoding, test_lengths=(3,)), CPU)
        pairs = PairSampler("both", (20,), 3, CPU).draw(2)
        with pytest.raises(InputError, match="positions for"):
            renderer.lines(pairs)


def test_positions_must_be_given_where_they_are_not_counted() -> None:
    with pytest.raises(ValueError, match="at_NT"):
        build_model(replace(TINY, encoding="abacus"))(torch.zeros(1, 4, dtype=torch.long), torch.arange(4))


# ------------------------------------------------------------------------------------------------------------------------------ names


def test_every_name_that_theory_knows_can_be_trained() -> None:
    assert set(ENCODINGS) == set(TRAINABLE)


def test_networks_stored_under_older_names_load() -> None:
    """Tables were attributes of the network and of attention before encodings were modules."""
    for encoding, layout, new, old in (
        ("learned", "padded", "encoding.positions", "positions"),
        ("shaw", "aligned", "blocks.0.attention.encoding.distance", "blocks.0.attention.distance"),
    ):
        model = build_model(replace(TINY, encoding=encoding, layout=layout))
        stored = {name.replace(new, old): weight.clone() for name, weight in model.state_dict().items()}
        assert old in stored
        other = build_model(replace(TINY, encoding=encoding, layout=layout, seed=1))
        other.load_state_dict(stored)
        assert all(torch.equal(first, second) for first, second in zip(model.parameters(), other.parameters(), strict=True))
