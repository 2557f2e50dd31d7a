"""Certificates: a trained network proved right at every length, or on every line of its width.

Locality. Let a network have L causal attention layers whose scores depend on the vectors and on how far back a key stands, and which see
certain offsets only: a window 0 .. r, or a band S with 0 in S (theory.local.bands); every other key has the score -inf. Then the logits at
a query are a function of the tokens at sums of L offsets, and of nothing else: for a window, of the last L r + 1 tokens. Proof, by
induction on the layer: the embedding of a token depends on that token alone. If the vectors of layer l at position p depend on tokens at p
minus sums of l offsets, then layer l + 1 at p reads layer l at p minus one offset more, with weights that depend on these vectors and on
offsets; a key out of sight has the weight exp(-inf) = 0 exactly, and everything outside attention works on one position. Positions enter
through offsets alone, so the function is the same at every place of every line: the context may be evaluated as a line of its own, whatever
stands in its gaps.

Theorem. Let a finite machine compute the task digit by digit (theory.automata.transducers), and let the layout be interleaved or unary
under a window, or aligned, of width W, under a band. The network is right on every pair of operands of every length (band: of up to k <= W
digits), decoding greedily, iff on every context that such operands reach (theory.local.windows, theory.local.bands: from the machine alone,
the lines' ends included) its argmax is the true digit. Proof: if so, by induction on the digit index t, c_0 .. c_{t-1} as written are true,
so the context of c_t is a reachable one, and c_t is true. Conversely a reachable context is reached by some line, and a wrong answer there
is a wrong result, or an earlier digit is wrong already.

A network that is asked of ordered operands alone (a >= b) is certified on the contexts that these reach. Of a - b the machine is that of
borrows; it is right where no borrow is left at the end, and least significant first any digits begin such a pair.

What is proved for the weights as stored: every reachable context is evaluated in float64, and the true digit leads each other token by
more than rounding can have moved the lead (see rounding.py). Then the exact network is right. It leads by more than twice that, so any
evaluation in float64 is right too: batched, cached, or within a line of any length. Where the lead exceeds the bounds of float64 and
float32 together, the same holds in float32. In any case the stored network itself is run in float32 on every context.

Where this ends. Contexts grow by B^2 with each whole digit group in view, whether one layer sees it or several together: a receptive field
of 8 tokens shows two groups and the query's own, which is 12 million contexts for 12a in base 10, and one group more is a hundred times
that. Where the task reads a alone and the layout shows no b they grow by B: 12 thousand, and 1.2 million for 123a. They are counted before
anything is listed, and streamed: time is the limit, not memory. A band shows one group and the query's own; a second layer also shows
a_{i+1}, which helps no sum and takes B times the contexts. Machines of very many states stop earlier, where a hidden past leaves too many
situations open.

Widest family. The proof uses three things: (1) attention sees, from each query, keys of finitely many codes, each code held by a bounded
number of tokens; (2) these codes are what scores depend on, the same at every place (the digit shift lifts, theory.local.alignment); (3)
what is seen of a finite machine's run fixes its next digit. Any network with these is certified alike, with any number of heads, layers and
any position-wise part; windows and bands are the two that this package trains. Multiplication and digit sums fail (3), most layouts (2).

Coupled positions. Let a digit and its counterparts share an id, and scores depend on the difference of ids (shift-invariant). Masked to
the ids i and i - 1 at the query of c_i, (1) and (2) hold in every order and at every width, and certificates carry over, for what the
multisets {a_i, b_i} and {a_{i-1}, b_{i-1}, c_{i-1}} fix: a_i and b_i share a code, so a + b, and not 2a + b. Unmasked, as published, no
certificate for all lengths exists, of any network whose scores are bounded (codes clipped, or biases bounded):

- The logits depend on every earlier token, so no finite set of contexts decides them.
- Leads vanish. Let two lines differ in the token at position j alone. Then the logits at a later position differ by at most K / j, with K
  of the weights alone. Proof, by induction on the layer, for the vectors at all positions p > j: with |score| <= S a key has at most the
  weight e^(2S) / (p + 1) among p + 1 keys, so the changed token, whose vectors are bounded by layer normalisation, moves an attention
  output by O(1/j); the others have moved by O(1/j) themselves and act through an average; layer normalisation (eps > 0), GELU and matrices
  are Lipschitz there. Now change a_i from 0 to 1 where that changes c_i and no earlier digit. At the query of c_i, t leads t' in one line
  by l, and t' leads t in the other by l', so l + l' is at most the sum of two moved logits: one lead is at most K / j. Long lines have
  such an a_i at any j, in every layout, so the smallest lead over all lengths is 0, below what rounding can move.

Scores that fall without bound with the distance (ALiBi) lie between: far keys weigh a geometric tail, which a margin could exceed. That
is not done here. Positions learned for each id are not shift-invariant: they end with the longest id.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from theory.automata.machines import TooLarge
from theory.automata.transducers import Transducer
from theory.errors import InputError
from theory.language.domains import short_operand
from theory.language.layouts import Layout
from theory.language.tasks import Task, digit_count
from theory.local.bands import BandContexts, reach, up_to
from theory.local.contexts import Block
from theory.local.inputs import Pair, all_inputs, local_machine
from theory.local.windows import Contexts, smallest_window
from verify.certificates.findings import Failure, Findings, Progress, WrongInput, finite, leads

if TYPE_CHECKING:
    from torch import Tensor

    from empirical.network.model import GPT
    from empirical.runs.store import Run

LIMIT = 20_000_000  # contexts
FAR = 2_000_000_000  # contexts that no limit should allow: some thousands are evaluated in a second
BATCH = 4096  # contexts at a time, at most
TOKENS = 2**18  # tokens of lines at a time, about
KEPT = 1000  # failing contexts that are kept, those of the shortest inputs
TRIED = 200  # of them, those of the shortest operands, from which inputs are made
LINE = 20  # contexts that a whole line of a sparse network counts for


@dataclass(frozen=True)
class Certificate:
    """The verdict on one network; `certified` at every length (bands and sparse networks: up to the width), or why not.

    `function` is what it is certified for: the task, or of a sparse network what theory predicts. `reads` says of such a network what
    each digit of the result is computed from, `local` whether these are the roles of a local rule, `blind` whether no operand digit above
    the trained places is among them, and `truncates` whether it answers every input as the one cut to the trained length: told from what
    it reads, from its answers where they are proved, or refuted by the input `uncut`.
    """

    run: Run
    receptive_field: int
    smallest_window: int | None
    findings: Findings
    wrong: WrongInput | None
    function: Task
    reads: tuple[str, ...] = ()
    local: bool | None = None
    blind: bool = False
    truncates: bool | None = None
    uncut: tuple[int, int] | None = None

    @property
    def digits(self) -> int | None:
        """Up to how many digits the network is proved right on all operands; null for windows, which are proved at every length."""
        if self.run.spec.window is not None:
            return None
        found = self.findings
        return 0 if not found.faithful else self.run.spec.width if found.open is None else found.open - 1

    @property
    def share(self) -> Fraction | None:
        """On which share of operands of any one length beyond the trained ones a sparse network computes `function`; null where unknown.

        Where it reads no digit above the trained places, its answer depends on lower ones alone. In each domain but operands in order,
        which no sparse network is certified for, these are uniform and independent in longer operands. So the share is that of the inputs
        that were run, whatever the length. It is unknown where rounding leaves one of them open.
        """
        found = self.findings
        known = self.truncates and found.total is None and not found.unsure
        return 1 - Fraction(found.failing, found.contexts) if known else None

    @property
    def verdict(self) -> str:
        """`certified` on every input that fits, `refuted` by one, or `undecided`: a lead within rounding, arithmetic beyond its bounds."""
        if self.wrong is not None:
            return "refuted"
        return "certified" if "float64" in self.findings.proved and not self.findings.failing else "undecided"


def certify(run: Run, limit: int = LIMIT, progress: Progress = lambda done, total: None) -> Certificate:
    """Decide whether a network is right at every length; of a banded or a sparse one, up to how many digits.

    Raises:
        InputError: it has no hard window or band and is not sparse, its layout is not local, its task has no finite machine, its weights do
            not fit its specification, or there are more than `limit` contexts.
    """
    if run.spec.sparse:
        return _certify_sparse(run, limit, progress)
    machine, contexts = machine_of(run), contexts_of(run)
    name, field = f"run {run.spec.digest}", contexts.visible
    try:
        count = contexts.count()
        needed = smallest_window(machine, run.spec.make_layout().shown) if run.spec.window is not None else None
    except TooLarge as reason:
        raise InputError(f"{name}: {reason}: train with a smaller window, base or coefficients") from None
    if count > limit:
        why = f"{count} contexts of up to {field} tokens, more than the limit of {limit}"
        idle = run.spec.layout == "interleaved" and Layout("unary", 1).shows(run.spec.make_task())
        fewer = "show a alone, with --layout unary" if idle else "take a smaller base"
        remedy = "allow more with --limit" if count < FAR else f"which would take days and more: {fewer}"
        raise InputError(f"{name}: {why}: {remedy}, or train with a smaller window")
    stored, wide = stored_model(run), stored_model(run)
    findings = examine(contexts, count, stored, wide, progress)
    return Certificate(run, field, needed, findings, _wrong_input(run, machine, contexts, findings.failures), run.spec.make_task())


def _certify_sparse(run: Run, limit: int, progress: Progress) -> Certificate:
    from verify.certificates.sparse import examine_lines, reading_of

    reading = reading_of(run, stored_model(run))
    findings, wrong, uncut = examine_lines(reading, max(1, limit // LINE), stored_model(run), progress)
    found = Certificate(run, max(map(len, reading.reads.values())), None, findings, wrong, reading.function, tuple(reading.text()))
    cut = reading.blind or found.verdict == "certified"  # what theory predicts is the same on cut operands
    truncates = None if not findings.faithful else True if cut else None if uncut is None else False
    return replace(found, local=reading.local if findings.faithful else None, blind=reading.blind, truncates=truncates, uncut=uncut)


def stored_model(run: Run) -> GPT:
    """The network of a run.

    Raises:
        InputError: its weights are left out of the store, or not those of its specification.
    """
    from empirical.runs.store import load_model

    try:
        return load_model(run)
    except InputError:  # left out of the store
        raise
    except (RuntimeError, ValueError, OSError) as error:
        problem = " ".join(str(error).split())[:120]
        raise InputError(f"{run.folder / 'weights.safetensors'}: not the weights of this specification ({problem}): train again") from None


def effort(run: Run) -> int | None:
    """How many contexts a proof takes; None of a sparse network whose weights are left out of the store, as they say what it reads."""
    if not run.spec.sparse:
        return contexts_of(run).count()
    from verify.certificates.sparse import reading_of

    return None if run.trimmed else LINE * reading_of(run, stored_model(run)).count()


def function_of(run: Run) -> Task:
    """What a certificate is about: the task, or of a sparse network what theory predicts that it computes.

    Raises:
        InputError: it predicts no function.
    """
    if not run.spec.sparse:
        return run.spec.make_task()
    from verify.certificates.sparse import predicted_function

    return predicted_function(run.spec)[0]


def contexts_of(run: Run) -> Contexts | BandContexts:
    """The reachable contexts of a run's receptive field.

    Raises:
        InputError: as in `machine_of`.
    """
    machine, spec = machine_of(run), run.spec
    field, offsets = spec.make_encoding().receptive_field, spec.offsets
    if field is not None:
        return Contexts(all_inputs(machine, spec.test_domain, spec.make_layout().shown), field)
    assert offsets is not None
    if spec.test_domain == "ordered":
        raise InputError(f"run {spec.digest}: operands in order under a band are not enumerated: certify runs with --pe window")
    return BandContexts(spec.make_task(), machine, spec.make_layout(), reach(offsets, spec.layers), up_to(spec.width))


def machine_of(run: Run) -> Transducer:
    """The machine of a run's task, in the direction of its layout.

    Raises:
        InputError: the theorem does not speak of such a run.
    """
    spec = run.spec
    name = f"run {spec.digest}"
    if spec.offsets is None or spec.mechanism != "bias":
        raise InputError(f"{name}: its encoding {spec.encoding} has no hard window or band: certify runs with --pe window, band or sparse")
    if spec.window is not None and not spec.make_layout().interleaved:
        raise InputError(f"{name}: its layout {spec.layout} keeps no fixed number of digit groups in view: certify interleaved runs")
    if short_operand(spec.test_domain) is not None:
        raise InputError(f"{name}: inputs of the domain {spec.test_domain} alone are not enumerated: certify runs on any pairs of operands")
    task = spec.make_task()
    machine = local_machine(task, spec.direction)
    if machine is None:
        why = f"no finite machine that begins at the {spec.direction} is known for {task.text}"
        raise InputError(f"{name}: {why}: certify sums, quotients with --direction msd, or a task given by its machine")
    return machine


def examine(contexts: Contexts | BandContexts, count: int, stored: GPT, wide: GPT, progress: Progress) -> Findings:
    """Evaluate all contexts, in float64 with error bounds and by the stored network in float32; `wide` is turned to float64."""
    import numpy as np
    import torch

    from verify.certificates.rounding import ARITHMETICS, Analysis

    analysis, digest = Analysis(wide), hashlib.sha256()
    margin, deviation, done, failing, faithful = math.inf, 0.0, 0, 0, True
    bound_A = torch.zeros(len(ARITHMETICS), dtype=torch.float64)
    proved = dict.fromkeys(("exact", *ARITHMETICS), True)
    failures: list[Failure] = []
    least: float = math.inf
    tokens = max(kind.offsets[0] + 1 for kind in contexts.kinds)
    for block in contexts.blocks(max(256, min(BATCH // (contexts.visible if len(wide.blocks) > 1 else 1), TOKENS // tokens))):
        digest.update(np.column_stack((block.tokens, block.answer)).astype("<i2").tobytes())
        token_NT, truth_N = torch.from_numpy(block.tokens).long(), torch.from_numpy(block.answer)
        scores = analysis.scores(token_NT, block.kind.offsets)
        with torch.inference_mode():
            narrow_NV = stored(_line(token_NT, block.kind.offsets), torch.tensor([block.kind.offsets[0]]))[:, 0].double()
        lead_NV, error_ANV = leads(scores.logits, truth_N), scores.lead_error(truth_N.clamp(min=0))
        for name, moved_NV in zip(proved, (error_ANV[0], 2 * error_ANV[0], error_ANV.sum(0)), strict=True):
            proved[name] &= bool((lead_NV > moved_NV).all())
        open_N = ~(lead_NV > 2 * error_ANV[0]).all(1).numpy()
        least = min([least, *(size for end in set(block.end[open_N].tolist()) for _, size in block.kind.ends[end])])
        apart_NV = (narrow_NV - scores.logits).abs()
        faithful &= bool((apart_NV <= scores.error().sum(0)).all())
        deviation, margin = max(deviation, float(apart_NV.max())), min(margin, float(lead_NV.where(~lead_NV.isnan(), math.inf).min()))
        bound_A = torch.maximum(bound_A, error_ANV.amax((1, 2)))
        given_N = scores.logits.argmax(1)
        wrong_N = (given_N != truth_N).nonzero()[:, 0]
        if len(wrong_N):
            failing += len(wrong_N)
            found = [_failure(contexts, block, int(i), int(given_N[i])) for i in wrong_N]
            failures = heapq.nsmallest(KEPT, [*failures, *found], key=lambda failure: failure.groups)
        done += len(truth_N)
        progress(done, count)
    return Findings(
        contexts=done,
        contexts_sha256=digest.hexdigest(),
        failing=failing,
        failures=tuple(failures),
        margin=finite(margin),
        rounding={name: finite(float(value)) for name, value in zip(ARITHMETICS, bound_A, strict=True)},
        proved=tuple(name for name, good in proved.items() if good and faithful),
        deviation=finite(deviation),
        faithful=faithful,
        open=int(least) if math.isfinite(least) else None,
    )


def _line(token_NT: Tensor, offsets: Sequence[int]) -> Tensor:
    """Lines that show these tokens so far before their end; what stands in the gaps is not seen, here the digit 0."""
    line_NS = token_NT.new_zeros(len(token_NT), offsets[0] + 1)
    line_NS[:, [offsets[0] - offset for offset in offsets]] = token_NT
    return line_NS


def _failure(contexts: Contexts | BandContexts, block: Block, i: int, given: int) -> Failure:
    groups = contexts.groups_before(block.kind, int(block.end[i]), given)
    assert groups is not None
    return Failure(tuple(block.tokens[i].tolist()), given, int(block.answer[i]), groups)


def _wrong_input(run: Run, machine: Transducer, contexts: Contexts | BandContexts, failures: Sequence[Failure]) -> WrongInput | None:
    """The shortest operands that the failing contexts imply, as the stored network itself answers them."""
    from empirical.study.evaluate import answer

    task = run.spec.make_task()
    windowed = run.spec.window is not None
    ordered = run.spec.test_domain == "ordered"
    shown = run.spec.make_layout().shown
    shortest = sorted(failures, key=lambda one: _least_digits(one, machine, shown, ordered) if windowed else one.groups)[:TRIED]
    if isinstance(contexts, Contexts) and ordered:  # some pasts leave a < b, which takes a further digit
        implied = {min(ordered_operands(task, machine, past) for past in contexts.histories(one.tokens, one.given)) for one in shortest}
    else:
        implied = {operands(task, machine, contexts.history(one.tokens, one.given)) for one in shortest}
    for digits, a, b in sorted(implied)[:TRIED]:
        given, truth = answer(run, a, b), task(a, b)
        if given != truth:
            return WrongInput(digits, a, b, truth, given)
    return None


def _least_digits(failure: Failure, machine: Transducer, shown: str, ordered: bool) -> int:
    """What the operands of such a line have at least; groups of zeros at the end of the line may stand beyond them."""
    digits, tokens, size = failure.groups + 1, failure.tokens, len(shown)
    if ordered and machine.direction == "lsd" and shown == "ab" and tokens[-2] < tokens[-1]:  # a < b so far
        return digits + 1
    while machine.direction == "lsd" and digits > 1 and len(tokens) >= size and not any(tokens[-size:]):
        digits, tokens = digits - 1, tokens[: -size - 1]
    return digits


def operands(task: Task, machine: Transducer, pairs: Sequence[Pair]) -> tuple[int, int, int]:
    """The shortest (length, a, b) whose line begins with these digit pairs, as the machine reads them."""
    a, b = (_number(column if machine.direction == "lsd" else column[::-1], task.base) for column in zip(*pairs, strict=True))
    if machine.direction == "msd":
        return len(pairs), a, b
    length = max(digit_count(a, task.base), digit_count(b, task.base))
    if max(length, task.result_width(length)) >= len(pairs):
        return length, a, b
    return len(pairs) + 1, a + task.base ** len(pairs), b  # zeros at the end: only a longer operand makes the line long enough


def ordered_operands(task: Task, machine: Transducer, pairs: Sequence[Pair]) -> tuple[int, int, int]:
    """The same with a >= b: where the pairs leave a < b, a has one digit more. Most significant first they never do."""
    length, a, b = operands(task, machine, pairs)
    return (length, a, b) if a >= b else (len(pairs) + 1, a + task.base ** len(pairs), b)


def _number(digits: Sequence[int], base: int) -> int:
    return sum(digit * base**i for i, digit in enumerate(digits))
