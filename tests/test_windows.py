"""Contexts, smallest windows and majority accuracies against enumeration of all inputs."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from functools import cache
from itertools import product

import pytest

from theory.automata.machine_tasks import machine_task
from theory.automata.machines import TooLarge, tabulate
from theory.automata.transducers import Transducer, window_needed
from theory.language.domains import boxes, make_training
from theory.language.encodings import make_encoding
from theory.language.layouts import encode, make_layout
from theory.language.tasks import Task, digit_count, make_task
from theory.local.inputs import Source, all_inputs, inputs_of_length, local_machine
from theory.local.majority import Majority
from theory.local.windows import Contexts, needed_window, smallest_window, training_length
from theory.predictions.predict import predict

CASES = [
    ("a + b", 2, "lsd"),
    ("a + b", 3, "lsd"),
    ("2*a + b", 2, "lsd"),
    ("3*a", 2, "lsd"),
    ("a + b + 1", 2, "lsd"),
    ("a", 2, "lsd"),
    ("a // 3", 2, "msd"),
    ("a // 2", 3, "msd"),
]
GROUP = {"interleaved": 3, "unary": 2}  # tokens of a group
#: with the layout: those of one operand in both
PLACED = [(*case, "interleaved") for case in CASES] + [(*case, "unary") for case in CASES if "b" not in case[0]]


def made(expr: str, base: int, direction: str) -> tuple[Task, Transducer]:
    task = make_task(expr=expr, base=base)
    machine = local_machine(task, direction)
    assert machine is not None
    return task, machine


@cache
def lines(expr: str, base: int, direction: str, length: int, name: str) -> list[list[int]]:
    """Every line of D_length."""
    task, layout = make_task(expr=expr, base=base), make_layout(name, 1, direction)
    low, high = (base ** (length - 1) if length > 1 else 0), base**length
    return [encode(layout, task, a, b, length) for a in range(high) for b in range(high) if max(a, b) >= low]


def enumerated(expr: str, base: int, direction: str, length: int, visible: int, name: str) -> dict[tuple[int, ...], set[int]]:
    """Contexts of the lines of D_length, with the true answers that follow them."""
    found: dict[tuple[int, ...], set[int]] = defaultdict(set)
    group = GROUP[name]
    for line in lines(expr, base, direction, length, name):
        for t in range(group, len(line), group):
            found[tuple(line[max(0, t - visible) : t])].add(line[t])
    return found


@pytest.mark.parametrize(("expr", "base", "direction", "name"), PLACED)
def test_contexts_are_those_of_all_inputs(expr: str, base: int, direction: str, name: str) -> None:
    task, machine = made(expr, base, direction)
    shown = make_layout(name, 1).shown
    need = smallest_window(machine, shown)
    assert need is not None
    for visible in range(2, 7 if base == 2 else 6):
        contexts = Contexts(all_inputs(machine, shown=shown), visible)
        mine = {
            tuple(row): int(answer)
            for block in contexts.blocks(50)
            for row, answer in zip(block.tokens.tolist(), block.answer, strict=True)
        }
        assert len(mine) == contexts.count()
        reached: dict[tuple[int, ...], set[int]] = defaultdict(set)
        enough = training_length(task, machine, visible, shown=shown)
        for length in range(1, enough + 1):
            missing = len(mine) - len(reached)
            assert missing > 0, "a shorter training length was enough"
            for tokens, true in enumerated(expr, base, direction, length, visible, name).items():
                reached[tokens] |= true
            assert Contexts(inputs_of_length(machine, task, range(1, length + 1), "either", shown), visible).count() == len(reached)
        assert reached.keys() == mine.keys()
        assert all(true == {mine[tokens]} if mine[tokens] >= 0 else true for tokens, true in reached.items())
        assert (min(mine.values()) >= 0) == (visible - 1 >= need)


def test_order_and_blocks_do_not_depend_on_the_size() -> None:
    _, machine = made("a + b", 3, "lsd")
    contexts = Contexts(all_inputs(machine), 5)
    orders = []
    for size in (1, 7, 10_000):
        blocks = list(contexts.blocks(size))
        assert all(len(block.answer) <= max(size, 9) for block in blocks)
        orders.append([(*row, int(answer)) for block in blocks for row, answer in zip(block.tokens.tolist(), block.answer, strict=True)])
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize(("expr", "base", "direction"), [*CASES, ("12*a", 10, "lsd"), ("2*a + 3*b", 10, "lsd"), ("a // 7", 10, "msd")])
def test_smallest_window_is_the_closed_formula(expr: str, base: int, direction: str) -> None:
    task, machine = made(expr, base, direction)
    assert smallest_window(machine) == window_needed(task, direction)


@pytest.mark.parametrize("base", [2, 3, 10])
@pytest.mark.parametrize("factor", [1, 2, 3, 7, 9, 10, 11, 12, 123])
def test_smallest_window_where_one_operand_is_shown(factor: int, base: int) -> None:
    """Of a multiple, as many whole groups as the carries 0 .. factor - 1 have digits; of a quotient, as many as its remainders."""
    task = make_task(expr=f"{factor}*a", base=base)
    machine = local_machine(task, "lsd")
    assert machine is not None
    groups = digit_count(factor - 1, base) if factor > 1 else 0
    assert smallest_window(machine, "a") == window_needed(task, "lsd", "a") == 2 * groups
    if factor > 1:
        task, machine = made(f"a // {factor}", base, "msd")
        assert smallest_window(machine, "a") == window_needed(task, "msd", "a") == 2 * groups


def test_smallest_windows_of_the_linear_carries() -> None:
    for alpha, beta, gamma, base in product(range(8), range(4), (0, 1, 2), (2, 3, 5)):
        task, machine = made(f"{alpha}*a + {beta}*b + {gamma}", base, "lsd")
        formula = window_needed(task, "lsd")
        assert formula is None or smallest_window(machine) == formula, task.text


def test_the_bound_of_the_memory_is_not_always_sharp() -> None:
    _, machine = made("2*a + 3*b", 4, "lsd")
    assert machine.memory == 2
    assert smallest_window(machine) == 6  # not 3 * 2 + 1


def test_a_window_holds_a_parity_that_is_shown_but_not_a_hidden_one() -> None:
    shown = Transducer(3, 0, lambda s, x, y: ((s + x) % 2, (s + x) % 2))
    hidden = Transducer(3, 0, lambda s, x, y: ((s + x) % 2, s if x == 2 else 0))
    assert smallest_window(shown) == 2  # c_{t-1} is the state
    assert smallest_window(hidden) is None
    assert hidden.memory is None


def test_too_many_situations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory.local.windows.MAX_SITUATIONS", 100)
    _, machine = made("7*a", 10, "lsd")
    with pytest.raises(TooLarge, match="situations"):
        smallest_window(machine)


@pytest.mark.parametrize(
    ("expr", "base", "direction", "visible", "name"),
    [
        ("a + b", 3, "lsd", 4, "interleaved"),
        ("3*a", 2, "lsd", 6, "interleaved"),
        ("a // 3", 2, "msd", 6, "interleaved"),
        ("3*a", 2, "lsd", 3, "unary"),
        ("3*a", 2, "lsd", 4, "unary"),
        ("a // 3", 2, "msd", 4, "unary"),
    ],
)
def test_histories_are_shortest_inputs(expr: str, base: int, direction: str, visible: int, name: str) -> None:
    """For every context and wrong answer: the history shows the context, its answer is another one, and no line gets there sooner."""
    _, machine = made(expr, base, direction)
    source, group = all_inputs(machine, shown=make_layout(name, 1).shown), GROUP[name]
    contexts = Contexts(source, visible)
    soonest: dict[tuple[tuple[int, ...], int], int] = {}
    for length in range(1, 6 if base == 2 else 5):
        for line in lines(expr, base, direction, length, name):
            for t in range(group, len(line), group):
                key = (tuple(line[max(0, t - visible) : t]), line[t])
                soonest[key] = min(soonest.get(key, 99), t // group - 1)
    for block in contexts.blocks(1000):
        for row, end in zip(block.tokens.tolist(), block.end, strict=True):
            for given in range(base + 1):
                groups = contexts.groups_before(block.kind, int(end), given)
                first = min((at for (tokens, true), at in soonest.items() if tokens == tuple(row) and true != given), default=None)
                assert groups == first
                if groups is not None:
                    pairs = contexts.history(tuple(row), given)
                    assert len(pairs) == groups + 1
                    tokens, answer = written(source, pairs, base)
                    assert tokens[-visible:] == tuple(row)
                    assert answer != given


def test_no_history_of_an_answer_that_is_true() -> None:
    contexts = Contexts(all_inputs(made("a + b", 2, "lsd")[1]), 4)
    assert contexts.history((4, 1, 0), 0) == ((1, 0),)
    with pytest.raises(ValueError, match="no input shows"):
        contexts.history((4, 1, 0), 1)


def written(source: Source, pairs: tuple[tuple[int, int], ...], base: int) -> tuple[tuple[int, ...], int]:
    """The line up to the last of these groups, and the result digit there."""
    (state,) = source.starts
    tokens = [base + 2]
    for x, y in pairs:
        after = source.step(state, x, y)
        assert after is not None
        state, c = after
        tokens += [*(x, y)[: len(source.shown)], c]
    return tuple(tokens[:-1]), tokens[-1]


# ------------------------------------------------------------------------------------------------------------------ majority


def counted(
    task: Task, direction: str, window: int, trained: tuple[int, ...], domain: str, tested: int, test_domain: str, name: str = "interleaved"
) -> Fraction | None:
    """Share of right lines when each context is answered by its most frequent true digit in training; by enumeration."""
    layout, group = make_layout(name, 1, direction), GROUP[name]

    def weighted(domain: str, length: int) -> list[tuple[Fraction, list[int]]]:
        out = []
        for box in boxes(domain, length, task.base):
            a, b = box.a.range(task.base), box.b.range(task.base)
            weight = box.weight / ((a[1] - a[0]) * (b[1] - b[0]))
            out += [(weight, encode(layout, task, x, y, length)) for x in range(*a) for y in range(*b)]
        return out

    votes: dict[tuple[int, ...], dict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for length in trained:
        for weight, line in weighted(domain, length):
            for t in range(group, len(line), group):
                votes[tuple(line[max(0, t - window - 1) : t])][line[t]] += weight
    best = {context: max(sorted(found), key=found.__getitem__) for context, found in votes.items()}
    everything: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for length in range(1, 6):
        for _, line in weighted("either", length):
            for t in range(group, len(line), group):
                everything[tuple(line[max(0, t - window - 1) : t])].add(line[t])
    total = Fraction(0)
    for weight, line in weighted(test_domain, tested):
        right = True
        for t in range(group, len(line), group):
            context = tuple(line[max(0, t - window - 1) : t])
            if context not in best:
                if len(everything[context]) > 1:
                    if not right:
                        break
                    return None
                continue
            right = right and best[context] == line[t]
        total += weight * right
    return total


@pytest.mark.parametrize(
    ("expr", "base", "direction", "window", "trained", "domain"),
    [
        ("a + b", 2, "lsd", 3, (1, 2, 3), "either"),
        ("a + b", 2, "lsd", 2, (1, 2, 3), "both"),
        ("a + b", 2, "lsd", 1, (2,), "sampler"),
        ("a + b", 2, "lsd", 4, (1, 2), "either"),
        ("3*a", 2, "lsd", 6, (1, 2, 3, 4), "either"),
        ("2*a + b", 2, "lsd", 3, (3,), "either"),
        ("a // 3", 2, "msd", 5, (1, 2, 3), "either"),
        ("a // 3", 2, "msd", 3, (1, 2, 3, 4), "sampler"),
    ],
)
def test_majority_by_enumeration(expr: str, base: int, direction: str, window: int, trained: tuple[int, ...], domain: str) -> None:
    task, machine = made(expr, base, direction)
    for name in ("interleaved",) if "b" in expr else GROUP:
        found = Majority(task, machine, window, make_training(domain, trained), shown=make_layout(name, 1).shown)
        for length, test_domain in product((1, 2, 4), ("either", "both")):
            assert found.accuracy(test_domain, length) == counted(task, direction, window, trained, domain, length, test_domain, name)


@pytest.mark.parametrize(("window", "upward"), [(3, "undetermined"), (4, "decays"), (6, "decays")])  # 3: less than half are right
def test_a_state_that_no_window_shows_is_guessed(window: int, upward: str) -> None:
    """The parity of the ones so far is written below a one, so between two ones it is out of sight of any window for once."""
    task = machine_task(tabulate(2, 1, 0, lambda s, group: (s ^ group[0], s & group[0])))
    assert needed_window(task, "lsd").value is False
    training = make_training("either", "1-4")
    found = predict(task, make_encoding("window", window), make_layout("interleaved", 1), training, (2, 4, 5), "either")
    assert found.outcome.upward == upward
    assert [row.exact for row in found.accuracy] == [counted(task, "lsd", window, (1, 2, 3, 4), "either", n, "either") for n in (2, 4, 5)]
    assert found.accuracy[-1].exact not in (None, 1)


def test_majority_needs_contexts_that_training_shows() -> None:
    task, machine = made("a + b", 2, "lsd")
    assert Majority(task, machine, 3, make_training("either", (1,))).accuracy("either", 1) == 1
    assert Majority(task, machine, 3, make_training("either", (1,))).accuracy("either", 4) is None


def test_majority_of_the_addition_without_the_older_digit() -> None:
    """Window 3 in base 10: c_{t-1} = b_{t-1} leaves the carry open; 'none' is more frequent, and wrong when a_{t-1} = 9 follows a carry."""

    def share(length: int) -> Fraction:
        law = {(0, False): Fraction(1)}  # by carry, and whether it is open
        for t in range(length + 1):
            law = {key: Fraction(0) if key == (1, True) else value for key, value in law.items()}
            pairs = [(0, 0)] if t == length else list(product(range(10), repeat=2))[1 if t == length - 1 > 0 else 0 :]
            after: dict[tuple[int, bool], Fraction] = defaultdict(Fraction)
            for (carry, _), value in law.items():
                for x, y in pairs:
                    new, c = divmod(x + y + carry, 10)
                    after[new, c == y] += value / len(pairs)
            law = after
        return sum(law.values(), Fraction(0))

    task, machine = made("a + b", 10, "lsd")
    found = Majority(task, machine, 3, make_training("either", "1-3"))
    for length in (1, 2, 3, 4, 5, 6, 9):
        assert found.accuracy("either", length) == share(length)
    # shared/experiments.md: 95.5 / 91.0 / 86.7 / 82.6 / 71.6 % for operands that both have the full length
    both = Majority(task, machine, 3, make_training("both", "1-3"))
    assert [float(both.accuracy("both", n) or 0) for n in (3, 4, 5, 6, 9)] == pytest.approx([0.955, 0.910, 0.867, 0.826, 0.716], abs=0.003)
    assert [round(float(found.accuracy("either", n) or 0), 4) for n in (3, 6, 100)] == [0.9095, 0.7867, 0.0083]


def test_majority_refuses_what_is_too_large() -> None:
    task, machine = made("12*a", 10, "lsd")
    with pytest.raises(TooLarge, match="memories"):
        Majority(task, machine, 6, make_training("either", "1-2"))


def test_predictions_count_the_majority() -> None:
    training, lengths = make_training("either", "1-3"), (1, 3, 4, 30)
    for expr, window, outcome in (("a + b", 3, "decays"), ("2*a + 3*b", 2, "fails"), ("a + b", 4, "exact"), ("100*a", 6, "decays")):
        task, machine = made(expr, 10, "lsd")
        found = predict(task, make_encoding("window", window), make_layout("interleaved", 4), training, lengths, "either")
        shares = [row.exact for row in found.accuracy]
        assert found.outcome.upward == outcome
        if outcome == "exact":
            assert shares == [1, 1, 1, 1]
        elif expr == "100*a":  # too many memories to count while a user waits
            assert shares == [None] * 4
        else:
            assert shares == [Majority(task, machine, window, training).accuracy("either", n) for n in lengths]
            assert found.learned_function is None
