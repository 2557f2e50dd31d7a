"""Statements on finite test sets, and on what a finite machine can do and which groups it holds, checked live."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise, product
from math import gcd, lcm

from tests.statements.plain import Map, Pair, closure, permutes, unlike, words
from theory.automata.machines import Machine, from_transducer, tabulate
from theory.automata.monoids import aperiodicity, group_part
from theory.automata.transducers import affine_transducer
from theory.language.expressions import Binary, Const, Expression, Var, evaluate, parse
from theory.language.tasks import make_task
from theory.proofs.properties import translation_by_direction, translation_invariance
from theory.proofs.residues import multiplicative_order, residue_aperiodicity, residue_machine
from theory.proofs.sections import sections
from theory.proofs.testsets import nonzero_point
from theory.proofs.verdicts import invariance, recurrence, shift_equivariance


def divisor(node: Expression, along: Callable[[int, int], int]) -> tuple[int, int]:
    """(D, degree) of the theorem, with the rule for divisors along nesting left open."""
    if not isinstance(node, Binary):
        return 1, int(isinstance(node, Var))
    (left, d), (right, e) = divisor(node.left, along), divisor(node.right, along)
    if node.op in "%//":
        assert isinstance(node.right, Const)
        return along(left, node.right.value), 0 if node.op == "%" else d
    return lcm(left, right), d + e if node.op == "*" else max(d, e)


def grid(node: Expression, along: Callable[[int, int], int] = lambda x, y: x * y, more: int = 1) -> range:
    period, degree = divisor(node, along)
    return range(period * (degree + more))


def zero_on(node: Expression, values: range) -> bool:
    return not any(evaluate(node, a, b) for a, b in product(values, repeat=2))


def random_expressions(count: int) -> Iterator[Expression]:
    rng = random.Random(0)

    def grown(depth: int) -> Expression:
        if depth == 0 or rng.random() < 0.2:
            return rng.choice((Var("a"), Var("b"), Const(rng.randrange(3))))
        op = rng.choice(("+", "-", "-", "*", "%", "//"))
        return Binary(op, grown(depth - 1), Const(rng.randint(1, 3)) if op in "%//" else grown(depth - 1))

    for _ in range(count):
        yield grown(3)


def finite_grids_decide() -> None:
    everywhere, seen = range(-25, 26), Counter[bool]()
    known = ("a//2//2 - a//4", "a//6 - a//2//3", "a - 3*(a//3) - a%3", "a*(a+1)//2*2 - a*(a+1)", "(a*b)%4 - (a%4)*(b%4)%4", "a//5*a%2")
    for node in (*map(parse, known), *random_expressions(300)):
        if len(grid(node)) <= 40:
            zero = zero_on(node, grid(node))
            seen[zero] += 1
            assert zero == (zero_on(node, everywhere) and zero_on(node, grid(node)))
            assert (nonzero_point(node) is None) == zero
    assert min(seen[True], seen[False]) > 20


def smaller_grids_do_not_decide() -> None:
    nested = parse("a//2//2")  # divisors along nesting multiply: their lcm gives 0..3, where a // 4 is 0
    assert zero_on(nested, grid(nested, lcm))
    assert not zero_on(nested, grid(nested))
    halves = parse("a//2")  # and the grid needs degree + 1 periods: on one, 0..1, it is 0
    assert zero_on(halves, grid(halves, more=0))
    assert not zero_on(halves, grid(halves))


@cache
def lsd(text: str, base: int = 10) -> Machine:
    machine = affine_transducer(make_task(expr=text, base=base))
    assert machine is not None
    return from_transducer(machine)


def stops(digits: int, base: int = 10) -> Machine:
    """(a + b) mod B^digits, least significant first: after that many digits it writes 0 for ever."""

    def step(state: Pair, group: tuple[int, ...]) -> tuple[Pair, int]:
        place, carry = state
        if place == digits:
            return state, 0
        following, digit = divmod(sum(group) + carry, base)
        return (place + 1, following if place + 1 < digits else 0), digit

    return tabulate(base, 2, (0, 0), step)


@cache
def larger(base: int = 10) -> Machine:
    """max(a, b), most significant first: the state is the order of what was read."""

    def step(order: int, group: tuple[int, ...]) -> tuple[int, int]:
        order = order or (group[0] > group[1]) - (group[0] < group[1])
        return order, group[0] if order >= 0 else group[1]

    return tabulate(base, 2, 0, step, "msd")


def shift_equivariance_is_not_enough() -> None:
    for a, b in product(range(40), repeat=2):
        assert gcd(10 * a, 10 * b) == 10 * gcd(a, b)
        assert max(10 * a, 10 * b) == 10 * max(a, b) == 10 * larger().run(a, b, 2)
        assert lsd("a+b+1").run(a, b, 3) == a + b + 1
    for k in (1, 2, 3, 4):  # gcd: odd low words x differ, as gcd(x, 2^k * C) does at C = x or C = x'; so no finite machine will do
        odd = [(x, 0) for x in range(1, 2**k, 2)]
        results = {tuple(gcd(x, 2**k * C) for C in range(1, 2**k, 2)) for x, _ in odd}
        assert len(results) == len(odd) == 2 ** (k - 1)
    assert 10 * 0 + 10 * 0 + 1 != 10 * (0 + 0 + 1)
    assert [shift_equivariance(machine).value for machine in (larger(), lsd("a+b+1"))] == [True, False]
    assert [invariance(machine).value for machine in (larger(), lsd("a+b+1"))] == [False, True]


def addition_is_translation_invariant() -> None:
    for base in (2, 3, 10, 16):
        machine = lsd("a+b", base)
        assert all(machine.run(a, b, 7) == a + b for a, b in product(range(40), repeat=2))
        assert recurrence(machine).value
        assert translation_invariance(make_task("add", base=base)).value
    for text in ("7*a", "a+b+1"):
        assert invariance(lsd(text)).value is translation_invariance(make_task(expr=text)).value is True


def products_need_as_many_states_as_there_are_low_words() -> None:
    for base, depth in ((2, 1), (2, 3), (3, 2), (10, 1)):
        assert unlike(lambda a, b: a * b, words(base, depth), [(0, 1), (1, 0), (0, 0)], base, depth) == base ** (2 * depth)
        assert sections(make_task("mul", base=base), depth).count == base ** (2 * depth)
    assert translation_invariance(make_task("mul")).value is False


def a_finite_machine_means_degree_one() -> None:
    high = [(0, 0), (1, 0), (0, 1), (2, 1)]
    for f, text in ((lambda a, b: a * a, "a*a"), (lambda a, b: a * b + b, "a*b+b"), (lambda a, b: 2 * a * a + b, "2*a*a+b")):
        found = [unlike(f, words(2, depth), high, 2, depth) for depth in (1, 2, 3)]
        assert all(later >= 2 * earlier for earlier, later in pairwise(found))
        assert translation_by_direction(make_task(expr=text, base=2))["lsd"].value is False
    for alpha, beta in product(range(-3, 4), repeat=2):  # degree 1: one state per carry, however long the low words are
        carries = range(min(alpha, 0) + min(beta, 0), max(max(alpha, 0) + max(beta, 0), 1))
        assert [unlike(lambda a, b, s=alpha, t=beta: s * a + t * b, words(2, k), high, 2, k) for k in (3, 4)] == [len(carries)] * 2


def what_stops_is_not_translation_invariant() -> None:
    machine = stops(2)
    assert all(machine.run(a, b, 3) == (a + b) % 100 for a, b in product(range(0, 300, 7), repeat=2))
    assert invariance(machine).value is translation_invariance(make_task("mod-add", modulus=100)).value is False
    assert translation_invariance(make_task("mod", modulus=10)).value is False
    assert [invariance(lsd(text)).value for text in ("a+b+1", "a+b+2", "a+b+5")] == [True, False, False]  # the first carry must recur
    assert all(lsd("a+b+5").run(a, b, 3) == a + b + 5 for a, b in product(range(60), repeat=2))
    assert {key: found.value for key, found in translation_by_direction(make_task(expr="a//3")).items()} == {"lsd": False, "msd": True}
    assert {key: found.value for key, found in translation_by_direction(make_task(expr="7*a")).items()} == {"lsd": True, "msd": False}


def linear_carries_are_aperiodic() -> None:
    for base, alpha, beta in product((2, 3, 10), range(-3, 5), range(-3, 5)):
        low, high = min(alpha, 0) + min(beta, 0), max(alpha, 0) + max(beta, 0)
        carries = range(low, max(high, 1))  # closed: (B-1) * high + high - 1 < B * high
        letters = {tuple((alpha * x + beta * y + s) // base - low for s in carries) for x in range(base) for y in range(base)}
        monoid = closure(letters)
        assert not any(map(permutes, monoid))
        if alpha == 1 and beta in (1, -1):  # flip-flop: set, reset, and leave as it is; addition's carry 1 is subtraction's borrow 0
            assert {x for x in monoid if len(x) == 2} == monoid
            assert monoid == {(0, 1), (0, 0), (1, 1)}
        if alpha >= 0 <= beta and alpha + beta:
            assert aperiodicity(lsd(f"{alpha}*a+{beta}*b", base)).value


def memory_of(machine: Machine) -> int:
    """By enumeration of label words: after how many (input, output) groups one carry is left, whatever came before."""
    possible, groups = {frozenset(machine.reached)}, 0
    while any(len(states) > 1 for states in possible):
        after: set[frozenset[int]] = set()
        for states, number in product(possible, machine.groups):
            rows = [machine.table[s][number] for s in states]
            after |= {frozenset(s for s, c in rows if c == digit) for digit in {c for _, c in rows}}
        possible, groups = after, groups + 1
    return groups


def io_memory_is_a_logarithm() -> None:
    for base, alpha, beta in product((2, 3, 5), range(5), range(4)):
        spread = max(alpha + beta - 1, 0)
        expected = next(mu for mu in range(9) if base**mu > spread)  # floor(log_B(spread)) + 1; 0 where the carry never changes
        assert memory_of(lsd(f"{alpha}*a+{beta}*b", base)) == expected
    assert [memory_of(lsd(text)) for text in ("a+b", "12*a", "123*a", "a")] == [1, 2, 3, 0]
    assert [affine_transducer(make_task(expr=text)).memory for text in ("a+b", "12*a", "123*a", "a")] == [1, 2, 3, 0]


def residue_letters(base: int, p: int, slope: int) -> set[Map]:
    """What digit pairs do to the residues of slope * (a + b) mod p, most significant digit first, on the residues that occur."""
    occur = sorted({slope * n % p for n in range(p)})
    return {tuple(occur.index((base * r + slope * (x + y)) % p) for r in occur) for x in range(base) for y in range(base)}


def slopes_decide_what_is_aperiodic() -> None:
    assert any(map(permutes, closure(residue_letters(10, 30, 1))))
    assert not any(map(permutes, closure(residue_letters(10, 30, 3))))  # though 3 divides 30 and not 10: 30 / gcd(3, 30) = 10
    for base, p, slope in product((2, 6, 10), range(2, 25), (1, 2, 3)):
        essential = p // gcd(p, slope)
        aperiodic = not any(map(permutes, closure(residue_letters(base, p, slope))))
        assert aperiodic == (pow(base, 20, essential) == 0) == residue_aperiodicity(base, p, (slope, slope)).value


def residues_hold_an_affine_group() -> None:
    for base, p in ((10, 7), (10, 9), (10, 11), (3, 10), (2, 15)):  # p prime to the base: all maps r -> B^k r + v
        order = next(k for k in range(1, p) if pow(base, k, p) == 1)
        assert len(closure(residue_letters(base, p, 1))) == p * order
        assert group_part(residue_machine(base, p, "msd")).order == p * order
    assert group_part(residue_machine(2, 12, "msd")).order == 3 * 2  # q = 3, ord_3(2) = 2
    for p, period in ((101, 4), (9, 1), (11, 2)):
        assert [pow(10, k, p) == 1 for k in range(1, period + 1)] == [False] * (period - 1) + [True]
        assert multiplicative_order(10, p).digits == period
