"""Sparse networks: what they read is told from their weights, and so what they compute on every input of their width.

Let the weights of attention be those of sparsemax, so that most are exactly 0, and the layout padded to a width W, so that every line has
the same positions. Let attention be positional, so that what a query reads from each place depends on the two positions, never on digits;
or let there be one layer, in which a score depends on two tokens and their positions alone, so that all of them can be listed (readers.py).

Reading. The digits on which the answer depends are among those that the queries of the result reach: over the layers, from a token to
itself and to the tokens to which some head can give weight. A token of weight 0 adds 0 * v = 0 to a sum, whatever stands there; and earlier
digits of the result are functions of the operands themselves.

Theorem. Let S be the operand digits that are reached, and g a function of the digits in G. The network answers g on every pair of operands
of up to W digits, decoding greedily, iff it answers g on those pairs that are 0 outside S and G together: by the above both sides are the
same on a pair as on the one that agrees with it there and is 0 elsewhere. That is B^|S u G| lines, which are run.

So a network can be proved to compute the task on operands cut to the trained length, or the task itself where low digits suffice, on every
input that it can be given: theory's prediction, decided instead of sampled. And where S holds no digit above the trained places, every
input is answered as its cut one, rightly or not: that is truncation itself, and takes no line to be run.

Rounding is bounded as in rounding.py and readers.py.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from empirical.data.lines import Pairs, Renderer, line_of_zeros, renderer_of, to_ints
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.study.evaluate import answer, greedy
from empirical.study.states import reached
from theory.errors import InputError
from theory.language.domains import selects
from theory.language.expressions import operands
from theory.language.layouts import Slot
from theory.language.tasks import Task, digit_count
from theory.local.alignment import ROLES
from theory.predictions.predict import Prediction, predict
from verify.certificates.findings import Findings, Progress, WrongInput, finite, leads
from verify.certificates.readers import Cells, Places, Reader
from verify.certificates.rounding import ARITHMETICS

if TYPE_CHECKING:
    from empirical.runs.store import Run

BATCH = 512  # lines at a time
SAMPLE = 20_000  # inputs that are tried where there are too many for a proof
TRIED = 50  # wrong inputs of a batch that are also asked cut

Digit = tuple[str, int]  # of which operand, at which place


@dataclass(frozen=True)
class Reading:
    """A sparse network, the function that theory predicts for it, and the operand digits that either of them looks at.

    `reads` are the tokens that each digit of the result is computed from.
    """

    run: Run
    reader: Reader
    function: Task
    digits: tuple[Digit, ...]
    reads: dict[int, tuple[Slot, ...]]

    def count(self) -> int:
        """Inputs that differ in these digits."""
        return int(self.run.spec.base ** len(self.digits))

    def blocks(self, whole: bool) -> Iterator[Pairs]:
        """All those inputs, or random ones of them."""
        spec, generator = self.run.spec, torch.Generator().manual_seed(0)
        for index_N in torch.arange(self.count() if whole else SAMPLE).split(BATCH):
            found = {kind: torch.zeros(len(index_N), spec.width, dtype=torch.long) for kind in "ab"}
            for number, (kind, place) in enumerate(self.digits):
                if whole:
                    found[kind][:, place] = index_N // spec.base**number % spec.base
                else:
                    found[kind][:, place] = torch.randint(spec.base, index_N.shape, generator=generator)
            yield Pairs(found["a"], found["b"], torch.full((len(index_N),), spec.width))

    @property
    def blind(self) -> bool:
        """Whether no operand digit above the trained places is read: then every input is answered as the one cut to the trained length."""
        cut = self.run.spec.training.longest
        return not any(slot.kind in "ab" and slot.place >= cut for slots in self.reads.values() for slot in slots)

    @property
    def local(self) -> bool:
        """Whether each digit c_i is computed from the roles of a local rule alone: a_i, b_i, a_{i-1}, b_{i-1} and c_{i-1}."""
        return all((slot.kind, place - slot.place) in ROLES for place, slots in self.reads.items() for slot in slots)

    def text(self) -> list[str]:
        """What each digit of the result is computed from."""
        return [f"c_{place} reads {', '.join(map(_name, slots)) or 'nothing'}" for place, slots in sorted(self.reads.items())]


def _name(slot: Slot) -> str:
    return f"{slot.kind}_{slot.place}"


def reading_of(run: Run, model: GPT) -> Reading:
    """What a sparse network reads; the model is turned to float64.

    Raises:
        InputError: lines of its layout differ in their positions, it takes operands in order, keys hold digits in more than one layer,
            some weights are not finite, or theory predicts no function of it.
    """
    spec = run.spec
    name, layout = f"run {spec.digest}", spec.make_layout()
    if selects(spec.test_domain):
        raise InputError(f"{name}: inputs of the domain {spec.test_domain} alone are not enumerated: certify runs on any pairs of operands")
    if not layout.fixed:
        raise InputError(f"{name}: lines of the {layout.name} layout differ in length: certify sparse networks of a padded or aligned one")
    if spec.make_encoding().keyed and spec.layers > 1:
        raise InputError(f"{name}: its keys hold digits, in {spec.layers} layers: of such networks those of one layer are certified")
    if not all(bool(weight.isfinite().all()) for weight in model.parameters()):
        raise InputError(f"{name}: some weights are no finite numbers: train again")
    function, needed = predicted_function(spec)
    slots = layout.slots(layout.widths(spec.make_task(), spec.width))
    reader = _reader(spec, model, slots[:-1])  # nothing is asked of the last token
    reach_TT = reached(reader.reads)
    reads = {
        slot.place: tuple(slots[t] for t in reach_TT[index - 1].nonzero()[:, 0].tolist() if slots[t].kind in "abc")
        for index, slot in enumerate(slots)
        if slot.kind == "c"
    }
    digits = {(slot.kind, slot.place) for found in reads.values() for slot in found if slot.kind in "ab"}
    return Reading(run, reader, function, tuple(sorted(digits | needed)), reads)


def _reader(spec: RunSpec, model: GPT, slots: tuple[Slot, ...]) -> Reader:
    if not spec.make_encoding().keyed:
        return Places(model, len(slots))
    marks = line_of_zeros(spec).token_NT[0].tolist()
    can = {"a": range(spec.base), "b": range(spec.base), "c": range(len(model.tokens.weight))}  # a wrong answer may hold any token
    return Cells(model, [can.get(slot.kind, [mark]) for slot, mark in zip(slots, marks, strict=False)])


def predicted_function(spec: RunSpec) -> tuple[Task, set[Digit]]:
    """The function that theory predicts for longer operands, and the digits on which it depends.

    Raises:
        InputError: it predicts none.
    """
    task, longer = spec.make_task(), spec.training.longest + 1
    found: Prediction | None = None
    if longer <= spec.width:
        found = predict(task, spec.make_encoding(), spec.make_layout(), spec.training, (longer,), spec.test_domain)
    kinds = "ab"[: operands(task.expression)]
    if found is not None and found.outcome.upward == "exact":
        return task, {(kind, place) for kind in kinds for place in range(found.low_support.digits or 0)}
    if found is not None and found.outcome.upward == "truncation":
        cut = spec.training.longest
        return replace(task, expression=task.truncated(cut)), {(kind, place) for kind in kinds for place in range(cut)}
    raise InputError(f"run {spec.digest}: theory predicts no function of longer operands for it, which a certificate could be about")


def examine_lines(
    reading: Reading, limit: int, stored: GPT, progress: Progress
) -> tuple[Findings, WrongInput | None, tuple[int, int] | None]:
    """Run all inputs that differ in a digit that is looked at, in float64 with error bounds and in float32.

    Returns:
        The findings, the least input with a wrong answer, and an input whose answer is not that to its cut operands.

    Of more than `limit` inputs (at least SAMPLE) random ones are tried: that can refute, and proves nothing.
    """
    spec, reader, total = reading.run.spec, reading.reader, reading.count()
    whole = total <= max(limit, SAMPLE)
    renderer, digest = renderer_of(spec, torch.device("cpu")), hashlib.sha256()
    margin, deviation, done, failing, unsure, faithful, least = math.inf, 0.0, 0, 0, 0, True, spec.width + 1
    bound_A = torch.zeros(len(ARITHMETICS), dtype=torch.float64)
    proved = dict.fromkeys(("exact", *ARITHMETICS), whole)
    worst: tuple[int, int, int] | None = None
    uncut: tuple[int, int] | None = None
    for pairs in reading.blocks(whole):
        lines = renderer.lines(pairs, reading.function.expression)
        token_NT, query_Q = lines.token_NT, lines.asked_Q - 1
        truth_NQ = token_NT[:, lines.asked_Q]
        digest.update(token_NT.to(torch.int16).numpy().tobytes())
        scores = reader.scores(token_NT[:, :-1], query_Q)
        with torch.inference_mode():
            narrow = stored(token_NT[:, :-1], query_Q).flatten(0, 1).double()
        truth = truth_NQ.flatten()
        lead, error_A = leads(scores.logits, truth), scores.lead_error(truth)
        for name, moved in zip(proved, (error_A[0], 2 * error_A[0], error_A.sum(0)), strict=True):
            proved[name] &= bool((lead > moved).all())
        faithful &= bool(((narrow - scores.logits).abs() <= scores.error().sum(0)).all())
        deviation, margin = max(deviation, float((narrow - scores.logits).abs().max())), min(margin, float(lead.min()))
        bound_A = torch.maximum(bound_A, error_A.amax((1, 2)))
        sure_N = (lead > 2 * error_A[0]).all(1).view(truth_NQ.shape).all(1)
        refuted_N = (lead < -2 * error_A[0]).any(1).view(truth_NQ.shape).any(1)
        wrong_N = (narrow.argmax(1) != truth).view(truth_NQ.shape).any(1)
        numbers = [tuple(to_ints(x[~sure_N], spec.base)) for x in (pairs.a_ND, pairs.b_ND)]
        least = min([least, *(_size(spec, a, b) for a, b in zip(*numbers, strict=True))])
        failing += int(wrong_N.sum())
        unsure += int((~torch.where(wrong_N, refuted_N, sure_N)).sum())
        for a, b in zip(*(to_ints(x[wrong_N], spec.base) for x in (pairs.a_ND, pairs.b_ND)), strict=True):
            worst = min(worst or (spec.width + 1, 0, 0), (_size(spec, a, b), a, b))
        if uncut is None and not reading.blind:
            uncut = _uncut(spec, stored, renderer, pairs.take(wrong_N.nonzero()[:TRIED, 0]))
        done += len(token_NT)
        progress(done, total if whole else SAMPLE)
    faithful &= math.isfinite(float(bound_A[-1])) or 2 * deviation < margin or failing > 0  # of an unbounded float32, what was seen
    faithful &= _overlooks(reading, stored, renderer)
    findings = Findings(
        contexts=done,
        contexts_sha256=digest.hexdigest(),
        failing=failing,
        failures=(),
        margin=finite(margin),
        rounding={name: finite(float(value)) for name, value in zip(ARITHMETICS, bound_A, strict=True)},
        proved=tuple(name for name, good in proved.items() if good and faithful),
        deviation=finite(deviation),
        faithful=faithful,
        open=(least if least <= spec.width else None) if whole else 1,
        total=None if whole else total,
        unsure=unsure,
    )
    return findings, None if worst is None else _asked(reading, *worst), uncut


@torch.inference_mode()
def _overlooks(reading: Reading, stored: GPT, renderer: Renderer) -> bool:
    """Whether digits that are not read change no bit of the logits, on random lines: else some number has overflowed."""
    spec, generator = reading.run.spec, torch.Generator().manual_seed(1)
    drawn = {kind: torch.randint(spec.base, (BATCH, spec.width), generator=generator) for kind in "ab"}
    kept = {kind: torch.zeros_like(drawn_ND) for kind, drawn_ND in drawn.items()}
    for kind, place in reading.digits:
        kept[kind][:, place] = drawn[kind][:, place]
    whole, bare = (renderer.lines(Pairs(x["a"], x["b"], torch.full((BATCH,), spec.width))) for x in (drawn, kept))
    token_NT = torch.where(bare.answer_NT, bare.token_NT, whole.token_NT)[:, :-1]
    return torch.equal(stored(token_NT, bare.asked_Q - 1), stored(bare.token_NT[:, :-1], bare.asked_Q - 1))


@torch.inference_mode()
def _uncut(spec: RunSpec, stored: GPT, renderer: Renderer, pairs: Pairs) -> tuple[int, int] | None:
    """One of these pairs that the network answers otherwise than cut to the trained length."""
    if len(pairs.length_N) == 0:
        return None
    place_D = torch.arange(spec.width)
    a_ND, b_ND = (x.where(place_D < spec.training.longest, 0) for x in (pairs.a_ND, pairs.b_ND))
    cut = Pairs(a_ND, b_ND, pairs.length_N)
    lines = renderer.lines(pairs)
    whole_NT, short_NT = (greedy(stored, renderer.lines(one))[:, lines.asked_Q] for one in (pairs, cut))
    for index in (whole_NT != short_NT).any(1).nonzero()[:1, 0]:
        a, b = (to_ints(x[index, None], spec.base)[0] for x in (pairs.a_ND, pairs.b_ND))
        return a, b
    return None


def _size(spec: RunSpec, a: int, b: int) -> int:
    return max(digit_count(a, spec.base), digit_count(b, spec.base))


def _asked(reading: Reading, size: int, a: int, b: int) -> WrongInput | None:
    """As the stored network itself answers it, greedily."""
    given, truth = answer(reading.run, a, b), reading.function(a, b)
    return None if given == truth else WrongInput(size, a, b, truth, given)
