"""Transition monoids, residue machines and sections against brute force from the definitions, and a table of known facts."""

from dataclasses import replace
from itertools import product
from math import gcd

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from theory.automata import monoids
from theory.automata.machines import Machine, TooLarge, from_transducer, tabulate
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
from theory.automata.transducers import affine_transducer, quotient_transducer
from theory.automata.triviality import j_triviality, l_triviality, r_triviality
from theory.errors import InputError
from theory.language.expressions import Binary, Const, Expression, Var, evaluate, polynomial
from theory.language.tasks import Task, make_task
from theory.proofs.residues import (
    Order,
    ResidueGroup,
    digit_sum_machine,
    multiplicative_order,
    prime_to,
    residue_aperiodicity,
    residue_machine,
)
from theory.proofs.sections import sections

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def affine(text: str, base: int = 10, operands: int = 2) -> Machine:
    return from_transducer(affine_transducer(make_task(expr=text, base=base)), operands)


def division(q: int, base: int = 10) -> Machine:
    return from_transducer(quotient_transducer(make_task(expr=f"a//{q}", base=base)), 1)


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


# ------------------------------------------------------------------------------------------------------------------------ monoids


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


# ------------------------------------------------------------------------------------------------------------------------ residues


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


# ------------------------------------------------------------------------------------------------------------------------ sections


def ring(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.builds(Binary, st.sampled_from("+-*"), children, children)


LEAVES = st.one_of(st.sampled_from([Var("a"), Var("b")]), st.integers(0, 4).map(Const))
POLYNOMIALS = st.recursive(LEAVES, ring, max_leaves=4)


@settings(max_examples=45)
@given(POLYNOMIALS, st.integers(2, 4), st.integers(0, 2), st.none() | st.integers(2, 12))
def test_sections_against_many_high_parts(expression, base, depth, p):
    assume(p is not None or polynomial(expression) is not None)
    task = Task("expr", expression if p is None else Binary("%", expression, Const(p)), base)
    found, unit = sections(task, depth), base**depth
    assert found.exact
    assert found.check()
    cut = unit if p is None else 1
    values = {
        tuple(evaluate(task.expression, x + unit * high, y + unit * low) // cut for high, low in product(range(8), range(8)))
        for x, y in product(range(unit), range(unit))
    }
    assert found.count == len(values) == len(found.words)
    for word, other in zip(found.words, found.words[1:], strict=False):
        suffix = found.suffix(word, other)
        assert found.rest(word, suffix) != found.rest(other, suffix)
    if found.count > 1:
        assert not replace(found, words=found.words[1:], count=found.count - 1).check()
        assert not replace(found, words=(found.words[1], *found.words[1:])).check()


@settings(max_examples=40)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 30), st.integers(2, 5), st.integers(1, 2))
def test_sections_of_affine_tasks_are_states(alpha, beta, gamma, base, depth):
    """The rests after k digits are the carries that k steps of the minimal machine reach."""
    machine = affine(f"{alpha}*a + {beta}*b + {gamma}", base)
    states = {machine.start}
    for _ in range(depth):
        states = {following for state in states for following, _ in machine.table[state]}
    assert sections(make_task(expr=f"{alpha}*a + {beta}*b + {gamma}", base=base), depth).count == len(states)


@pytest.mark.parametrize(
    ("text", "depth", "count", "exact"),
    [
        ("a*b", 0, 1, True),
        ("a*b", 1, 100, True),
        ("a*b", 2, 10_000, True),
        ("a+b", 1, 2, True),
        ("7*a", 1, 7, True),
        ("a-b", 1, 2, True),
        ("a*a+b", 1, 19, True),
        ("a*a", 1, 10, True),
        ("5", 2, 1, True),
        ("(a+b)%101", 1, 19, True),
        ("(a+b)%101", 2, 101, True),
        ("(3*a+6*b)%9", 1, 3, True),
        ("a*b%101", 1, 100, True),
        ("a*b%4", 1, 7, True),  # xy mod 4 with 2x, 2y mod 4: 2 + 2 + 2 + 1
        ("a*b%2", 1, 2, True),  # xy mod 2
        ("a//3", 1, 10, False),
    ],
)
def test_known_sections(text, depth, count, exact):
    found = sections(make_task(expr=text), depth)
    assert (found.count, found.exact) == (count, exact)
    assert found.check()


def test_sections_name_their_limits():
    with pytest.raises(TooLarge, match="more than 1000000 values"):
        sections(make_task("add"), 3)
    with pytest.raises(TooLarge, match="depth 1000"):
        sections(make_task("add"), 1000)
    with pytest.raises(InputError, match="at least 0"):
        sections(make_task("add"), -1)
