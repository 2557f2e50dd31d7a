"""Operand pairs with the exact law of theory's domains, and their token sequences.

Shapes: N pairs, D operand digits (least significant first), T tokens, Q answer tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from empirical.data.noise import Noise, choices, integers
from empirical.network.encodings.numbering import LINE, Numbering, make_numbering
from empirical.runs.spec import RunSpec
from theory.automata.machine_tasks import MachineFunction
from theory.automata.machines import Machine
from theory.language.domains import Box, Operand, boxes, restricted, short_operand
from theory.language.expressions import Expression, Given, bounds, evaluate, nodes, polynomial
from theory.language.layouts import SPECIALS, Layout, Slot, Widths
from theory.language.tasks import Task

MAX_SHAPES = 20_000  # of unpadded lines, that are listed ahead
CARRIED = {(0, 0), (1, 0), (0, 1), (1, 1)}  # degrees in a and b of the terms that are carried from digit to digit
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
    """Draws pairs from equal parts of the given lengths of a domain, by the boxes that theory counts; ordered ones are put in order.

    Of the operands that are not `shown` all digits are 0, so that pairs differ, or are held out, by what can be seen of them.
    """

    def __init__(self, domain: str, lengths: tuple[int, ...], base: int, device: torch.device, shown: str = "ab") -> None:
        self.ordered, self.shown = domain == "ordered", shown
        law = "either" if self.ordered else domain
        table: list[tuple[Box, int]] = [(box, length) for length in lengths for box in boxes(law, length, base)]
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

    def draw(self, count: int, noise: Noise | None = None, up_to: Tensor | None = None) -> Pairs:
        """`count` independent pairs, from a stream or from torch's random state; of lengths up to a number () where one is given."""
        box_N = self._rows(count, noise, up_to)
        a_ND, b_ND = self._digits(box_N, "a", noise), self._digits(box_N, "b", noise)
        if self.ordered:
            swap_N1 = less(a_ND, b_ND)[:, None]
            a_ND, b_ND = torch.where(swap_N1, b_ND, a_ND), torch.where(swap_N1, a_ND, b_ND)
        return self._pairs(a_ND, b_ND, box_N)

    def _pairs(self, a_ND: Tensor, b_ND: Tensor, row_N: Tensor) -> Pairs:
        return Pairs(a_ND, b_ND if "b" in self.shown else 0 * b_ND, self.lengths[row_N])

    def _rows(self, count: int, noise: Noise | None, up_to: Tensor | None) -> Tensor:
        weights = self.weights if up_to is None else torch.where(self.lengths <= up_to, self.weights, 0)
        return choices(weights, count, noise)

    def _digits(self, box_N: Tensor, kind: str, noise: Noise | None) -> Tensor:
        widths, nonzero = self.operands[kind]
        width_N1, nonzero_N1 = widths[box_N, None], nonzero[box_N, None]
        place_D = torch.arange(self.width, device=box_N.device)
        shape = (len(box_N), self.width)
        digit_ND = integers(0, self.base, shape, box_N.device, noise)
        top_N1 = integers(1, self.base, (shape[0], 1), box_N.device, noise)
        digit_ND = torch.where((place_D == width_N1 - 1) & nonzero_N1, top_N1, digit_ND)
        return digit_ND * (place_D < width_N1)


def less(a_ND: Tensor, b_ND: Tensor) -> Tensor:
    """Where a < b (N,): at the highest place at which their digits differ, a's is the smaller."""
    place_D = torch.arange(1, a_ND.shape[1] + 1, device=a_ND.device)
    highest_N1 = ((a_ND != b_ND) * place_D).argmax(1, keepdim=True)
    return (a_ND.gather(1, highest_N1) < b_ND.gather(1, highest_N1))[:, 0]


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
    """Digits of the expression's value, least significant first, cut to `width` digits.

    Values that fit are computed in int64; beyond, sums and products are carried from digit to digit, a finite machine runs over the digits,
    or each pair is computed in whole numbers.
    """
    size = pairs.a_ND.shape[1]
    device = pairs.a_ND.device
    if isinstance(expression, Given):
        operands = [result_digits(argument, pairs, base, size) for argument in expression.args]
        assert isinstance(expression.function, MachineFunction)
        return machine_digits(expression.function.machine, operands[0], operands[-1], width)
    if base**size < 2**62 and _fits(expression, base**size - 1):
        value_N = evaluate(expression, _value(pairs.a_ND, base), _value(pairs.b_ND, base))
        if not isinstance(value_N, Tensor):  # a constant expression
            value_N = torch.full((len(pairs.a_ND),), value_N, device=device)
        out = []
        for _ in range(width):
            out.append(value_N % base)
            value_N = value_N // base
        return torch.stack(out, 1)
    terms = polynomial(expression)
    if terms is not None and terms.keys() <= CARRIED and all(0 <= c < 2**62 // (4 * size * base**2) for c in terms.values()):
        return _carried(terms, pairs, base, width)
    rows = []
    for a, b in zip(to_ints(pairs.a_ND, base), to_ints(pairs.b_ND, base), strict=True):
        value, row = evaluate(expression, a, b), []
        for _ in range(width):
            value, digit = divmod(value, base)
            row.append(digit)
        rows.append(row)
    return torch.tensor(rows, device=device)


def _value(digits_ND: Tensor, base: int) -> Tensor:
    """The numbers, in int64."""
    value_N = torch.zeros_like(digits_ND[:, 0])
    for digit_N in digits_ND.unbind(1)[::-1]:
        value_N = value_N * base + digit_N
    return value_N


def _carried(terms: dict[tuple[int, int], int], pairs: Pairs, base: int, width: int) -> Tensor:
    """alpha*a + beta*b + gamma + delta*a*b, digit by digit with a carry; `terms` has the coefficients, as polynomial gives them."""
    a_NW, b_NW = _pad(pairs.a_ND, width), _pad(pairs.b_ND, width)
    total_NW = terms.get((1, 0), 0) * a_NW + terms.get((0, 1), 0) * b_NW
    for place in range(width if (1, 1) in terms else 0):  # a, moved up by each digit of b
        total_NW[:, place:] += terms[1, 1] * b_NW[:, place, None] * a_NW[:, : width - place]
    out, carry_N = [], torch.full_like(pairs.length_N, terms.get((0, 0), 0))
    for total_N in total_NW.unbind(1):
        out.append((total_N + carry_N) % base)
        carry_N = (total_N + carry_N) // base
    return torch.stack(out, 1)


def machine_digits(machine: Machine, a_ND: Tensor, b_ND: Tensor, width: int) -> Tensor:
    """What a machine writes on operands, least significant first, cut to `width` digits."""
    following_SG, digit_SG = _machine_table(machine, a_ND.device)
    groups = width if machine.direction == "lsd" else max(width, a_ND.shape[1])
    number_NG = _pad(a_ND, groups) if machine.operands == 1 else _pad(a_ND, groups) * machine.base + _pad(b_ND, groups)
    order = range(groups) if machine.direction == "lsd" else range(groups)[::-1]
    state_N = torch.full((len(a_ND),), machine.start, device=a_ND.device)
    out = {}
    for place in order:
        out[place] = digit_SG[state_N, number_NG[:, place]]
        state_N = following_SG[state_N, number_NG[:, place]]
    return torch.stack([out[place] for place in range(width)], 1)


@lru_cache(64)
def _machine_table(machine: Machine, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each state and digit group the next state, and the digit written."""
    following, digit = torch.tensor(machine.table, device=device).unbind(2)
    return following, digit


def _fits(expression: Expression, largest: int) -> bool:
    """Whether every intermediate value stays inside int64."""
    return all(max(map(abs, bounds(node, largest))) < 2**62 for node in nodes(expression))


@dataclass(frozen=True)
class Lines:
    """Token sequences: `answer_NT` marks the tokens the model must produce, predicted from the token before.

    `asked_Q` are the tokens that are an answer in some line, and `at_NT` the positions where they are not counted along the line.
    """

    token_NT: Tensor
    answer_NT: Tensor
    at_NT: Tensor | None = None
    known_Q: Tensor | None = None

    @property
    def asked_Q(self) -> Tensor:
        return self.answer_NT.any(0).nonzero()[:, 0] if self.known_Q is None else self.known_Q


class Renderer:
    """Turns pairs into token sequences through theory's layout, vectorised over mixed shapes.

    With `lengths`, all pairs are drawn at one of them, from `domain`: the shape of the lines is then known without looking at the pairs.
    """

    def __init__(
        self,
        task: Task,
        layout: Layout,
        device: torch.device,
        numbering: Numbering = LINE,
        lengths: tuple[int, ...] | None = None,
        domain: str = "either",
    ) -> None:
        self.task, self.layout, self.device, self.numbering = task, layout, device, numbering
        self.tables: dict[tuple[Widths, ...], Table] = {}
        self.lengths = lengths
        self.known: tuple[tuple[Widths, ...], Tensor] | None = None
        if lengths is not None and layout.unpadded:
            self.known = self._all_shapes(max(lengths), domain)

    def lines(self, pairs: Pairs, expression: Expression | None = None, training: bool = False, noise: Noise | None = None) -> Lines:
        """Lines with the task's result, or with that of another expression (cut to the same width).

        Positions that are not counted along the line are drawn as in training or as in testing, from a stream or torch's random state.
        """
        lengths = [self.layout.width] if self.layout.fixed else list(self.lengths or map(int, pairs.length_N.unique()))
        longest = self.layout.widths(self.task, max(lengths))
        c_NC = result_digits(expression or self.task.expression, pairs, self.task.base, longest.c)
        if self.layout.unpadded:
            shapes, shape_N = self._shapes(torch.stack([_digit_counts(x) for x in (pairs.a_ND, pairs.b_ND, c_NC)]))
        else:
            shapes = tuple(self.layout.widths(self.task, length) for length in lengths)
            shape_N = _nth(pairs.length_N, lengths) if len(lengths) > 1 else 0 * pairs.length_N
        table = self._table(shapes)
        values = [_pad(x, width) for x, width in zip((pairs.a_ND, pairs.b_ND, c_NC), _columns(shapes), strict=True)]
        special = torch.arange(self.task.base, self.task.base + len(SPECIALS), device=self.device).expand(len(c_NC), -1)
        token_NT = torch.cat([*values, special], 1).gather(1, table.index_ST[shape_N])
        at_NT = None if self.numbering.kind == "line" else self.numbering.draw(table.place_ST[shape_N], training, noise)
        return Lines(token_NT, table.answer_ST[shape_N], at_NT, table.asked_Q)

    def _all_shapes(self, longest: int, domain: str) -> tuple[tuple[Widths, ...], Tensor] | None:
        """Every shape of unpadded lines, and its number by the digits of a, b and c; None where they are too many."""
        short = longest if (most := short_operand(domain)) is None else min(most, longest)
        digits = self.layout.widths(restricted(self.task, domain), longest)._replace(b=short)
        shapes = tuple(Widths(*counts) for counts in product(*(range(1, count + 1) for count in digits)))
        if len(shapes) > MAX_SHAPES:
            return None
        return shapes, torch.arange(len(shapes), device=self.device).view(digits)

    def _shapes(self, count_3N: Tensor) -> tuple[tuple[Widths, ...], Tensor]:
        """The shapes of unpadded lines whose a, b and c have so many digits, and which of them each line has."""
        if self.known is not None:
            a_N, b_N, c_N = count_3N - 1
            return self.known[0], self.known[1][a_N, b_N, c_N]
        shapes_S3, shape_N = count_3N.T.unique(dim=0, return_inverse=True)
        return tuple(Widths(*row) for row in shapes_S3.tolist()), shape_N

    def _table(self, shapes: tuple[Widths, ...]) -> Table:
        if shapes not in self.tables:
            self.tables[shapes] = self._make_table(shapes)
        return self.tables[shapes]

    def _make_table(self, shapes: tuple[Widths, ...]) -> Table:
        columns = _columns(shapes)
        start = {"a": 0, "b": columns.a, "c": columns.a + columns.b}
        first_special = sum(columns)
        rows, answers, places = [], [], []
        for shape in shapes:
            slots = self.layout.slots(shape)
            rows.append([start[s.kind] + s.place if s.kind in start else first_special + SPECIALS.index(s.kind) for s in slots])
            answers.append([s.kind in ("c", "eos") for s in slots])
            places.append(self.numbering.places(slots))
        length = max(map(len, rows))
        eos, none = first_special + SPECIALS.index("eos"), self.numbering.places([Slot("eos")])[0]
        answers = [row + [False] * (length - len(row)) for row in answers]
        return Table(
            torch.tensor([row + [eos] * (length - len(row)) for row in rows], device=self.device),
            torch.tensor(answers, device=self.device),
            torch.tensor([row + [none] * (length - len(row)) for row in places], device=self.device),
            torch.tensor([t for t, column in enumerate(zip(*answers, strict=True)) if any(column)], device=self.device),
        )


@dataclass(frozen=True)
class Table:
    """Per shape: where each token comes from among [a | b | c | specials], which tokens are answers, and their places."""

    index_ST: Tensor
    answer_ST: Tensor
    place_ST: Tensor
    asked_Q: Tensor


def renderer_of(spec: RunSpec, device: torch.device, training: bool = False) -> Renderer:
    """The renderer of a run, for any pairs or for those of its training."""
    lengths = spec.train_lengths if training else None
    return Renderer(spec.make_task(), spec.make_layout(), device, make_numbering(spec), lengths, spec.train_domain)


def line_of_zeros(spec: RunSpec) -> Lines:
    """The line of zeros alone, which shows the marks between the digits and where everything stands."""
    nothing = torch.zeros(1, spec.width, dtype=torch.long)
    return renderer_of(spec, torch.device("cpu")).lines(Pairs(nothing, nothing, torch.tensor([spec.width])))


def _nth(length_N: Tensor, lengths: list[int]) -> Tensor:
    """Which of the ascending lengths each one is."""
    return torch.stack([length_N > length for length in lengths[:-1]]).sum(0)


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
