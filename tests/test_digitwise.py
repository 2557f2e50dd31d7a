"""Accuracies per digit, against enumeration of all pairs of a domain."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_domains import BOXED
from theory.exact import digitwise, products, residue_digits
from theory.exact.accuracy import modular_mul_limit, truncation_accuracy
from theory.exact.counting import Range
from theory.exact.digitwise import bimachine, digit_accuracies, same_digit
from theory.exact.products import middle_share, zero_share, zeros
from theory.language.domains import boxes
from theory.language.expressions import evaluate
from theory.language.tasks import CATALOGUE, Task, make_task, needs_modulus

LONGEST = {2: 6, 3: 4, 5: 3, 7: 2, 10: 2, 12: 2, 16: 2}  # at most 65536 pairs to enumerate
SHAPES = {
    "carries": st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 40)).map(lambda c: f"{c[0]}*a + {c[1]}*b + {c[2]}"),
    "quotient": st.tuples(st.sampled_from("ab"), st.integers(1, 30)).map(lambda t: f"{t[0]} // {t[1]}"),
    "order": st.sampled_from(("max(a, b)", "max(b, a)", "min(a, b)", "abs(a - b)", "abs(b - a)")),
    "linear mod p": st.tuples(*[st.integers(-9, 9)] * 3, st.integers(1, 300)).map(lambda c: f"({c[0]}*a + {c[1]}*b + {c[2]}) % {c[3]}"),
    "digit sums": st.tuples(st.sampled_from("ab"), st.integers(2, 30)).map(lambda t: f"digitsum({t[0]})" + f" % {t[1]}" * (t[1] < 25)),
    "products": st.sampled_from(("a*b", "a*a", "a*b + a", "a*b*b + 7*b", "a*a + b*b")),
    "product mod p": st.tuples(st.integers(1, 5), st.integers(2, 60)).map(lambda t: f"{t[0]}*a*b % {t[1]}"),
    "reversal": st.sampled_from(("reverse(a)", "reverse(b)")),
    "product": st.just("a*b"),
    "residues": st.sampled_from(("a*a % 24 + b % 9", "(a*b + a) % 30", "max(a % 40, b % 25)", "(a*a*b + 3) % 17 % 12", "a % 30 * (b % 7)")),
    "one digit": st.sampled_from(("a < b", "a == b", "(a + b) % 2", "a*b % 2")),
    "anything": st.sampled_from(("a // 3 + b", "a*b // 7", "max(a % 7, b)", "abs(a - 2*b)")),
}


def enumerated(task: Task, trained: int, length: int, domain: str) -> tuple[Fraction, ...]:
    """The oracle: every pair, every digit."""
    width = task.result_width(length)
    total = [Fraction(0)] * width
    for box in boxes(domain, length, task.base):
        grid_a, grid_b = np.arange(*box.a.range(task.base))[:, None], np.arange(*box.b.range(task.base))
        truth, cut = task(grid_a, grid_b), evaluate(task.truncated(trained), grid_a, grid_b)
        for i in range(width):
            agree = np.broadcast_to(same_digit(i, task.base)(truth, cut), (grid_a.size, grid_b.size))
            total[i] += box.weight * Fraction(int(agree.sum()), agree.size)
    return tuple(total)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_digit_is_what_enumeration_gives(shape: str, data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(sorted(LONGEST)))
    length, trained = data.draw(st.integers(1, LONGEST[base])), data.draw(st.integers(1, 3))
    domain, task = data.draw(st.sampled_from(sorted(BOXED))), make_task(expr=data.draw(SHAPES[shape]), base=base)
    assert digit_accuracies(task, trained, length, domain) == enumerated(task, trained, length, domain)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("domain", BOXED)
def test_catalogue_in_base_three_at_length_four(name: str, domain: str) -> None:
    task = make_task(name, base=3, modulus=23 if needs_modulus(name) else None)
    assert digit_accuracies(task, 2, 4, domain) == enumerated(task, 2, 4, domain)


#: no digit of these is left uncounted at any length; of the others only digits of products beyond the trained ones are
COUNTED = [name for name in CATALOGUE if name not in ("mul", "square", "norm", "fma")]


@pytest.mark.parametrize("name", COUNTED)
def test_every_digit_is_counted_at_long_lengths(name: str) -> None:
    task = make_task(name, modulus=307 if needs_modulus(name) else None)
    found = digit_accuracies(task, 4, 60, "either")
    whole = truncation_accuracy(task, 4, 60, "either")
    assert whole is not None
    assert None not in found
    # a number is right iff all its digits are: Frechet's bounds on a conjunction
    shares = [share for share in found if share is not None]
    assert max(0, 1 - sum(1 - share for share in shares)) <= whole <= min(shares)


def residue_share(base: int, trained: int, i: int) -> Fraction:
    """The oracle: digit i of a*b and of x*y over all pairs of residues mod B^(i+1)."""
    power, residues = base**trained, np.arange(base ** (i + 1))
    same = same_digit(i, base)(residues[:, None] * residues, residues[:, None] % power * (residues % power))
    return Fraction(int(same.sum()), same.size)


RESIDUES = [(2, 3, 4), (2, 3, 5), (2, 2, 7), (4, 2, 3), (6, 1, 2), (6, 2, 3), (9, 1, 2), (10, 1, 2), (12, 1, 2)]


@pytest.mark.parametrize(("base", "trained", "i"), RESIDUES)
def test_digits_of_products_of_residues(base: int, trained: int, i: int) -> None:
    found = zero_share(base, i) if i >= 2 * trained else middle_share(base, trained, i)
    assert found == residue_share(base, trained, i)


def test_digits_of_long_products_are_counted_below_the_length_of_the_operands() -> None:
    found = digit_accuracies(make_task("mul"), 4, 30, "both")
    # digit 4 agrees iff A*y + C*x = 0 mod 10, and all four are uniform mod 10
    assert list(found[:5]) == [1, 1, 1, 1, modular_mul_limit(10)]
    assert found[20] == zero_share(10, 20)  # the truncated product has eight digits
    assert [i for i, share in enumerate(found) if share is None] == list(range(29, 60))


RANGE = st.tuples(st.integers(0, 300), st.integers(1, 200)).map(lambda t: (t[0], t[0] + t[1]))


@settings(deadline=None)
@given(st.sampled_from(sorted(LONGEST)), st.integers(0, 4), RANGE, RANGE)
def test_zeros_of_products_by_floor_sums(base: int, i: int, r: Range, s: Range) -> None:
    digits = np.arange(*r)[:, None] * np.arange(*s) // base**i % base
    assert zeros(base, i, r, s) == np.count_nonzero(digits == 0)


def test_six_digits_are_counted_from_digit_2n_on() -> None:
    found = digit_accuracies(make_task("mul", base=5), 2, 6, "both")
    assert [i for i, share in enumerate(found) if share is None] == []
    top = (5**5, 5**6)
    assert found[11] == Fraction(sum(min(5**6, -(-(5**11) // a)) - 5**5 for a in range(*top)), (top[1] - top[0]) ** 2)  # a*b < 5^11


def test_digits_of_modular_products_of_long_numbers_are_nearly_the_shares_of_residues() -> None:
    """For uniform u and v the residue of u*v says nothing of that of x*y, but where x or y shares a factor with p."""
    shares = digit_accuracies(make_task("mod-mul", modulus=509), 3, 80, "both")
    law = np.bincount(np.ravel(np.arange(509)[:, None] * np.arange(509) % 509), minlength=509) / 509**2
    low = np.arange(1000) % 509
    cut = np.bincount(np.ravel(low[:, None] * low % 509), minlength=509) / 1000**2
    for i, share in enumerate(shares):
        digits = np.arange(509) // 10**i % 10
        expected = sum(law[digits == d].sum() * cut[digits == d].sum() for d in range(10))
        assert share is not None
        assert abs(float(share) - expected) < 1e-12


def test_addition_digit_by_digit() -> None:
    """Digit n of a truncated sum is the bare carry: with both operands longer, one time in ten it is right, as x_n + y_n is uniform."""
    assert digit_accuracies(make_task("add"), 4, 1000, "both")[4:6] == (Fraction(1, 10), Fraction(1, 10))


# --- planted errors


def planted(task: Task, length: int = 2) -> bool:
    return digit_accuracies(task, 1, length, "either") != enumerated(task, 1, length, "either")


def test_a_twin_that_is_not_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = digitwise.Twins._kind
    monkeypatch.setattr(digitwise.Twins, "_kind", lambda self, i: (*whole(self, i)[:2], False))
    assert all(planted(make_task(name)) for name in ("add", "max", "halve", "absdiff"))


def test_a_borrow_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(task: Task) -> digitwise.Bimachine | None:
        found = bimachine(task)
        return found and digitwise.Bimachine(found.low, lambda s, x, y: s, found.high, found.above, found.write)

    monkeypatch.setattr(digitwise, "bimachine", forgetful)
    assert all(planted(make_task(name)) for name in ("add", "absdiff"))


def test_a_rest_that_is_dropped_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (digitwise, residue_digits):
        monkeypatch.setattr(module, "folded", lambda r, p: [(max((r[1] - r[0]) // p, 1), (0, p))])
    assert planted(make_task("mod-add", modulus=23))
    assert planted(make_task("mod-mul", modulus=23))


def test_an_orbit_that_is_not_closed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that do not wrap around the residues."""
    whole = residue_digits.window
    monkeypatch.setattr(residue_digits, "window", lambda table, step, r: whole(table, step, (r[0], max(r[1] - 1, r[0]))))
    assert planted(make_task("mod-mul", modulus=23))


def test_a_factor_of_the_base_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "factors", lambda n: Counter({2: 1}))
    products.zero_share.cache_clear()
    products.middle_share.cache_clear()
    assert zero_share(6, 2) != residue_share(6, 1, 2)
    assert middle_share(6, 2, 3) != residue_share(6, 2, 3)
    products.zero_share.cache_clear()
    products.middle_share.cache_clear()
