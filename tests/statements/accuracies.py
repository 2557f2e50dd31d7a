"""Statements on exact accuracies of truncation, checked live."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product
from math import gcd, log

from tests.statements.plain import agreement, pairs, sum_agreement
from theory.exact.accuracy import modular_mul_limit, modular_threshold, truncation_accuracy
from theory.language.tasks import make_task


def right_when() -> None:
    for base, trained in ((2, 1), (2, 3), (3, 2), (6, 1), (10, 1)):
        M = base**trained
        for a, b in product(range(5 * M), repeat=2):
            (A, x), (C, y) = divmod(a, M), divmod(b, M)
            assert (a + b == x + y) == (A + C == 0)
            assert (2 * a - 3 * b + 1 == 2 * x - 3 * y + 1) == (2 * A - 3 * C == 0)
            assert (a * b == x * y) == (A == C == 0 or a == 0 or b == 0)
            assert (abs(a - b) == abs(x - y)) == (A == C or -2 * (x - y) == (A - C) * M)
            for p in (2, 6, 9, 10, 12):
                reduced = p // gcd(M, p)
                assert ((a + b - x - y) % p == 0) == ((A + C) % reduced == 0)
                assert ((5 * a + 3 * b - 5 * x - 3 * y) % p == 0) == ((5 * A + 3 * C) % reduced == 0)
                assert ((a * b - x * y) % p == 0) == ((A * y + a * C) % reduced == 0)


def truncated_sums_are_never_right() -> None:
    for base, trained, length in ((2, 1, 2), (2, 2, 4), (3, 1, 3), (10, 1, 2)):
        for domain in ("either", "both"):
            assert agreement(lambda a, b: a + b, base, trained, pairs(domain, length, base)) == 0
            assert truncation_accuracy(make_task("add", base=base), trained, length, domain) == 0


def truncated_products_are_right_at_zero() -> None:
    for base, trained, length in ((2, 1, 2), (2, 2, 4), (3, 1, 3), (10, 1, 2)):
        expected = {"either": Fraction(2, base ** (length - 1) * (base + 1)), "both": Fraction(0)}
        for domain, share in expected.items():
            assert agreement(lambda a, b: a * b, base, trained, pairs(domain, length, base)) == share
            assert truncation_accuracy(make_task("mul", base=base), trained, length, domain) == share
    assert truncation_accuracy(make_task("mul"), 4, 5, "either") == Fraction(1, 55000) > 0


def truncated_differences_are_sometimes_right() -> None:
    for base, trained in ((2, 1), (2, 3), (3, 2), (5, 1), (10, 1)):
        share = agreement(lambda a, b: a - b, base, trained, pairs("either", trained + 1, base))
        assert share == Fraction(1, base + 1)
        assert truncation_accuracy(make_task(expr="a - b", base=base), trained, trained + 1, "either") == share
    assert share == Fraction(1, 11)


def mod_150_is_right_exactly_a_third_of_the_time() -> None:
    for length in range(5, 9):
        for domain in ("either", "both"):
            assert sum_agreement(150, 10, 4, length, domain) == Fraction(1, 3)
    for length, domain in product(range(5, 10), ("either", "both", "sampler")):
        assert truncation_accuracy(make_task("mod-add", modulus=150), 4, length, domain) == Fraction(1, 3)


def far_below_the_reciprocal_at_the_threshold() -> None:
    """197 = 98 + 99 = 99 + 98, and no other high parts of up to two digits reach it."""
    reached = [(A, C) for A, C in product(range(100), repeat=2) if max(A, C) >= 10 and (A + C) % 197 == 0]
    assert reached == [(98, 99), (99, 98)]
    share = sum_agreement(197, 10, 4, 6, "either")
    assert share == Fraction(2, 9900) == truncation_accuracy(make_task("mod-add", modulus=197), 4, 6, "either")
    assert 4 + log(197 / 2 + 1, 10) <= 6
    assert 20 * share < Fraction(1, 197)


def the_threshold_is_where_accuracy_begins() -> None:
    for base, trained, p in product((2, 3, 10), (1, 2), range(2, 150)):
        reduced = p // gcd(base**trained, p)
        threshold = modular_threshold(make_task("mod-add", base=base, modulus=p), trained)
        assert threshold is not None
        assert 2 * base ** (threshold - trained) >= reduced + 2  # m >= n + log_B(p'/2 + 1), in integers
        assert threshold == trained + 1 or 2 * base ** (threshold - trained - 1) < reduced + 2
        for length, domain in product(range(trained + 1, threshold + 2), ("either", "both")):
            assert bool(sum_agreement(p, base, trained, length, domain)) == (length >= threshold)


def distance(base: int, p: int, trained: int, length: int, domain: str) -> tuple[Fraction, Fraction]:
    """|accuracy * p' - 1|, and (p' / B^k)^2."""
    reduced = p // gcd(base**trained, p)
    share = sum_agreement(p, base, trained, length, domain)
    assert share == truncation_accuracy(make_task("mod-add", base=base, modulus=p), trained, length, domain)
    return abs(share * reduced - 1), Fraction(reduced, base ** (length - trained)) ** 2


def the_first_error_bound_is_too_small() -> None:
    assert agreement(lambda a, b: (a + b) % 4, 2, 1, pairs("both", 2, 2)) == 1  # p' = 2: the distance is 1
    found, unit = distance(2, 4, 1, 2, "both")
    assert found == 1 > unit / (2 * (1 - Fraction(1, 4))) == Fraction(2, 3)
    for base, p, trained, further, domain in product((2, 3, 10), range(2, 60), (1, 2), range(3), ("either", "both")):
        threshold = modular_threshold(make_task("mod-add", base=base, modulus=p), trained)
        if p // gcd(base**trained, p) > 1 and threshold is not None and threshold + further - trained < 5:
            found, unit = distance(base, p, trained, threshold + further, domain)
            assert found <= unit * Fraction(base**2, 4 * (base - 1) ** 2)


def solutions(p: int) -> int:
    """Plainly: how many (x, y, z, w) mod p have x*y + z*w = 0."""
    products = Counter(x * y % p for x, y in product(range(p), repeat=2))
    return sum(count * products[-r % p] for r, count in products.items())


def products_do_not_tend_to_the_reciprocal() -> None:
    assert sum((x * y + z * w) % 3 == 0 for x, y, z, w in product(range(3), repeat=4)) == solutions(3)
    assert Fraction(solutions(3), 3**4) == Fraction(11, 27) == modular_mul_limit(3) > Fraction(1, 3)
    for q in (2, 3, 5, 7, 13):
        assert Fraction(solutions(q), q**4) == Fraction(q * q + q - 1, q**3)
        counts = [1, q**3 + q * q - q]
        for k in range(2, 5):
            counts.append((q - 1) * (q + 1) ** 2 * q ** (3 * (k - 1)) + q**4 * counts[k - 2])
        assert all(counts[k] == solutions(q**k) for k in range(5) if q**k < 200)
    for p in (12, 51, 90):
        assert Fraction(solutions(p), p**4) == modular_mul_limit(p)
    assert (round(float(modular_mul_limit(51)), 4), round(1 / 51, 4)) == (0.0253, 0.0196)


def a_trained_length_biases_products() -> None:
    """The low digit is 0 mod 3 in 4 of 10 cases, and no length of the operands changes that."""
    for length in (2, 3):
        share = agreement(lambda a, b: a * b % 3, 10, 1, pairs("both", length, 10))
        assert share == Fraction(98, 225) != modular_mul_limit(3) == Fraction(11, 27)
    assert truncation_accuracy(make_task("mod-mul", modulus=3), 1, 500, "both") == Fraction(98, 225)


#: the authors' rows for a * b mod p, n = 3, lengths 4 to 9, in percent of 10^4 samples of D_abm
ROWS = {51: (2.59, 2.45, 2.80, 2.37, 2.51, 3.19), 201: (0.67, 0.58, 0.53, 0.64, 0.63, 0.60)}


def the_authors_rows_do_not_fit_the_reciprocal() -> None:
    for p, exact, reciprocal in ((201, 2.2, 17.4), (51, 23.2, 172.7)):
        task, found = make_task("mod-mul", modulus=p), []
        for shares in ([float(truncation_accuracy(task, 3, m, "both") or 0) for m in range(4, 10)], [1 / p] * 6):
            terms = [(100 * seen - 1e4 * q) ** 2 / (1e4 * q * (1 - q)) for seen, q in zip(ROWS[p], shares, strict=True)]
            found.append(sum(terms))
        assert [round(value, 1) for value in found] == [exact, reciprocal]
    outlier = (319 - 1e4 * float(modular_mul_limit(51))) ** 2 / (1e4 * float(modular_mul_limit(51)))
    assert outlier > 15
