"""Machines and their verdicts against integer arithmetic, brute force over short words, and automata-lib where it is installed."""

import json
from dataclasses import FrozenInstanceError, replace
from itertools import combinations, product
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from theory.automata.formats import MAX_TEXT, from_json, labelled_edges, to_dot, to_json, to_mermaid
from theory.automata.machines import Machine, TooLarge, from_transducer, quotient, refinements, tabulate
from theory.automata.pairs import Apart, difference, distinguish, synchronise
from theory.automata.pairs import product as side_by_side
from theory.automata.transducers import Transducer, affine_transducer, quotient_transducer
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


def affine(text: str, base: int = 10, operands: int = 2) -> Machine:
    return from_transducer(affine_transducer(make_task(expr=text, base=base)), operands)


def division(q: int, base: int = 10) -> Machine:
    return from_transducer(quotient_transducer(make_task(expr=f"a//{q}", base=base)), 1)


@st.composite
def machines(draw, largest=5, bases=(2, 3), operands=(1, 2)):
    base, count, states = draw(st.sampled_from(bases)), draw(st.sampled_from(operands)), draw(st.integers(1, largest))
    cell = st.tuples(st.integers(0, states - 1), st.integers(0, base - 1))
    row = st.lists(cell, min_size=base**count, max_size=base**count)
    table = draw(st.lists(row, min_size=states, max_size=states))
    return Machine(base, count, draw(st.integers(0, states - 1)), table, draw(st.sampled_from(["lsd", "msd"])))


small = machines(largest=5, bases=(2,), operands=(1,))


def words(machine: Machine, length: int):
    return product(machine.groups, repeat=length)


def behaviour(machine: Machine, state: int, length: int) -> tuple:
    """Everything a state writes on inputs of `length` groups (shorter ones are prefixes)."""
    return tuple(machine.walk(word, state)[1] for word in words(machine, length))


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


# ---------------------------------------------------------------------------------------------------------------------------- JSON


@settings(max_examples=35)
@given(machines())
def test_json_round_trip(machine):
    assert from_json(to_json(machine)) == machine
    assert set(json.loads(to_json(machine))) == {"base", "operands", "direction", "start", "table"}


GOOD = '{"base": 2, "operands": 1, "direction": "lsd", "start": 0, "table": [[[0, 0], [0, 1]]]}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not readable"),
        ("[]", "exactly the keys"),
        ("3", "exactly the keys"),
        ("[" * 200_000, "nested too deeply"),
        (GOOD + "x", "not readable"),
        (GOOD.replace('"start": 0', '"start": 0, "start": 0'), "twice"),
        (GOOD.replace('"start": 0, ', ""), "exactly the keys"),
        (GOOD.replace('"start": 0', '"start": 0, "delay": 1'), "exactly the keys"),
        (GOOD.replace('"start": 0', '"start": "0"'), "start '0'"),
        (GOOD.replace('"start": 0', '"start": null'), "start of type NoneType"),
        (GOOD.replace('"base": 2', '"base": 2.0'), "base of type float"),
        (GOOD.replace('"base": 2', '"base": NaN'), "base of type float"),
        (GOOD.replace('"base": 2', '"base": ' + "9" * 5000), "not readable"),
        (GOOD.replace('"base": 2', '"base": ' + "9" * 100), "from 2 to 1000000"),
        (GOOD.replace('"base": 2', '"base": 3'), "row 0 must have 3 cells"),
        (GOOD.replace('"operands": 1', '"operands": 2'), "row 0 must have 4 cells"),
        (GOOD.replace("[0, 1]", "[1, 1]"), "row 0 cell 1 must be"),
        (GOOD.replace("[0, 1]", "[0, 2]"), "row 0 cell 1 must be"),
        (GOOD.replace("[0, 1]", "[0]"), "row 0 cell 1 must be"),
        (GOOD.replace("[0, 1]", '"01"'), "row 0 cell 1 must be"),
        (GOOD.replace("[[[0, 0], [0, 1]]]", "[]"), "at least one row"),
        (GOOD.replace("[[[0, 0], [0, 1]]]", '{"0": []}'), "must be a list"),
        (GOOD.replace('"lsd"', '"' + "up" * 1000 + '"'), "must be 'lsd' or 'msd'"),
        (GOOD.replace("[[[0, 0], [0, 1]]]", "[" + "[]," * 30_000 + "[]]"), "20000 states"),
        (" " * (MAX_TEXT + 1), "40000000 are read"),
    ],
)
def test_hostile_json_is_refused(text, says):
    with pytest.raises(InputError, match=says) as caught:
        from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert from_json(GOOD).run(5, 0, 3) == 5


# ------------------------------------------------------------------------------------------------------------------------- drawing


def spread(text: str) -> list[int]:
    ends = [list(map(int, span.split("-"))) for span in text.split(",")]
    return [value for span in ends for value in range(span[0], span[-1] + 1)]


def moves_of(line: str) -> dict[int, int]:
    read, written = map(spread, line.split(" / "))
    return dict(zip(read, written * len(read) if len(written) == 1 else written, strict=True))


@settings(max_examples=45)
@given(machines(largest=3) | st.sampled_from([affine("a+b", 3), affine("2*a+b"), affine("7*a"), affine("b"), affine("4", 3), division(7)]))
def test_drawn_labels_hold_the_whole_table(machine):
    title = to_dot(machine).split("first, ")[1].split(" / ")[0]
    for s, t, lines in labelled_edges(machine):
        cells = {number: digit for number, (following, digit) in enumerate(machine.table[s]) if following == t}
        if title == "x: y":
            moves = {(x, y): d for line in lines for x in spread(line.split(": ")[0]) for y, d in moves_of(line.split(": ")[1]).items()}
            assert {machine.group(number): digit for number, digit in cells.items()} == moves
        else:
            slopes = {term[-1]: int(term[:-1] or 1) for term in title.split(" + ") if term != "nothing"}
            sums = {number: sum(slopes.get(v, 0) * d for v, d in zip("xy", machine.group(number), strict=False)) for number in cells}
            assert {sums[number]: digit for number, digit in cells.items()} == moves_of(lines[0])


def test_drawings_of_addition():
    dot, mermaid = to_dot(affine("a+b")), to_mermaid(affine("a+b"))
    assert 's0 -> s1 [label="10-18 / 0-8"];' in dot
    assert 's1 -->|"9-18 / 0-9"| s1' in mermaid
    assert "least significant digit first, x + y / digit written" in dot
    assert dot.count("->") == mermaid.count("-->") == 5
    with pytest.raises(InputError, match="at most 60"):
        to_dot(affine("61*a"))
    pairs = list(product(range(10), repeat=2))
    rows = [[(x * y % 2, (x + y * y) % 10) for x, y in pairs], [((7 * x + y * y) % 2, y * x * x % 10) for x, y in pairs]]
    mixed = Machine(10, 2, 0, rows)
    assert max(len(lines) for _, _, lines in labelled_edges(mixed)) <= 12


# ------------------------------------------------------------------------------------------------------------------------ verdicts


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
