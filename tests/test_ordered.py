"""What is exact of ordered operands (a >= b) and subtraction, against lists of every pair: laws, contexts, majorities, accuracies."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from tests.ordered import law, lines
from theory.automata.machine_tasks import machine_task
from theory.automata.machines import tabulate
from theory.exact.accuracy import truncation_accuracy
from theory.exact.closed_forms import NoClosedForm, closed_form
from theory.exact.digitwise import digit_accuracies
from theory.language.domains import boxes, contains, make_training, parts
from theory.language.tasks import Task, digit_count, make_task
from theory.local.inputs import all_inputs, inputs_of_length, local_machine
from theory.local.majority import Majority
from theory.local.windows import Contexts, needed_window, training_length
from theory.proofs.task_verdicts import Wraps, identifiability

ADD_MACHINE = machine_task(tabulate(2, 2, 0, lambda s, group: divmod(group[0] + 2 * group[1] + s, 2)), "machine")
TASKS = [make_task("sub", base=2), make_task("sub", base=3), make_task(expr="3*a - 2*b + 1", base=2), make_task("add", base=2)]


@pytest.mark.parametrize(("base", "length"), [(2, 1), (2, 2), (2, 4), (3, 1), (3, 3), (10, 2)])
def test_parts_are_the_law(base: int, length: int) -> None:
    for domain in ("ordered", "either", "both", "sampler"):
        mine: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
        for part in parts(domain, length, base):
            groups = [list(part.at(place)) for place in range(length)]
            assert [len(part.at(place)) for place in range(length)] == [len(group) for group in groups]
            assert part.at(length).order in ("", "=")
            assert list(part.at(length)) == [(0, 0)]
            ways = list(product(*groups)) if part.weight else []
            for digits in ways:
                a, b = (sum(group[k] * base**i for i, group in enumerate(digits)) for k in (0, 1))
                mine[a, b] += part.weight / len(ways)
        if domain == "ordered":
            assert dict(mine) == law(length, base)
            continue
        stated: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
        for box in boxes(domain, length, base):
            pairs = list(product(range(*box.a.range(base)), range(*box.b.range(base))))
            for pair in pairs:
                stated[pair] += box.weight / len(pairs)
        assert mine == stated


def test_contains() -> None:
    for length, a, b in product((1, 2), range(9), range(9)):
        assert contains("ordered", length, 3, a, b) == ((a, b) in law(length, 3))


def test_which_tasks_need_order() -> None:
    for alpha, beta, gamma in product(range(-2, 4), repeat=3):
        task = make_task(expr=f"{alpha}*a + {beta}*b + {gamma}")
        values = {(a, b): task(a, b) for a, b in product(range(10), repeat=2)}
        ordered = min(value for (a, b), value in values.items() if a >= b)
        assert task.needs_order == (min(values.values()) < 0 <= ordered)
        if task.needs_order:
            assert task.result_width(1) == max(digit_count(value, 10) for (a, b), value in values.items() if a >= b)


# -------------------------------------------------------------------------------------------------------------------------- contexts


def answered(task: Task, direction: str, lengths: range, visible: int) -> dict[tuple[int, ...], set[int]]:
    found: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for length in lengths:
        for line in lines(task, direction, length):
            for t in range(3, len(line), 3):
                found[line[max(0, t - visible) : t]].add(line[t])
    return found


@pytest.mark.parametrize("task", [*TASKS, make_task("third", base=2)], ids=lambda task: f"{task.text} in base {task.base}")
def test_contexts_are_those_of_ordered_operands(task: Task) -> None:
    direction = "msd" if "//" in task.text else "lsd"
    machine = local_machine(task, direction)
    assert machine is not None
    for visible in range(2, 7 if task.base == 2 else 6):
        contexts = Contexts(all_inputs(machine, "ordered"), visible)
        mine = {tuple(row): int(c) for block in contexts.blocks(50) for row, c in zip(block.tokens.tolist(), block.answer, strict=True)}
        enough = training_length(task, machine, visible, "ordered")
        for n in range(1, enough + 1):
            shown = answered(task, direction, range(1, n + 1), visible)
            assert Contexts(inputs_of_length(machine, task, range(1, n + 1), "ordered"), visible).count() == len(shown)
            assert (len(shown) == len(mine)) == (n == enough)
        assert shown.keys() == mine.keys()
        assert all(true == {mine[tokens]} if mine[tokens] >= 0 else true for tokens, true in shown.items())
        if direction == "lsd":  # any digits begin ordered operands
            assert len(mine) == Contexts(all_inputs(machine), visible).count()
        need = needed_window(task, direction).digits
        assert need is not None
        assert (min(mine.values()) >= 0) == (visible - 1 >= need)


def test_subtraction_needs_four_tokens() -> None:
    assert [needed_window(make_task("sub", base=base), "lsd").digits for base in (2, 3, 10, 16)] == [4] * 4
    machine = local_machine(make_task("sub"), "lsd")
    assert machine is not None
    assert Contexts(all_inputs(machine, "ordered"), 5).count() == 20_100


# -------------------------------------------------------------------------------------------------------------------------- majority


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.text} in base {task.base}")
@pytest.mark.parametrize("window", [2, 3])
def test_majority_by_enumeration(task: Task, window: int) -> None:
    trained, machine = (1, 2, 3), local_machine(task, "lsd")
    assert machine is not None
    found = Majority(task, machine, window, make_training("ordered", trained))
    votes: dict[tuple[int, ...], dict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for length in trained:
        for line, weight in lines(task, "lsd", length).items():
            for t in range(3, len(line), 3):
                votes[line[max(0, t - window - 1) : t]][line[t]] += weight
    best = {context: max(sorted(seen), key=seen.__getitem__) for context, seen in votes.items()}
    for length in (1, 2, 4):
        right = Fraction(0)
        for line, weight in lines(task, "lsd", length).items():
            right += weight * all(best[line[max(0, t - window - 1) : t]] == line[t] for t in range(3, len(line), 3))
        assert found.accuracy("ordered", length) == right


def test_the_shortest_training_shows_a_guess() -> None:
    """1 digit shows no borrow that goes on, so what follows one has no predicted answer."""
    task = make_task("sub")
    machine = local_machine(task, "lsd")
    assert machine is not None
    found = Majority(task, machine, 3, make_training("ordered", "1"))
    assert found.accuracy("ordered", 1) == 1
    assert found.accuracy("ordered", 3) is None


# -------------------------------------------------------------------------------------------------------------------------- accuracy

EXPRESSIONS = ["a - b", "a + b", "a*b % 7", "(a - b) % 5", "max(a, b)", "abs(a - b)", "2*a + 2*b + 1", "a*a - b*b"]


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_truncation_accuracy_of_ordered_operands(expr: str) -> None:
    for base, trained, length in ((2, 1, 3), (2, 2, 4), (3, 1, 2), (3, 2, 2)):
        task, cut = make_task(expr=expr, base=base), base**trained
        agree = sum((weight for (a, b), weight in law(length, base).items() if task(a, b) == task(a % cut, b % cut)), Fraction(0))
        assert truncation_accuracy(task, trained, length, "ordered") == agree


def test_truncation_accuracy_of_a_machine() -> None:
    agree = sum(weight for (a, b), weight in law(4, 2).items() if ADD_MACHINE(a, b) == ADD_MACHINE(a % 4, b % 4))
    assert truncation_accuracy(ADD_MACHINE, 2, 4, "ordered") == agree


@pytest.mark.parametrize("expr", ["a + b", "a*b % 7", "max(a, b)", "abs(a - b)"])
def test_digits_of_ordered_operands(expr: str) -> None:
    for base, trained, length in ((2, 1, 3), (3, 1, 2)):
        task, cut = make_task(expr=expr, base=base), base**trained
        for i, share in enumerate(digit_accuracies(task, trained, length, "ordered")):
            same = ((task(a, b) // base**i - task(a % cut, b % cut) // base**i) % base == 0 for a, b in law(length, base))
            assert share == sum(weight for weight, agrees in zip(law(length, base).values(), same, strict=True) if agrees)


def test_nothing_is_said_where_nothing_is_counted() -> None:
    for expr in ("2*a + b", "a < b", "a // 3", "(a - b) % 7 % 5"):
        assert truncation_accuracy(make_task(expr=expr), 1, 3, "ordered") is None
        assert truncation_accuracy(make_task(expr=expr), 3, 3, "ordered") == 1
    sub = make_task("sub")
    assert digit_accuracies(sub, 1, 3, "ordered") == (None, None, None)  # 0 - 9 has no digits
    assert digit_accuracies(sub, 3, 3, "ordered") == (1, 1, 1)
    with pytest.raises(NoClosedForm, match="negative"):
        closed_form(sub, 1, "ordered")
    with pytest.raises(NoClosedForm, match="in order"):
        closed_form(make_task(expr="2*a + b"), 1, "ordered")
    mod = make_task("mod-add", modulus=6)
    assert closed_form(mod, 1, "ordered").at(7) == truncation_accuracy(mod, 1, 7, "ordered")


@pytest.mark.parametrize("expr", ["(a + b) % 13", "(a - b) % 13", "(2*a + b) % 5"])
def test_identifiability_shows_an_ordered_pair(expr: str) -> None:
    task, training = make_task(expr=expr), make_training("ordered", "2")
    found = identifiability(task, training)[0]
    assert isinstance(found.proof, Wraps)
    assert found.value == found.proof.check() is True
    assert (found.proof.a, found.proof.b) in law(2, 10)
    assert not replace(found.proof, a=found.proof.a - 1, b=found.proof.a).check()  # out of order
