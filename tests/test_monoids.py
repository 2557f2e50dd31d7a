"""Transition monoids of machines and the groups in them against brute force from the definitions, and a table of known ones."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.machines import affine, division
from theory.automata import monoids
from theory.automata.machines import Machine, TooLarge, tabulate
from theory.automata.monoids import (
    Cycle,
    GroupPart,
    Monotone,
    NoGroup,
    action,
    aperiodicity,
    compose,
    group_part,
    period,
    power,
    transition_monoid,
)
from theory.automata.triviality import j_triviality, l_triviality, r_triviality
from theory.proofs.residues import digit_sum_machine, multiplicative_order, prime_to, residue_machine

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@st.composite
def machines(draw, largest=4):
    states = draw(st.integers(1, largest))
    cell = st.tuples(st.integers(0, states - 1), st.integers(0, 1))
    return Machine(2, 1, 0, draw(st.lists(st.tuples(cell, cell), min_size=states, max_size=states)))


def closure(machine: Machine) -> set[tuple[int, ...]]:
    """All actions of words, by multiplying everything with everything."""
    found = {tuple(machine.states), *(action(machine, (number,)) for number in machine.groups)}
    while True:
        more = found | {compose(x, y) for x in found for y in found}
        if more == found:
            return found
        found = more


def largest_group(elements: set[tuple[int, ...]]) -> int:
    """From the definition: for each idempotent e, the x in e M e with an inverse there."""
    sizes = []
    for e in elements:
        if compose(e, e) == e:
            local = [x for x in elements if compose(compose(e, x), e) == x]
            sizes.append(sum(any(compose(x, y) == e == compose(y, x) for y in local) for x in local))
    return max(sizes)


@settings(max_examples=45)
@given(machines())
def test_monoid_and_verdicts_against_the_definitions(machine):
    machine = machine.minimal
    elements = closure(machine)
    assume(len(elements) <= 60)
    monoid = transition_monoid(machine)
    assert set(monoid.elements) == elements
    assert len(monoid.elements) == len(elements)
    assert all(action(machine, monoid.word(x)) == x for x in elements)
    groups = aperiodicity(machine)
    assert groups.value == all(period(x)[1] == 1 for x in elements) == (monoid.largest_period == 1) == (largest_group(elements) == 1)
    assert group_part(machine).order == largest_group(elements)
    assert group_part(machine).check()
    right = {x: frozenset(compose(x, m) for m in elements) for x in elements}
    left = {x: frozenset(compose(m, x) for m in elements) for x in elements}
    both = {x: frozenset(compose(compose(m, x), n) for m in elements for n in elements) for x in elements}
    for decide, ideals in ((r_triviality, right), (l_triviality, left), (j_triviality, both)):
        assert decide(machine).value == (len(set(ideals.values())) == len(elements))
    for verdict in (groups, *(decide(machine) for decide in (r_triviality, l_triviality, j_triviality))):
        assert verdict.proof.check()
        assert 5 < len(verdict.certificate) < 300


@settings(max_examples=35)
@given(st.lists(st.integers(0, 5), min_size=6, max_size=6).map(tuple))
def test_index_and_period(x):
    powers = [tuple(range(6))]
    for _ in range(30):
        powers.append(compose(powers[-1], x))
    index, order = period(x)
    assert powers[index] == powers[index + order]
    assert len(set(powers[: index + order])) == index + order
    assert [power(x, k) for k in range(31)] == powers


def test_long_periods_need_no_long_loop():
    """Cycles of prime lengths up to 41: the period is their product, 3 * 10^14."""
    primes = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
    turn = [sum(primes[:k]) + (i + 1) % p for k, p in enumerate(primes) for i in range(p)]
    machine = Machine(2, 1, 0, [[(t, s % 2), ((s + 1) % len(turn), int(s == 0))] for s, t in enumerate(turn)])
    found = aperiodicity(machine)
    assert found.digits == 304250263527210
    assert found.proof.check()


@settings(max_examples=45)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 30), st.integers(2, 6))
def test_linear_carries_are_monotone_and_aperiodic(alpha, beta, gamma, base):
    machine = affine(f"{alpha}*a + {beta}*b + {gamma}", base)
    found = aperiodicity(machine)
    assert found.value
    assert isinstance(found.proof, Monotone)
    assert group_part(machine).order == 1  # and by enumeration
    assert r_triviality(machine).value is False or not machine.recurrent or len(machine.table) == 1


@settings(max_examples=40)
@given(st.integers(1, 24), st.integers(2, 12))
def test_long_division_holds_the_group_of_its_remainders(q, base):
    found, part = aperiodicity(division(q, base)), prime_to(q, base)
    order = multiplicative_order(base, q).digits
    assert found.value == (part == 1)
    assert found.proof.check()
    maps, fresh = set(), {(1 % q, 0)}  # digits v of length k act as r -> B^k*r + v
    while fresh - maps:
        maps |= fresh
        fresh = {(base * w % q, (base * v + x) % q) for w, v in maps for x in range(base)}
    assert set(transition_monoid(division(q, base)).elements) == {tuple((w * r + v) % q for r in range(q)) for w, v in maps}
    assert group_part(division(q, base)).order == (part * order if part > 1 else 1)


@settings(max_examples=45)
@given(machines(), st.integers(2, 3))
def test_grouping_digits_keeps_a_part_of_the_monoid(machine, k):
    """In base B^k only words of length divisible by k are left: an aperiodic monoid stays aperiodic."""
    grouped = machine.minimal.grouped(k)
    if grouped.minimal == grouped:  # else the elements act on other states
        assert set(transition_monoid(grouped).elements) <= set(transition_monoid(machine).elements)
    if aperiodicity(machine).value:
        assert aperiodicity(machine.grouped(k)).value


def test_swapping_the_operands_changes_no_verdict():
    for text in ("a+b", "3*a+b", "7*a", "2*a+5*b+1"):
        one, other = affine(text), affine(text).swapped()
        assert len(transition_monoid(one).elements) == len(transition_monoid(other).elements)
        for decide in (aperiodicity, r_triviality, l_triviality):
            assert decide(one).value == decide(other).value


FLIP_FLOP = {(0, 1), (0, 0), (1, 1)}


@pytest.mark.parametrize(
    ("machine", "states", "monoid", "group", "abelian", "r_trivial", "l_trivial"),
    [
        # states of the minimal machine, elements of its monoid, order of the largest group and whether it is abelian, R-, L-trivial
        (affine("a+b"), 2, 3, 1, True, False, True),
        (affine("a+b+1"), 2, 3, 1, True, False, True),
        (affine("a+b+5"), 4, 8, 1, True, False, True),
        (affine("2*a"), 2, 3, 1, True, False, True),
        (affine("5*a"), 5, 6, 1, True, False, True),
        (affine("7*a"), 7, 44, 1, True, False, False),
        (affine("a"), 1, 1, 1, True, True, True),
        (affine("5"), 2, 2, 1, True, True, True),
        (affine("a+1", operands=1), 2, 2, 1, True, True, True),  # the carry comes once
        (division(2), 2, 3, 1, True, False, True),
        (division(3), 3, 3, 3, True, False, False),
        (division(7), 7, 42, 42, False, False, False),
        (division(9), 9, 9, 9, True, False, False),
        (division(10), 10, 11, 1, True, False, True),
        (division(11), 11, 22, 22, False, False, False),
        (division(12), 12, 23, 3, True, False, False),
        (division(16), 16, 59, 1, True, False, True),
        (digit_sum_machine(10, 10), 10, 10, 10, True, False, False),
        (digit_sum_machine(10, 2), 2, 2, 2, True, False, False),
        (residue_machine(10, 9, "msd", (1, 0, 0), 1), 9, 9, 9, True, False, False),
        (residue_machine(10, 11, "msd", (1, 0, 0), 1), 11, 22, 22, False, False, False),
        (residue_machine(10, 101, "msd", (1, 0, 0), 1), 101, 404, 404, False, False, False),
    ],
)
def test_known_monoids(machine, states, monoid, group, abelian, r_trivial, l_trivial):
    found, part = transition_monoid(machine), group_part(machine)
    assert (len(machine.minimal.table), len(found.elements)) == (states, monoid)
    assert (part.order, part.abelian) == (group, abelian)
    assert part.check()
    assert aperiodicity(machine).value == (group == 1)
    assert (r_triviality(machine).value, l_triviality(machine).value) == (r_trivial, l_trivial)
    assert r_triviality(machine).value is False or not machine.minimal.recurrent or states == 1


def test_addition_is_the_flip_flop():
    """Digits 8 and less reset the carry, a sum of 9 keeps it, 10 and more set it."""
    monoid = transition_monoid(affine("a+b"))
    assert set(monoid.elements) == FLIP_FLOP
    assert {monoid.machine.show(monoid.word(x)) for x in FLIP_FLOP} == {"the empty input", "0,0", "1,9"}
    assert compose((0, 0), (1, 1)) == (1, 1)  # set after reset sets: the constants form a right-zero band, L-trivial and not R-trivial


def test_subtraction_is_the_flip_flop_too():
    borrow = tabulate(10, 2, 0, lambda s, group: (int(group[0] - group[1] - s < 0), (group[0] - group[1] - s) % 10))
    assert borrow.run(4205, 1308, 4) == 4205 - 1308
    assert set(transition_monoid(borrow).elements) == FLIP_FLOP
    assert isinstance(aperiodicity(borrow).proof, Monotone)


def test_group_witnesses():
    third = aperiodicity(division(3))
    assert third.proof.cycle == (0, 1, 2)
    assert (third.proof.index, third.digits) == (0, 3)
    assert third.certificate == "1 permutes the states 0 -> 1 -> 2 in a cycle: index 0, period 3"
    twelfth = aperiodicity(division(12)).proof
    assert (len(twelfth.cycle), twelfth.period) == (3, 3)
    assert not replace(twelfth, cycle=twelfth.cycle[:1]).check()
    assert not replace(twelfth, cycle=(0, 1)).check()
    assert not replace(twelfth, period=2).check()
    # a machine of two copies of one state: its cycle is not a cycle of the function
    parity = Machine(2, 1, 0, [[(0, 0), (1, 0)], [(1, 0), (0, 0)]])
    assert aperiodicity(parity).value
    assert not Cycle(parity, (1,), (0, 1), 0, 2).check()


def test_proofs_of_something_else_do_not_check():
    third, sixteenth = division(3), division(16)
    assert not Monotone(third).check()
    proof = aperiodicity(sixteenth).proof
    assert isinstance(proof, NoGroup)
    assert not replace(proof, elements=frozenset(list(proof.elements)[1:])).check()
    assert not NoGroup(third, frozenset(transition_monoid(third).elements)).check()
    part = group_part(division(7))
    for wrong in ({"order": 41}, {"exponent": 21}, {"abelian": True}, {"generators": part.generators[:1]}):
        assert not replace(part, **wrong).check()
    assert not GroupPart(sixteenth.minimal, 2, 2, True, ((0,), (1,))).check()
    right, left = r_triviality(affine("a+b")).proof, l_triviality(affine("7*a")).proof
    assert not replace(right, back=(99,)).check()
    assert not replace(left, back=(0,)).check()
    ordered, orders = r_triviality(affine("5")).proof, l_triviality(affine("a+b")).proof
    assert not replace(ordered, order=ordered.order[::-1]).check()
    assert not replace(orders, order=orders.order[::-1]).check()
    assert not replace(orders, order=orders.order[:-1]).check()


def test_the_limit_is_named_and_undecided_is_not_no():
    machine = division(1009)
    with pytest.raises(TooLarge, match="1009 states has more than 100 elements"):
        transition_monoid(machine, limit=100)
    assert aperiodicity(machine, limit=100).value is False  # a witness is met before the limit
    assert l_triviality(machine, limit=100).value is None
    wide = Machine(2, 1, 0, [[((s + 1) % 7 if s < 6 else 6, 0), (max(s - 2, 0), s % 2)] for s in range(7)])
    turned = replace(wide, table=tuple(row[::-1] for row in wide.table[::-1]))
    for each in (wide, turned):
        found = aperiodicity(each, limit=1)
        assert found.value is not None or (found.proof is None and "more than 1 elements" in found.certificate)


def test_a_planted_error_in_the_group_search_is_found(monkeypatch):
    """A search that looks at the elements' fixed points only, not at longer cycles of their squares."""
    monkeypatch.setattr(monoids, "_cycles", lambda x: ((s, x[s]) for s in range(len(x)) if x[x[s]] == s != x[s]))

    @settings(max_examples=300, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(machines())
    def search(machine):
        machine = machine.minimal
        assert aperiodicity(machine).value == (largest_group(closure(machine)) == 1)

    with pytest.raises(AssertionError):
        search()
