"""Layouts: rendered strings, the distances that theory derives from them, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.errors import InputError
from theory.language.encodings import make_encoding
from theory.language.layouts import LAYOUTS, Slot, digits, encode, make_layout, render
from theory.language.tasks import make_task
from theory.local.alignment import digit_codes, positions

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
ADD, MUL = make_task("add"), make_task("mul")


@pytest.mark.parametrize(
    ("name", "direction", "width", "task", "a", "b", "length", "line"),
    [
        ("padded", "lsd", 3, "add", 12, 9, 2, "^012+009=1200"),
        ("aligned", "lsd", 3, "add", 12, 9, 2, "^210+900=1200"),
        ("padded", "lsd", 2, "mul", 12, 9, 2, "^12*09=8010"),
        ("interleaved", "lsd", 3, "add", 12, 9, 2, "^291102000"),
        ("interleaved", "msd", 3, "add", 12, 9, 2, "^000102291"),
        ("unary", "lsd", 1, "double", 57, 9, 2, "^745101"),
        ("unary", "msd", 1, "halve", 57, 9, 2, "^5278"),
        ("interleaved", "lsd", 3, "mul", 12, 9, 2, "^298100001000"),
        ("plain", "lsd", 1, "add", 12, 9, 2, "^12+9=21;"),
        ("reversed", "lsd", 1, "add", 95, 9, 2, "^95+9=401;"),
        ("plain", "lsd", 1, "add", 0, 0, 1, "^0+0=0;"),
    ],
)
def test_rendered(name: str, direction: str, width: int, task: str, a: int, b: int, length: int, line: str) -> None:
    assert render(make_layout(name, width, direction), make_task(task), a, b, length) == line


def test_digits_above_nine() -> None:
    assert render(make_layout("plain", 1), make_task("add", base=16), 255, 1, 2) == "^ff+1=100;"
    assert render(make_layout("plain", 1), make_task("add", base=40), 39, 0, 1) == "^[39]+0=[39];"


@given(st.integers(1, 8), st.integers(2, 12))
def test_distances_of_fixed_layouts_are_those_of_the_table(width: int, base: int) -> None:
    """From the token before c_i: la + lb + 1 and lb when all run least significant first, 2i + lb + 2 and 2i + 1 in the papers' layout."""
    task = make_task("add", base=base)
    aligned, padded = (positions(make_layout(name, width), task, 1) for name in ("aligned", "padded"))
    for i in range(width):
        assert [aligned.code("relative", i, Slot(kind, i)) for kind in "ab"] == [(2 * width + 1,), (width,)]
        assert [padded.code("relative", i, Slot(kind, i)) for kind in "ab"] == [(2 * i + width + 2,), (2 * i + 1,)]


@given(st.integers(1, 30), st.sampled_from(["lsd", "msd"]))
def test_interleaved_shows_the_digits_of_its_own_group_at_fixed_distances(length: int, direction: str) -> None:
    layout = make_layout("interleaved", 1, direction)
    at = positions(layout, ADD, length)
    for i in range(at.results):
        assert (at.code("relative", i, Slot("a", i)), at.code("relative", i, Slot("b", i))) == ((1,), (0,))


@given(st.sampled_from(sorted(LAYOUTS)), st.sampled_from(["lsd", "msd"]), st.integers(2, 12), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_line_holds_the_digits_of_the_question_and_the_answer(name: str, direction: str, base: int, a: int, b: int) -> None:
    layout = make_layout(name, 20, direction if name in ("interleaved", "unary") else "lsd")
    task = make_task("square" if name == "unary" else "mul", base=base)
    tokens = encode(layout, task, a, b, 20)
    slots = layout.slots(layout.pair_widths(task, a, b, 20))
    read = {kind: sum(token * base**slot.place for slot, token in zip(slots, tokens, strict=True) if slot.kind == kind) for kind in "abc"}
    assert (read["a"], read["b"], read["c"]) == ((a, 0, a * a) if name == "unary" else (a, b, a * b))


def test_a_layout_that_shows_a_alone_refuses_tasks_that_read_b() -> None:
    unary = make_layout("unary", 1)
    assert unary.shows(make_task("dozen"))
    with pytest.raises(InputError, match=r"the unary layout shows a alone, but a \+ b reads b: use the interleaved layout"):
        unary.widths(ADD, 3)


def test_codes_are_of_earlier_tokens_only() -> None:
    codes = digit_codes(make_encoding("absolute"), make_layout("interleaved", 1), ADD, 4, range(4))
    assert all(key < query + 1 for query, key in codes.values())
    assert {slot.place for i, slot in codes if i == 1} == {0, 1}


@pytest.mark.parametrize(
    ("name", "width", "direction"),
    [("other", 3, "lsd"), ("padded", 0, "lsd"), ("padded", 3, "msd"), ("plain", 3, "msd"), ("interleaved", 3, "up")],
)
def test_refused_layouts(name: str, width: int, direction: str) -> None:
    with pytest.raises(InputError):
        make_layout(name, width, direction)


def test_refused_numbers() -> None:
    with pytest.raises(InputError, match="does not fit"):
        digits(100, 2, 10)
    with pytest.raises(InputError, match="negative"):
        make_layout("padded", 3).widths(make_task(None, "b - a"), 2)
    assert make_layout("padded", 3).widths(make_task(None, "a - b"), 2) == (3, 3, 3)  # for a >= b
