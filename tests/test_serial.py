"""Digit-serial machines of tasks against plain integers, their refutations against enumeration, and planted errors in every proof."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.automata.machines import Machine
from theory.automata.rests import All, ByRests, CarryLaw, Rest, carry_law
from theory.automata.serial import Bounded, Compared, LongDivision, invariance, serial
from theory.language.expressions import Binary, Const, Var, bounds, evaluate, parse
from theory.language.tasks import make_task
from theory.proofs.germs import FarAbove, FarBelow, NoGerm, Unscaled, far_above, far_below, germ
from theory.proofs.properties import translation_invariance
from theory.proofs.refutations import Growing, Lookahead, NeverPeriodic, count_rests

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def task(text: str, base: int = 10):
    return make_task(expr=text, base=base)


# --------------------------------------------------------------------------------------------------------------- against integers

KNOWN = [
    # text, base, delay least significant first (None: no machine), most significant first, states in the first direction that has one
    ("a + b", 10, 0, None, 2),
    ("a + b + 1", 10, 0, None, 2),
    ("a + b + 5", 10, 0, None, 4),
    ("2*a + 3*b", 10, 0, None, 5),
    ("7*a", 10, 0, None, 7),
    ("2*a", 10, 0, 1, 2),
    ("4*a", 10, 0, 2, 4),
    ("4*b", 2, 0, 2, 4),
    ("a", 10, 0, 0, 1),
    ("5", 10, 0, None, 2),
    ("10*a % 10", 10, 0, 0, 1),
    ("a // 2", 10, 1, 0, 5),
    ("a // 4", 10, 2, 0, 25),
    ("b // 10", 10, 1, 0, 1),
    ("a // 3", 10, None, 0, 3),
    ("b // 7", 3, None, 0, 7),
    ("(a + b) % 100", 10, 0, None, 4),
    ("(a + b) % 4", 10, 1, None, 6),
    ("(a - b) % 8", 2, 0, None, 6),
    ("(a - b) % 4", 10, 1, None, 6),
    ("a * b % 4", 10, 1, None, 8),
    ("(a + b) % 6", 12, 0, None, 2),
    ("(a + b) % 101", 10, None, None, None),
    ("a * a % 20", 10, 0, None, 3),
    ("a * b", 10, None, None, None),
    ("a*a + b", 3, None, None, None),
    ("max(a, b)", 10, None, 0, 3),
    ("min(a, b)", 7, None, 0, 3),
    ("abs(a - b)", 10, None, None, None),
    ("a < b", 10, None, None, None),
    ("a == b", 2, None, None, None),
    ("digitsum(a)", 10, None, None, None),
    ("digitsum(a) % 3", 10, None, None, None),
    ("reverse(a)", 10, None, None, None),
]


@pytest.mark.parametrize(("text", "base", "lsd", "msd", "states"), KNOWN)
def test_known_machines(text, base, lsd, msd, states):
    asked = task(text, base)
    found = {direction: serial(asked, direction) for direction in ("lsd", "msd")}
    for direction, delay in (("lsd", lsd), ("msd", msd)):
        verdict = found[direction].verdict
        assert verdict.value is (delay is not None)
        assert verdict.digits == delay
        assert verdict.proof.check()
        assert "\n" not in verdict.certificate
    machine = next((each.machine for each in found.values() if each.machine is not None), None)
    assert (None if machine is None else len(machine.table)) == states


@settings(max_examples=60)
@given(st.sampled_from([case for case in KNOWN if case[4]]), st.integers(0, 10**7), st.integers(0, 10**7))
def test_machines_compute_the_task(case, a, b):
    text, base, *_ = case
    asked = task(text, base)
    for direction in ("lsd", "msd"):
        found = serial(asked, direction)
        if found.machine is not None:
            second = b if found.machine.operands == 2 else 0
            assert found.machine == found.machine.minimal
            assert found.machine.run(a, second, 30, found.verdict.digits) == asked(a, b)


def lsd_fails(asked, delay: int, size: int) -> bool:
    """By enumeration: some low digits of the result change with operand digits more than `delay` above them."""
    base = asked.base
    for place in range(1, 4):
        seen: dict[tuple[int, int], int] = {}
        key = base ** (place + delay)
        for a, b in product(range(size), repeat=2):
            if seen.setdefault((a % key, b % key), asked(a, b) % base**place) != asked(a, b) % base**place:
                return True
    return False


def msd_fails(asked, delay: int, size: int) -> bool:
    """By enumeration: zeros below the operands do not put as many below the result, or high digits change with far lower ones."""
    base = asked.base
    for a, b, zeros in product(range(4), range(4), range(delay, delay + 3)):
        if asked(a * base**zeros, b * base**zeros) // base**zeros != asked(a, b):
            return True
    for place in range(1, 4):
        seen: dict[tuple[int, int], int] = {}
        for a, b in product(range(size), repeat=2):
            value = asked(a, b) // base ** (place + delay)
            if seen.setdefault((a // base**place, b // base**place), value) != value:
                return True
    return False


@pytest.mark.parametrize(("text", "base", "lsd", "msd", "states"), [case for case in KNOWN if case[1] in (2, 3, 7, 10)])
def test_least_delays_and_refutations_against_enumeration(text, base, lsd, msd, states):
    """Products have no machine although no delay is missing: their low digits are fixed, but not by finitely many states."""
    asked, size = task(text, base), 250 if "101" in text else 110 if base == 10 else 70
    tried = 1 if base == 10 else 2
    product_of_operands = text in ("a * b", "a*a + b")
    for delay in range(tried if lsd is None else lsd):
        assert lsd_fails(asked, delay, size) is not product_of_operands
    for delay in range(tried if msd is None else msd):
        assert msd_fails(asked, delay, size)
    assert lsd is None or not lsd_fails(asked, lsd, 50)
    assert msd is None or not msd_fails(asked, msd, 50)


@settings(max_examples=15)
@given(st.sampled_from(["a * b", "a*a + b", "a*b + a", "a*a*b"]), st.integers(2, 4))
def test_products_leave_ever_more_rests(text, base):
    """By enumeration: the pairs of low words of k digits leave more and more different rests."""
    asked, counts = task(text, base), []
    for k in (1, 2, 3):
        unit = base**k
        rests = {
            tuple(asked(x + unit * s, y + unit * t) // unit for s, t in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)))
            for x, y in product(range(unit), repeat=2)
        }
        counts.append(len(rests))
    assert counts[0] < counts[1] < counts[2]
    assert isinstance(serial(asked, "lsd").verdict.proof, Growing)


LEAVES = st.one_of(st.sampled_from([Var("a"), Var("b")]), st.integers(0, 6).map(Const))
POLYNOMIALS = st.recursive(LEAVES, lambda inner: st.builds(Binary, st.sampled_from("+*"), inner, inner), max_leaves=4)
RANDOM = st.one_of(
    POLYNOMIALS,
    st.builds(Binary, st.just("%"), POLYNOMIALS, st.integers(1, 12).map(Const)),
    st.builds(Binary, st.just("//"), st.sampled_from([Var("a"), Var("b")]), st.integers(1, 9).map(Const)),
)


@settings(max_examples=40)
@given(RANDOM, st.integers(2, 4), st.data())
def test_random_tasks(expression, base, data):
    """Machines compute; proofs check; the closed forms of theory.proofs.properties agree wherever both decide."""
    asked = replace(task("a", base), expression=expression)
    for direction in ("lsd", "msd"):
        found = serial(asked, direction)
        if found.verdict.value is not None:
            assert found.verdict.proof.check()
        if found.machine is not None:
            for _ in range(8):
                a, b = (data.draw(st.integers(0, base**6)) for _ in range(2))
                width = 7 + len(f"{bounds(expression, base**6)[1]:b}")
                assert found.machine.run(a, b if found.machine.operands == 2 else 0, width, found.verdict.digits) == asked(a, b)
    verdict, _ = invariance(asked)
    assert verdict.value is None or verdict.proof.check()
    closed = translation_invariance(asked).value
    assert verdict.value is None or closed is None or verdict.value is closed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b", True), ("a + b + 1", True), ("a + b + 5", False), ("7*a", True), ("a + 1", False), ("a // 3", True), ("a // 4", True),
        ("5", False), ("a * b", False), ("(a + b) % 100", False), ("(a + b) % 101", False), ("a % 10", False), ("10*a % 10", True),
        ("max(a, b)", False), ("min(a, b)", False), ("abs(a - b)", False), ("a < b", False), ("digitsum(a)", False), ("reverse(a)", False),
        ("1000000*a", True), ("20000*a + 30000*b + 7", True), ("a + b % 3", None), ("a - b", None), ("a * b % 1" + "0" * 30, False),
    ],
)  # fmt: skip
def test_invariance(text, value):
    verdict, how = invariance(task(text))
    assert verdict.value is value
    assert (how == "-") == (value is None)
    assert verdict.proof is None if value is None else verdict.proof.check()


# -------------------------------------------------------------------------------------------------------------------- far digits


@settings(max_examples=80)
@given(
    st.sampled_from(
        ["a*b + a", "abs(a - 2*b)", "max(a, b) * 3", "a // 10 + b % 20", "(a < b) + (a == b)", "digitsum(a) % 7", "reverse(a)", "a//4*b"]
    ),
    st.tuples(st.integers(-3, 30), st.integers(-3, 30)),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.integers(15, 22),
)
def test_germs_are_values_at_far_places(text, low, high, k):
    expression, unit = parse(text), 10**k
    a, b = (u + s * unit for u, s in zip(low, high, strict=True))
    try:
        found = germ(expression, low, high, 10)
    except NoGerm:
        return
    if min(a, b) >= 0:
        assert sum(c * unit**i for i, c in enumerate(found)) == evaluate(expression, a, b)


def test_what_has_no_germ():
    for text in ("a % 3", "a // 7", "reverse(a + 1)", "digitsum(0 - a)"):
        with pytest.raises(NoGerm):
            germ(parse(text), (0, 0), (1, 0), 10)
    with pytest.raises(NoGerm):
        germ(parse("digitsum(a)", 7), (0, 0), (1, 0), 10)  # digits of another base
    assert far_above(parse("a + b"), 10) is None
    assert far_below(parse("max(a, b)"), 10) is None
    assert far_above(parse("a - b"), 10) is None


# ------------------------------------------------------------------------------------------------------------------ planted errors


def leaf(verdict, kind):
    """The part of a proof of the given kind."""
    todo = [verdict.proof]
    while todo:
        proof = todo.pop()
        if isinstance(proof, kind):
            return proof
        todo += proof.proofs if isinstance(proof, All) else []
    raise AssertionError(f"no {kind.__name__} in {verdict.proof}")


def changed(machine, state, number, cell):
    """The machine with one cell changed."""
    row = (*machine.table[state][:number], cell, *machine.table[state][number + 1 :])
    return replace(machine, table=(*machine.table[:state], row, *machine.table[state + 1 :]))


@pytest.mark.parametrize("text", ["a + b", "(a + b) % 4", "(a + b) % 100", "7*a", "a * b % 4", "10*a % 10"])
def test_every_changed_cell_of_a_machine_is_found(text):
    proof = leaf(serial(task(text), "lsd").verdict, ByRests)
    machine = proof.machine
    for state, number in product(machine.states, list(machine.groups)[:: max(1, len(machine.groups) // 3)]):
        following, digit = machine.table[state][number]
        assert not replace(proof, machine=changed(machine, state, number, (following, (digit + 1) % 10))).check()
        other = (following + 1) % len(machine.table)
        if other != following:
            assert not replace(proof, machine=changed(machine, state, number, (other, digit))).check()


def test_proofs_of_something_else_do_not_check():
    add, four = task("a + b"), task("(a + b) % 4")
    proof = leaf(serial(add, "lsd").verdict, ByRests)
    for other in ("a + b + 1", "a + 2*b", "(a + b) % 100", "max(a, b)", "a * b"):
        assert not replace(proof, task=task(other)).check()
    assert not replace(proof, task=task("a + b", 3)).check()
    assert not replace(proof, delay=1).check()
    assert not replace(proof, machine=replace(proof.machine, direction="msd")).check()
    assert not replace(proof, rests=proof.rests[::-1]).check()
    assert not replace(proof, rests=(Rest(0, ()),) * 2).check()
    blind = Machine(10, 1, 0, ([(0, x) for x in range(10)],))  # copies a, whose rest a + b hides that b is never read
    assert not ByRests(add, blind, 0, (Rest(0, (((0, 1), 1), ((1, 0), 1))),)).check()
    assert ByRests(task("a"), blind, 0, (Rest(0, (((1, 0), 1),)),)).check()
    look = leaf(serial(four, "lsd").verdict, Lookahead)
    assert look.check()
    assert not replace(look, delay=1).check()
    assert not replace(look, place=0).check()
    assert not replace(look, task=task("(a + b) % 10")).check()
    never = leaf(serial(task("(a + b) % 101"), "lsd").verdict, NeverPeriodic)
    assert not replace(never, task=task("(a + b) % 100")).check()
    assert not replace(never, task=task("a + b")).check()  # not bounded
    assert not NeverPeriodic(task("(a + b) % 100"), 1, ("a", 0, 0)).check()  # 10 is no period of a % 100, but 100 is
    growing = leaf(serial(task("a * b"), "lsd").verdict, Growing)
    for other in ("a + b", "3*a", "a * b % 10"):
        assert not Growing(task(other), count_rests(task(other))).check()
    assert not replace(growing, counted=replace(growing.counted, count=growing.counted.count + 1)).check()
    assert not All(()).check()
    assert not All((proof, replace(proof, delay=1))).check()


def test_refutations_of_something_else_do_not_check():
    third = leaf(serial(task("a // 3"), "msd").verdict, LongDivision)
    assert not replace(third, task=task("a // 4")).check()
    assert not replace(third, task=task("b // 3")).check()
    assert not replace(third, machine=changed(third.machine, 1, 0, (1, 4))).check()
    larger = leaf(serial(task("max(a, b)"), "msd").verdict, Compared)
    assert not replace(larger, task=task("min(a, b)")).check()
    assert not replace(larger, task=task("a + b")).check()
    assert not replace(larger, machine=changed(larger.machine, 1, 34, (0, 3))).check()
    assert not replace(larger, machine=changed(larger.machine, 0, 34, (1, 4))).check()
    assert not replace(larger, machine=replace(larger.machine, start=0)).check()
    assert not replace(larger, machine=third.machine).check()
    assert not Bounded(task("a + b"), 18, (1, 1)).check()
    assert not Bounded(task("(a + b) % 7"), 5, (1, 1)).check()
    assert not Bounded(task("(a + b) % 7"), 6, (0, 0)).check()
    plus = parse("a + b")
    assert not FarAbove(plus, 10, (0, 0), (1, 0)).check()
    assert not FarAbove(parse("a - b"), 10, (0, 1), (0, 1)).check()  # negative values have no digits
    assert not Unscaled(plus, 10, (0, 0), (1, 1)).check()
    assert not Unscaled(parse("max(a, b) + 1"), 10, (0, 1), (1, 0)).check()  # the low part must be 0
    assert not FarBelow(parse("a"), 10, (0, 0), (1, 0), (9, 0)).check()
    assert not FarBelow(plus, 10, (-1, 0), (1, 0), (0, 0)).check()  # M - 1 and M differ in all digits


@settings(max_examples=60)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**10), st.integers(2, 60))
def test_carry_law_of_any_size(alpha, beta, gamma, base):
    asked = task(f"{alpha}*a + {beta}*b + {gamma}", base)
    found = carry_law(asked)
    assert found.value is (gamma <= max(alpha + beta - 1, 0))
    assert found.proof.check()
    if found.value:
        a, b, k = found.proof.word
        assert not replace(found.proof, word=(a, b, k + 40)).check() or gamma == 0
        assert not CarryLaw(asked, None).check()


def test_limits_are_named(monkeypatch):
    huge = serial(task("a // 1" + "0" * 30), "lsd").verdict
    assert huge.value is None
    assert "60000 cells" in huge.certificate
    with monkeypatch.context() as patched:
        patched.setattr("theory.automata.rests.MAX_STEPS", 5000)
        many = serial(task("a * b % 1" + "0" * 40), "lsd").verdict
    assert many.value is None
    assert "more than 50 states in base 10: machines of up to 5000 cells" in many.certificate
    assert "negative" in serial(task("a - b"), "lsd").verdict.certificate
    assert "outside the class" in serial(task("a // 2 + b // 2"), "lsd").verdict.certificate
    assert serial(task("(a + b) % 1" + "0" * 30), "lsd").verdict.certificate.startswith("60 states, delay 0")
    assert "base 40" in serial(task("max(a, b)", 41), "msd").verdict.certificate
