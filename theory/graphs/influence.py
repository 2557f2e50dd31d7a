"""Influence: how likely a result digit changes when one operand digit is drawn again.

All digits of a and b are uniform on 0..B-1 and independent (operands of n digits, leading zeros allowed). Then one operand digit is drawn
again, uniformly and independently of its old value:

    influence(a_j, c_i) = P(c_i changes | a_j drawn again),

an exact Fraction; it is 0 iff c_i does not depend on a_j. Drawing until the digit is another one multiplies it by B / (B - 1).

- Digit-serial tasks: the law of the carry at digit j, and for every pair of carries the probability that they write different digits d
  columns later, both by matrix products over the machine: cost grows with n, not with B^n.
- Linear mod p: the law of the residue of all other digits.
- Other tasks: all pairs of operands, or of their residues with their laws where the task is periodic. This is the definition itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from theory.automata.machines import TooLarge
from theory.automata.transducers import Transducer
from theory.graphs.dependency import Node, serial_machine
from theory.language.domains import check_signs
from theory.language.expressions import affine, evaluate, polynomial
from theory.language.tasks import Task
from theory.progress import watched
from theory.proofs.properties import short
from theory.proofs.testsets import degrees, magnitude, period

MAX_PAIRS = 100_000_000  # operand pairs: about 10 seconds
MAX_WORK = 300_000_000  # additions of the other ways
CHUNK = 128  # values of the other operand at a time
MAX_DECAY_STEPS = 12

Influence = dict[Node, tuple[Fraction, ...]]


def influence(task: Task, digits: int) -> Influence:
    """The influence of each operand digit on the result digits c_0, c_1, ..., for operands of n = `digits` digits.

    Raises:
        InputError: a result that may be negative, or more cases than can be counted (`TooLarge`).
    """
    check_signs(task)
    width = task.result_width(digits)
    machine = serial_machine(task)
    if machine is not None:
        return _by_machine(machine, digits, width)
    if task.modulus is not None and affine(task.inner) is not None:
        return _by_residues(task, digits, width)
    return _by_pairs(task, digits, width)


# ------------------------------------------------------------------------------------------------------------------ digit-serial tasks


class _Columns:
    """The machine as arrays. Counts are over groups of digits, B^2 of them a column; states are numbered in ascending order.

    Attributes:
        after, written: next state and result digit by [x, y, state].
        letters: (count, after, written) for the groups that act alike.
    """

    def __init__(self, machine: Transducer, dtype: Any) -> None:
        import numpy as np

        states = sorted(machine.reachable)
        number = {state: k for k, state in enumerate(states)}
        cells = [[[machine.step(s, x, y) for s in states] for y in range(machine.base)] for x in range(machine.base)]
        self.after = np.array([[[number[s] for s, _ in row] for row in rows] for rows in cells])
        self.written = np.array([[[c for _, c in row] for row in rows] for rows in cells])
        both = np.concatenate([self.after, self.written], axis=2).reshape(machine.base**2, -1)
        kinds, counts = np.unique(both, axis=0, return_counts=True)
        halves = np.split(kinds, 2, axis=1)
        self.letters = list(zip(counts.tolist(), *halves, strict=True))
        self.dtype, self.size, self.start = dtype, len(states), number[machine.start]

    def differ(self) -> Any:
        """[s, t]: the number of groups on which s and t write different digits."""
        return sum(n * (written[:, None] != written[None, :]).astype(self.dtype) for n, _, written in self.letters)

    def before(self, pairs: Any) -> Any:
        """One column earlier: the sum over groups of `pairs` at the two next states."""
        return sum(n * pairs[after][:, after] for n, after, _ in self.letters)

    def zero(self, pairs: Any) -> Any:
        """The same for a column that holds only zeros."""
        after = self.after[0, 0]
        return pairs[after][:, after]

    def redrawn(self, kind: str, pairs: Any | None) -> Any:
        """[s]: the sum over x, x', y of `pairs` at the next states, or of the digits that differ at once where there are none."""
        after, written = (self.after, self.written) if kind == "a" else (self.after.swapaxes(0, 1), self.written.swapaxes(0, 1))
        if pairs is None:
            return sum((row[None] != written).sum(axis=(0, 1)) for row in written).astype(self.dtype)
        return sum(pairs[row[None], after].sum(axis=(0, 1)) for row in after)

    def law(self, law: Any) -> Any:
        """The number of ways into each state after one more column."""
        import numpy as np

        out = np.zeros(self.size, dtype=self.dtype)
        for n, after, _ in self.letters:
            np.add.at(out, after, n * law)
        return out


def _by_machine(machine: Transducer, digits: int, width: int) -> Influence:
    import numpy as np

    base, size = machine.base, len(machine.reachable)
    zeros = max(0, width - digits) if machine.direction == "lsd" else 0  # columns past the operands
    exact = base ** (2 * digits + 3) < 2**62
    work = (1 + zeros) * digits * (size**2 * min(base**2, 2 * size + 2 * base) + base**3 * size) * (1 if exact else 20)
    if work > MAX_WORK:
        raise TooLarge(f"the influence over {digits} digits with {size} carries needs {short(work)} additions, at most {MAX_WORK} are made")
    columns = _Columns(machine, np.int64 if exact else object)
    laws = [np.array([int(s == columns.start) for s in range(size)], dtype=columns.dtype)]
    for _ in range(digits - 1):
        laws.append(columns.law(laws[-1]))
    end = np.not_equal.outer(columns.written[0, 0], columns.written[0, 0]).astype(columns.dtype)
    later = [_earlier(columns, columns.differ(), digits - 1)]  # later[0][d]: states that differ now, digits d random columns later
    for _ in range(zeros):
        later.append(_earlier(columns, end, digits))  # later[1 + e][d]: d random columns, then e zeros, then the digit
        end = columns.zero(end)
    total = base ** (2 * digits + 1)
    places = range(digits) if machine.direction == "lsd" else range(digits)[::-1]
    found: Influence = {}
    for kind in "ab":
        inside = [columns.redrawn(kind, None), *(columns.redrawn(kind, pairs) for pairs in later[0])]
        outside = [[columns.redrawn(kind, pairs) for pairs in block] for block in later[1:]]
        for read, j in enumerate(places):
            row = [Fraction(0)] * width
            for d, ways in enumerate(inside[: digits - read]):
                if places[read + d] < width:
                    row[places[read + d]] = Fraction(int(laws[read] @ ways), base ** (2 * (read + d) + 3))
            for e, block in enumerate(outside):
                row[digits + e] = Fraction(int(laws[read] @ block[digits - 1 - read]), total)
            found[kind, j] = tuple(row)
    return found


def _earlier(columns: _Columns, pairs: Any, count: int) -> list[Any]:
    """`pairs` now and one, two, ... random columns earlier, `count` entries."""
    out = [pairs]
    while len(out) < count:
        out.append(columns.before(out[-1]))
    return out[:count]


def decay(machine: Transducer) -> tuple[int, Fraction] | None:
    """(d, ratio): from distance d on the influence at distance d + 1 is exactly `ratio` times that at distance d, at every length.

    Let w_k(s, t) be the probability that carries s and t write different digits k columns later. If w_{k+1} = ratio * w_k for all pairs,
    then so for every later k, and every influence over k + 1 columns or more is an average of w_k. None where no such k is found soon.
    """
    if (MAX_DECAY_STEPS + 1) * len(machine.reachable) ** 2 * machine.base**2 > MAX_WORK // 5:
        return None
    columns = _Columns(machine, object)
    now, groups = columns.differ(), machine.base**2
    for k in range(MAX_DECAY_STEPS):
        after = columns.before(now)
        if not now.any():
            return k + 1, Fraction(0)
        s, t = next(zip(*now.nonzero(), strict=True))
        if (after * now[s, t] == now * after[s, t]).all():
            return k + 1, Fraction(int(after[s, t]), int(now[s, t]) * groups)
        now = after
    return None


# ----------------------------------------------------------------------------------------------------------------------- linear mod p


def _by_residues(task: Task, digits: int, width: int) -> Influence:
    import numpy as np

    base, p, coefficients = task.base, task.modulus or 1, affine(task.inner) or (0, 0, 0)
    nodes = [(kind, j) for kind in "ab" for j in range(digits)]
    weights = [coefficients["ab".index(kind)] * pow(base, j, p) % p for kind, j in nodes]
    work = (2 * digits * (2 * digits).bit_length() + base * width * min(2 * digits, p)) * base * p
    if work > MAX_WORK:
        raise TooLarge(f"the influence over {digits} digits modulo {p} needs {short(work)} additions, at most {MAX_WORK} are made")
    start = np.zeros(p, dtype=np.int64 if base ** (2 * digits + 2) < 2**62 else object)
    start[coefficients[2] % p] = 1
    laws = dict(zip(weights, _laws_without(start, weights, base), strict=True))  # places of equal weight have equal laws
    planes = [np.arange(p) // base**i % base for i in range(width)]
    total = base ** (2 * digits + 1)
    rows = {}
    for weight, law in laws.items():
        moved = (np.arange(p) + weight * np.arange(base)[:, None]) % p
        rows[weight] = tuple(Fraction(int(law @ _changes(plane[moved])), total) for plane in planes)
    return {node: rows[weight] for node, weight in zip(nodes, weights, strict=True)}


def _changes(values: Any) -> Any:
    """The number of pairs (x, x') with values[x] != values[x'], per place of the other axes."""
    return sum((row[None] != values).sum(axis=0) for row in values)


def _laws_without(law: Any, weights: Sequence[int], base: int) -> list[Any]:
    """For each weight: `law` after all other digits are added, by halving: n log n additions of a digit instead of n^2."""
    if len(weights) == 1:
        return [law]
    half = len(weights) // 2
    first, second = weights[:half], weights[half:]
    return _laws_without(_added(law, second, base), first, base) + _laws_without(_added(law, first, base), second, base)


def _added(law: Any, weights: Iterable[int], base: int) -> Any:
    """The law of the residue after a uniform digit times each weight is added, in numbers of cases."""
    import numpy as np

    for weight in weights:
        law = sum(np.roll(law, weight * x % len(law)) for x in range(base))
    return law


# ------------------------------------------------------------------------------------------------------------- all pairs of residues


def _by_pairs(task: Task, digits: int, width: int) -> Influence:
    expression, base = task.expression, task.base
    full, terms = base**digits, polynomial(task.inner)
    sizes = [full if degree else min(full, d) for degree, d in zip(degrees(expression), period(expression), strict=True)]
    work = sizes[0] * sizes[1] * (1 if full in sizes else digits * base)
    if work > MAX_PAIRS:
        needed = f"the influence in {task.text} over {digits} digits needs {short(work)} cases"
        raise TooLarge(f"{needed}, at most {MAX_PAIRS} are counted: take fewer digits")
    found = _pairs_of(task, "a", sizes, digits, width)
    if terms is not None and terms == {(j, i): c for (i, j), c in terms.items()}:  # f(a, b) = f(b, a)
        return found | {("b", j): found["a", j] for j in range(digits)}
    return found | _pairs_of(task, "b", sizes, digits, width)


def _pairs_of(task: Task, kind: str, sizes: Sequence[int], digits: int, width: int) -> Influence:
    """The influence of the digits of one operand."""
    import numpy as np

    expression, base, causal = task.expression, task.base, polynomial(task.expression) is not None
    size, other = sizes if kind == "a" else sizes[::-1]
    largest = magnitude(expression, max(sizes))
    dtype = np.int32 if largest < 2**31 else np.int64 if largest < 2**62 else object
    counted = np.int64 if base ** (2 * digits + 2) < 2**62 else object
    one, powers = np.zeros((2, max(sizes)), dtype=counted), [base**j for j in range(digits)]
    one[:, 0] = 1
    laws = _laws_without(one[0, :size], powers, base)
    columns = _added(one[1, :other], powers, base)
    rests = [law.nonzero()[0] for law in laws]
    moved = [(rest[None] + np.arange(base)[:, None] * power) % size for rest, power in zip(rests, powers, strict=True)]
    totals = {(j, i): 0 for j in range(digits) for i in range(width)}
    own = np.arange(size).astype(dtype)[:, None]
    for start in watched(range(0, other, CHUNK), "blocks of operand pairs"):
        block = np.arange(start, min(start + CHUNK, other)).astype(dtype)[None]
        values = np.broadcast_to(evaluate(expression, *((own, block) if kind == "a" else (block, own))), (size, block.shape[1]))
        for i in range(width):
            rest, plane = values // base, np.min_scalar_type(base - 1)
            digit = (values - rest * base).astype(plane)
            values = rest
            for j in range(digits):
                if causal and j > i:
                    continue
                changes = _pairs_apart(digit[moved[j]], base)
                totals[j, i] += 2 * int(laws[j][rests[j]] @ changes @ columns[start : start + CHUNK])
    return {(kind, j): tuple(Fraction(totals[j, i], base ** (2 * digits + 1)) for i in range(width)) for j in range(digits)}


def _pairs_apart(values: Any, base: int) -> Any:
    """The number of pairs x < x' with values[x] != values[x'], counted in the smallest integers that hold it."""
    import numpy as np

    out = np.zeros(values.shape[1:], dtype=np.min_scalar_type(base * base))
    for x in range(1, base):
        for row in values[:x]:
            out += row != values[x]
    return out.astype(np.int64)
