"""Influence, decay and sections per cut against their definitions, by enumeration."""

from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.test_graph import dependencies
from theory.errors import InputError
from theory.graphs.dependency import serial_machine
from theory.graphs.fingerprints import portrait
from theory.graphs.influence import decay, influence
from theory.language.expressions import bounds
from theory.language.tasks import make_task
from theory.proofs.sections import sections

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def by_definition(task, digits):
    """P(c_i changes | an operand digit is drawn again): all operands, all places, all new values."""
    base, width = task.base, task.result_width(digits)
    size = base**digits
    values = {(a, b): task(a, b) for a in range(size) for b in range(size)}
    found = {}
    for place, kind in enumerate("ab"):
        for j in range(digits):
            changed = [0] * width
            for pair, new in product(values, range(base)):
                other = list(pair)
                other[place] += (new - pair[place] // base**j % base) * base**j
                old, after = values[pair], values[tuple(other)]
                for i in range(width):
                    changed[i] += old // base**i % base != after // base**i % base
            found[kind, j] = tuple(Fraction(count, size * size * base) for count in changed)
    return found


serial = (
    st.builds("{}*a+{}*b+{}".format, st.integers(0, 15), st.integers(0, 15), st.integers(0, 20))
    | st.builds("{}//{}".format, st.sampled_from("ab"), st.integers(1, 30))
    | st.sampled_from(["max(a,b)", "min(b,a)"])
)
modular = st.builds(
    "({}*a{}{}*b+{})%{}".format, st.integers(0, 12), st.sampled_from("+-"), st.integers(0, 12), st.integers(0, 9), st.integers(1, 40)
)
others = st.builds("{}%{}".format, st.sampled_from(["a*b", "(a*a+b)", "(a//3)"]), st.integers(1, 30)) | st.sampled_from(
    ["a*b", "a*a", "a*a+b", "3*a*b+a", "max(a,2*b)", "a<b", "abs(a-b)", "reverse(a)", "digitsum(a)", "(a+b)//4", "a%3+b%5", "a//2+b"]
)


@settings(max_examples=150)
@given(serial | modular | others, st.sampled_from([(2, 1), (2, 3), (3, 2), (4, 2), (10, 1)]))
def test_influence_is_the_definition(text, size):
    base, digits = size
    task = make_task(expr=text, base=base)
    assume(bounds(task.expression, base**digits)[0] >= 0)
    assert influence(task, digits) == by_definition(task, digits)


@pytest.mark.parametrize("text", ["a+b", "a//7", "(a+b)%101", "a*b", "a*b%12"])
def test_influence_in_base_10(text):
    task = make_task(expr=text)
    assert influence(task, 2) == by_definition(task, 2)


@settings(max_examples=20)
@given(serial | modular, st.sampled_from([(2, 4), (3, 3)]))
def test_influence_is_0_exactly_where_there_is_no_dependence(text, size):
    base, digits = size
    task = make_task(expr=text, base=base)
    assume(bounds(task.expression, base**digits)[0] >= 0)
    found = influence(task, digits)
    assert {(f"{kind}{j}", f"c{i}") for (kind, j), row in found.items() for i, share in enumerate(row) if share} == dependencies(
        task, digits
    )


@pytest.mark.parametrize("base", [2, 3, 10, 16])
def test_influence_of_addition_in_closed_form(base):
    """(B - 1)/B at once, then (B^2 - 1)/(3 B^2) for the carry, and B times less for each further digit; 60 digits as well as 3."""
    found = influence(make_task("add", base=base), 60)
    for j, i in product(range(60), range(61)):
        share = Fraction(0) if i < j else Fraction(base - 1, base) if i == j else Fraction(base**2 - 1, 3 * base ** (i - j + 1))
        assert found["a", j][i] == found["b", j][i] == share


def test_the_story():
    add, mul, mod = (influence(make_task(*task), 3)["a", 0] for task in (("add",), ("mul",), ("mod-add", None, 10, 101)))
    assert add == (Fraction(9, 10), Fraction(33, 100), Fraction(33, 1000), Fraction(33, 10000))
    assert mul[0] == Fraction(73, 100)
    assert all(Fraction(7, 10) < share < Fraction(82, 100) for share in mul[:4])
    assert all(share > Fraction(1, 100) for share in mod)


@settings(max_examples=40)
@given(serial, st.sampled_from([2, 3, 10]))
def test_decay_is_what_the_influence_does(text, base):
    task = make_task(expr=text, base=base)
    machine = serial_machine(task)
    found = decay(machine)
    if found is None:
        return
    start, ratio = found
    for (_, j), row in influence(task, 8).items():
        along = row[j:8] if machine.direction == "lsd" else (*row, *[Fraction(0)] * 8)[j::-1]
        late = along[start:]
        if machine.direction == "msd" and len(row) <= j:
            continue  # the result has fewer digits
        assert all(second == ratio * first for first, second in pairwise(late))


def test_decay_of_known_tasks():
    known = {
        "a+b": (1, Fraction(1, 10)),
        "7*a": (2, Fraction(1, 10)),
        "123*a": (4, Fraction(1, 10)),
        "2*a": (2, 0),
        "a//3": (1, 1),
        "a//2": (2, 0),
    }
    for text, expected in known.items():
        found = decay(serial_machine(make_task(expr=text)))
        assert found[1] == expected[1], text
        assert found[0] <= expected[0], text


@settings(max_examples=40)
@given(modular | st.builds("a*b%{}".format, st.integers(2, 20)), st.sampled_from([2, 3, 10]))
def test_influence_modulo_p_repeats(text, base):
    task = make_task(expr=text, base=base)
    found = portrait(task, 7)
    if found.repeats is None or found.influence is None:
        return
    start, cycle = found.repeats
    for kind in "ab":
        for j in range(start, 7 - cycle):
            assert found.influence[kind, j] == found.influence[kind, j + cycle]


def test_influence_modulo_101_has_period_2_although_the_weights_have_4():
    found = portrait(make_task("mod-add", modulus=101), 6)
    assert (found.rule.cycle, found.repeats) == (4, (0, 2))
    assert found.influence["a", 0] == found.influence["a", 2] != found.influence["a", 1]
    assert portrait(make_task("mod-add", modulus=100), 4).repeats is None


@settings(max_examples=40)
@given(serial | modular | st.sampled_from(["a*b", "a*a", "a*b+a", "a*b%12", "(a*a+b)%9", "a*b%101"]), st.sampled_from([2, 3]))
def test_sections_per_cut_against_the_table_of_rests(text, base):
    task = make_task(expr=text, base=base)
    assume(bounds(task.expression, base**3)[0] >= 0)
    found = portrait(task, 3)
    if found.direction == "lsd":
        assert [cut.count for cut in found.cuts] == [sections(task, k).count for k in range(4)]
        assert all(cut.exact for cut in found.cuts)
        return
    for k, cut in enumerate(found.cuts[:3]):  # most significant first, rests are told apart by five low digits to come
        unit, high = base**5, range(base**k)
        rests = {tuple(task(x * unit + z, y * unit + unit - 1 - z) - task(x, y) * unit for z in range(unit)) for x in high for y in high}
        assert cut.count == len(rests)


def test_sections_of_the_story():
    counts = {
        name: [cut.count for cut in portrait(make_task(name, None, 10, p), 4).cuts]
        for name, p in (("add", None), ("mul", None), ("mod-add", 101))
    }
    assert counts == {"add": [1, 2, 2, 2, 2], "mul": [1, 100, 10**4, 10**6, 10**8], "mod-add": [1, 19, 101, 101, 101]}
    assert [cut.count for cut in portrait(make_task("mod-mul", None, 10, 60), 4).cuts] == [
        sections(make_task("mod-mul", None, 10, 60), k).count for k in range(3)
    ] + [180, 180]


@pytest.mark.parametrize(
    ("text", "digits", "message"),
    [
        ("a*b", 5, "at most 100000000 are counted"),
        ("(a+b)%99991", 100, "additions"),
        ("600*a+700*b", 4, "additions"),
        ("a-b", 2, "negative"),
    ],
)
def test_too_large_is_refused(text, digits, message):
    with pytest.raises(InputError, match=message):
        influence(make_task(expr=text), digits)
