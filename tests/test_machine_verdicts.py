"""Verdicts on machines against brute force over short words and the algebra of tasks, and proofs of something else, which do not check."""

from dataclasses import replace
from itertools import combinations
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.machines import affine, division, machines, small, words
from theory.automata.machines import Machine, TooLarge
from theory.automata.pairs import Apart, difference, synchronise
from theory.automata.transducers import Transducer
from theory.errors import InputError
from theory.language.tasks import digit_count, make_task
from theory.proofs.properties import translation_by_direction
from theory.proofs.verdicts import (
    equivalence,
    invariance,
    io_memory,
    other_direction,
    recurrence,
    reversed_machine,
    shift_equivariance,
    synchronisation,
)

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

VERDICTS = (shift_equivariance, recurrence, other_direction, invariance, io_memory, synchronisation)


@settings(max_examples=35)
@given(machines())
def test_every_verdict_can_be_checked_again(machine):
    for decide in VERDICTS:
        verdict = decide(machine)
        assert verdict.value is not None
        assert verdict.proof.check()
        assert 5 < len(verdict.certificate) < 400
        assert "\n" not in verdict.certificate


@settings(max_examples=35)
@given(machines(largest=4))
def test_shift_equivariance_against_all_short_operands(machine):
    base, width = machine.base, 4 if machine.operands == 1 else 2
    cases = [(*machine.numbers(word), n) for n in range(width + 1) for word in words(machine, n)]
    holds = all(machine.run(base * a, base * b, n + 1) == base * machine.run(a, b, n) for a, b, n in cases)
    verdict = shift_equivariance(machine)
    if verdict.value:
        assert holds
    elif verdict.proof.width <= width:
        assert not holds


@settings(max_examples=35)
@given(machines())
def test_recurrence_and_memory_are_those_of_the_transducer(machine):
    minimal = machine.minimal
    transducer = Transducer(minimal.base, minimal.start, minimal.transducer.step)
    assert recurrence(machine).value == transducer.recurrent
    found = io_memory(machine)
    assert (found.digits if found.value else None) == transducer.memory


@settings(max_examples=35)
@given(small)
def test_the_other_direction_against_brute_force(machine):
    """Least d so that a digit is fixed by its group and the d groups read before it, zeros standing before the number."""
    found, seen = other_direction(machine), {}
    length = 7
    for d in range(length - 1):
        seen = {}
        for word in words(machine, length):
            padded, written = (0,) * d + word, machine.walk(word)[1]
            for i in range(length):
                seen.setdefault(padded[i : i + d + 1], set()).add(written[i])
        if all(len(written) == 1 for written in seen.values()):
            break
    else:
        d = None
    if found.value:
        assert found.digits == d
        other = reversed_machine(machine)
        for word in words(machine, 6):
            a, b = machine.numbers(word)
            assert other.run(a, b, 6, found.digits) == machine.run(a, b, 6)
    else:
        assert d is None or d >= 3  # 5 states may need words longer than these to show the failure
        with pytest.raises(InputError, match="no machine from the other end"):
            reversed_machine(machine)


@settings(max_examples=45)
@given(st.integers(0, 12), st.integers(0, 6), st.integers(0, 20), st.integers(2, 6))
def test_directions_of_affine_tasks_are_those_of_the_algebra(alpha, beta, gamma, base):
    task = make_task(expr=f"{alpha}*a + {beta}*b + {gamma}", base=base)
    machine, proven = affine(f"{alpha}*a + {beta}*b + {gamma}", base), translation_by_direction(task)
    assert recurrence(machine).value == proven["lsd"].value
    assert other_direction(machine).value == proven["msd"].value
    assert invariance(machine).value == (proven["lsd"].value or proven["msd"].value)


@settings(max_examples=40)
@given(st.integers(1, 18), st.integers(2, 6), st.integers(0, 10**6))
def test_divisions_from_the_other_end(q, base, a):
    machine = division(q, base)
    found = other_direction(machine)
    assert found.value == (base ** q.bit_length() % q == 0) == translation_by_direction(make_task(expr=f"a//{q}", base=base))["lsd"].value
    if found.value:
        least = next(m for m in range(6) if base**m % q == 0)
        assert found.digits == least
        assert reversed_machine(machine).direction == "lsd"
        assert reversed_machine(machine).run(a, 0, digit_count(a, base), least) == a // q


@settings(max_examples=35)
@given(small)
def test_synchronising_against_all_words(machine):
    machine = machine.minimal
    assume(len(machine.table) < 5)  # then a shortest word has at most 9 groups
    ends = (({machine.walk(word, s)[0] for s in machine.states}, n) for n in range(10) for word in words(machine, n))
    shortest = next((n for states, n in ends if len(states) == 1), None)
    found = synchronisation(machine)
    assert found.value == (shortest is not None)
    assert shortest is None or shortest <= found.digits


@pytest.mark.parametrize(
    ("machine", "shift", "recurs", "delay", "memory", "resets"),
    [
        # verdicts: f(Ba, Bb) = B f(a, b), start recurs, delay from the other end (None: never), I/O memory, synchronising word exists
        (affine("a+b"), True, True, None, 1, True),
        (affine("a+b+1"), False, True, None, 1, True),
        (affine("a+b+5"), False, False, None, 1, True),
        (affine("7*a"), True, True, None, 1, True),
        (affine("5*a"), True, True, 1, 1, True),
        (affine("20*a"), True, True, 2, 2, True),
        (affine("a"), True, True, 0, 0, True),
        (affine("5"), False, False, None, 1, True),
        (division(3), False, True, None, 1, False),
        (division(10), False, True, 1, 1, True),
        (division(16), False, True, 4, 2, True),
        (division(101), False, True, None, 3, False),
        (Machine(2, 1, 0, [[(0, 0), (1, 0)], [(1, 0), (0, 0)]]), True, True, 0, 0, True),  # a parity that is never written
        (Machine(2, 1, 0, [[(0, 0), (1, 1)], [(1, 1), (0, 0)]]), True, True, None, 1, False),  # the running parity
    ],
)
def test_known_verdicts(machine, shift, recurs, delay, memory, resets):
    assert shift_equivariance(machine).value is shift
    assert recurrence(machine).value is recurs is machine.minimal.recurrent
    assert (other_direction(machine).digits, other_direction(machine).value) == (delay, delay is not None)
    assert io_memory(machine).digits == memory
    assert synchronisation(machine).value is resets


def test_a_proof_of_something_else_does_not_check():
    add, third, sixteenth = affine("a+b"), division(3).minimal, division(16).minimal
    together = io_memory(sixteenth).proof
    assert not replace(together, groups=1).check()
    assert not replace(together, same_digits=False).check()
    assert not replace(together, longest=None).check()
    window = other_direction(sixteenth).proof
    assert not replace(window, together=replace(window.together, machine=third)).check()
    apart = other_direction(add).proof.apart
    assert not replace(apart, word=(0,)).check()
    assert not Apart(add, (0, 1), (9,), True, loops=True).check()
    assert not replace(recurrence(add).proof, steps=()).check()
    assert not replace(recurrence(affine("a+b+5")).proof, states=frozenset({0})).check()
    assert not replace(shift_equivariance(affine("a+1")).proof, machine=add).check()
    assert not replace(shift_equivariance(add).proof, machine=affine("a+b+1")).check()
    assert not replace(synchronise(add), word=(9,)).check()
    assert not replace(synchronise(third), pairs=frozenset({(0, 1)})).check()
    same = equivalence(add, add.swapped()).proof
    assert not replace(same, pairs=frozenset({(0, 0)})).check()
    assert not replace(equivalence(add, affine("a+b+1")).proof, second=add).check()
    fine = affine("5").minimal
    moved = other_direction(fine).proof
    assert not replace(moved, state=fine.start).check()


def test_limits_are_named():
    large = affine("300*a", 10, 2)
    for decide in (io_memory, other_direction, synchronisation):
        assert decide(large).value is None
        assert "4000000 moves" in decide(large).certificate
        assert decide(large).proof is None
    chains = [Machine(2, 1, 0, [[((s + 1) % n, 0)] * 2 for s in range(n)]) for n in (31, 37)]
    with patch("theory.automata.pairs.MAX_CELLS", 1000):
        assert equivalence(*chains).value is None
        assert equivalence(*(chain.minimal for chain in chains)).value
        with pytest.raises(TooLarge, match="1000 cells of state pairs"):
            difference(*chains)


@settings(max_examples=35)
@given(small)
def test_verdicts_do_not_change_under_renaming_and_padding(machine):
    """Unreachable copies and another numbering of the states change nothing."""
    assume(len(machine.table) < 5)
    n = len(machine.table)
    rows = [[(2 * n - 1 - t, c) for t, c in machine.table[(n - 1 - s) % n]] for s in range(2 * n)]
    doubled = Machine(2, 1, 2 * n - 1 - machine.start, rows, machine.direction)
    assert equivalence(machine, doubled).value
    for decide in VERDICTS:
        one, other = decide(machine), decide(doubled)
        assert one.value == other.value
        if decide in (other_direction, io_memory):
            assert one.digits == other.digits


def test_pairs_of_states_are_unordered():
    """A swap of two states under one group keeps them apart for ever."""
    swap = Machine(2, 1, 0, [[(1, 0), (0, 0)], [(0, 0), (1, 1)]])
    assert not io_memory(swap).value
    assert io_memory(swap).proof.check()
    assert all(pair[0] < pair[1] for pair, _ in io_memory(division(16)).proof.ranks)
    assert {pair for pair, _ in io_memory(division(16)).proof.ranks} == set(combinations(range(16), 2))
