"""What undoes truncation, as counts: what is planted is found, what is not there is not, and each control undoes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from empirical.data.lines import Lines, Pairs, renderer_of
from empirical.network.model import GPT
from empirical.study import truncation as module
from empirical.study.states import Batch, draw_batch, first_layer_of, truncated
from empirical.study.truncation import Repaired, drawable, repaired, shadowed, unrepairable
from empirical.training.loop import build_model
from tests.networks import SPECS, TINY
from theory.errors import InputError

torch.set_num_threads(1)
SPEC = replace(TINY, base=10, train_lengths=(1, 2), test_lengths=(3,), width=4)
TRAINED = build_model(SPEC)


def cutting(monkeypatch: pytest.MonkeyPatch, undone: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """A network that cuts operands to two digits, but is wrong by one in c_0 where one of them is undone, by its digits (N, D)."""

    def answered(model: GPT, batch: Batch) -> Batch:
        token_NT = torch.where(batch.lines.answer_NT, truncated(batch).lines.token_NT, batch.lines.token_NT)
        wrong_N = undone(batch.pairs.a_ND) | undone(batch.pairs.b_ND)
        c_0 = batch.query(0) + 1
        token_NT[wrong_N, c_0] = (token_NT[wrong_N, c_0] + 1) % 10
        return replace(batch, lines=replace(batch.lines, token_NT=token_NT))

    monkeypatch.setattr(module, "answered", answered)


@pytest.mark.parametrize("task", ["add", "triple"])
def test_zeros_in_a_shadow_are_told_from_other_digits(monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    spec = replace(SPEC, task=task)

    def ask(undone: Callable[[torch.Tensor], torch.Tensor], nonzero: bool = False) -> tuple[int, int]:  # the zeros, and all
        cutting(monkeypatch, undone)
        by_zero, by_another, inputs = shadowed(TRAINED, spec, 3, 300, 0, nonzero)
        assert inputs == 300
        return by_zero, by_zero + by_another

    def shadow(x_ND: torch.Tensor) -> torch.Tensor:
        return (x_ND[:, 1] == 0) & (x_ND[:, 2] != 0)

    held, counted = ask(shadow)
    assert 250 < held == counted <= 300, "the other operand may have a shadowed zero of its own, which both lines share"
    assert ask(shadow, nonzero=True) == (0, 0)
    assert ask(lambda x_ND: x_ND[:, 2] != 0) == (0, 0), "undone either way"
    assert ask(lambda x_ND: x_ND[:, 0] == 0) == (0, 0), "a zero elsewhere stands in both lines"
    held, counted = ask(lambda x_ND: x_ND[:, 1] == 7)
    assert (held, 10 < counted < 70) == (0, True), "a ninth of the other digits"
    held, counted = ask(lambda x_ND: (x_ND[:, 1] % 2 == 0) & (x_ND[:, 2] != 0), nonzero=True)
    assert 0.35 * counted < held < 0.65 * counted > 50


def every_logit(model: GPT, lines: Lines) -> Tensor:
    token_NT = lines.token_NT[:, :-1]
    return model(token_NT, torch.arange(token_NT.shape[1]), at_BT=lines.at_NT)


@pytest.mark.parametrize("name", ["padded absolute", "aligned relative", "padded coupled", "padded sinusoidal"])
@pytest.mark.parametrize("part", ["keys", "values"])
@torch.no_grad()
def test_a_line_has_its_own_keys_and_values(name: str, part: str) -> None:
    model, batch = build_model(SPECS[name]), draw_batch(SPECS[name], 3, 40, 0)
    before = every_logit(model, batch.lines)
    with first_layer_of(model, batch.lines, part):
        assert torch.equal(every_logit(model, batch.lines), before)
    with first_layer_of(model, truncated(batch).lines, part):
        assert not torch.allclose(every_logit(model, batch.lines), before, atol=1e-7)
    assert torch.equal(every_logit(model, batch.lines), before), "and nothing stays behind"


def reading(keys: bool, values: bool) -> GPT:
    """One layer in which digits are in the even channels and positions in the odd ones: keys, and values, see digits or do not."""
    torch.manual_seed(2)
    model = build_model(SPEC)
    even = torch.arange(SPEC.dim) % 2 == 0
    signs = torch.where(torch.rand(model.tokens.weight.shape) < 0.5, -1.0, 1.0)
    with torch.no_grad():
        model.tokens.weight.copy_(torch.where(even, signs - signs[:, even].mean(1, keepdim=True), 0))
        model.tokens.weight.div_(model.tokens.weight.norm(dim=1, keepdim=True))  # equal norms: LayerNorm scales all digits alike
        assert model.positions is not None
        model.positions.normal_().masked_fill_(even, 0)
        model.positions.sub_(torch.where(even, 0, model.positions.sum(1, keepdim=True) / (~even).sum()))
        both: Tensor = model.blocks[0].get_submodule("attention.kv").get_parameter("weight")
        both.normal_()
        for sees, part in ((keys, both[: SPEC.dim]), (values, both[SPEC.dim :])):
            if not sees:
                part.masked_fill_(even, 0)
        model.blocks[0].get_submodule("attention.q").get_parameter("weight").normal_()
        model.blocks[0].get_submodule("attention.out").get_parameter("weight").normal_()
    return model


@torch.no_grad()
def test_positional_attention_has_no_keys_to_exchange() -> None:
    model, batch = build_model(SPECS["padded positional"]), draw_batch(SPECS["padded positional"], 3, 40, 0)
    with pytest.raises(InputError, match="no keys of digits"), first_layer_of(model, batch.lines, "keys"):
        pass


@torch.no_grad()
def test_what_keys_and_what_values_do_is_told_apart() -> None:
    batch = draw_batch(SPEC, 3, 60, 0)
    longer, cut = replace(batch.lines, token_NT=torch.where(batch.lines.answer_NT, 3, batch.lines.token_NT)), truncated(batch).lines
    cut = replace(cut, token_NT=torch.where(cut.answer_NT, 3, cut.token_NT))
    begin = batch.query(max(batch.places))
    for keys, values in ((True, False), (False, True), (True, True)):
        model = reading(keys, values)
        of_longer, of_cut = (every_logit(model, lines)[:, begin:] for lines in (longer, cut))
        assert not torch.allclose(of_longer, of_cut, atol=1e-3), "unseen digits change something"
        for part, mine, other in (("keys", keys, values), ("values", values, keys)):
            with first_layer_of(model, cut, part):
                found = every_logit(model, longer)[:, begin:]
            assert torch.allclose(found, of_cut, atol=1e-4) is not other, "these alone see digits: all is as in the cut lines"
            assert torch.allclose(found, of_longer, atol=1e-4) is not mine, "these do not: all is as before"


def test_repaired_inputs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that cuts operands unless the key of the unseen digit of a is odd, or b is even; once patched, nor where b_0 is 5."""
    held: list[Tensor] = []

    @contextmanager
    def keys(model: GPT, lines: Lines, part: str) -> Iterator[None]:
        assert part == "keys"
        held.append(lines.token_NT)
        yield
        held.pop()

    def forced(model: GPT, lines: Lines) -> Tensor:
        a_2, b_0 = (held[-1] if held else lines.token_NT)[:, 2], lines.token_NT[:, 9]
        if held:
            assert torch.equal(held[-1][:, 10:], lines.token_NT[:, 10:]), "answers keep their own keys"
            assert torch.equal(held[-1][:, [3, 4, 8, 9]], lines.token_NT[:, [3, 4, 8, 9]]), "and so do digits at trained places"
            return (a_2 % 2 == 0) & (b_0 % 2 == 1) & (b_0 != 5)
        return (a_2 % 2 == 0) & (b_0 % 2 == 1)

    batch = draw_batch(SPEC, 3, 300, 0)
    a_2, b_0 = batch.pairs.a_ND[:, 2], batch.pairs.b_ND[:, 0]
    assert torch.equal(batch.lines.token_NT[:, 2], a_2)
    assert torch.equal(batch.lines.token_NT[:, 9], b_0)
    monkeypatch.setattr(module, "first_layer_of", keys)
    monkeypatch.setattr(module, "teacher_forced", forced)
    good = (b_0 % 2 == 1) & (b_0 != 5)
    undone = int(((a_2 % 2 == 1) | (b_0 % 2 == 0)).sum())
    expected = Repaired(300, undone, int(((a_2 % 2 == 1) & good).sum()), int(((a_2 % 2 == 0) & (b_0 == 5)).sum()))
    assert repaired(TRAINED, SPEC, 3, 300, 0) == expected
    other = repaired(TRAINED, SPEC, 3, 300, 0, nonzero=True)
    assert other.undone == undone
    assert 0.25 * expected.repaired < other.repaired < 0.75 * expected.repaired, "half of the digits are even"


@pytest.mark.parametrize("encoding", ["absolute", "sinusoidal", "rope", "bias"])
def test_what_unseen_digits_draw_is_the_most_of_all_lines(encoding: str) -> None:
    """A result of one digit has no earlier ones: then the bound is reached by a line, and no line is above it."""
    spec = replace(TINY, task="expr", expr="a % 3", base=3, encoding=encoding, width=3, test_lengths=(1, 2, 3), layers=2)
    model = build_model(spec)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(6 if "attention" in name else 1)
    rows = torch.tensor(list(product(range(3), repeat=6)))
    lines = renderer_of(spec, torch.device("cpu")).lines(Pairs(rows[:, :3], rows[:, 3:], torch.full((len(rows),), 3)))
    scores: list[Tensor] = []
    with torch.no_grad():
        model(lines.token_NT[:, :-1], lines.asked_Q - 1, scores=scores)
    share_NHT = scores[0].double()[:, :, lines.asked_Q[0] - 1].softmax(2)
    slots = spec.make_layout().slots(spec.make_layout().widths(spec.make_task(), 3))
    unseen = [t for t, slot in enumerate(slots) if slot.kind in "ab" and slot.place == 2]
    most = float(share_NHT[..., unseen].sum(2).max())
    assert 0.2 < most < 1 - 1e-6
    assert drawable(model, spec) == pytest.approx(most, rel=1e-5)


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if not unrepairable(spec)])
def test_every_network_with_keys_to_exchange_says_what_they_draw(name: str) -> None:
    assert 0 < drawable(build_model(SPECS[name]), SPECS[name]) < 1


def test_what_cannot_be_asked_is_refused() -> None:
    for refused, words in (
        (lambda: shadowed(TRAINED, SPEC, 2, 50, 0), "longer operands than the trained 2"),
        (lambda: shadowed(TRAINED, SPEC, 5, 50, 0), "width 4"),
        (lambda: shadowed(TRAINED, replace(SPEC, task="sub", train_domain="ordered", test_domain="ordered"), 3, 50, 0), "a >= b"),
        (lambda: shadowed(TRAINED, replace(SPEC, base=2), 3, 50, 0, True), "base 2 has one digit besides 0"),
        (lambda: repaired(TRAINED, SPEC, 2, 50, 0), "longer operands than the trained 2"),
        (lambda: repaired(TRAINED, replace(SPEC, encoding="positional"), 3, 50, 0), "no keys of digits"),
        (lambda: repaired(TRAINED, replace(SPEC, base=2), 3, 50, 0, nonzero=True), "base 2 has one digit besides 0"),
        (lambda: repaired(TRAINED, replace(SPEC, task="sub", train_domain="ordered", test_domain="ordered"), 3, 50, 0), "a >= b"),
        (lambda: repaired(TRAINED, replace(SPEC, layout="interleaved"), 3, 50, 0), "no zeros above"),
        (lambda: repaired(TRAINED, replace(SPEC, encoding="randomised"), 3, 50, 0), "draws the positions"),
    ):
        with pytest.raises(InputError, match=words):
            refused()
