"""What the algebra says that minimising, a larger base B^k, swapped operands and scaling leave as it was, on random machines and tasks."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.machines import machines
from theory.automata.machines import Machine, quotient, refinements
from theory.automata.monoids import aperiodicity, group_part, transition_monoid
from theory.automata.triviality import j_triviality, r_triviality
from theory.exact.accuracy import box_agreements, modular_threshold, truncation_accuracy
from theory.language.domains import DOMAINS
from theory.language.expressions import Binary, Const, Expression, Var, substitute
from theory.language.layouts import make_layout
from theory.language.tasks import Task
from theory.proofs.causality import causality
from theory.proofs.properties import base_compatibility, low_support, translation_by_direction
from theory.proofs.residues import multiplicative_order, residue_aperiodicity
from theory.proofs.sections import sections
from theory.proofs.verdicts import equivalence, invariance, io_memory, other_direction, recurrence, shift_equivariance, synchronisation

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

DELAYS = (other_direction, io_memory)
VERDICTS = (*DELAYS, shift_equivariance, recurrence, invariance, synchronisation, aperiodicity, r_triviality, j_triviality)

a, b = Var("a"), Var("b")
SMALL = st.integers(1, 2)
bases, moduli, slopes = st.sampled_from((2, 3, 5, 7, 10, 12, 16)), st.integers(2, 60), st.integers(0, 12)


def affine(alpha: int, beta: int, gamma: int) -> Expression:
    return Binary("+", Binary("+", Binary("*", Const(alpha), a), Binary("*", Const(beta), b)), Const(gamma))


def modulo(inner: Expression, p: int) -> Expression:
    return Binary("%", inner, Const(p))


def times(c: int, expression: Expression) -> Expression:
    return Binary("*", Const(c), expression)


def swapped(expression: Expression) -> Expression:
    return substitute(expression, {"a": b, "b": a})


LINEAR = st.builds(affine, slopes, slopes, slopes)
INNER = LINEAR | st.sampled_from([Binary("*", a, b), times(6, Binary("*", a, b)), Binary("*", a, a)])
MODULAR = st.builds(modulo, INNER, moduli)
TASKS = MODULAR | LINEAR | st.sampled_from([Binary("*", a, b), Binary("-", a, b), Binary("//", a, Const(6))])


def groups(k: int, digits: int | None) -> int | None:
    """Digits in base B, counted in digits of base B^k."""
    return None if digits is None else -(-digits // k)


# ---------------------------------------------------------------------------------------------------------------------- minimising


@settings(max_examples=40)
@given(machines(largest=4))
def test_minimising_changes_no_verdict(machine: Machine) -> None:
    small = machine.minimal
    assert equivalence(machine, small).value
    for decide in VERDICTS:
        assert (decide(machine).value, decide(machine).digits) == (decide(small).value, decide(small).digits)
    assert len(transition_monoid(machine).elements) == len(transition_monoid(small).elements)


def merges_one_pair_more(machine: Machine) -> Machine:
    """A planted error: the last two classes become one."""
    classes = list(refinements(machine.trimmed))[-1]
    last = max(classes)
    return quotient(machine.trimmed, [max(min(name, last - 1), 0) for name in classes])


def forgets_the_start(machine: Machine) -> Machine:
    """A planted error: the first class takes the start's place."""
    return replace(machine.minimal, start=0)


@pytest.mark.parametrize("broken", [merges_one_pair_more, forgets_the_start])
def test_a_minimiser_that_changes_the_function_is_found(broken) -> None:
    @settings(max_examples=200, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(machines(largest=4))
    def search(machine: Machine) -> None:
        assert equivalence(machine, broken(machine)).value

    with pytest.raises(AssertionError):
        search()


@settings(max_examples=25)
@given(machines(largest=4), machines(largest=4))
def test_equivalence_is_that_of_automata_lib(first: Machine, second: Machine) -> None:
    """The relation {(input, output)} as a language, with a sink for wrong digits."""
    fa = pytest.importorskip("automata.fa.dfa")
    second = second if first.base == second.base and first.operands == second.operands else first.minimal
    second = replace(second, direction=first.direction)

    def language(machine: Machine):
        symbols = {(number, digit) for number in machine.groups for digit in range(machine.base)}
        moves = {s: dict.fromkeys(symbols, -1) for s in (*machine.states, -1)}
        for s, row in enumerate(machine.table):
            moves[s] |= {(number, digit): following for number, (following, digit) in enumerate(row)}
        return fa.DFA(
            states=set(moves), input_symbols=symbols, transitions=moves, initial_state=machine.start, final_states=set(machine.states)
        )

    assert equivalence(first, second).value == (language(first) == language(second))


# --------------------------------------------------------------------------------------------------------------- a larger base B^k


@settings(max_examples=40)
@given(machines(largest=3, bases=(2,)), st.integers(2, 3))
def test_machines_in_a_larger_base(machine: Machine, k: int) -> None:
    """Groups of k: what holds at any length still holds; where zeros keep the start, all states are met, and it is the same question."""
    small, grouped = machine.minimal, machine.grouped(k)
    assert recurrence(grouped).value == recurrence(small).value
    for decide in (*DELAYS, aperiodicity, invariance):
        assert decide(grouped).value or not decide(small).value
    assert shift_equivariance(grouped).value or not shift_equivariance(small).value
    assert len(transition_monoid(grouped).elements) <= len(transition_monoid(small).elements)
    if small.table[small.start][0][0] == small.start:
        assert len(grouped.minimal.table) == len(small.table)
        for decide in DELAYS:
            found, expected = decide(grouped), decide(small)
            assert found.value == expected.value
            if found.value:
                assert found.digits == groups(k, expected.digits)


@settings(max_examples=50)
@given(TASKS, st.sampled_from((2, 3, 6)), st.integers(2, 3))
def test_tasks_in_a_larger_base(expression: Expression, base: int, k: int) -> None:
    small, large = Task("expr", expression, base), Task("expr", expression, base**k)
    for decide in (low_support, base_compatibility):
        assert decide(large).value is decide(small).value
        assert decide(large).digits == groups(k, decide(small).digits)
    for one, other in zip(translation_by_direction(small).values(), translation_by_direction(large).values(), strict=True):
        assert one.value is other.value
    interleaved = make_layout("interleaved", 1)
    if causality(small, interleaved).value:
        assert causality(large, interleaved).value is not False


@settings(max_examples=60)
@given(TASKS, st.sampled_from((2, 3)), st.integers(2, 3), st.integers(1, 2), st.data())
def test_accuracy_in_a_larger_base(expression: Expression, base: int, k: int, trained: int, data: st.DataObject) -> None:
    """n digits in base B^k are k*n digits in base B, so truncation is the same function."""
    ranges = [data.draw(st.tuples(st.integers(0, 90), st.integers(0, 90)).map(lambda t: (t[0], t[0] + t[1]))) for _ in "ab"]
    large = box_agreements(Task("expr", expression, base**k), trained, *ranges)
    assert large == box_agreements(Task("expr", expression, base), trained * k, *ranges)


@given(st.integers(2, 12), st.integers(1, 400), st.integers(1, 6))
def test_the_order_of_a_power(base: int, p: int, k: int) -> None:
    order = multiplicative_order(base, p).digits
    assert order is not None
    assert multiplicative_order(base**k, p).digits == order // gcd(order, k)
    assert residue_aperiodicity(base**k, p).value == residue_aperiodicity(base, p).value


@settings(max_examples=30)
@given(MODULAR | LINEAR | st.just(Binary("*", a, b)), st.integers(1, 2))
def test_sections_in_a_larger_base(expression: Expression, k: int) -> None:
    assert sections(Task("expr", expression, 2**k), 2).count == sections(Task("expr", expression, 2), 2 * k).count


# ---------------------------------------------------------------------------------------------------------------- swapped operands


@settings(max_examples=40)
@given(machines(largest=3, operands=(2,)))
def test_swapping_the_operands_of_a_machine(machine: Machine) -> None:
    other = machine.swapped()
    for decide in VERDICTS:
        assert decide(machine).value == decide(other).value
    for decide in DELAYS:
        assert decide(machine).digits == decide(other).digits
    assert len(transition_monoid(machine).elements) == len(transition_monoid(other).elements)
    assert group_part(machine).order == group_part(other).order


@settings(max_examples=60)
@given(TASKS, st.sampled_from((2, 3, 6, 10)), st.integers(1, 2), st.integers(1, 2), st.sampled_from(sorted(DOMAINS)))
def test_swapping_the_operands_of_a_task(expression: Expression, base: int, trained: int, more: int, domain: str) -> None:
    task, other = Task("expr", expression, base), Task("expr", swapped(expression), base)
    assert truncation_accuracy(task, trained, trained + more, domain) == truncation_accuracy(other, trained, trained + more, domain)
    for decide in (low_support, base_compatibility):
        assert (decide(task).value, decide(task).digits) == (decide(other).value, decide(other).digits)
    one, two = translation_by_direction(task), translation_by_direction(other)
    assert [found.value for found in one.values()] == [found.value for found in two.values()]


# ------------------------------------------------------------------------------------------------------------------------- scaling


@settings(max_examples=30)
@given(INNER, st.integers(2, 20), st.integers(1, 4), st.sampled_from((2, 3, 6)), SMALL, SMALL, st.sampled_from(sorted(DOMAINS)))
def test_scaling_a_task(inner: Expression, p: int, c: int, base: int, trained: int, more: int, domain: str) -> None:
    """(c*f) mod (c*p) = c * (f mod p), and a unit c mod p is one to one: both agree with truncation where f does."""
    task, length = Task("expr", modulo(inner, p), base), trained + more
    accuracy, support = truncation_accuracy(task, trained, length, domain), low_support(task)
    larger = Task("expr", modulo(times(c, inner), c * p), base)
    assert truncation_accuracy(larger, trained, length, domain) == accuracy
    assert (low_support(larger).value, low_support(larger).digits) == (support.value, support.digits)
    plain, scaled = Task("expr", inner, base), Task("expr", times(c, inner), base)
    assert truncation_accuracy(plain, trained, length, domain) == truncation_accuracy(scaled, trained, length, domain)
    assume(gcd(c, p) == 1)
    unit = Task("expr", modulo(times(c, inner), p), base)
    assert truncation_accuracy(unit, trained, length, domain) == accuracy
    assert low_support(unit).digits == support.digits
    assert modular_threshold(unit, trained) == modular_threshold(task, trained)


@settings(max_examples=60)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(2, 300), st.integers(1, 30), bases)
def test_scaling_residues(alpha: int, beta: int, p: int, c: int, base: int) -> None:
    """Slopes and modulus times c: the same machine up to names, so the same group."""
    found, larger = residue_aperiodicity(base, p, (alpha, beta)), residue_aperiodicity(base, c * p, (c * alpha, c * beta))
    assert (found.value, found.digits) == (larger.value, larger.digits)
