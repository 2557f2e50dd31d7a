"""Lookahead: the best accuracies against a search over all lines, closed forms for addition, and where they are shown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import called
from tests.test_domains import BOXED
from theory.language.domains import boxes, make_training
from theory.language.encodings import make_encoding
from theory.language.layouts import Layout, digits, make_layout
from theory.language.tasks import Task, make_task
from theory.local import lookahead as module
from theory.local.lookahead import AHEAD, best_accuracy, looks_ahead
from theory.predictions.predict import predict

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
PLAIN, REVERSED = Layout("plain", 1), Layout("reversed", 1)

CASES = [
    # expression, base, layout, lengths
    ("a + b", 2, PLAIN, (1, 2, 3, 4)),
    ("a + b", 3, PLAIN, (1, 2, 3)),
    ("a + b", 10, PLAIN, (1, 2)),
    ("3*a + b", 2, PLAIN, (1, 2, 3)),
    ("2*a + 3*b", 3, PLAIN, (1, 2)),
    ("7*a", 2, PLAIN, (3, 4)),
    ("a", 3, PLAIN, (2, 3)),
    ("a + b + 5", 2, PLAIN, (3,)),
    ("a // 3", 2, REVERSED, (1, 2, 3, 4)),
    ("a // 2", 3, REVERSED, (1, 2, 3)),
    ("b // 5", 3, REVERSED, (2, 3)),
]


def searched(task: Task, layout: Layout, ahead: int, domain: str, length: int) -> Fraction:
    """The best predictor found by hand: lines that look alike so far are divided by the next answer, and the best part is kept."""
    width = max(length, task.result_width(length))
    order = list(range(width)) if layout.result_direction == "lsd" else list(range(width))[::-1]
    total = Fraction(0)

    def best(lines: Sequence[tuple[list[int], ...]], answered: int) -> int:
        if answered == width:
            return len(lines)
        alike = defaultdict(list)
        for a, b, c in lines:
            alike[tuple((a[p], b[p]) for p in order[: answered + ahead + 1])].append((a, b, c))
        right = 0
        for group in alike.values():
            parts = defaultdict(list)
            for line in group:
                parts[line[2][order[answered]]].append(line)
            right += max(best(part, answered + 1) for part in parts.values())
        return right

    for box in boxes(domain, length, task.base):
        pairs = [(a, b) for a in range(*box.a.range(task.base)) for b in range(*box.b.range(task.base))]
        written = [tuple(digits(value, width, task.base) for value in (a, b, task(a, b))) for a, b in pairs]
        total += box.weight * Fraction(best(written, 0), len(written))
    return total


@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize(("expr", "base", "layout", "lengths"), CASES)
def test_best_accuracy_is_the_searched_one(expr: str, base: int, layout: Layout, lengths: tuple[int, ...], ahead: int) -> None:
    task = make_task(None, expr, base)
    for length in lengths:
        for domain in BOXED if base**length < 30 else ("either",):
            assert best_accuracy(task, layout, ahead, domain, length) == searched(task, layout, ahead, domain, length)


@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 4))
def test_addition_in_closed_form(base: int, length: int, ahead: int) -> None:
    """Of B^2 digit pairs P = B propagate a carry (their sum is B - 1), K = G = B(B-1)/2 kill or generate one.

    Let R(m) be the lines of m free pairs that are right, with the carry out of them asked for first, and j the number of pairs on top that
    propagate. The carry is in sight if j < k. If not, 0 is the better guess: it is right if the next pair kills, or if there is none. After
    that pair the m - j - 1 below are a problem of their own:

        R(m) = sum over j < m of P^j * (K + [j < k] G) * R(m-j-1), + P^m.

    With both top digits >= 1 the first pair has K', P', G' instead, and with k = 0 a carry may be the better guess there.
    """
    free = base * (base - 1) // 2, base, base * (base - 1) // 2
    nonzero = (base - 3) * (base - 2) // 2, base - 2, (base - 1) ** 2 - (base - 3) * (base - 2) // 2 - (base - 2)

    def right(places: int, top: tuple[int, int, int], carry: int = 0) -> int:
        """Lines of so many pairs, the first of them from `top`, if `carry` is guessed where none is in sight."""
        total = 0 if carry else (top[1] if places else 1) * base ** max(places - 1, 0)
        for j in range(places):
            kill, _, generate = free if j else top
            ends = kill + generate if j < ahead else generate if carry else kill
            total += (top[1] * base ** (j - 1) if j else 1) * ends * known[places - j - 1]
        return total

    known: list[int] = []
    for places in range(length + 1):
        known.append(right(places, free))
    if length == 1:
        expected = Fraction(max(known[1], right(1, free, 1)), base**2)
    else:
        lines = (base - 1) ** 2 * base ** (2 * (length - 1))
        expected = Fraction(max(right(length, nonzero), right(length, nonzero, 1)), lines)
    assert best_accuracy(make_task("add", base=base), PLAIN, ahead, "both", length) == expected


def test_growth_with_lookahead_and_decay_with_length() -> None:
    task = make_task("add")
    table = [[best_accuracy(task, PLAIN, k, "either", n) for n in range(1, 12)] for k in AHEAD]
    for less, more in pairwise(table):
        assert all(x <= y for x, y in zip(less, more, strict=True) if x is not None and y is not None)
    for row in table:
        assert all(x >= y for x, y in pairwise(row) if x is not None and y is not None)
    assert best_accuracy(task, PLAIN, 11, "either", 11) == 1


def test_division_by_seven_is_one_guess() -> None:
    """Modulo a power of 10, 7 is invertible: least significant first, the first remainder decides all, so 1/7 is right at any length."""
    task = make_task(None, "a // 7")
    shares = [best_accuracy(task, REVERSED, 0, "either", n) for n in (3, 5, 9, 20)]
    assert all(share is not None and abs(share - Fraction(1, 7)) < Fraction(1, 100) for share in shares)
    assert all(share is not None and share > Fraction(1, 7) for share in shares)


def test_where_it_is_shown() -> None:
    add, third, copy = make_task("add"), make_task("third"), make_task("copy")
    shown = {
        ("plain", "lsd"): (AHEAD, ()), ("reversed", "lsd"): ((), AHEAD), ("padded", "lsd"): ((), AHEAD),
        ("interleaved", "lsd"): ((), (0,)), ("interleaved", "msd"): ((0,), ()),
    }  # fmt: skip
    for (name, direction), (of_add, of_third) in shown.items():
        layout = make_layout(name, 5, direction)
        assert (looks_ahead(add, layout), looks_ahead(third, layout)) == (of_add, of_third)
    assert looks_ahead(make_task("mul"), make_layout("plain", 5)) == ()
    assert looks_ahead(copy, make_layout("reversed", 5)) == ()


def test_predictions_show_it() -> None:
    found = json.loads(called("theory", "predict", "--layout", "plain", "--lengths", "4-5", "--json").out)["lookahead"]
    task = make_task("add")
    expected = [{"length": n, "best": {str(k): str(best_accuracy(task, PLAIN, k, "either", n)) for k in AHEAD}} for n in (4, 5)]
    assert found == expected
    text = called("theory", "predict", "--layout", "interleaved", "--direction", "msd", "--lengths", "5").out
    assert "best possible accuracy (proven)" in text
    assert "from the digits in sight at best 5.08 % of lines of length 5 are right" in text
    assert "Lookahead: at length 5 the best answers" in called("theory", "explain", "--layout", "plain").out
    assert "lookahead" not in called("theory", "predict").out.lower()


def test_a_limit_is_no_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limits nothing is said; the limit depends on the task alone."""
    assert best_accuracy(make_task(None, "123*a"), PLAIN, 3, "either", 3) is None
    monkeypatch.setattr(module, "MAX_MOVES", 1)
    assert best_accuracy(make_task(None, "3*a + 2*b"), PLAIN, 1, "either", 3) is None


def test_not_causal_but_half_right_is_called_decay() -> None:
    task, training = make_task("add", base=2), make_training("either", "1")
    for pe, rule, upward in (("relative", "not causal, guessed", "decays"), ("absolute", "not causal, half guessed", "undetermined")):
        found = predict(task, make_encoding(pe), make_layout("interleaved", 1, "msd"), training, (1, 2, 3), "either")
        best = found.lookahead[1].best[0]
        assert best is not None
        assert best >= Fraction(1, 2)
        assert (found.rule_name, found.outcome.upward, found.rule.status) == (rule, upward, "hypothesis")


@pytest.mark.parametrize("planted", ["digits are not told apart", "every answer is kept", "one digit too many in sight"])
def test_a_planted_error_is_found(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = module.Lookahead
    monkeypatch.setattr(module, "lookahead", module.lookahead.__wrapped__)  # nothing from before the error
    if planted == "digits are not told apart":
        monkeypatch.setattr(module, "_marks", lambda values: tuple(0 for _ in values))
    elif planted == "every answer is kept":
        monkeypatch.setattr(module, "_parts", lambda info: [tuple((state, marks[:-1]) for state, marks in info)])
    else:
        monkeypatch.setattr(module, "Lookahead", lambda task, machine, ahead: whole(task, machine, ahead + 1))
    with pytest.raises(AssertionError):
        test_addition_in_closed_form()
    task = make_task("add", base=2)
    assert best_accuracy(task, PLAIN, 1, "either", 3) != searched(task, PLAIN, 1, "either", 3)
