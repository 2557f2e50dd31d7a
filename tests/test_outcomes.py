"""The word of a prediction against the exact accuracies printed under it, across tasks (degenerate ones too), encodings and layouts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.exact.accuracy import truncation_accuracy
from theory.exact.ordering import order_agreements
from theory.language.domains import boxes, make_training
from theory.language.encodings import FAMILIES, make_encoding
from theory.language.expressions import evaluate, parse, truncate
from theory.language.layouts import make_layout
from theory.language.tasks import Task, make_task
from theory.predictions.predict import Prediction, predict
from theory.predictions.rulebook import DECAYING, FAILING

CONSTANT = ("5", "0", "a * 0", "a % 1", "min(a, 0)", "(a + b) * 0 + 3", "a // 1000000000000000000000000000000", "a // 100000")
OTHERS = ("a", "a + b", "a // 1", "a // 2", "a // 100", "a // 7", "12 * a", "a * b", "(a+b) % 10", "a % 7", "max(a, 5)", "a < 40", "a == b")
PLACES = [(family, layout, direction) for family in FAMILIES for layout in ("padded", "aligned", "plain", "reversed", "interleaved")
          for direction in (("lsd", "msd") if layout == "interleaved" else ("lsd",))]  # fmt: skip


def predicted(task: Task, place: tuple[str, str, str], trained: int, domain: str = "either") -> Prediction:
    family, layout, direction = place
    width = 2 * trained + 2
    encoding = make_encoding(family, 4 if family == "window" else None)
    lengths = tuple(range(1, 2 * trained + 1)) if trained > 1 else (1, 2)
    training = make_training(domain, tuple(range(1, trained + 1)))
    return predict(task, encoding, make_layout(layout, width, direction), training, lengths, domain)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(CONSTANT + OTHERS), st.sampled_from(PLACES), st.integers(1, 3), st.sampled_from([2, 3, 10]))
def test_the_word_says_what_the_accuracies_say(text: str, place: tuple[str, str, str], trained: int, base: int) -> None:
    task = make_task(expr=text, base=base)
    found = predicted(task, place, trained)
    shares = {row.length: row.exact for row in found.accuracy if row.region == "upward"}
    first, last = shares[trained + 1], shares[max(shares)]
    match found.outcome.upward:
        case "exact":
            assert all(share in (1, None) for share in shares.values())  # a band says nothing beyond its width
        case "truncation":
            assert shares == {m: truncation_accuracy(task, trained, m, "either") for m in shares}
        case "decays" if first is not None and last is not None:
            assert first >= FAILING
            assert last <= first
        case "fails":
            assert first is None or first < FAILING
        case "undetermined" if found.rule_name == "window half enough":  # the share is the prediction
            assert first is not None
            assert FAILING <= first < DECAYING
        case "undetermined":
            assert set(shares.values()) == {None}


@pytest.mark.parametrize("text", CONSTANT)
@pytest.mark.parametrize("base", [2, 10])
def test_a_result_that_never_changes_neither_decays_nor_fails(text: str, base: int) -> None:
    """In operands of n+1 digits, that is: what a network says of them is right, or is not known."""
    task = make_task(expr=text, base=base)
    trained = 2
    assert len({task(a, b) for a in range(base**3) for b in (0, 1, a, base**3 - 1)}) == 1
    for place in PLACES:
        found = predicted(task, place, trained)
        assert found.outcome.upward in ("exact", "truncation", "undetermined"), place
        if found.outcome.upward == "truncation":
            assert [row.exact for row in found.accuracy if row.length == trained + 1] == [1]


def test_a_division_by_more_than_the_operands_is_truncation_and_right_as_long_as_they_are_smaller() -> None:
    task = make_task(expr="a // " + "1" + "0" * 30)
    lengths = (4, 30, 31, 32)
    found = predict(task, make_encoding("absolute"), make_layout("padded", 32), make_training("either", "1-3"), lengths, "both")
    assert found.outcome.upward == "truncation"
    assert [row.exact for row in found.accuracy] == [1, 1, 0, 0]


against = st.sampled_from(("min({v}, {c})", "max({c}, {v})", *(f"{{v}} {sign} {{c}}" for sign in ("<", "<=", ">", ">=", "==", "!="))))
ranges = st.tuples(st.integers(0, 200), st.integers(1, 150)).map(lambda t: (t[0], sum(t)))


@settings(max_examples=120, deadline=None)
@given(against, st.sampled_from("ab"), st.integers(-3, 300), st.sampled_from([2, 3, 10]), st.integers(1, 2), ranges)
def test_one_operand_against_a_constant(form: str, v: str, c: int, base: int, trained: int, own: tuple[int, int]) -> None:
    expression, power = parse(form.format(v=v, c=c), base), base**trained
    a, b = (own, (2, 5)) if v == "a" else ((2, 5), own)
    pairs = np.arange(*a)[:, None], np.arange(*b)
    agree = evaluate(expression, *pairs) == evaluate(truncate(expression, power), *pairs)
    assert order_agreements(expression, base, power, a, b) == np.broadcast_to(agree, (a[1] - a[0], b[1] - b[0])).sum()


def test_min_with_a_constant_at_any_length() -> None:
    """min(a, 40) for a of 50 digits, cut to two: right where the cut operand is 40 or more."""
    assert truncation_accuracy(make_task(expr="min(a, 40)"), 2, 50, "both") == Fraction(60, 100)
    assert sum(box.weight for box in boxes("both", 50, 10)) == 1
