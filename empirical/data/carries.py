"""Pairs with each number of carries equally often.

A carry is a place after which the task's machine, read from the least significant digit, is not in its start: for a + b, a place that
carries. Pairs are drawn digit by digit from the exact law, by the share of the remaining digits that lead to the number wanted.

Shapes: W kinds of pairs (one for each length, number of carries and box), N pairs, D places, S states, K carries still to come, G = B^2
digit pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.data.lines import Pairs, PairSampler
from empirical.data.noise import Noise, integers
from empirical.runs.spec import RunSpec
from theory.automata.held import held
from theory.automata.machines import TooLarge
from theory.errors import InputError
from theory.language.domains import Part, parts
from theory.local.inputs import local_machine

MAX_CELLS = 20_000_000


class CarrySampler(PairSampler):
    """Draws the length uniformly, then the number of carries uniformly over those that occur, then a pair by the law of the domain."""

    def __init__(self, spec: RunSpec, device: torch.device) -> None:
        task, base = spec.make_task(), spec.base
        machine = local_machine(task, "lsd")
        if machine is None:
            raise InputError(f"sampling carries: no finite machine is known that computes {task.text} from the least significant digit")
        if (kept := held(task)) is not None:
            raise InputError(f"sampling carries: the machine of {task.text} holds digits of {kept.operand}: its states are no carries")
        self.base, self.width, self.shown = base, max(spec.train_lengths), spec.make_layout().shown
        states = sorted(machine.reachable)
        kinds = len(parts(spec.train_domain, self.width, base)) * len(spec.train_lengths)
        if self.width**2 * len(states) * base**2 * max(2, kinds) > MAX_CELLS:
            raise TooLarge(f"sampling carries: too many digits, states and digit pairs for base {base} and lengths up to {self.width}")
        number = {state: i for i, state in enumerate(states)}
        cells = [[machine.step(state, x, y)[0] for x in range(base) for y in range(base)] for state in states]
        self.next_SG = torch.tensor([[number[state] for state in row] for row in cells], device=device)
        self.carry_SG = torch.tensor([[int(state != machine.start) for state in row] for row in cells], device=device)
        self.start = number[machine.start]
        weights, lengths, carries, allowed, shares = [], [], [], [], []
        for length in spec.train_lengths:
            laws = [part for part in parts(spec.train_domain, length, base) if part.weight]
            digits_PDG = torch.stack([self._digits_of(part, device) for part in laws])
            share_PDSK = torch.stack([self._shares(digits_DG) for digits_DG in digits_PDG])
            law_PK = share_PDSK[:, 0, self.start] * torch.tensor([float(part.weight) for part in laws], device=device)[:, None]
            occurs = [k for k, total in enumerate(law_PK.sum(0).tolist()) if total > 0]
            for k in occurs:
                for p in range(len(laws)):
                    weights.append(float(law_PK[p, k] / law_PK[:, k].sum()) / len(occurs) / len(spec.train_lengths))
                    lengths.append(length)
                    carries.append(k)
                    allowed.append(digits_PDG[p])
                    shares.append(share_PDSK[p])
        self.weights = torch.tensor(weights, dtype=torch.float64, device=device)
        self.lengths, self.carries = torch.tensor(lengths, device=device), torch.tensor(carries, device=device)
        self.allowed_WDG, self.shares_WDSK = torch.stack(allowed), torch.stack(shares)

    def _digits_of(self, part: Part, device: torch.device) -> Tensor:
        """At each place, the probability of each digit pair."""
        rows = []
        for place in range(self.width):
            group = part.at(place)
            held = set(group)
            rows.append([((x, y) in held) / len(group) for x in range(self.base) for y in range(self.base)])
        return torch.tensor(rows, dtype=torch.float64, device=device)

    def _shares(self, law_DG: Tensor) -> Tensor:
        """Before each place (and after the last), for each state: the probability of so many carries from there on."""
        D, S, K = self.width, len(self.next_SG), self.width + 1
        share_SK = torch.zeros(S, K, dtype=torch.float64, device=law_DG.device)
        share_SK[:, 0] = 1
        out = [share_SK]
        for place in reversed(range(D)):
            after_SGK = share_SK[self.next_SG]
            moved_SGK = torch.cat((torch.zeros_like(after_SGK[..., :1]), after_SGK[..., :-1]), 2)
            both_SGK = torch.where(self.carry_SG[..., None] == 1, moved_SGK, after_SGK)
            share_SK = torch.einsum("g,sgk->sk", law_DG[place], both_SGK)
            out.append(share_SK)
        return torch.stack(out[::-1])

    def draw(self, count: int, noise: Noise | None = None, up_to: Tensor | None = None) -> Pairs:
        row_N = self._rows(count, noise, up_to)
        state_N, left_N = torch.full_like(row_N, self.start), self.carries[row_N]
        digits: list[Tensor] = []
        for place in range(self.width):
            next_NG, after_NG = self.next_SG[state_N], left_N[:, None] - self.carry_SG[state_N]
            share_NG = self.shares_WDSK[row_N[:, None], place + 1, next_NG, after_NG.clamp(min=0)] * (after_NG >= 0)
            sum_NG = (share_NG * self.allowed_WDG[row_N, place]).cumsum(1)
            uniform_N1 = integers(0, 2**53, (count, 1), row_N.device, noise) * 2.0**-53 * sum_NG[:, -1:]
            group_N = torch.searchsorted(sum_NG, uniform_N1, right=True)[:, 0].clamp(max=sum_NG.shape[1] - 1)
            digits.append(group_N)
            state_N, left_N = (part.gather(1, group_N[:, None])[:, 0] for part in (next_NG, after_NG))
        group_ND = torch.stack(digits, 1)
        return self._pairs(group_ND // self.base, group_ND % self.base, row_N)
