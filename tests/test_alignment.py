"""The alignment predicate and the training support against their definitions, over every query and every digit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st

from theory.language.domains import make_training
from theory.language.encodings import FAMILIES, make_encoding
from theory.language.layouts import LAYOUTS, make_layout
from theory.language.tasks import Task, make_task
from theory.local import alignment
from theory.local.alignment import Positions, shift_lifts, training_support

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

Token = tuple[str, int]
TOGETHER = {"interleaved": "abc", "unary": "ac"}  # digits of one place
PLACES = [(name, "lsd") for name in LAYOUTS] + [(name, "msd") for name in TOGETHER]
TASKS = {expr: make_task(None, expr, 3) for expr in ("a + b", "a * b", "2*a + 3*b", "a < b", "a", "a // 2")}


def sequence(name: str, direction: str, task: Task, width: int, length: int) -> list[Token]:
    """The tokens of a line, written down once more: digits as (kind, place)."""
    if name in ("padded", "aligned"):
        n, m = width, task.result_width(width)
    else:
        n, m = length, task.result_width(length)
    if name in TOGETHER:
        groups = range(max(n, m)) if direction == "lsd" else range(max(n, m))[::-1]
        return [("^", 0), *((kind, i) for i in groups for kind in TOGETHER[name])]
    a, b, c = ([(kind, i) for i in range(k)] for kind, k in (("a", n), ("b", n), ("c", m)))
    if name != "aligned":
        a, b = a[::-1], b[::-1]
    return [("^", 0), *a, ("+", 0), *b, ("=", 0), *(c[::-1] if name == "plain" else c)]


def code(family: str, query: int, position: int, i: int, place: int) -> Any:
    return {
        **dict.fromkeys(("relative", "window", "banded"), query - position),
        "absolute": (query, position), "abacus": i - place, "randomised": position < query, "none": None,
    }[family]  # fmt: skip


def lifts_by_definition(family: str, name: str, direction: str, task: Task, width: int, lengths: tuple[int, ...]) -> bool:
    """Every role has one look over all digits and lengths, the look is that of its digit alone, and the result before is written."""
    back = 1 if direction == "msd" or name == "plain" else -1
    roles: dict[str, set[Any]] = defaultdict(set)
    alone = True
    several = False
    for length in lengths:
        line = sequence(name, direction, task, width, length)
        results = sum(kind == "c" for kind, _ in line)
        several |= results > 1
        for i in range(results):
            query = line.index(("c", i)) - 1
            looks: dict[Any, list[Token]] = defaultdict(list)
            for position in range(query + 1):
                kind, place = line[position]
                if kind in "abc":
                    segment = kind if name not in TOGETHER else None
                    looks[code(family, query, position, i, place), position == query, segment].append((kind, place))
            for role, token in {
                "a": ("a", i), "b": ("b", i), "a before": ("a", i + back), "b before": ("b", i + back), "c before": ("c", i + back),
            }.items():  # fmt: skip
                mine = [look for look, tokens in looks.items() if token in tokens]
                if mine:
                    roles[role].add(mine[0][0])
                    alone &= len(looks[mine[0]]) == 1
    return alone and all(len(codes) == 1 for codes in roles.values()) and ("c before" in roles or not several)


SETTINGS = given(
    st.sampled_from(FAMILIES),
    st.sampled_from(PLACES),
    st.sampled_from(sorted(TASKS)),
    st.integers(1, 6),
    st.sets(st.integers(1, 5), min_size=2, max_size=3),
)


@settings(max_examples=400)
@SETTINGS
@example("relative", ("aligned", "lsd"), "a + b", 5, {2, 3})
@example("relative", ("padded", "lsd"), "a + b", 5, {2, 3})
@example("abacus", ("interleaved", "lsd"), "2*a + 3*b", 5, {2, 3})
@example("randomised", ("aligned", "lsd"), "a < b", 5, {2, 3})
@example("none", ("interleaved", "lsd"), "a + b", 5, {1, 3})
def test_the_predicate_is_its_definition(family: str, where: tuple[str, str], expr: str, width: int, lengths: set[int]) -> None:
    check(family, where, expr, width, lengths)


@settings(max_examples=400, phases=(Phase.generate,))
@SETTINGS
def search(family: str, where: tuple[str, str], expr: str, width: int, lengths: set[int]) -> None:
    """The same without the examples, and without making a counterexample small."""
    check(family, where, expr, width, lengths)


def check(family: str, where: tuple[str, str], expr: str, width: int, lengths: set[int]) -> None:
    """Predicate and definition say the same."""
    name, direction = where
    layout = make_layout(name, max(width, *lengths), direction)
    assume(layout.shows(TASKS[expr]))
    encoding = make_encoding(family, 4 if family == "window" else None)
    found = alignment.shift_lifts(encoding, layout, TASKS[expr], tuple(lengths))
    assert found.value == lifts_by_definition(family, name, direction, TASKS[expr], layout.width, tuple(lengths)), found.certificate


def _off_by_one(places: Positions, family: str, i: int, key: Any) -> Any:
    """Distances one too long at odd digits."""
    found = RIGHT(places, family, i, key)
    return found if found is None or family != "relative" else (found[0] + i % 2,)


def _no_looks(*_: Any) -> None:
    """Digits are never taken to look alike."""


def _separators_everywhere(places: Positions, family: str, separated: bool, i: int, roles: list[Any]) -> str | None:
    """As if separators stood in every layout."""
    return ALIKE(places, family, True, i, roles)


RIGHT, ALIKE = Positions.code, alignment._alike

PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "distances off by one at odd digits": lambda patch: patch.setattr(Positions, "code", _off_by_one),
    "roles never compared with other digits": lambda patch: patch.setattr(alignment, "_alike", _no_looks),
    "separators seen where there are none": lambda patch: patch.setattr(alignment, "_alike", _separators_everywhere),
    "the result before forgotten": lambda patch: patch.setattr(alignment, "ROLES", (("a", 0), ("b", 0), ("a", 1), ("b", 1))),
    "only the longest length looked at": lambda patch: patch.setattr(alignment, "_different", lambda layout, lengths: [max(lengths)]),
    "one code for all absolute positions": lambda patch: patch.setattr(
        Positions, "code", lambda places, family, i, key: RIGHT(places, "relative" if family == "absolute" else family, i, key)
    ),
}


@pytest.mark.parametrize("planted", sorted(PLANTED))
def test_a_planted_error_in_the_predicate_is_found(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[planted](monkeypatch)
    with pytest.raises(AssertionError):
        search()


@given(st.integers(1, 12), st.integers(1, 12))
def test_the_table_of_layouts(width: int, length: int) -> None:
    """What the theory says of relative positions: aligned iff all orders agree and the width is fixed; interleaved too; unpadded never."""
    length = min(length, width)
    relative = make_encoding("relative")
    for name in LAYOUTS:
        task, lengths = TASKS["a" if name == "unary" else "a + b"], (length, length + 1)
        found = shift_lifts(relative, make_layout(name, width + 1), task, lengths)
        assert found.value == (name in ("aligned", "interleaved", "unary"))


@given(st.sampled_from(sorted(TASKS)), st.sampled_from(PLACES), st.integers(1, 5))
def test_the_order_alone_names_no_digit(expr: str, where: tuple[str, str], length: int) -> None:
    """With randomised positions every code of a longer line was seen in training, and none is a role's own."""
    layout = make_layout(where[0], length + 1, where[1])
    assume(TASKS[expr].result_width(length) > 1 and layout.shows(TASKS[expr]))
    encoding = make_encoding("randomised")
    assert not shift_lifts(encoding, layout, TASKS[expr], (length, length + 1)).value
    short = training_support(encoding, layout, TASKS[expr], make_training("either", str(length)))
    longer = training_support(encoding, layout, TASKS[expr], make_training("either", str(length + 1)))
    assert all(short.kind(seen) != "unseen" for seen in [(1,), (2,)] if longer.kind(seen) != "unseen")
    assert short.kind((1,)) == "nonzero"


@given(
    st.sampled_from(FAMILIES), st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(TASKS)), st.integers(1, 4), st.integers(1, 4)
)  # fmt: skip
def test_support_is_what_training_lines_show(family: str, name: str, expr: str, width: int, length: int) -> None:
    """Codes of operand digits over all queries; a place below the trained length shows more than 0."""
    task, width = TASKS[expr], max(width, length)
    assume(make_layout(name, width).shows(task))
    line, expected = sequence(name, "lsd", task, width, length), dict[Any, bool]()
    for i in range(sum(kind == "c" for kind, _ in line)):
        query = line.index(("c", i)) - 1
        for position, (kind, place) in enumerate(line[: query + 1]):
            if kind in "ab":
                seen = code(family, query, position, i, place)
                expected[seen] = expected.get(seen, False) or place < length
    encoding = make_encoding(family, 4 if family == "window" else None)
    found = training_support(encoding, make_layout(name, width), task, make_training("either", str(length)))
    for seen, shown in expected.items():
        assert found.kind(_tuple(seen)) == ("nonzero" if shown else "zero")
    assert found.kind({"absolute": (99, 98), "none": (1,)}.get(family, (99,))) == "unseen"


def _tuple(seen: Any) -> tuple[int, ...]:
    """A code of this file as theory writes it."""
    return seen if isinstance(seen, tuple) else () if seen is None else (int(seen),)
