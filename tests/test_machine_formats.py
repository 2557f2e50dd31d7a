"""Machines as JSON, which is read back or refused in one line, and as drawings, whose labels hold the whole table."""

import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machines import affine, division, machines
from theory.automata.formats import MAX_TEXT, from_json, labelled_edges, to_dot, to_json, to_mermaid
from theory.automata.machines import Machine
from theory.errors import InputError

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

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
