"""Statements on the operand digits that a result needs, and on what one digit changes, checked live."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import numpy as np

from tests.statements.plain import Function, Pair, sum_agreement, words
from theory.exact.accuracy import truncation_accuracy
from theory.graphs.dependency import dependency_graph
from theory.language.tasks import make_task
from theory.proofs.properties import base_compatibility, identifiability, low_support


def least_support(f: Function, base: int, period: int) -> int | None:
    """Plainly: the least m so that the low m digits fix f, which has this period in each operand."""
    for m in range(period.bit_length() + 1):
        if all(f(a + base**m, b) == f(a, b) == f(a, b + base**m) for a, b in product(range(period), repeat=2)):
            return m
    return None


def low_digits_suffice_iff_p_divides_a_power() -> None:
    for base, p, name in product((2, 6, 10), range(2, 17), ("mod-add", "mod-mul")):
        task = make_task(name, base=base, modulus=p)
        compatible = next((m for m in range(8) if base**m % p == 0), None)
        assert least_support(task, base, p) == low_support(task).digits == base_compatibility(task).digits == compatible
    for text, p, compatible in (("(3*a+3*b)%30", 30, None), ("a*a%20", 20, 2)):
        task = make_task(expr=text)
        assert next((m for m in range(40) if 10**m % p == 0), None) == compatible == base_compatibility(task).digits
        assert least_support(task, 10, p) == 1 == low_support(task).digits


def longer_powers_do_not_help() -> None:
    expected = {(4, "either"): Fraction(49, 99), (4, "both"): Fraction(41, 81)}
    for length, domain in product(range(4, 8), ("either", "both")):
        share = sum_agreement(16, 10, 3, length, domain)
        assert share == expected.get((length, domain), Fraction(1, 2))
        assert share == truncation_accuracy(make_task("mod-add", modulus=16), 3, length, domain)
    assert 10**4 % 16 == 0 < 10**3 % 16


def a_modulus_that_never_acts_is_not_learned() -> None:
    for base, trained in ((2, 1), (2, 3), (3, 2), (10, 1)):
        for p in range(2, 2 * base**trained + 3):
            acts = any((a + b) % p != a + b for a, b in product(range(base**trained), repeat=2))
            assert acts == (p < 2 * base**trained - 1) == identifiability(make_task("mod-add", base=base, modulus=p), trained).value


def in_degree_tells_nothing_without_carries() -> None:
    for base, name in product((2, 3), ("add", "mul")):
        f, operands = make_task(name, base=base), range(base**3)
        for i in range(3):
            unit = base**i
            moves = ((kind, j, f(a, b), f(*raised(kind, a, b, j, base))) for kind, j, a, b in product("ab", range(3), operands, operands))
            needed = {(kind, j) for kind, j, before, after in moves if before // unit % base != after // unit % base}
            assert needed == set(product("ab", range(i + 1)))
    into = {name: dict(dependency_graph(make_task(name), 6).in_degree) for name in ("add", "mul")}
    assert [into["add"][f"c{i}"] for i in range(1, 6)] == [3] * 5
    growth = [into["mul"][f"c{i}"] for i in range(1, 6)]
    assert all(later > earlier for earlier, later in pairwise(growth))


def raised(kind: str, a: int, b: int, place: int, base: int) -> Pair:
    """The operands with one digit raised by one, the largest to 0."""
    unit, value = base**place, a if kind == "a" else b
    value += unit if value // unit % base < base - 1 else (1 - base) * unit
    return (value, b) if kind == "a" else (a, value)


def influence(f: Function, base: int, digits: int, j: int, i: int) -> Fraction:
    """P(digit i of the result changes | digit j of a is drawn again), exactly, over all operands of up to `digits` digits."""
    operands = np.arange(base**digits)
    digit = f(operands[:, None], operands[None, :]) // base**i % base
    cells = digit.reshape(base ** (digits - 1 - j), base, base**j, base**digits)  # axis 1 is digit j
    same = sum(int(((cells == value).sum(axis=1).astype(np.int64) ** 2).sum()) for value in range(base))
    return 1 - Fraction(same, base ** (2 * digits + 1))


def the_influence_on_sums_decays() -> None:
    for base, digits in ((2, 4), (3, 3), (10, 3)):
        found = [influence(lambda a, b: a + b, base, digits, 0, i) for i in range(digits + 1)]
        assert found == [Fraction(base - 1, base), *(Fraction(base**2 - 1, 3 * base ** (i + 1)) for i in range(1, digits + 1))]
    assert list(map(float, found)) == [0.9, 0.33, 0.033, 0.0033]


def the_influence_on_products_stays() -> None:
    flat = [influence(lambda a, b: a * b, 10, 3, j, i) for j in range(3) for i in range(j, 3)]
    assert all(0.725 < share < 0.815 for share in flat)
    assert influence(lambda a, b: a * b, 10, 3, 0, 5) < 0.02


def influence_on_residue(base: int, p: int, weight: int) -> Fraction:
    """P(the last digit of a residue changes | one digit of this weight is drawn again), all residues of the rest alike."""
    changes = sum((r + weight * x) % p % base != (r + weight * y) % p % base for r in range(p) for x, y in words(base, 1))
    return Fraction(changes, p * base**2)


def the_influence_on_residues_has_period_two() -> None:
    """x - y and y - x are equally likely, so weights w and -w act alike."""
    for p, powers, period in ((101, 4, 2), (73, 8, 4), (13, 6, 3), (11, 2, 1), (37, 3, 3), (41, 5, 5)):
        shares = [influence_on_residue(10, p, pow(10, j, p)) for j in range(2 * powers)]
        assert next(k for k in range(1, 9) if pow(10, k, p) == 1) == powers
        assert next(k for k in range(1, 9) if shares[k:] == shares[: len(shares) - k]) == period
        assert next(k for k in range(1, 9) if pow(10, k, p) in (1, p - 1)) == period
    assert round(float(influence_on_residue(10, 101, 1)), 4) == 0.8982
    assert round(float(influence_on_residue(10, 101, 10)), 4) == 0.3267
