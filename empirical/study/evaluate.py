"""Counts, per test length, of answers equal to the truth and to the truncated function; greedy decoding where each place counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from empirical.data.lines import Lines, Pairs, PairSampler, held_out, renderer_of
from empirical.network.model import GPT, Cache
from empirical.runs.spec import RunSpec
from empirical.study.scoring import exact_matches
from theory.errors import InputError
from theory.language.layouts import Layout, digits
from theory.language.tasks import Task, digit_count

if TYPE_CHECKING:
    from empirical.runs.store import Run

CHUNK = 500
DRAWS = 64
WATCHED = 200  # pairs per watched length
EVALUATION_SEED = 1_000_000  # test pairs differ from seed to seed, and from every training seed's draws


@torch.inference_mode()
def greedy(model: GPT, lines: Lines) -> Tensor:
    """Tokens (N, T) with every answer token replaced by the model's own, fed back as it goes; keys are cached."""
    token_NT, cache = lines.token_NT.clone(), Cache([])
    step_T = lines.answer_NT.any(0)
    first, length = int(step_T.nonzero()[0]), token_NT.shape[1]
    start = 0
    for t in range(first, length):
        if step_T[t]:
            logits = model(token_NT[:, start:t], torch.tensor([t - 1], device=token_NT.device), cache, lines.at_NT)
            start = t
            token_NT[:, t] = torch.where(lines.answer_NT[:, t], logits[:, 0].argmax(1), token_NT[:, t])
    return token_NT


def draw_test(spec: RunSpec, length: int, count: int, device: torch.device) -> tuple[Pairs, bool]:
    """Test pairs at one length, and whether they are all held out of training.

    At trained lengths only held-out pairs are kept; where the domain is so small that none is, all pairs are. At other lengths pairs are
    new, unless b is not shown, and may be the longer one: then an a that training shows may stand in a longer line.
    """
    sampler = PairSampler(spec.test_domain, (length,), spec.base, device, spec.make_layout().shown)
    if length not in spec.train_lengths:
        return sampler.draw(count), "b" in sampler.shown or spec.test_domain not in ("either", "sampler")
    kept: list[Pairs] = []
    for _ in range(DRAWS):
        pairs = sampler.draw(count)
        kept.append(pairs.take(held_out(pairs, spec.heldout).nonzero()[:, 0]))
        if sum(len(x.length_N) for x in kept) >= count:
            break
    found = Pairs(torch.cat([x.a_ND for x in kept]), torch.cat([x.b_ND for x in kept]), torch.cat([x.length_N for x in kept]))
    if len(found.length_N) == 0:
        return sampler.draw(count), False
    return found.take(torch.arange(min(count, len(found.length_N)), device=device)), True


def evaluate(model: GPT, spec: RunSpec, lengths: Sequence[int], examples: int, seed: int, places: bool = True) -> list[dict[str, Any]]:
    """Per length: `examples`, `truth` and `learned` (exact matches), `truth_digits` (correct at each place of the result).

    `learned` counts agreement with f(a mod B^n, b mod B^n), n the longest trained length; null where that function may need another
    number of tokens (unpadded layouts), or be negative (cut operands may be out of order). Without `places` nothing is decoded, which is
    faster, and `truth_digits` is null.
    """
    device = next(model.parameters()).device
    task, layout = spec.make_task(), spec.make_layout()
    renderer = renderer_of(spec, device)
    cut = None if layout.unpadded or task.needs_order else task.truncated(spec.training.longest)
    out: list[dict[str, Any]] = []
    with torch.random.fork_rng(devices=[]):
        for length in lengths:
            torch.manual_seed(seed * 1_000_003 + length)
            pairs, unseen = draw_test(spec, length, examples, device)
            truth = learned = 0
            per_digit: Tensor | None = None
            for index in torch.arange(len(pairs.length_N), device=device).split(CHUNK):
                chunk = pairs.take(index)
                lines = renderer.lines(chunk)
                targets = [lines] if cut is None else [lines, replace(lines, token_NT=renderer.lines(chunk, cut).token_NT)]
                if not places:
                    hits = [int(right_N.sum()) for right_N in exact_matches(model, targets)]
                else:
                    out_NT = greedy(model, lines)
                    rights = [(out_NT == target.token_NT) | ~lines.answer_NT for target in targets]
                    hits = [int(right_NT.all(1).sum()) for right_NT in rights]
                    if not layout.unpadded:
                        here = rights[0][:, lines.answer_NT[0]].sum(0)
                        per_digit = here if per_digit is None else per_digit + here
                truth, learned = truth + hits[0], learned + hits[-1]
            entry = {
                "length": length,
                "region": spec.training.region(length),
                "examples": len(pairs.length_N),
                "held_out": unseen,
                "truth": truth,
                "learned": learned if cut is not None else None,
                "truth_digits": per_digit.tolist() if per_digit is not None else None,
            }
            out.append(entry)
    return out


def watched(model: GPT, spec: RunSpec) -> dict[str, Any]:
    """The counts at the watched lengths, as an entry of the metrics; the same pairs at every step."""
    if not spec.watched_lengths:
        return {}
    counts = evaluate(model, spec, spec.watched_lengths, WATCHED, spec.seed + EVALUATION_SEED - 1, places=False)
    return {"watched": [{key: entry[key] for key in ("length", "examples", "truth", "learned")} for entry in counts]}


def answer(run: Run, a: int, b: int) -> int | None:
    """The number that a stored network writes for f(a, b); None where its answer is no number (a special token among the digits).

    Numbers are written in the task's base, and read back from it. Unpadded layouts are given the length of the true answer.

    Raises:
        InputError: as `answer_line`.
    """
    tokens, length = answer_line(run, a, b)
    return read_number(run.spec.make_task(), run.spec.make_layout(), a, b, length, tokens)


def answer_line(run: Run, a: int, b: int) -> tuple[list[int], int]:
    """The whole line with the network's answer, as tokens, and the length in digits that it was asked at.

    Raises:
        InputError: an operand does not fit the layout, the line is longer than the network's positions, or the true answer is negative.
    """
    from empirical.runs.store import load_model

    spec, model = run.spec, load_model(run)
    task, layout = spec.make_task(), spec.make_layout()
    if task.needs_order and a < b:
        raise InputError(f"a = {a}, b = {b}: the network was trained on {task.text} for a >= b: give the larger number first")
    size = max(digit_count(a, task.base), digit_count(b, task.base))
    if layout.fixed and size > layout.width:
        raise InputError(f"operand of {size} digits: the network was trained at width {layout.width}")
    a_ND, b_ND = (torch.tensor([digits(value, size, task.base)]) for value in (a, b))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # where positions are drawn
        lines = renderer_of(spec, torch.device("cpu")).lines(Pairs(a_ND, b_ND, torch.tensor([size])))
    return greedy(model, lines)[0].tolist(), size


def read_number(task: Task, layout: Layout, a: int, b: int, length: int, tokens: Sequence[int]) -> int | None:
    """The result that a line of tokens holds; None where a special token stands among its digits."""
    slots = layout.slots(layout.pair_widths(task, a, b, length))
    written = {slot.place: token for slot, token in zip(slots, tokens, strict=False) if slot.kind == "c"}  # short lines are filled up
    if any(token >= task.base for token in written.values()):
        return None
    total = 0
    for place, digit in written.items():
        total += digit * task.base**place
    return total


def evaluate_weights(folder: Path, lengths: Sequence[int], examples: int, seed: int) -> list[dict[str, Any]]:
    """Evaluate the committed weights of a run on fresh random inputs; entries as in `evaluate`, without places."""
    from empirical.process import settle
    from empirical.runs.store import load_model, load_run

    settle()
    run = load_run(folder)
    return evaluate(load_model(run), run.spec, lengths, examples, seed, places=False)
