"""What a run trains on: lines as a function of (seed, step), drawn on the device.

Shapes: N pairs, W weights, D operand digits (least significant first).
"""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.data.lines import Lines, Pairs, PairSampler, held_out, renderer_of
from empirical.data.noise import Noise, integers, step_key
from empirical.runs.spec import RunSpec
from theory.errors import InputError

DRAWS = 64  # attempts to find distinct pairs, each of as many as are asked for


class Stream:
    """The training lines of a run, or of several that differ in their seeds alone."""

    def __init__(self, spec: RunSpec, device: torch.device) -> None:
        self.spec, self.device = spec, device
        self.renderer = renderer_of(spec, device, training=True)
        self.sampler = sampler_of(spec, device)
        self.pairs = distinct_pairs(self.sampler, spec, device) if spec.train_pairs else None

    def lines(self, count: int, step: Tensor, noise: Noise) -> tuple[Lines, Tensor]:
        """Lines of the step with this number (), and which of them carry loss: held-out pairs never do."""
        if self.pairs is not None:
            pairs = self.pairs.take(integers(0, self.spec.train_pairs, (count,), self.device, noise))
        else:
            pairs = self.sampler.draw(count, noise, self._up_to(step))
        return self.renderer.lines(pairs, training=True, noise=noise), ~held_out(pairs, self.spec.heldout)

    def _up_to(self, step: Tensor) -> Tensor | None:
        """The longest length of the step: all come in at equal intervals, the last one before the curriculum ends."""
        lengths = self.spec.train_lengths
        if not self.spec.curriculum:
            return None
        opened = (step * len(lengths) // self.spec.curriculum).clamp(max=len(lengths) - 1)
        up_to = torch.full_like(step, lengths[0])
        for i in range(1, len(lengths)):
            up_to = up_to + (opened >= i) * (lengths[i] - lengths[i - 1])
        return up_to


def sampler_of(spec: RunSpec, device: torch.device) -> PairSampler:
    """The sampler of a run's training pairs.

    Raises:
        InputError: carries of a task that has none.
    """
    if spec.sampling == "carries":
        from empirical.data.carries import CarrySampler

        return CarrySampler(spec, device)
    return PairSampler(spec.train_domain, spec.train_lengths, spec.base, device, spec.make_layout().shown)


def distinct_pairs(sampler: PairSampler, spec: RunSpec, device: torch.device) -> Pairs:
    """The first `train_pairs` different pairs that the seed draws, none of them held out.

    Raises:
        InputError: the domain has not so many, or they are too rare.
    """
    wanted, most = spec.train_pairs, sum(spec.base ** (len(sampler.shown) * length) for length in spec.train_lengths)
    if wanted > most:
        raise InputError(f"train_pairs {wanted}: only up to {most} pairs are there at lengths {list(spec.train_lengths)}: ask for fewer")
    noise = Noise(step_key(torch.tensor(spec.seed, device=device), torch.tensor(-1, device=device)))
    found: list[Pairs] = []
    seen: set[tuple[int, ...]] = set()
    for _ in range(DRAWS):
        drawn = sampler.draw(max(wanted, 256), noise)
        drawn = drawn.take((~held_out(drawn, spec.heldout)).nonzero()[:, 0])
        new = []
        for index, row in enumerate(torch.cat((drawn.a_ND, drawn.b_ND), 1).tolist()):
            if tuple(row) not in seen and len(seen) < wanted:
                seen.add(tuple(row))
                new.append(index)
        found.append(drawn.take(torch.tensor(new, dtype=torch.long, device=device)))
        if len(seen) == wanted:
            return Pairs(*(torch.cat(parts) for parts in zip(*((x.a_ND, x.b_ND, x.length_N) for x in found), strict=True)))
    where = f"at lengths {list(spec.train_lengths)}"
    raise InputError(f"train_pairs {wanted}: only {len(seen)} different pairs were found {where}: ask for fewer")
