"""Residue machines and multiplicative orders against plain powers and residues, and their groups against those found by enumeration."""

from dataclasses import replace
from math import gcd

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from theory.automata.machines import TooLarge
from theory.automata.monoids import aperiodicity, group_part
from theory.errors import InputError
from theory.proofs.residues import (
    Order,
    ResidueGroup,
    digit_sum_machine,
    multiplicative_order,
    prime_to,
    residue_aperiodicity,
    residue_machine,
)

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@settings(max_examples=45)
@given(
    st.integers(2, 10), st.integers(1, 14), st.integers(0, 6), st.integers(0, 6), st.integers(0, 20),
    st.sampled_from(["lsd", "msd"]), st.integers(0, 999), st.integers(0, 999),
)  # fmt: skip
def test_residue_machines_follow_the_residue(base, p, alpha, beta, gamma, direction, a, b):
    gamma = gamma if direction == "lsd" else 0
    machine = residue_machine(base, p, direction, (alpha, beta, gamma))
    word = machine.word(a, b, 10)
    for k in range(1, 11):
        x, y = machine.numbers(word[:k])
        assert machine.walk(word[:k])[1][-1] == min((alpha * x + beta * y + gamma) % p, base - 1)


@settings(max_examples=45)
@given(st.integers(2, 8), st.integers(1, 20), st.sampled_from(["lsd", "msd"]), st.integers(0, 6), st.integers(0, 6))
def test_residue_group_is_that_of_the_theorem(base, p, direction, alpha, beta):
    """Aperiodic iff every prime of p / gcd(alpha, beta, p) divides B; else the largest group has order q * ord_q(B)."""
    machine = residue_machine(base, p, direction, (alpha, beta, 0))
    assume(len(machine.table) <= 80)
    essential, theorem, found = p // gcd(p, alpha, beta), residue_aperiodicity(base, p, (alpha, beta)), aperiodicity(machine)
    primes = [r for r in range(2, essential + 1) if essential % r == 0 and all(r % s for s in range(2, r))]
    assert found.value == theorem.value == all(base % prime == 0 for prime in primes)
    assert found.proof.check()
    assert theorem.proof.check()
    assert group_part(machine).order == (1 if theorem.value else theorem.proof.order)


@settings(max_examples=35)
@given(st.integers(2, 40), st.integers(1, 500))
def test_multiplicative_order_against_powers(base, p):
    found, q = multiplicative_order(base, p), max(d for d in range(1, p + 1) if p % d == 0 and gcd(d, base) == 1)
    powers = [pow(base, k, p) for k in range(2 * p + 12)]
    start = 12  # past the pre-period
    assert found.digits == next(k for k in range(1, p + 1) if powers[start + k] == powers[start])
    assert found.value == (q == p)
    assert prime_to(p, base) == q
    assert found.proof.check()
    for wrong in (2, 3):
        assert not replace(found.proof, order=found.digits * wrong).check() or q == 1 or found.digits * wrong == found.digits


@pytest.mark.parametrize(("p", "period_of_ten"), [(101, 4), (9, 1), (11, 2), (7, 6), (3, 1), (202, 4), (100, 1), (10**18 - 11, None)])
def test_orders_of_ten(p, period_of_ten):
    found = multiplicative_order(10, p)
    assert period_of_ten in (None, found.digits)
    assert found.proof.check()
    assert pow(10, found.digits, prime_to(p, 10)) == 1 % prime_to(p, 10)


def test_large_moduli():
    assert multiplicative_order(10, 10**30 + 57).value is None
    assert "10^18" in multiplicative_order(10, 10**30 + 57).certificate
    large = residue_aperiodicity(10, 10**30 + 57)
    assert large.value is False
    assert large.proof.check()
    assert large.proof.order is None
    assert residue_aperiodicity(10, 10**30).digits == 30
    assert residue_aperiodicity(10, 10**900).certificate.startswith("a number of 901 digits divides 10^900: ")
    found = residue_aperiodicity(10, 101)
    assert "Z_q x| <10>, of order 101 * 4 = 404" in found.certificate
    assert not replace(found.proof, q=100).check()
    assert not ResidueGroup(10, 30, (1, 1), 7, None).check()
    assert not replace(found.proof, order_of_base=Order(10, 101, 8, (2,))).check()
    assert not replace(residue_aperiodicity(10, 100).proof, digits=1).check()
    for bad in ((10, 0), (1, 5)):
        for decide in (multiplicative_order, residue_aperiodicity):
            with pytest.raises(InputError, match="at least"):
                decide(*bad)
    for args in ((10, 0), (10, 7, "up"), (10, 7, "msd", (1, 1, 1)), (10, 7, "lsd", (1, 1, 0), 1)):
        with pytest.raises(InputError):
            residue_machine(*args)
    with pytest.raises(TooLarge, match="20000 states"):
        residue_machine(10, 10**30, "msd", (1, 0, 0), 1)
    with pytest.raises(InputError, match="modulus 0"):
        digit_sum_machine(10, 0)


@settings(max_examples=35)
@given(st.integers(2, 12), st.integers(1, 14), st.lists(st.integers(0, 11), min_size=1, max_size=8))
def test_digit_sums(base, p, figures):
    figures = [min(figure, base - 1) for figure in figures]
    written = digit_sum_machine(base, p).walk(tuple(figures))[1]
    assert written == tuple(min(sum(figures[: k + 1]) % p, base - 1) for k in range(len(figures)))
