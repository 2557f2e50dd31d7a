"""Samplers draw the domain's law; rendered lines are theory's layouts; results are exact at any size."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from empirical.data.lines import PairSampler, Renderer, held_out, result_digits, to_ints
from tests.networks import pairs, written
from tests.test_domains import BOXED, law
from theory.language.layouts import LAYOUTS, encode, make_layout
from theory.language.tasks import make_task

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
CPU = torch.device("cpu")
NUMBERS = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=6)


@pytest.mark.parametrize("domain", BOXED)
@pytest.mark.parametrize(("base", "lengths"), [(2, (3,)), (3, (2,)), (2, (1, 2, 4)), (5, (1, 2))])
def test_sampler_draws_the_domains_law(domain: str, base: int, lengths: tuple[int, ...]) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for length in lengths:
        for pair, share in law(domain, length, base).items():
            expected[pair] += float(share) / len(lengths)
    torch.manual_seed(7)
    draws = 40_000
    drawn = PairSampler(domain, lengths, base, CPU).draw(draws)
    seen = Counter(zip(to_ints(drawn.a_ND, base), to_ints(drawn.b_ND, base), strict=True))
    assert set(seen) <= set(expected)
    keys = sorted(expected)
    test = chisquare([seen[key] for key in keys], [draws * expected[key] for key in keys])
    assert test.pvalue > 1e-4


def test_a_wrong_law_is_noticed() -> None:
    """The same test with another domain's law must fail."""
    torch.manual_seed(7)
    drawn = PairSampler("sampler", (2,), 3, CPU).draw(40_000)
    seen = Counter(zip(to_ints(drawn.a_ND, 3), to_ints(drawn.b_ND, 3), strict=True))
    expected = law("either", 2, 3)
    assert chisquare([seen[key] for key in expected], [40_000 * float(share) for share in expected.values()]).pvalue < 1e-9


@given(NUMBERS, st.integers(3, 6))
def test_held_out_is_a_function_of_the_numbers(numbers: list[tuple[int, int]], size: int) -> None:
    assert held_out(pairs(numbers, 10, 3), 16).tolist() == held_out(pairs(numbers, 10, size), 16).tolist()


def test_held_out_share() -> None:
    torch.manual_seed(0)
    drawn = PairSampler("either", (4,), 10, CPU).draw(50_000)
    assert float(held_out(drawn, 16).double().mean()) == pytest.approx(1 / 16, abs=0.004)


@given(
    st.sampled_from(sorted(LAYOUTS)), st.sampled_from(["lsd", "msd"]), st.sampled_from([2, 7, 10, 16]),
    st.sampled_from(["a + b", "a * b", "(a + b) % 7", "max(a, b)", "5", "12*a"]), NUMBERS,
)  # fmt: skip
def test_lines_are_theorys(name: str, direction: str, base: int, expr: str, numbers: list[tuple[int, int]]) -> None:
    layout = make_layout(name, 10, direction if name in ("interleaved", "unary") else "lsd")
    task, given_pairs = make_task(None, expr, base), pairs(numbers, base)
    assume(layout.shows(task))
    lines = Renderer(task, layout, CPU).lines(given_pairs)
    length = given_pairs.a_ND.shape[1]
    for (a, b), tokens, answers in zip(numbers, lines.token_NT.tolist(), lines.answer_NT.tolist(), strict=True):
        expected = encode(layout, task, a, b, length)
        assert tokens[: len(expected)] == expected
        slots = layout.slots(layout.pair_widths(task, a, b, length))
        assert answers[: len(expected)] == [slot.kind in ("c", "eos") for slot in slots]
        assert not any(answers[len(expected) :])


@pytest.mark.parametrize("name", ["plain", "reversed"])
def test_shapes_beside_a_short_operand_are_listed_ahead(name: str) -> None:
    """40 digits by 2 are few enough shapes to know them all; 40 by 40 are not. The lines are the same."""
    task, layout, lengths = make_task("mul"), make_layout(name, 40), tuple(range(1, 41))
    whole, short = (Renderer(task, layout, CPU, lengths=lengths, domain=domain) for domain in ("either", "by-2"))
    assert whole.known is None
    assert short.known is not None
    assert len(short.known[0]) == 40 * 2 * 42
    torch.manual_seed(1)
    drawn = PairSampler("by-2", lengths, 10, CPU).draw(50)
    lines = short.lines(drawn).token_NT.tolist()
    for a, b, length, tokens in zip(to_ints(drawn.a_ND, 10), to_ints(drawn.b_ND, 10), drawn.length_N.tolist(), lines, strict=True):
        expected = encode(layout, task, a, b, length)
        assert tokens[: len(expected)] == expected


@given(st.sampled_from([2, 10]), st.lists(st.tuples(*[st.integers(0, 10**40)] * 2), min_size=1, max_size=3), st.integers(1, 60))
def test_result_digits_at_any_size(base: int, numbers: list[tuple[int, int]], width: int) -> None:
    task = make_task(None, "a * b + a", base)
    found = result_digits(task.expression, pairs(numbers, base), base, width).tolist()
    assert found == [written(task(a, b), base, width)[:width] for a, b in numbers]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from((2, 10, 1000)),
    st.sampled_from(("a * b", "7*a*b + 2*a + b + 12345", "3*a + b", "a*b - a*b", "a*a*b", "a * (b % 10)")),
    st.lists(st.tuples(st.integers(0, 10**60), st.integers(0, 10**60)), min_size=1, max_size=4),
    st.integers(1, 150),
)
def test_result_digits_beyond_64_bits(base: int, expr: str, numbers: list[tuple[int, int]], width: int) -> None:
    """Digit by digit where the expression is a sum of a, b and a*b; else in whole numbers."""
    task = make_task(None, expr, base)
    found = result_digits(task.expression, pairs(numbers, base), base, width).tolist()
    assert found == [written(task(a, b), base, width)[:width] for a, b in numbers]
