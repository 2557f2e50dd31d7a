"""What a network's answers depend on: how likely each digit of the answer changes when one operand digit is drawn again.

As theory.graphs.influence counts it of a task: all digits of the operands are uniform and independent, leading zeros allowed, and then one
of them is drawn again. So a network's own dependency graph stands beside that of the task, and that of the task on cut operands.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from empirical.data.lines import Pairs
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import CHUNK
from empirical.study.states import answered, make_batch
from theory.automata.machines import TooLarge
from theory.errors import InputError
from theory.graphs.dependency import Node
from theory.graphs.influence import Influence, influence
from theory.language.expressions import operands
from theory.language.tasks import Task


@dataclass(frozen=True)
class Influences:
    """Influence of each operand digit on c_0, c_1, ...: of the network, estimated; of the task and of the task on cut operands, exactly.

    The latter two are null where there are too many cases to count. Cut operands are uniform numbers of the trained length: theirs is the
    influence there, and none of the digits above.
    """

    length: int
    network: dict[Node, tuple[float, ...]]
    task: Influence | None
    truncated: Influence | None


@torch.inference_mode()
def influences(model: GPT, spec: RunSpec, length: int, examples: int, seed: int) -> Influences:
    """Influences on operands of `length` digits, from so many inputs for each operand digit.

    Raises:
        InputError: the layout shows no leading zeros or is too narrow, positions are drawn for each line, or the task needs a >= b, which
            other digits would not keep.
    """
    task, layout = spec.make_task(), spec.make_layout()
    if layout.unpadded:
        raise InputError(f"the {layout.name} layout writes no leading zeros: influence is asked in padded, aligned or interleaved ones")
    if layout.fixed and length > spec.width:
        raise InputError(f"length {length}: the network was trained at width {spec.width}")
    if spec.numbering == "randomised":
        raise InputError(f"{spec.encoding} draws the positions of each line: answers to one line differ as those to two")
    if task.needs_order:
        raise InputError(f"{task.text} needs a >= b, which other digits would not keep")
    generator = torch.Generator().manual_seed(seed)
    kinds = [kind for kind in "ab"[: operands(task.expression)] if kind in layout.shown]
    digits = {kind: torch.randint(spec.base, (examples, length), generator=generator) for kind in "ab"}
    before_NP = _answers(model, spec, digits, length)
    found = {}
    for kind in kinds:
        for place in range(length):
            again_ND = digits[kind].clone()
            again_ND[:, place] = torch.randint(spec.base, (examples,), generator=generator)
            changed_NP = _answers(model, spec, {**digits, kind: again_ND}, length) != before_NP
            found[kind, place] = tuple(changed_NP.double().mean(0).tolist())
    return Influences(length, found, _exact(task, length), _exact(task, min(length, spec.training.longest)))


def _answers(model: GPT, spec: RunSpec, digits: dict[str, Tensor], length: int) -> Tensor:
    """The network's result digits (N, P), least significant first."""
    out = []
    for rows in torch.arange(len(digits["a"])).split(CHUNK):
        a_ND, b_ND = (digits[kind][rows] for kind in "ab")
        batch = make_batch(spec, Pairs(a_ND, b_ND, torch.full((len(rows),), length)))
        out.append(answered(model, batch).lines.token_NT[:, [batch.query(place) + 1 for place in batch.places]])
    return torch.cat(out)


def _exact(task: Task, length: int) -> Influence | None:
    try:
        return influence(task, length)
    except TooLarge:
        return None
