"""The domain by-K, in which b stays short, and the machine that holds it: against lists of every pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from empirical.data.lines import to_ints
from empirical.runs.store import load_runs
from empirical.study.evaluate import draw_test
from empirical.study.measure import theory_says
from tests.command import called, refused
from tests.test_domains import law
from theory.automata.held import Held, held, held_transducer
from theory.automata.machine_tasks import machine_task
from theory.automata.machines import from_transducer, tabulate
from theory.automata.serial import serial
from theory.errors import InputError
from theory.exact.closed_forms import NoClosedForm, closed_form
from theory.language.domains import make_training, of_sort, plain, restricted
from theory.language.encodings import make_encoding
from theory.language.layouts import encode, make_layout
from theory.language.tasks import Task, digit_count, make_task
from theory.local.inputs import all_inputs, inputs_of_length, local_machine
from theory.local.majority import Majority
from theory.local.windows import Contexts, needed_window, smallest_window
from theory.predictions.facts import Facts
from theory.predictions.predict import predict
from theory.proofs.properties import translation_by_direction
from theory.proofs.verdicts import equivalence, recurrence

#: (task, base, K) with a machine, least significant digit first
SERIAL = [("a * b", 2, 1), ("a * b", 2, 2), ("a * b", 3, 1), ("a * b + b", 2, 2), ("a + b", 2, 1), ("2*a + b", 2, 2)]


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 6), st.integers(1, 3), st.booleans(), st.tuples(*[st.integers(0, 3)] * 5), st.data())
def test_the_machine_multiplies(base: int, digits: int, first: bool, c: tuple[int, ...], data: st.DataObject) -> None:
    """Whatever the polynomial, and whichever operand is held: what the machine writes is the value."""
    x, h = ("b", f"(a % {base**digits})") if first else ("a", f"(b % {base**digits})")
    task = make_task(expr=f"{c[0]}*{x}*{h}*{h} + {c[1] + 1}*{x}*{h} + {c[2]}*{x} + {c[3]}*{h} + {c[4]}", base=base)
    machine = held_transducer(task)
    if machine is None:
        assert base**digits > 9, "a small machine was not built"
        return
    a, b = (data.draw(st.integers(0, base**6 - 1)) for _ in "ab")
    assert machine.run(a, b, task.result_width(6)) == task(a, b)
    found = held(task)
    assert found is not None
    assert (found.operand, found.digits) == ("a" if first else "b", digits)
    assert len(machine.reachable) <= found.states


NOT_HELD = "a * b", "a + b % 9", "a * (b % 7)", "a * a * (b % 9)", "a * (b % 9) + b", "a * (b % 9) * (b % 3)", "a * (b % 9) - a", "a % 9"


@pytest.mark.parametrize("expr", NOT_HELD)
def test_what_is_not_held(expr: str) -> None:
    assert held(make_task(expr=expr, base=3)) is None


def test_a_planted_machine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that forgets the held operand's upper digits is caught by the values."""
    task, right = make_task(expr="a * (b % 9)", base=3), Held.slope
    monkeypatch.setattr(Held, "slope", lambda self, h: right(self, h % 3))
    machine = held_transducer(task)
    assert machine is not None
    assert machine.run(80, 5, 7) != task(80, 5)


@pytest.mark.parametrize("expr", ["a * (b % 3)", "a * (b % 9) + 2 * (b % 9)", "b * (a % 3) * (a % 3) + 4", "2 * a + a * (b % 3)"])
def test_the_machine_of_rests_is_the_same(expr: str) -> None:
    """Built from what remains to be computed, with a proof of each cell; one of a further state, or of another task, does not pass."""
    task = make_task(expr=expr, base=3)
    found, mine = serial(task, "lsd"), held_transducer(task)
    assert found.machine is not None
    assert mine is not None
    small = from_transducer(mine).minimal
    assert len(found.machine.table) == len(small.table)
    assert equivalence(found.machine, small).value
    assert found.verdict.proof is not None
    assert found.verdict.proof.check()
    assert recurrence(found.machine).value is False
    first = found.verdict.proof.proofs[0]
    cells = [list(row) for row in first.machine.table]
    cells[1][2] = (cells[1][2][0], (cells[1][2][1] + 1) % 3)
    assert not replace(first, machine=replace(first.machine, table=tuple(map(tuple, cells)))).check()
    assert not replace(first, task=make_task(expr=f"{expr} + a", base=3)).check()
    assert not replace(first, rests=tuple(replace(rest, left=None) for rest in first.rests)).check()
    assert serial(task, "msd").verdict.value is False


@pytest.mark.parametrize("base", [2, 3])
def test_no_start_recurs_and_no_delay_is_enough(base: int) -> None:
    """What _holding says, on numbers: f(u + B^t*v) - B^t*f(v) is a w < B^t for no u with h = 1, and floor(f(B^m*v) / B^m) is not f(v)."""
    task, K = make_task(expr=f"a * (b % {base**2})", base=base), 2
    assert {end: found.value for end, found in translation_by_direction(task).items()} == {"lsd": False, "msd": False}
    numbers = range(base**4)
    for t, prefix in ((K, base**K - 1), (K + 1, 0)):
        moved = {task(prefix + base**t * a, 1 + base**t * b) - base**t * task(a, b) for a in numbers for b in numbers}
        assert min(moved) < 0 or max(moved) >= base**t
    assert all(task(base**K * a, base**K * b) == 0 for a in numbers for b in numbers)


def weighted(task: Task, direction: str, domain: str, length: int) -> Iterator[tuple[Fraction, list[int]]]:
    """Every line of a domain, with its share."""
    layout = make_layout("interleaved", 1, direction)
    for (a, b), share in law(domain, length, task.base).items():
        yield share, encode(layout, task, a, b, length)


def contexts(task: Task, direction: str, domain: str, length: int, visible: int) -> dict[tuple[int, ...], set[int]]:
    found: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for _, line in weighted(task, direction, domain, length):
        for t in range(3, len(line), 3):
            found[tuple(line[max(0, t - visible) : t])].add(line[t])
    return found


@pytest.mark.parametrize(("expr", "base", "most"), SERIAL)
def test_contexts_are_those_of_the_domain(expr: str, base: int, most: int) -> None:
    """Of every line, and of each length alone; a smallest window leaves one answer, and one token less does not."""
    task, domain = make_task(expr=expr, base=base), f"by-{most}"
    machine = local_machine(task, "lsd", domain)
    assert machine is not None
    need = smallest_window(machine, "ab", domain)
    assert need == needed_window(task, "lsd", "ab", domain).digits
    longest = 6 if base == 2 else 4
    for visible in range(2, 6):
        reached: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for length in range(1, longest + 1):
            for tokens, true in contexts(task, "lsd", domain, length, visible).items():
                reached[tokens] |= true
            lines = Contexts(inputs_of_length(machine, task, range(1, length + 1), domain), visible)
            assert lines.count() == len(reached)
        mine = Contexts(all_inputs(machine, domain), visible)
        assert mine.count() == len(reached)
        assert all(len(true) == 1 for true in reached.values()) == (need is not None and visible > need)


@pytest.mark.parametrize(("expr", "base", "most"), [("a // 3", 2, 1), ("b // 3", 2, 2), ("b // 2", 3, 1)])
def test_contexts_from_the_most_significant_digit(expr: str, base: int, most: int) -> None:
    task, domain = make_task(expr=expr, base=base), f"by-{most}"
    machine = local_machine(task, "msd", domain)
    assert machine is not None
    for visible in (2, 4, 5, 6, 7):
        reached: set[tuple[int, ...]] = set()
        for length in range(1, 7 if base == 2 else 5):
            reached |= contexts(task, "msd", domain, length, visible).keys()
            assert Contexts(inputs_of_length(machine, task, range(1, length + 1), domain), visible).count() == len(reached)
        assert Contexts(all_inputs(machine, domain), visible).count() == len(reached)


@pytest.mark.parametrize(
    ("expr", "base", "most", "window", "trained"),
    [
        ("a * b", 2, 2, 4, "1-3"),
        ("a * b", 3, 1, 3, "1-3"),
        ("a * b", 2, 1, 2, "1-4"),
        ("a + b", 2, 1, 2, "1-3"),
        ("a * b + b", 2, 2, 5, "2-4"),
    ],
)
def test_the_majority_is_counted_on_the_domain(expr: str, base: int, most: int, window: int, trained: str) -> None:
    """What a window can be worth, by listing lines; null where a line meets an ambiguous context that training does not show."""
    task, domain, training = make_task(expr=expr, base=base), f"by-{most}", make_training(f"by-{most}", trained)
    machine = local_machine(task, "lsd", domain)
    assert machine is not None
    votes: dict[tuple[int, ...], dict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for length in training.lengths:
        for share, line in weighted(task, "lsd", domain, length):
            for t in range(3, len(line), 3):
                votes[tuple(line[max(0, t - window - 1) : t])][line[t]] += share
    best = {context: max(sorted(found), key=found.__getitem__) for context, found in votes.items()}
    counted = 0
    for length in (1, 2, 3, 4, 5):
        said = Majority(task, machine, window, training).accuracy(domain, length)
        right, known = Fraction(0), True
        for share, line in weighted(task, "lsd", domain, length):
            queries = [(tuple(line[max(0, t - window - 1) : t]), line[t]) for t in range(3, len(line), 3)]
            known &= all(context in best for context, _ in queries)
            right += share * all(best.get(context) == true for context, true in queries)
        if known:
            counted += 1
            assert said == right
    assert counted >= 3


@pytest.mark.parametrize("name", ["padded", "aligned", "interleaved", "reversed"])
@pytest.mark.parametrize("family", ["absolute", "relative", "abacus"])
def test_support_is_what_the_lines_show(name: str, family: str) -> None:
    """A code is shown with digits other than 0 iff some training line has one there."""
    from theory.local.alignment import digit_codes, positions, training_support

    task, layout, training = make_task("mul", base=2), make_layout(name, 4), make_training("by-2", "1,3")
    encoding = make_encoding(family)
    shown: dict[tuple[int, ...], bool] = {}
    for length in training.lengths:
        at = positions(layout, task, length, "by-2")
        longest = layout.pair_widths(task, 2**length - 1, 2 ** min(2, length) - 1, length)
        assert at.slots == layout.slots(longest)  # where nothing is padded, b has two digits in the longest line, too
        for (_, slot), code in digit_codes(encoding, layout, task, length, range(at.results), domain="by-2").items():
            varies = any((a if slot.kind == "a" else b) >> slot.place & 1 for a, b in law("by-2", length, 2))
            shown[code] = shown.get(code, False) or varies
    seen = training_support(encoding, layout, task, training)
    codes = set(digit_codes(encoding, layout, task, 4, range(4), domain="by-2").values()) | set(shown)
    assert {code: seen.kind(code) for code in codes} == {
        code: ("nonzero" if shown[code] else "zero") if code in shown else "unseen" for code in codes
    }


def outcome(
    expr: str, encoding: str, layout: str, domain: str = "by-1", tested: str | None = None, window: int | None = None
) -> tuple[str, str | None]:
    task, training = make_task(expr=expr, base=3), make_training(domain, "1-4")
    found = predict(task, make_encoding(encoding, window), make_layout(layout, 8), training, (1, 5, 8), tested or domain)
    return found.rule_name, found.outcome.upward


@pytest.mark.parametrize(
    ("expr", "encoding", "layout", "trained", "tested", "rule"),
    [
        ("a + b", "relative", "plain", "by-1", "by-1", "no rule"),  # b_0 alone stands between a and the result, at every length
        ("a % 4", "relative", "plain", "by-1", "by-1", "low digits suffice, keyed"),
        ("a * b", "absolute", "plain", "either", "by-1", "no local rule, cut"),  # longer lines of a short b are not longer
        ("a * b", "absolute", "plain", "by-1", "by-1", "codes unseen"),
    ],
)
def test_unpadded_lines_are_as_long_as_their_operands(expr: str, encoding: str, layout: str, trained: str, tested: str, rule: str) -> None:
    task = make_task(expr=expr, base=2 if encoding == "relative" else 10)
    found = predict(task, make_encoding(encoding), make_layout(layout, 8), make_training(trained, "1-4"), (5,), tested)
    assert found.rule_name == rule


def test_what_is_said_of_a_short_operand_counts_its_digits() -> None:
    task = make_task("mod-add", modulus=1050)
    said = "no pair of up to 3 and 1 digits exceeds 1008 < 1050: the modulus never acts"
    assert said in predict(task, make_encoding("absolute"), make_layout("padded", 8), make_training("by-1", "1-3"), (4,), "by-1").reasons
    for layout, seen in (("reversed", 7), ("padded", 11)):  # where it is padded, b has zeros to see
        found = predict(make_task("mul"), make_encoding("coupled"), make_layout(layout, 8), make_training("by-1", "1-3"), (4,), "by-1")
        assert any(f"unbounded attention sees {seen} at length 3" in reason for reason in found.reasons)
    window = predict(make_task("mul"), make_encoding("window", 12), make_layout("plain", 8), make_training("by-1", "1-3"), (3,), "by-1")
    assert window.outcome.in_distribution == "exact"  # it sees the whole line


def test_predictions() -> None:
    assert outcome("a * b", "absolute", "padded") == ("zeros only, keyed", "truncation")
    assert outcome("a * b", "relative", "interleaved") == ("operand held", "undetermined")  # no separator tells where b_0 stands
    for encoding, layout in (("relative", "padded"), ("relative", "aligned"), ("coupled", "padded"), ("abacus", "aligned")):
        lifted = encoding in ("coupled", "abacus")
        assert outcome("a * b", encoding, layout) == (("operand held, lifted", "decays") if lifted else ("operand held", "undetermined"))
        assert outcome("a * b", encoding, layout, "either") == ("no local rule", "fails")
    assert outcome("a * b", "window", "interleaved", window=6) == ("window too small", "decays")
    assert outcome("a * b", "window", "interleaved", "either", window=6) == ("window without a rule", "fails")
    assert outcome("a + b", "window", "interleaved", window=4) == ("window holds the rule", "exact")
    assert outcome("(a + b) % 9", "absolute", "padded") == ("low digits suffice, keyed", "exact")  # b's second digit is 0 in tests, too
    assert outcome("(a * b) % 9", "absolute", "padded", "by-2", "by-1") == ("low digits suffice, keyed", "exact")
    for tested in ("either", "both", "by-3"):
        assert outcome("a * b", "absolute", "padded", "by-2", tested) == ("pairs unseen", "undetermined")
    assert outcome("a * b", "absolute", "padded", "both", "by-1") == ("pairs unseen", "undetermined")
    assert outcome("a * b", "banded", "aligned") == ("band undecided", "undetermined")
    assert outcome("a + b", "relative", "aligned") == ("zero tail", "undetermined")
    assert outcome("a * b", "randomised", "padded") == ("order alone", "undetermined")


def test_facts_of_all_pairs_are_facts_of_some() -> None:
    for expr in ("a + b", "a // 3", "(a + b) % 9", "a * b", "a * b % 5", "max(a, b)", "a"):
        task = make_task(expr=expr, base=3)
        some, every = Facts(task, "by-1"), Facts(task, "either")
        for end in ("lsd", "msd"):
            assert some.by_direction[end].value or not every.by_direction[end].value
        assert some.support.value or not every.support.value
        for layout in (make_layout("interleaved", 4), make_layout("interleaved", 4, "msd"), make_layout("padded", 4)):
            assert some.causal(layout).value or not every.causal(layout).value
    assert Facts(make_task(expr="b % 5", base=3), "by-1").support.digits == 1
    assert Facts(make_task(expr="b % 5", base=3), "either").support.value is False


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("expr", ["a * b", "a * (b % 3)", "a * (b % 9) + b % 27", "max(b // 3 - a, b % 5)", "(a + b) % 7"])
def test_the_domain_shows_the_task_on_low_digits(expr: str, most: int) -> None:
    """In the domain the task, what is left of it and f(a, b mod B^K) agree; of its sort are the pairs of its boxes."""
    task, domain = make_task(expr=expr, base=3), f"by-{most}"
    cut, left = restricted(task, domain), plain(task, domain)
    for a in range(30):
        for b in range(30):
            assert cut(a, b) == cut(a, b % 3**most) == task(a, b % 3**most)
            inside = (a, b) in law(domain, digit_count(a, 3), 3)
            assert inside == of_sort(domain, 3, a, b) == (b < 3**most and digit_count(b, 3) <= digit_count(a, 3))
            assert not inside or task(a, b) == left(a, b)


def test_what_a_short_operand_makes_idle_changes_nothing() -> None:
    """a * (b % 9) is a * b where b has one digit; what is not shown of a held operand is not said to be found."""
    for expr in ("a * b", "a * (b % 3)", "a * (b % 9)"):
        assert outcome(expr, "coupled", "padded") == ("operand held, lifted", "decays")
    assert outcome("a + b % 3", "abacus", "padded") == outcome("a + b", "abacus", "padded") == ("shift lifts", "decays")
    assert outcome("b % 27", "absolute", "padded")[0] == "low digits suffice, keyed"
    assert outcome("a * b", "coupled", "padded", "by-4")[0] == "operand held, lifted"  # of four trained digits
    assert outcome("a * b", "coupled", "padded", "by-5") == ("no rule", "undetermined")
    assert outcome("max(b // 3 - a, 0)", "relative", "interleaved", "by-2")[1] == "undetermined"  # is 0 on every pair


@pytest.mark.parametrize(
    ("expr", "most", "window", "trained"), [("5*a + b", 2, 3, "1-2"), ("3*a + b", 2, 3, "1-2"), ("2*a + 3*b", 1, 4, "2")]
)
def test_a_context_that_the_domain_makes_plain_is_no_guess(expr: str, most: int, window: int, trained: str) -> None:
    """Ambiguous for all pairs, but not for those with a short b: a number, by enumeration."""
    task, domain, training = make_task(expr=expr, base=2), f"by-{most}", make_training(f"by-{most}", trained)
    machine = local_machine(task, "lsd", domain)
    assert machine is not None
    true: dict[tuple[int, ...], set[int]] = defaultdict(set)
    votes: dict[tuple[int, ...], dict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for length in range(1, 9):
        for share, line in weighted(task, "lsd", domain, length):
            for t in range(3, len(line), 3):
                context = tuple(line[max(0, t - window - 1) : t])
                true[context].add(line[t])
                votes[context][line[t]] += share * (length in training.lengths)
    best = {context: max(sorted(found), key=found.__getitem__) for context, found in votes.items()}
    length = training.longest + 1
    lines = list(weighted(task, "lsd", domain, length))
    contexts_of = [[(tuple(line[max(0, t - window - 1) : t]), line[t]) for t in range(3, len(line), 3)] for _, line in lines]
    said = Majority(task, machine, window, training).accuracy(domain, length)
    known = all(len(true[context]) == 1 or sum(votes[context].values()) for row in contexts_of for context, _ in row)
    assert known
    right = (all(best[context] == answer for context, answer in row) for row in contexts_of)
    assert said == sum(share * each for (share, _), each in zip(lines, right, strict=True))


def test_refused() -> None:
    with pytest.raises(NoClosedForm, match="does not grow"):
        closed_form(make_task("mul"), 2, "by-1")
    machine = machine_task(tabulate(2, 2, 0, lambda s, group: divmod(sum(group) + s, 2)))
    with pytest.raises(InputError, match="domain by-1"):
        predict(machine, make_encoding("absolute"), make_layout("padded", 4), make_training("by-1", "1-2"), (3,), "by-1")
    for arguments, hint in (
        ("--task mul --train-domain by-0", "by-K"),
        ("--task mul --domain short", "by-K"),
        ("--task sub --train-domain by-1", "a >= b"),
        ("--task mul --train-domain by-2 --lengths 1-1001", "1000"),
    ):
        refused(called("theory", "predict", *arguments.split()), hint)
    assert "(by-2)" in called("theory", *["predict", "--task", "mul", "--train", "1-2", "--train-domain", "by-2", "--lengths", "3"]).out


def test_a_run_knows_what_was_shown(tmp_path: Path) -> None:
    """Tests are on the training domain unless another is named, and of pairs that it has not nothing is said."""
    words = "run --task mul --base 3 --pe absolute --train 1-2 --train-domain by-1 --lengths 1-4 --preset local --steps 3 --batch 4"
    done = called("empirical", *words.split(), "--results", str(tmp_path))
    assert done.code == 0, done.err
    (run,) = load_runs(tmp_path)
    assert run.spec.test_domain == "by-1"
    assert [theory_says(run.spec, 2, b, 1) for b in (2, 3, 4)] == [("exact", 4), ("undetermined", None), ("undetermined", None)]
    pairs, new = draw_test(run.spec, 4, 200, torch.device("cpu"))
    assert new
    assert all(a >= 27 and b < 3 for a, b in zip(to_ints(pairs.a_ND, 3), to_ints(pairs.b_ND, 3), strict=True))
    assert theory_says(replace(run.spec, train_domain="by-2", test_domain="by-2"), 1, 5, 2) == ("undetermined", None)  # b is the longer
    ordered = replace(run.spec, task="sub", train_domain="ordered", test_domain="ordered")
    assert [theory_says(ordered, a, 4, 2)[0] for a in (4, 3)] == ["exact", "undetermined"]
    refused(called("verify", "certify", run.spec.digest, "--results", str(tmp_path)), "certify runs with")
