"""Bands: their offsets from the layout's order, their contexts and coverage against every line of a small width, and what is predicted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.automata.machines import TooLarge
from theory.automata.transducers import Transducer
from theory.errors import InputError
from theory.language.domains import boxes, make_training
from theory.language.encodings import make_encoding
from theory.language.layouts import Layout, Slot, encode, make_layout
from theory.language.tasks import Task, make_task
from theory.local.bands import BandContexts, band, coverage, reach, up_to
from theory.local.inputs import local_machine
from theory.predictions.predict import Prediction, predict

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

CASES = [  # expression, base, width, layers
    ("a + b", 2, 5, 1),
    ("a + b", 3, 3, 1),
    ("a + b", 2, 4, 2),
    ("2*a + b", 2, 4, 1),  # carries of two bits: some contexts leave the answer open
    ("3*a", 2, 4, 1),
    ("a + b + 1", 2, 4, 1),
    ("a", 2, 4, 1),
    ("5*a", 2, 3, 2),
    ("a + b", 2, 1, 1),
]


def made(expr: str, base: int, width: int) -> tuple[Task, Transducer, Layout]:
    task = make_task(expr=expr, base=base)
    machine = local_machine(task, "lsd")
    assert machine is not None
    return task, machine, make_layout("aligned", width)


@cache
def shown(expr: str, base: int, width: int, layers: int, domain: str, length: int) -> dict[tuple[tuple[int, int], ...], set[int]]:
    """By enumeration: what queries see of the lines of a domain, as (offset, token), with the true digits that follow."""
    task, _, layout = made(expr, base, width)
    offsets, widths = reach(band(layout, task), layers), layout.widths(task, width)
    first = layout.slots(widths).index(Slot("c", 0)) - 1
    found: dict[tuple[tuple[int, int], ...], set[int]] = defaultdict(set)
    pairs = {
        (a, b) for box in boxes(domain, length, base) for a in range(*box.a.range(base)) for b in range(*box.b.range(base))
    }
    for a, b in pairs:
        line = encode(layout, task, a, b, length)
        for query in range(first, first + widths.c):
            found[tuple((offset, line[query - offset]) for offset in offsets[::-1] if offset <= query)].add(line[query + 1])
    return found


def union(parts: Iterable[dict[tuple[tuple[int, int], ...], set[int]]]) -> dict[tuple[tuple[int, int], ...], set[int]]:
    out: dict[tuple[tuple[int, int], ...], set[int]] = defaultdict(set)
    for part in parts:
        for context, answers in part.items():
            out[context] |= answers
    return out


# ------------------------------------------------------------------------------------------------------------------------- offsets


@given(st.integers(2, 40), st.integers(2, 12))
def test_the_band_of_the_aligned_layout(width: int, base: int) -> None:
    assert band(make_layout("aligned", width), make_task("add", base=base)) == (0, width, width + 1, 2 * width + 1, 2 * width + 2)


@pytest.mark.parametrize("width", [3, 6])
def test_a_band_shows_the_digits_of_the_rule_and_marks_at_both_ends(width: int) -> None:
    task, layout = make_task("add"), make_layout("aligned", width)
    slots = layout.slots(layout.widths(task, width))
    for i in range(width + 1):
        query = slots.index(Slot("c", i)) - 1
        seen = [slots[query - offset] for offset in band(layout, task)]
        c, b, a = (Slot("eq"), Slot("op"), Slot("bos")) if i == 0 else (Slot(kind, i - 1) for kind in "cba")
        here_b, here_a = (Slot("eq"), Slot("op")) if i == width else (Slot("b", i), Slot("a", i))
        assert seen == [c, here_b, b, here_a, a]


@pytest.mark.parametrize(
    ("name", "direction", "words"),
    [
        ("padded", "lsd", "a_i has code .* for c_0 but .* for c_1"),
        ("interleaved", "lsd", "use --pe window"),
        ("plain", "lsd", "no fixed width"),
        ("reversed", "lsd", "no fixed width"),
    ],
)
def test_layouts_without_a_band_are_refused(name: str, direction: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        band(make_layout(name, 4, direction), make_task("add"))


def test_layers_add_up_offsets() -> None:
    assert reach((0, 2, 3), 1) == (0, 2, 3)
    assert reach((0, 2, 3), 2) == (0, 2, 3, 4, 5, 6)
    assert reach(range(5), 3) == tuple(range(13))  # a window of r: L r + 1 tokens


# ------------------------------------------------------------------------------------------------------------------------ contexts


@pytest.mark.parametrize(("expr", "base", "width", "layers"), CASES)
def test_contexts_are_those_of_all_lines(expr: str, base: int, width: int, layers: int) -> None:
    """Tokens, true answers, and the fewest digits of operands that reach each."""
    task, machine, layout = made(expr, base, width)
    contexts = BandContexts(task, machine, layout, reach(band(layout, task), layers), up_to(width))
    mine: dict[tuple[tuple[int, int], ...], set[int]] = {}
    for block in contexts.blocks(30):
        for row, answer, end in zip(block.tokens.tolist(), block.answer, block.end, strict=True):
            key = tuple(zip(block.kind.offsets, row, strict=True))
            assert key not in mine
            known = block.kind.ends[end]
            mine[key] = {c for (_, c), _ in known}
            assert mine[key] == ({int(answer)} if answer >= 0 else mine[key]) != set()
            first = next(n for n in range(1, width + 1) if key in shown(expr, base, width, layers, "either", n))
            assert min(size for _, size in known) == first
    assert mine == union(shown(expr, base, width, layers, "either", n) for n in range(1, width + 1))
    assert contexts.count() == len(mine)


@pytest.mark.parametrize(("expr", "base", "width", "layers"), [CASES[1], CASES[2], CASES[3]])
def test_histories_are_shortest_inputs(expr: str, base: int, width: int, layers: int) -> None:
    task, machine, layout = made(expr, base, width)
    contexts = BandContexts(task, machine, layout, reach(band(layout, task), layers), up_to(width))
    refuting: dict[tuple[tuple[int, ...], int], int] = {}
    for n in range(1, width + 1):
        for context, answers in shown(expr, base, width, layers, "either", n).items():
            for given_ in range(base + 1):
                if answers - {given_}:
                    refuting.setdefault((tuple(token for _, token in context), given_), n)
    for block in contexts.blocks(1000):
        for row, end in zip(block.tokens.tolist(), block.end, strict=True):
            for given_ in (*range(base), base):
                digits = contexts.groups_before(block.kind, int(end), given_)
                assert digits == refuting.get((tuple(row), given_))
                if digits is None:
                    with pytest.raises(ValueError, match="no input shows"):
                        contexts.history(tuple(row), given_)
                    continue
                pairs = contexts.history(tuple(row), given_)
                assert len(pairs) == digits
                a, b = (sum(d * base**i for i, d in enumerate(column)) for column in zip(*pairs, strict=True))
                line = encode(layout, task, a, b, digits)
                first = layout.slots(layout.widths(task, width)).index(Slot("c", 0)) - 1
                seen = [
                    (tuple(line[query - offset] for offset in contexts.offsets[::-1] if offset <= query), line[query + 1])
                    for query in range(first, len(line) - 1)
                ]
                assert any(tokens == tuple(row) and true != given_ for tokens, true in seen)


# ------------------------------------------------------------------------------------------------------------------------ coverage


@pytest.mark.parametrize(
    ("expr", "base", "width", "layers", "domain", "train"),
    [
        ("a + b", 2, 5, 1, "either", "1-2"),
        ("a + b", 2, 5, 1, "either", "1-3"),
        ("a + b", 2, 5, 1, "either", "3"),
        ("a + b", 2, 5, 1, "both", "2"),
        ("a + b", 2, 5, 1, "both", "1-3"),
        ("a + b", 2, 5, 1, "sampler", "1,3"),
        ("a + b", 3, 3, 1, "either", "1-2"),
        ("a + b", 3, 3, 1, "both", "2"),
        ("a + b", 2, 4, 2, "either", "1-3"),
        ("2*a + b", 2, 4, 1, "either", "1-3"),
        ("a", 2, 4, 1, "either", "1-2"),
        ("a", 2, 4, 1, "both", "1-2"),
    ],
)
def test_what_training_misses_by_enumeration(expr: str, base: int, width: int, layers: int, domain: str, train: str) -> None:
    task, machine, layout = made(expr, base, width)
    training = make_training(domain, train)
    found = coverage(task, machine, layout, reach(band(layout, task), layers), training)
    seen = union(shown(expr, base, width, layers, domain, n) for n in training.lengths)
    missed: Counter[int] = Counter()
    everything: dict[tuple[tuple[int, int], ...], set[int]] = {}
    for n in range(1, width + 1):
        reached = shown(expr, base, width, layers, "either", n)
        missed[n] += len([context for context in reached if context not in seen and context not in everything])
        everything = union((everything, reached))
    assert found.contexts == len(everything)
    assert found.ambiguous == sum(len(answers) > 1 for answers in everything.values())
    by_digits: Counter[int] = Counter()
    for one in found.missed:
        by_digits[one.digits] += one.contexts
    assert by_digits == +missed
    assert found.digits == min((n - 1 for n in +missed), default=width)


@pytest.mark.parametrize("width", [5, 8, 30])
@pytest.mark.parametrize("base", [2, 10, 16])
def test_three_digits_show_all_but_the_top(base: int, width: int) -> None:
    """One context is new at W-1 digits, the carry out of the last; all others at the top, at W. Below W-1, nothing is new."""
    task, machine, layout = made("a + b", base, width)
    found = coverage(task, machine, layout, band(layout, task), make_training("either", "1-3"))
    assert (found.contexts, found.ambiguous, found.digits) == (2 * base**4 + base**2 + 2 * base**2, 0, width - 2)
    assert [tuple(one) for one in found.missed] == [(width - 1, 1, (width,)), (width, 2 * base**2 - 2, (width,))]


def test_the_new_context_is_the_carry_out_of_the_top() -> None:
    task, machine, layout = made("a + b", 2, 6)
    reached = [BandContexts(task, machine, layout, band(layout, task), up_to(digits)).blocks(99) for digits in (4, 5)]
    tops = [{tuple(row) for block in blocks for row in block.tokens.tolist()} for blocks in reached]
    op, eq = 2, 3
    assert tops[1] - tops[0] == {(0, op, 0, eq, 1)}  # a_5, + in the place of a_6, b_5, = in the place of b_6, c_5


def test_two_digits_do_not_show_a_carry_into_the_second() -> None:
    task, machine, layout = made("a + b", 10, 8)
    found = coverage(task, machine, layout, band(layout, task), make_training("either", "1-2"))
    assert found.digits == 2
    assert found.text().startswith("operands of 3 digits reach 9900 more, at c_1 to c_7; operands of 7 digits reach 1 more, at c_8")


def test_too_many_situations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory.local.bands.MAX_SITUATIONS", 100)
    task, machine, layout = made("a + b", 10, 8)
    with pytest.raises(TooLarge, match="situations"):
        coverage(task, machine, layout, band(layout, task), make_training("either", "1-3"))


# ---------------------------------------------------------------------------------------------------------------------- prediction


def predicted(
    expr: str, train: str = "1-3", layout: str = "aligned", width: int = 8, layers: int = 1, domain: str = "either", base: int = 10
) -> Prediction:
    training, lengths = make_training(domain, train), tuple(range(1, width + 1))
    task, placed = make_task(expr=expr, base=base), make_layout(layout, width)
    return predict(task, make_encoding("banded", None, layers), placed, training, lengths, "either")


@pytest.mark.parametrize(
    ("expr", "more", "upward", "rule", "exact_to"),
    [
        ("a + b", {}, "exact", "band holds the rule", 6),
        ("7*a", {}, "exact", "band holds the rule", 6),
        ("2*a + 3*b", {}, "exact", "band holds the rule", 6),
        ("a + b + 1", {}, "exact", "band holds the rule", 6),
        ("a", {}, "exact", "band holds the rule", 8),  # no carry, nothing above the operands: the top never shows
        ("a + b", {"train": "4"}, "exact", "band holds the rule", 6),
        ("a + b", {"train": "1-4", "domain": "both"}, "exact", "band holds the rule", 6),
        ("a + b", {"train": "1-3", "domain": "both"}, "undetermined", "band undecided", 0),  # no carry below (x, 0), (0, 0)
        ("a + b", {"train": "1-3", "width": 5}, "undetermined", "band undecided", 0),  # 4 digits are W-1: the carry out of the top
        ("a + b", {"train": "1-2"}, "undetermined", "band undecided", 0),
        ("a + b", {"layers": 2, "base": 2}, "undetermined", "band undecided", 0),  # a_{i+1} is in sight, and four digits combine it anew
        ("2*a + b", {"base": 2}, "undetermined", "band undecided", 0),  # the band leaves a carry of two bits open
        ("a + b", {"layout": "padded"}, "undetermined", "band undecided", 0),
        ("a + b", {"layout": "reversed"}, "undetermined", "band undecided", 0),
        ("a // 3", {}, "fails", "no local rule", 0),
        ("(a + b) % 100", {}, "undetermined", "band undecided", 0),
        ("a * b", {}, "fails", "no local rule", 0),
    ],
)
def test_upward(expr: str, more: dict[str, Any], upward: str, rule: str, exact_to: int) -> None:
    found = predicted(expr, **more)
    assert (found.outcome.upward, found.rule_name) == (upward, rule)
    assert [row.length for row in found.accuracy if row.exact == 1] == list(range(1, exact_to + 1))
    assert all(row.exact in (1, None) for row in found.accuracy)
    assert (found.learned_function is None) == (upward != "exact")
    if upward != "exact":
        assert found.outcome.in_distribution == "undetermined"


def test_reasons_name_the_offsets_and_what_is_missed() -> None:
    text = " ".join(predicted("a + b").reasons)
    assert "offsets 0, 8, 9, 17, 18" in text
    assert "operands of 7 digits reach 1 more, at c_8; operands of 8 digits reach 198 more, at c_8" in text
    assert "of them leave the answer open" in " ".join(predicted("2*a + b", base=2).reasons)


def test_a_band_takes_no_window() -> None:
    with pytest.raises(InputError, match="--window goes with the window encoding, not with banded"):
        make_encoding("banded", 4)
