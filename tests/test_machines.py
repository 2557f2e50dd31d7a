"""Machines against integer arithmetic, brute force over short words, and automata-lib where it is installed."""

from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.machines import affine, behaviour, division, machines, small, words
from theory.automata.machines import Machine, TooLarge, quotient, refinements, tabulate
from theory.automata.pairs import difference, distinguish
from theory.automata.pairs import product as side_by_side
from theory.errors import InputError
from theory.language.tasks import digit_count, make_task
from theory.proofs.verdicts import equivalence

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

# ------------------------------------------------------------------------------------------------------------------------ running


@settings(max_examples=35)
@given(st.integers(0, 25), st.integers(0, 25), st.integers(0, 99), st.integers(2, 7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_affine_machines_compute(alpha, beta, gamma, base, a, b):
    task = make_task(expr=f"{alpha}*a + {beta}*b + {gamma}", base=base)
    width = max(digit_count(n, base) for n in (a, b, task(a, b)))
    assert affine(f"{alpha}*a + {beta}*b + {gamma}", base).run(a, b, width) == task(a, b)


@settings(max_examples=35)
@given(st.integers(1, 30), st.integers(2, 10), st.integers(0, 10**9))
def test_division_machines_compute(q, base, a):
    machine = division(q, base)
    assert machine.run(a, 0, digit_count(a, base)) == a // q
    assert len(machine.minimal.table) == q


@settings(max_examples=35)
@given(machines(), st.integers(0, 500), st.integers(0, 500))
def test_words_spell_operands(machine, a, b):
    b = b if machine.operands == 2 else 0
    word = machine.word(a, b, 9)
    assert machine.numbers(word) == (a, b)
    assert [machine.number(machine.group(number)) for number in machine.groups] == list(machine.groups)
    state, written = machine.walk(word)
    assert machine.run(a, b, 9) == machine.value(written)
    assert machine.transducer.run(a, b, 9) == machine.value(written)
    assert state in machine.reached
    assert machine.walk(machine.access(state))[0] == state


def test_what_does_not_fit_is_refused():
    add, third = affine("a+b"), division(3)
    for machine, args in ((add, (10, 0, 1)), (add, (-1, 0, 1)), (add, (0, 0, -1)), (third, (1, 1, 3)), (add, (1, 1, 3, -1))):
        with pytest.raises(InputError):
            machine.run(*args)
    with pytest.raises(InputError, match="no operands to swap"):
        third.swapped()
    with pytest.raises(InputError, match="operands = 2"):
        affine("a+b", operands=1)
    with pytest.raises(InputError, match="same base"):
        distinguish(add, affine("a+b", 3))


def test_tables_are_checked_and_fixed():
    row = ((0, 0), (0, 1))
    machine = Machine(2, 1, 0, [list(row)])
    assert machine == Machine(2, 1, 0, (row,))
    assert hash(machine) == hash(Machine(2, 1, 0, (row,)))
    with pytest.raises(FrozenInstanceError):
        machine.start = 1
    for broken in (
        (1, 1, 0, (row,)),
        (10**5000, 1, 0, (row,)),
        (2, 3, 0, (row,)),
        (2, True, 0, (row,)),
        (2, 1, 1, (row,)),
        (2, 1, -1, (row,)),
        (2, 1, 0, ()),
        (2, 1, 0, (row[:1],)),
        (2, 1, 0, (row, row[:1])),
        (2, 1, 0, (((0, 0), (1, 0)),)),
        (2, 1, 0, (((0, 0), (0, 2)),)),
        (2, 1, 0, (((0, 0), (0, -1)),)),
        (2, 1, 0, (((0, 0), (0, True)),)),
        (2, 1, 0, (((0, 0), (0, 1.0)),)),
        (2, 1, 0, (((0, 0), None),)),
        (2, 1, 0, (row,), "up"),
        (2, 1, 0, (row,), []),
        (2, 1, 0, (row,) * 20_001),
        (1000, 2, 0, (row,) * 2),
    ):
        with pytest.raises(InputError, match="machine: ") as caught:
            Machine(*broken)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200
    with pytest.raises(TooLarge, match="20000 states"):
        tabulate(2, 1, 0, lambda state, group: (state + 1, 0))


# ----------------------------------------------------------------------------------------------------------------------- minimising


def check_minimiser(minimise, machine):
    """The result writes the same, and its states are as many as there are behaviours of reachable states."""
    found = minimise(machine)
    length = len(machine.table)
    assert behaviour(found, found.start, length) == behaviour(machine, machine.start, length)
    behaviours = {behaviour(machine, state, length) for state in machine.reached}
    assert len(found.table) == len(behaviours)
    assert len({behaviour(found, state, length) for state in found.states}) == len(found.table)


@settings(max_examples=35)
@given(small)
def test_minimal_machines(machine):
    check_minimiser(lambda each: each.minimal, machine)
    assert machine.minimal.minimal == machine.minimal


def one_round_early(machine):
    *rounds, _ = refinements(machine.trimmed)
    return quotient(machine.trimmed, rounds[-1] if rounds else [0] * len(machine.trimmed.table))


def without_digits(machine):
    """Merges by the next states alone, past the first round."""
    classes = [0] * len(machine.trimmed.table)
    for _ in classes:
        rows = [(k, *(classes[t] for t, _ in row)) for k, row in zip(classes, machine.trimmed.table, strict=True)]
        classes = [rows.index(row) for row in rows]
    return quotient(machine.trimmed, [sorted(set(classes)).index(k) for k in classes])


@pytest.mark.parametrize("broken", [one_round_early, without_digits, lambda machine: machine.trimmed, lambda machine: machine])
def test_a_planted_error_in_the_minimiser_is_found(broken):
    @settings(max_examples=400, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(small)
    def search(machine):
        check_minimiser(broken, machine)

    with pytest.raises(AssertionError):
        search()


@settings(max_examples=30)
@given(machines(largest=6))
def test_minimal_size_is_that_of_automata_lib(machine):
    """The relation {(input, output)} as a language: minimal machine plus one sink for wrong digits."""
    fa = pytest.importorskip("automata.fa.dfa")
    symbols = {(number, digit) for number in machine.groups for digit in range(machine.base)}
    moves = {s: dict.fromkeys(symbols, -1) for s in (*machine.states, -1)}
    for s, row in enumerate(machine.table):
        moves[s] |= {(number, digit): following for number, (following, digit) in enumerate(row)}
    dfa = fa.DFA(states=set(moves), input_symbols=symbols, transitions=moves, initial_state=machine.start, final_states=set(machine.states))
    assert len(dfa.minify().states) == len(machine.minimal.table) + 1


def test_refinements_count_the_rounds():
    """A counter that writes 1 once, after n steps, needs n rounds."""
    counter = Machine(2, 1, 0, [[(min(s + 1, 9), int(s == 8))] * 2 for s in range(10)])
    assert [len(set(classes)) for classes in refinements(counter)] == list(range(1, 11))
    assert len(counter.minimal.table) == 10


# ----------------------------------------------------------------------------------------------------------------------- two machines


@settings(max_examples=45)
@given(machines(largest=3, operands=(1,), bases=(2,)), machines(largest=3, operands=(1,), bases=(2,)))
def test_distinguish_is_shortest(first, second):
    second = replace(second, direction=first.direction)
    shortest = next((word for n in range(7) for word in words(first, n) if first.walk(word)[1] != second.walk(word)[1]), None)
    found, verdict = distinguish(first, second), equivalence(first, second)
    assert verdict.proof.check()
    assert verdict.value == (found is None) == (shortest is None)
    unlike = difference(first, second)
    assert (distinguish(unlike, difference(first, first)) is None) == (found is None)
    if found is not None:
        assert len(found) == len(shortest) == verdict.digits
        assert unlike.walk(found)[1] == (0,) * (len(found) - 1) + (1,)
    total = side_by_side(first, second, lambda c, d: (c + d) % 2)
    for word in words(first, 4):
        assert total.walk(word)[1] == tuple((c + d) % 2 for c, d in zip(first.walk(word)[1], second.walk(word)[1], strict=True))


@settings(max_examples=35)
@given(small, st.data())
def test_one_changed_cell_is_found(machine, data):
    machine = machine.minimal
    state, number = data.draw(st.sampled_from(list(machine.states))), data.draw(st.sampled_from(list(machine.groups)))
    following, digit = machine.table[state][number]
    rows = [list(row) for row in machine.table]
    rows[state][number] = (following, 1 - digit)
    changed = replace(machine, table=tuple(map(tuple, rows)))
    word = distinguish(machine, changed)
    assert machine.walk(word)[1] != changed.walk(word)[1]
    assert len(word) == len(machine.access(state)) + 1


@settings(max_examples=35)
@given(machines(operands=(2,)), st.integers(0, 80), st.integers(0, 80))
def test_swapping(machine, a, b):
    assert machine.swapped().run(a, b, 7) == machine.run(b, a, 7)
    assert machine.swapped().swapped() == machine
    assert len(machine.swapped().minimal.table) == len(machine.minimal.table)


@settings(max_examples=35)
@given(machines(largest=3), st.integers(1, 3), st.integers(0, 60), st.integers(0, 60))
def test_grouping_digits(machine, k, a, b):
    b = b if machine.operands == 2 else 0
    grouped = machine.grouped(k)
    assert grouped.base == machine.base**k
    assert grouped.run(a, b, 2 * 3) == machine.run(a, b, 2 * 3 * k)


def test_grouping_is_the_machine_of_the_larger_base():
    assert distinguish(affine("3*a+2*b+1").grouped(2), affine("3*a+2*b+1", 100)) is None
    assert distinguish(division(7).grouped(2), division(7, 100)) is None
    with pytest.raises(TooLarge, match="1000000 cells"):
        affine("a+b").grouped(3)
