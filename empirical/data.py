"""Operand pairs with the exact law of theory's domains, and their token sequences.

Shapes: N pairs, D operand digits (least significant first), T tokens, Q answer tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from theory.language.domains import Box, Operand, boxes
from theory.language.expressions import Expression, bounds, evaluate, nodes
from theory.language.layouts import SPECIALS, Layout, Widths
from theory.language.tasks import Task

_HASH = (6364136223846793005, 1442695040888963407)


@dataclass(frozen=True)
class Pairs:
    """Digits of N operand pairs and the domain length each was drawn at."""

    a_ND: Tensor
    b_ND: Tensor
    length_N: Tensor

    def take(self, index: Tensor) -> Pairs:
        return Pairs(self.a_ND[index], self.b_ND[index], self.length_N[index])


class PairSampler:
    """Draws pairs from equal parts of the given lengths of a domain, by the boxes that theory counts."""

    def __init__(self, domain: str, lengths: tuple[int, ...], base: int, device: torch.device) -> None:
        table: list[tuple[Box, int]] = [(box, length) for length in lengths for box in boxes(domain, length, base)]
        self.base = base
        self.width = max(lengths)
        self.weights = torch.tensor([float(box.weight) / len(lengths) for box, _ in table], dtype=torch.float64, device=device)
        self.lengths = torch.tensor([length for _, length in table], device=device)
        self.operands = {
            kind: (
                torch.tensor([operand(box, kind).digits for box, _ in table], device=device),
                torch.tensor([operand(box, kind).nonzero_top for box, _ in table], device=device),
            )
            for kind in "ab"
        }

    def draw(self, count: int) -> Pairs:
        """`count` independent pairs, from torch's current random state."""
        box_N = torch.multinomial(self.weights, count, replacement=True)
        return Pairs(self._digits(box_N, "a"), self._digits(box_N, "b"), self.lengths[box_N])

    def _digits(self, box_N: Tensor, kind: str) -> Tensor:
        widths, nonzero = self.operands[kind]
        width_N1, nonzero_N1 = widths[box_N, None], nonzero[box_N, None]
        place_D = torch.arange(self.width, device=box_N.device)
        shape = (len(box_N), self.width)
        digit_ND = torch.randint(0, self.base, shape, device=box_N.device)
        top_N1 = torch.randint(1, self.base, (shape[0], 1), device=box_N.device)
        digit_ND = torch.where((place_D == width_N1 - 1) & nonzero_N1, top_N1, digit_ND)
        return digit_ND * (place_D < width_N1)


def operand(box: Box, kind: str) -> Operand:
    return box.a if kind == "a" else box.b


def held_out(pairs: Pairs, share: int) -> Tensor:
    """Which pairs are never trained on: a fixed hash of the two numbers, one in `share`, whatever the padding."""
    hash_N = torch.zeros_like(pairs.length_N)
    for digits_ND in (pairs.a_ND, pairs.b_ND):
        weight = 1
        for digit_N in digits_ND.unbind(1):
            weight = (weight * _HASH[0] + _HASH[1]) % 2**61
            hash_N = hash_N + digit_N * weight  # a zero digit adds nothing: leading zeros do not matter
        hash_N = (hash_N ^ (hash_N >> 29)) * 0x1B873593
    return ((hash_N ^ (hash_N >> 31)) & (2**40 - 1)) % share == 0


def to_ints(digits_ND: Tensor, base: int) -> list[int]:
    """The numbers, as Python integers of any size."""
    out = []
    for row in digits_ND.tolist():
        value = 0
        for digit in reversed(row):
            value = value * base + digit
        out.append(value)
    return out


def result_digits(expression: Expression, pairs: Pairs, base: int, width: int) -> Tensor:
    """Digits of the expression's value, least significant first, cut to `width` digits."""
    size = pairs.a_ND.shape[1]
    device = pairs.a_ND.device
    if base**size < 2**62 and _fits(expression, base**size - 1):
        power_D = torch.tensor([base**i for i in range(size)], device=device)
        value_N = evaluate(expression, (pairs.a_ND * power_D).sum(1), (pairs.b_ND * power_D).sum(1))
        if not isinstance(value_N, Tensor):  # a constant expression
            value_N = torch.full((len(pairs.a_ND),), value_N, device=device)
        out = []
        for _ in range(width):
            out.append(value_N % base)
            value_N = value_N // base
        return torch.stack(out, 1)
    rows = []
    for a, b in zip(to_ints(pairs.a_ND, base), to_ints(pairs.b_ND, base), strict=True):
        value, row = evaluate(expression, a, b), []
        for _ in range(width):
            value, digit = divmod(value, base)
            row.append(digit)
        rows.append(row)
    return torch.tensor(rows, device=device)


def _fits(expression: Expression, largest: int) -> bool:
    """Whether every intermediate value stays inside int64."""
    return all(max(map(abs, bounds(node, largest))) < 2**62 for node in nodes(expression))


@dataclass(frozen=True)
class Lines:
    """Token sequences: `answer_NT` marks the tokens the model must produce, predicted from the token before."""

    token_NT: Tensor
    answer_NT: Tensor


class Renderer:
    """Turns pairs into token sequences through theory's layout, vectorised over mixed shapes."""

    def __init__(self, task: Task, layout: Layout, device: torch.device) -> None:
        self.task, self.layout, self.device = task, layout, device
        self.tables: dict[tuple[Widths, ...], tuple[Tensor, Tensor]] = {}

    def lines(self, pairs: Pairs, expression: Expression | None = None) -> Lines:
        """Lines with the task's result, or with that of another expression (cut to the same width)."""
        lengths = [int(x) for x in pairs.length_N.unique()] if not self.layout.fixed else [self.layout.width]
        longest = self.layout.widths(self.task, max(lengths))
        c_NC = result_digits(expression or self.task.expression, pairs, self.task.base, longest.c)
        if self.layout.unpadded:
            count_3N = torch.stack([_digit_counts(x) for x in (pairs.a_ND, pairs.b_ND, c_NC)])
            shapes_S3, shape_N = count_3N.T.unique(dim=0, return_inverse=True)
            shapes = tuple(Widths(*row) for row in shapes_S3.tolist())
        else:
            shapes = tuple(self.layout.widths(self.task, length) for length in lengths)
            shape_N = torch.bucketize(pairs.length_N, torch.tensor(lengths, device=self.device)) if len(lengths) > 1 else 0 * pairs.length_N
        index_ST, answer_ST = self._table(shapes)
        values = [_pad(x, width) for x, width in zip((pairs.a_ND, pairs.b_ND, c_NC), _columns(shapes), strict=True)]
        special = torch.arange(self.task.base, self.task.base + len(SPECIALS), device=self.device).expand(len(c_NC), -1)
        token_NT = torch.cat([*values, special], 1).gather(1, index_ST[shape_N])
        return Lines(token_NT, answer_ST[shape_N])

    def _table(self, shapes: tuple[Widths, ...]) -> tuple[Tensor, Tensor]:
        """Per shape: where each token comes from among [a | b | c | specials], and which tokens are answers."""
        if shapes not in self.tables:
            columns = _columns(shapes)
            start = {"a": 0, "b": columns.a, "c": columns.a + columns.b}
            first_special = sum(columns)
            rows, answers = [], []
            for shape in shapes:
                slots = self.layout.slots(shape)
                rows.append([start[s.kind] + s.place if s.kind in start else first_special + SPECIALS.index(s.kind) for s in slots])
                answers.append([s.kind in ("c", "eos") for s in slots])
            length = max(map(len, rows))
            eos = first_special + SPECIALS.index("eos")
            self.tables[shapes] = (
                torch.tensor([row + [eos] * (length - len(row)) for row in rows], device=self.device),
                torch.tensor([row + [False] * (length - len(row)) for row in answers], device=self.device),
            )
        return self.tables[shapes]


def _columns(shapes: tuple[Widths, ...]) -> Widths:
    return Widths(*(max(column) for column in zip(*shapes, strict=True)))


def _pad(digits_ND: Tensor, width: int) -> Tensor:
    """Exactly `width` digits; digits beyond it are zero by construction."""
    missing = width - digits_ND.shape[1]
    return torch.nn.functional.pad(digits_ND, (0, missing)) if missing > 0 else digits_ND[:, :width]


def _digit_counts(digits_ND: Tensor) -> Tensor:
    """Digits needed to write each number; 0 needs one."""
    place_D = torch.arange(1, digits_ND.shape[1] + 1, device=digits_ND.device)
    return ((digits_ND != 0) * place_D).amax(1).clamp(min=1)
