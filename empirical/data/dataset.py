"""Data sets in the papers' line format: one question with its answer a line, from the samplers that training uses.

The papers write `a+b=c;`, operands zero-padded with the most significant digit first, the result least significant first (`007+058=5600;`).
Other layouts are written in the order in which they are trained, and end in the same way; digits above 9 are letters.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from empirical.data.lines import Pairs, PairSampler, Renderer, held_out
from empirical.data.noise import Noise, step_key
from theory.errors import InputError
from theory.language.domains import Training, check_signs
from theory.language.layouts import SPECIALS, Layout, sign
from theory.language.tasks import Task

CHUNK = 10_000
PARTS = ("train", "test", "all")
MAX_BASE = 36
PATIENCE = 20  # chunks without a new line


@dataclass(frozen=True)
class DataSet:
    """What is written: `part` is `train` (pairs that training may see), `test` (the pairs held out of it) or `all`."""

    task: Task
    layout: Layout
    domain: Training
    count: int
    part: str = "train"
    heldout: int = 16
    distinct: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise InputError(f"unknown part {self.part!r}: choose from {', '.join(PARTS)}")
        if self.task.base > MAX_BASE:
            raise InputError(f"base {self.task.base}: lines are written in bases up to {MAX_BASE}")
        if self.count < 1:
            raise InputError(f"count {self.count}: must be at least 1")
        if self.heldout < 2:
            raise InputError(f"heldout {self.heldout}: at least 2 (half of the pairs held out)")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed {self.seed}: must lie in [0, 2^31)")
        longest = self.domain.longest
        if self.layout.fixed and self.layout.width < longest:
            raise InputError(f"width {self.layout.width} is below the longest operand ({longest} digits): use --width {longest}")
        check_signs(self.task, {"--domain": self.domain.domain})
        self.layout.widths(self.task, longest)


def write_dataset(data: DataSet, path: Path, report: Callable[[int], None] = lambda done: None) -> None:
    """Write the lines to a new file, a chunk at a time; equal data sets give equal files.

    Raises:
        InputError: the file exists or cannot be written, or there are not so many (distinct) pairs.
    """
    if path.exists():
        raise InputError(f"{path}: exists: give another name, or move it away")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="ascii") as file:
            done = 0
            for lines in chunks(data):
                file.writelines(lines)
                done += len(lines)
                report(done)
        os.link(part, path)  # unlike a rename, never over a file that appeared meanwhile
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def chunks(data: DataSet) -> Iterator[list[str]]:
    """The lines, some thousands at a time; every chunk is a function of the seed and its number."""
    device = torch.device("cpu")
    sampler = PairSampler(data.domain.domain, data.domain.lengths, data.task.base, device, data.layout.shown)
    renderer = Renderer(data.task, data.layout, device, lengths=data.domain.lengths, domain=data.domain.domain)
    seen: set[str] = set()
    left, idle, number = data.count, 0, 0
    while left:
        pairs = sampler.draw(CHUNK, Noise(step_key(torch.tensor(data.seed), torch.tensor(number))))
        if data.part != "all":
            pairs = pairs.take((held_out(pairs, data.heldout) == (data.part == "test")).nonzero()[:, 0])
        lines = _text(data, renderer, pairs)
        if data.distinct:
            lines = [line for line in dict.fromkeys(lines) if line not in seen]
            seen.update(lines[:left])
        number, idle = number + 1, 0 if lines else idle + 1
        if idle == PATIENCE:
            kind = "distinct pairs" if data.distinct else "pairs"
            raise InputError(f"count {data.count}: only {data.count - left} {kind} were found: ask for fewer, or for longer operands")
        yield lines[:left]
        left -= len(lines[:left])


def symbols(task: Task) -> list[str]:
    """What people read for each token, as `theory.language.layouts.render` writes it: digits above 9 as letters, above z in brackets."""
    special = {"bos": "^", "eos": ";", "eq": "=", "op": sign(task)}
    digit = ["0123456789abcdefghijklmnopqrstuvwxyz"[value] if value < 36 else f"[{value}]" for value in range(task.base)]
    return [*digit, *(special[name] for name in SPECIALS)]


def _text(data: DataSet, renderer: Renderer, pairs: Pairs) -> list[str]:
    if not len(pairs.length_N):
        return []
    shown = symbols(data.task)
    lines = ("".join([shown[token] for token in row]) for row in renderer.lines(pairs).token_NT.tolist())
    return [line.removeprefix("^").partition(";")[0] + ";\n" for line in lines]  # a shorter line is filled up with end marks
