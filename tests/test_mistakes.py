"""Wrong answers with planted causes: each must be named, none invented, and chance must be what shuffling gives."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.errors import InputError
from theory.language.tasks import Task, digit_count, make_task
from theory.mistakes import KINDS, classify, constant_of, explanations, summarise

ADD = make_task("add")


def drawn(seed: int, count: int, digits: int, base: int = 10) -> list[tuple[int, int]]:
    random = Random(seed)
    low, high = base ** (digits - 1), base**digits
    return [(random.randrange(low, high), random.randrange(low, high)) for _ in range(count)]


def sum_without_carry(a: int, b: int, at: int, base: int, later_follow: bool) -> int:
    """Schoolbook addition that forgets, or invents, the carry into one place."""
    out = carry = true_carry = place = 0
    while a or b or carry or place <= at:
        if place == at:
            carry = 1 - carry
        total = a % base + b % base + carry
        out += total % base * base**place
        true_carry = (a % base + b % base + true_carry) // base
        carry = total // base if later_follow else true_carry
        a, b, place = a // base, b // base, place + 1
    return out


@pytest.mark.parametrize("base", [2, 3, 10])
def test_carries_of_addition_are_exactly_those_of_a_broken_adder(base: int) -> None:
    task = make_task("add", base=base)
    for a, b in [*product(range(min(base**3, 30)), repeat=2), *drawn(1, 200, 5, base)]:
        size = max(digit_count(a, base), digit_count(b, base), digit_count(a + b, base) - 1)
        broken = {sum_without_carry(a, b, at, base, follow) for at in range(1, size + 1) for follow in (True, False)}
        assert explanations(task, 1, a, b)["carry"] == broken - {a + b}, (a, b)


@given(a=st.integers(0, 10**30), b=st.integers(0, 10**30), trained=st.integers(1, 20), base=st.integers(2, 16))
def test_the_sets_mean_what_they_say(a: int, b: int, trained: int, base: int) -> None:
    task = make_task("add", base=base)
    found = explanations(task, trained, a, b)
    power = base**trained
    assert found["right"] == {a + b}
    assert found["truncation"] == {a % power + b % power}
    assert a + b not in found["carry"] | found["shifted"]
    assert found["copy"] == {a, b}
    for one in found["carry"]:  # by a power of the base, or one digit turned over: at any rate nothing below the first place changes
        assert (one - a - b) % base == 0
    for one in found["shifted"]:
        assert one // base in {a + b, (a + b) % base ** (digit_count(a + b, base) - 1)} or (
            one % base ** (digit_count(a + b, base) - 1) == (a + b) // base
        )


@pytest.mark.parametrize(
    ("task", "a", "b", "answer", "kind"),
    [
        (ADD, 2481, 7390, 9871, "right"),
        (ADD, 2481, 7390, 871, "truncation"),
        (ADD, 2481, 7390, 771, "truncated carry"),  # 481 + 390 with the carry into place 2 dropped
        (ADD, 2481, 7390, 9771, "carry"),  # the carry into place 2 dropped
        (ADD, 2481, 7390, 10871, "carry"),  # one added into place 3, where none occurs
        (ADD, 2481, 7390, 8871, "unexplained"),  # none occurs there, so none can be dropped
        (ADD, 2481, 7390, 98710, "shifted"),
        (ADD, 2481, 7390, 8713, "shifted"),
        (ADD, 2481, 7390, 987, "shifted"),
        (ADD, 2481, 7390, 7390, "copy"),
        (ADD, 2481, 7390, 42, "unexplained"),
        (ADD, 2481, 7390, None, "no number"),
        (make_task("mod-add", modulus=101), 2481, 7390, (481 + 390) % 101, "truncation"),
        (make_task("mul"), 1012, 3, 36, "truncation"),
        (make_task("mul"), 1012, 3, 3136, "carry"),
        (make_task("max"), 1012, 3, 12, "truncation"),
        (make_task(expr="2*a + 3*b"), 12, 34, 116, "carry"),  # 126: 24 + 102; the carry 1 into place 1 dropped
    ],
)
def test_planted_answers(task: Task, a: int, b: int, answer: int | None, kind: str) -> None:
    assert classify(task, 3, a, b, answer) == kind


def test_a_carry_that_does_not_occur_cannot_be_dropped() -> None:
    assert explanations(ADD, 3, 12, 34)["carry"] == {56, 146}
    assert 36 not in explanations(ADD, 3, 12, 34)["carry"]  # 46 - 10, but no carry entered place 1


def test_a_constant_can_carry_alone() -> None:
    """a + 5: the largest carry out of a digit is that of 9 + 5, so 3 + 5 may be written with one: 18."""
    assert 18 in explanations(make_task(expr="a + 5"), 1, 3, 0)["carry"]


def test_a_batch_of_mixed_mistakes_is_taken_apart() -> None:
    pairs = drawn(2, 1000, 4)
    kinds = ["right"] * 300 + ["truncation"] * 400 + ["copy"] * 100 + ["constant"] * 200
    rows = [
        (a, b, {"right": a + b, "truncation": a % 1000 + b % 1000, "copy": a, "constant": 77777}[kind])
        for (a, b), kind in zip(pairs, kinds, strict=True)
    ]
    (found,) = summarise(ADD, 3, rows)
    assert (found.length, found.examples, found.right) == (4, 1000, 300)
    assert {kind: tally.first for kind, tally in found.tallies.items() if tally.first} == {
        "right": 300, "truncation": 400, "copy": 100, "constant": 200,
    }  # fmt: skip
    assert sum(tally.first for tally in found.tallies.values()) == found.examples
    assert found.tallies["truncation"].chance is not None
    assert found.tallies["truncation"].chance < 0.01


def test_hypotheses_are_counted_both_ways() -> None:
    """Below the trained length the truncated function is the task: it holds for every right answer, and is never the first explanation."""
    rows = [(a, b, a + b) for a, b in drawn(3, 50, 2)]
    (found,) = summarise(ADD, 3, rows)
    tally = found.tallies["truncation"]
    assert (tally.first, tally.holds, tally.wrong) == (0, 50, 0)


def test_chance_is_what_shuffling_gives() -> None:
    """Who guesses residues mod 7 is right by chance, and the chance says so: it is the mean over shuffled answers."""
    task, random = make_task("mod-add", modulus=7), Random(5)
    pairs = drawn(4, 200, 4)
    answers = [random.randrange(7) for _ in pairs]
    (found,) = summarise(task, 3, [(a, b, c) for (a, b), c in zip(pairs, answers, strict=True)])
    for kind in ("right", "truncation", "carry"):
        means = []
        for _ in range(40):
            random.shuffle(answers)
            (again,) = summarise(task, 3, [(a, b, c) for (a, b), c in zip(pairs, answers, strict=True)])
            means.append(again.tallies[kind].holds / 200)
        chance = found.tallies[kind].chance
        assert chance is not None
        assert sum(means) / 40 == pytest.approx(chance, abs=0.01)
    assert found.tallies["right"].holds / 200 == pytest.approx(1 / 7, abs=0.06)


def test_lengths_are_told_apart_and_nothing_is_nothing() -> None:
    rows = [(5, 7, 12), (51, 3, 54), (51, 30, None), (512, 3, 5)]
    found = summarise(ADD, 2, rows)
    assert [(one.length, one.examples, one.right) for one in found] == [(1, 1, 1), (2, 2, 1), (3, 1, 0)]
    assert found[0].tallies["right"].chance is None
    assert found[1].tallies["no number"].first == 1
    assert tuple(found[0].tallies) == KINDS
    assert summarise(ADD, 2, []) == ()


def test_constant_needs_a_tenth_of_the_wrong_answers() -> None:
    rows = [(a, b, a + b + 10**8 + a * b) for a, b in drawn(6, 90, 4)]
    assert constant_of(ADD, rows) is None
    assert constant_of(ADD, [*rows, *((a, b, 5) for a, b in drawn(7, 9, 4))]) is None
    assert constant_of(ADD, [*rows, *((a, b, 5) for a, b in drawn(7, 10, 4))]) == 5
    assert constant_of(ADD, [(1, 1, 2), (2, 2, 4)]) is None
    assert classify(ADD, 3, 2, 3, 5, constant=5) == "right"


@pytest.mark.parametrize(("a", "b", "trained"), [(-1, 0, 3), (0, -1, 3), (1, 1, 0)])
def test_bad_input(a: int, b: int, trained: int) -> None:
    with pytest.raises(InputError, match="operands start at 0"):
        explanations(ADD, trained, a, b)
    with pytest.raises(InputError, match="negative results"):
        explanations(make_task(expr="a - b"), 3, 1, 2)
