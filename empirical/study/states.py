"""Inside a network: hidden states and attention weights on lines of one shape, and what the digits at each place are.

Shapes: N lines, T tokens, C channels, L layers (0 is the embedding), P places of the result, H heads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from empirical.data.lines import Lines, Pairs, PairSampler, renderer_of, to_ints
from empirical.network.model import GPT, weigh
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import CHUNK, greedy
from theory.errors import InputError
from theory.language.expressions import affine
from theory.language.layouts import Slot, digits

#: which tokens a query may read for c_i, beside all others
ROLES = (
    "a_i", "b_i", "c_i-1", "a_i-1", "b_i-1", "a higher", "b higher", "a lower", "b lower", "c lower", "c higher", "separators", "itself",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Pairs whose lines have one shape, with that shape."""

    spec: RunSpec
    pairs: Pairs
    lines: Lines
    slots: tuple[Slot, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """The places of the result, least significant first."""
        return tuple(sorted(slot.place for slot in self.slots if slot.kind == "c"))

    def query(self, place: int) -> int:
        """The token before c_place, from which it is predicted."""
        return self.slots.index(Slot("c", place)) - 1


def draw_batch(spec: RunSpec, length: int, count: int, seed: int) -> Batch:
    """At most `count` different pairs of one length; in unpadded layouts those of the most common shape.

    Raises:
        InputError: the layout is too narrow, or there are fewer than 20 such pairs.
    """
    if spec.make_layout().fixed and length > spec.width:
        raise InputError(f"length {length}: the network was trained at width {spec.width}")
    device = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 1_000_003 + length)
        pairs = PairSampler(spec.test_domain, (length,), spec.base, device, spec.make_layout().shown).draw(2 * count)
        both_N2D = torch.cat((pairs.a_ND, pairs.b_ND), 1)
        first: dict[tuple[int, ...], int] = {}
        for index, row in enumerate(both_N2D.tolist()):
            first.setdefault(tuple(row), index)
        task, layout = spec.make_task(), spec.make_layout()
        numbers = list(zip(to_ints(pairs.a_ND, spec.base), to_ints(pairs.b_ND, spec.base), strict=True))
        shapes = {index: layout.pair_widths(task, *numbers[index], length) for index in first.values()}
        shape = Counter(shapes.values()).most_common(1)[0][0]
        chosen = [index for index in first.values() if shapes[index] == shape][:count]
        if len(chosen) < 20:
            raise InputError(f"length {length}: only {len(chosen)} different pairs in base {spec.base}, choose a longer --length")
        return make_batch(spec, pairs.take(torch.tensor(chosen)))


def make_batch(spec: RunSpec, pairs: Pairs) -> Batch:
    """The lines of pairs that have one shape."""
    task, layout = spec.make_task(), spec.make_layout()
    a, b = (to_ints(x[:1], spec.base)[0] for x in (pairs.a_ND, pairs.b_ND))
    slots = layout.slots(layout.pair_widths(task, a, b, int(pairs.length_N[0])))
    lines = renderer_of(spec, torch.device("cpu")).lines(pairs)
    lines = replace(lines, token_NT=lines.token_NT[:, : len(slots)], answer_NT=lines.answer_NT[:, : len(slots)])
    return Batch(spec, pairs, lines, slots)


def truncated(batch: Batch) -> Batch:
    """The same lines with both operands cut to the longest trained length: the inputs that theory calls equivalent."""
    cut = batch.spec.training.longest
    a_ND, b_ND = batch.pairs.a_ND.clone(), batch.pairs.b_ND.clone()
    a_ND[:, cut:], b_ND[:, cut:] = 0, 0
    return make_batch(batch.spec, Pairs(a_ND, b_ND, batch.pairs.length_N))


@torch.inference_mode()
def answered(model: GPT, batch: Batch) -> Batch:
    """The batch with the network's own answers in its lines."""
    return replace(batch, lines=replace(batch.lines, token_NT=greedy(model, batch.lines)))


@torch.inference_mode()
def look(model: GPT, batch: Batch) -> tuple[Tensor, Tensor]:
    """Hidden states (L + 1, N, T, C) after the embedding and each block, and attention weights (L, H, T, T), the mean over lines."""
    states: list[Tensor] = []
    scores: list[Tensor] = []
    hooks = [model.blocks[0].register_forward_pre_hook(lambda module, given: states.append(given[0]))]
    for block in model.blocks:
        hooks.append(block.register_forward_hook(lambda module, given, out: states.append(out[0])))
    with _hooked(hooks):
        tokens = batch.lines.token_NT
        model(tokens, torch.arange(tokens.shape[1]), at_BT=batch.lines.at_NT, scores=scores)
    return torch.stack(states).double(), torch.stack([weigh(score, batch.spec.sparse).double().mean(0) for score in scores])


def reached(read_LTT: Tensor) -> Tensor:
    """On which tokens each token depends after all layers (T, T), where `read_LTT` says which keys each query of a layer reads."""
    itself_TT = torch.eye(read_LTT.shape[1], dtype=torch.bool)
    reach_TT = itself_TT
    for read_TT in read_LTT:
        reach_TT = ((read_TT | itself_TT).double() @ reach_TT.double()) > 0
    return reach_TT


@torch.inference_mode()
def last_states(model: GPT, batch: Batch) -> Tensor:
    """States after the last block at the queries of the result, (N, P, C)."""
    query_P, lines = torch.tensor([batch.query(place) for place in batch.places]), batch.lines
    states: list[Tensor] = []
    with _hooked([model.blocks[-1].register_forward_hook(lambda module, given, out: states.append(out[0]))]):
        for rows in torch.arange(len(lines.token_NT)).split(CHUNK):
            at_NT = lines.at_NT if lines.at_NT is None else lines.at_NT[rows]
            model(lines.token_NT[rows], query_P, at_BT=at_NT)
    return torch.cat(states).double()


@contextmanager
def first_layer_of(model: GPT, lines: Lines, part: str) -> Iterator[None]:
    """Within, the first layer has the keys, or the values, that it has on these lines, one for one; all else is the network's own.

    Raises:
        InputError: positional attention, whose keys are not made of tokens.
    """
    kept: list[Tensor] = []
    project = model.blocks[0].get_submodule("attention.kv")
    token_NT, size = lines.token_NT[:, :-1], model.tokens.embedding_dim
    with _hooked([project.register_forward_hook(lambda module, given, out: kept.append(out))]):
        model(token_NT, torch.arange(token_NT.shape[1]), at_BT=lines.at_NT)
    if not kept:
        raise InputError("positional attention has no keys of digits")

    def patched(module: Any, given: Any, own: Tensor) -> Tensor:
        keys, values = (kept[0], own) if part == "keys" else (own, kept[0])
        return torch.cat((keys[..., :size], values[..., size:]), -1)

    with _hooked([project.register_forward_hook(patched)]):
        yield


@contextmanager
def _hooked(hooks: Sequence[RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def targets(batch: Batch) -> dict[str, Tensor]:
    """What a probe looks for at each place of the result (N, P): its digit, the sum of the operand digits, and the carry into it.

    The carry of a linear task alpha*a + beta*b + gamma into place i is what f of the digits below i has beyond them; others have none.
    """
    task, base, size = batch.spec.make_task(), batch.spec.base, len(batch.places)
    a, b = (to_ints(x, base) for x in (batch.pairs.a_ND, batch.pairs.b_ND))
    found = {"result digit": torch.tensor([digits(int(task(x, y)), size, base) for x, y in zip(a, b, strict=True)])}
    places = torch.arange(size)
    padded = [torch.nn.functional.pad(x, (0, max(0, size - x.shape[1])))[:, places] for x in (batch.pairs.a_ND, batch.pairs.b_ND)]
    found["digit sum"] = padded[0] + padded[1]
    linear = affine(task.expression)
    if linear is not None and min(linear) >= 0:
        alpha, beta, gamma = linear

        def carry(x: int, y: int, power: int) -> int:
            return (alpha * (x % power) + beta * (y % power) + gamma) // power if power > 1 else 0

        found["carry"] = torch.tensor([[carry(x, y, base**i) for i in range(size)] for x, y in zip(a, b, strict=True)])
    return found


def roles(batch: Batch, place: int) -> list[str]:
    """The role that each token has for c_place, one of ROLES; '' for tokens after the query."""
    query, out = batch.query(place), []
    for index, slot in enumerate(batch.slots):
        near = {place: "i", place - 1: "i-1"}.get(slot.place)
        if index > query:
            out.append("")
        elif slot.kind in "abc" and near and f"{slot.kind}_{near}" in ROLES:
            out.append(f"{slot.kind}_{near}")
        elif slot.kind in "abc":
            out.append(f"{slot.kind} {'higher' if slot.place > place else 'lower'}")
        else:
            out.append("itself" if index == query else "separators")
    return out
