"""The decision order: which rule says what a network will do on longer operands, and the facts that make it apply."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import log

from theory.automata.machines import TooLarge
from theory.errors import InputError
from theory.exact.accuracy import MAX_WORK, truncation_accuracy, work
from theory.language.domains import Training, selects, short_operand, shows
from theory.language.encodings import Encoding
from theory.language.expressions import bounds, operands
from theory.language.layouts import Layout
from theory.language.tasks import Task
from theory.local.alignment import ROLES, digit_codes, keeps_codes, shift_lifts, training_support
from theory.local.bands import band, coverage, reach
from theory.local.guessing import guess_bounds
from theory.local.inputs import local_machine
from theory.local.majority import majority_of
from theory.local.windows import needed_window
from theory.predictions.facts import Facts
from theory.predictions.rulebook import DECAYING, DRAWN, EARLY, FAILING, HELD, LEFT, MARKED, ONCE, PRICED, RESTING, UNORDERED, Applied
from theory.proofs.properties import Property
from theory.words import counted

FEW = 3  # trained places up to which tasks of a and b were hardly ever cut on 95 % before EARLY steps; of four and five some were
PAIRED = 2  # trained places up to which one layer of positional attention cut tasks of a and b; of three none of five groups did
QUICK = 30_000  # situations to follow for a prediction while the user waits


def decide(task: Task, encoding: Encoding, layout: Layout, training: Training, domain: str, steps: int | None = None) -> Applied:
    """The first rule of the decision order that applies.

    Only the first longer length is looked at, so no outcome depends on how far one asks. Softmax takes weight off a digit for good only in
    the limit: where digits in keys, or a second layer, make much of that, `steps` of training decide what is said; null stands for as many
    as it takes.
    """
    if not shows(training.domain, domain):
        sorts = {"ordered": "with a >= b", "both": "of full length"}
        sort = sorts.get(training.domain) or f"with a b of at most {counted(short_operand(training.domain) or 0, 'digit')}"
        return Applied("pairs unseen", (f"training shows operands {sort} alone, and no rule says what is done with others",))
    return next(_applicable(task, encoding, layout, training, domain, steps))


def _applicable(task: Task, encoding: Encoding, layout: Layout, training: Training, domain: str, steps: int | None) -> Iterator[Applied]:
    n, family, facts = training.longest, encoding.family, Facts(task, training.domain)
    invariance, support = facts.invariance, facts.support
    held = facts.held if facts.held is not None and facts.held.digits <= n else None  # else training does not show all of its digits
    in_order = training.domain == "ordered" and operands(task.expression) == 2  # of a alone no order can be lost
    longer = min(n + 1, layout.width) if layout.fixed else n + 1
    causal = facts.causal(layout)
    constant = support.digits == 0 or _constant(task, longer)
    same = f"the result is the same for all operands of up to {longer} digits, so no digit is read that could be diluted or unseen"
    if causal.value is False and not constant:  # else the witness needs operands that are longer still
        carried = shift_lifts(encoding, layout, task, (*training.lengths, longer), training.domain).value is True
        yield _not_causal(task, layout, training, causal, carried)
    if family == "window":
        seen_by = _window(facts, encoding, layout, training)
        yield Applied("window undecided", (same,)) if constant and seen_by.rule.outcome != "exact" else seen_by
    if family == "banded":
        seen_by = _band(facts, encoding, layout, training)
        yield Applied("band undecided", (same,)) if constant and seen_by.rule.outcome != "exact" else seen_by
    if family == "none":
        yield Applied("no positions", ("without position encoding the digit roles share one code; no rule decides what is learned",))
    seen = training_support(encoding, layout, task, training)
    low_first = facts.causal(Layout("interleaved", 1)).value is True  # then c_i needs digits up to place i only
    codes = digit_codes(encoding, layout, task, longer, range(longer), low_first, domain)
    new = seen.of(code for (_, slot), code in codes.items() if slot.place >= n)
    unseen = "unseen" in seen.of(codes.values())
    named = family != "randomised" or support.digits == 0  # the order alone does not tell low digits from others
    if support.value and support.digits is not None and support.digits <= n and named:
        low = range(support.digits)
        short = short_operand(training.domain)
        needed = digit_codes(encoding, layout, task, longer, low, domain=domain).items()
        kinds = seen.of(code for (_, slot), code in needed if slot.kind == "a" or short is None or slot.place < short)
        if kinds <= {"nonzero"} and not unseen and keeps_codes(encoding, layout, task, training, longer, low, domain):
            why = f"the result depends on the low {support.digits} digits of each operand only"
            if in_order and support.digits == n:
                yield Applied("cut out of order", (why, f"but those of longer operands need not be in order: {UNORDERED}"))
            shown = why, "training shows all of these digits at the codes they have in longer inputs"
            if support.digits and encoding.keyed and encoding.sparse:
                yield Applied("low digits suffice, keyed sparse", (*shown, LEFT))
            if support.digits and encoding.keyed and encoding.priced:
                yield _priced("low digits suffice, priced", steps, shown)
            if support.digits and encoding.keyed and steps is not None:
                full = "" if not layout.fixed or layout.width > n + 1 else "nothing longer fits, so that no decay could be seen"
                yield _drawn("low digits suffice, drawn", full, steps, (*shown, DRAWN))
            if support.digits and encoding.keyed:
                yield Applied("low digits suffice, keyed", (*shown, DRAWN))
            if support.digits and encoding.sparse:
                yield Applied("low digits suffice, sparse", (*shown, PRICED))
            if support.digits and encoding.layers > 1 and steps is not None:
                yield Applied("resting in part", (*shown, RESTING, _unknown("rests there", steps)))
            if support.digits and encoding.layers > 1:
                yield Applied("low digits suffice, layered", (*shown, RESTING))
            yield Applied("low digits suffice", (*shown, ONCE) if support.digits else shown)
    if layout.fixed and layout.width == n:
        yield Applied("no rule", (f"the width {n} leaves no room for longer operands, so nothing is said of them",))
    local = facts.by_direction[layout.result_direction]
    lift = shift_lifts(encoding, layout, task, (*training.lengths, longer), training.domain)
    if family == "randomised":
        drawn = "positions are drawn from a range that holds every line asked for, so longer lines show no unseen position"
        if invariance.value is False and support.value is False and held is None:
            none = f"but no translation-invariant rule exists to carry over: {invariance.certificate}"
            yield Applied("order without a rule", (drawn, none))
        alone = f"but the order alone is the same in every draw, and there {lift.certificate}: no rule decides what is learned"
        yield Applied("order alone", (drawn, alone))
    tail = layout.fixed and family == "relative"
    shifts = layout.widths(task, longer, domain).c > 1  # a result of one digit has no shift i -> i+1 that could lift
    if lift.value and shifts and not constant and (local.value or facts.starts_apart(layout)):
        task_is = "translation invariant" if local.value else "computed by carries, though not translation invariant"
        shared = (f"the task is {task_is}: {local.certificate}", f"the layout lets the shift lift: {lift.certificate}")
        if held is not None and layout.separated and not tail:
            yield Applied("operand held, lifted", (*shared, MARKED, dilution(task, n, 2 * n, layout, domain)))
        if held is not None:
            yield Applied("operand held", (*shared, HELD))
        if tail:
            yield _tailed(task, layout, training, longer, local.value is True, shared)
        if not local.value:
            yield Applied("no rule", (*shared, "so the first digits follow a rule of their own; no rule decides what is carried over"))
        yield Applied("shift lifts", (*shared, dilution(task, n, 2 * n, layout, domain)))
    why = lift.certificate if not lift.value else "one result digit has no shift" if local.value else "no finite digit-serial rule exists"
    if unseen and not constant:
        lines = f"longer inputs use position codes that training never shows ({why})"
        known = {code: seen.kind(code) for code in codes.values()}
        lost = {i for (i, slot), code in codes.items() if known[code] == "unseen" or (slot.place >= n and known[code] == "zero")}
        if (guess := Fraction(1, task.base ** len(lost))) >= FAILING:
            worth = f"but result digits lost by that: {len(lost)}, and a blind guess of them is worth {float(100 * guess):.3g} %"
            yield Applied("codes unseen, guessed", (lines, worth))
        yield Applied("codes unseen", (lines,))
    if new == {"zero"}:
        zeros = f"training shows the digits from place {n} on with the digit 0 alone, at codes of their own ({why})"
        if in_order:
            yield Applied("cut out of order", (zeros, f"but a mod {task.base}^{n} may be below b mod {task.base}^{n}: {UNORDERED}"))
        cut = f"so a and b act as a mod {task.base}^{n} and b mod {task.base}^{n}"
        if encoding.keyed and encoding.sparse:
            yield Applied("zeros only, keyed sparse", (zeros, cut, LEFT))
        if encoding.keyed and encoding.priced:
            yield _priced("zeros only, priced", steps, (zeros, cut))
        if encoding.keyed and steps is not None:
            yield _drawn("zeros only, drawn", _untold(facts, n, domain), steps, (zeros, cut, DRAWN))
        if encoding.keyed:
            yield Applied("zeros only, keyed", (zeros, cut, DRAWN))
        if encoding.sparse:
            yield Applied("zeros only, sparse", (zeros, cut, PRICED))
        if task.result_width(longer) > n and encoding.layers == 1 and (n <= PAIRED or operands(task.expression) == 1):
            yield Applied("zeros only, one layer", (zeros, cut, ONCE))
        if task.result_width(longer) > n:
            open_top = f"the query of c_{n} had no digit of its own place to read in training: nothing taught it where not to look"
            yield Applied("zeros only, open", (zeros, open_top))
        yield Applied("zeros only", (zeros, cut, "every digit of the result stands at a trained place"))
    if constant:
        yield Applied("no rule", (same, "but longer inputs use position codes of their own, and no rule decides what they do"))
    if held is not None:
        yield Applied("operand held", (f"the shift does not lift: {why}", invariance.certificate, HELD))
    if invariance.value is False:
        other = "longer inputs use codes that training shows with other digits, but no translation-invariant rule exists to carry over"
        right_cut = _worth_cut(task, n, domain)
        if right_cut is not None and right_cut >= FAILING:
            cut_off = f"but on cut operands it is right on {float(100 * right_cut):.3g} % at length {n + 1}"
            yield Applied("no local rule, cut", (other, cut_off))
        yield Applied("no local rule", (other,))
    if tail and invariance.value:
        marks = "so at a fixed width <bos> and the separators tell where a digit stands, and training shows 0 alone from place"
        if in_order:
            yield Applied("cut out of order", (f"the shift does not lift: {why}", f"{marks} {n} on, but cut operands: {UNORDERED}"))
        if steps is not None:
            marked = f"the shift does not lift: {why}", f"{marks} {n} on", DRAWN
            yield _drawn("fixed marks, drawn", _untold(facts, n, domain), steps, marked)
        yield Applied("fixed marks", (f"the shift does not lift: {why}", f"{marks} {n} on"))
    yield Applied("no rule", (f"no rule decides this case: {lift.certificate}; {local.certificate}",))


def _drawn(name: str, untold: str, steps: int, facts: tuple[str, ...]) -> Applied:
    """What training leaves of truncation in so many steps; `untold` is why nothing is said of it even where they are fewer than EARLY."""
    after = f"after {counted(steps, 'step')}"
    if steps >= EARLY:
        return Applied("drawn in part", (*facts, _unknown("they still draw", steps)))
    if untold:
        return Applied("drawn in part", (*facts, f"how much they still draw {after} decides, and {untold}"))
    return Applied(name, (*facts, f"{after} they still draw: less than 95 % of the answers at length n+1 are as cut"))


def _priced(name: str, steps: int | None, facts: tuple[str, ...]) -> Applied:
    """Softmax attention at a price: of what has no use a share is left, of which the limit alone is told."""
    return Applied(name, (*facts, LEFT)) if steps is None else Applied("drawn in part", (*facts, LEFT, _unknown("is left", steps)))


def _unknown(what: str, steps: int) -> str:
    return f"how much {what} after {counted(steps, 'step')} is not known"


def _untold(facts: Facts, n: int, domain: str) -> str:
    """Why it is not told that a task whose operands are cut in part is right on fewer than 5 % one digit on; nothing where it is."""
    task = facts.task
    if n > FEW:
        return f"some networks cut operands of {n} trained digits as soon"
    if task.machine is not None or operands(task.expression) < 2:
        return "some networks cut a alone as soon"
    if (right_cut := _worth_cut(task, n, domain)) is None:
        return "how often cut operands give the truth is not counted"
    low, high = bounds(facts.restricted.expression, task.base ** (n + 1) - 1)
    chance = right_cut + (1 - right_cut) * Fraction(1, high - low + 1)
    return "" if chance < FAILING else f"cut operands and blind guesses are right on {float(100 * chance):.3g} % at length {n + 1}"


def _worth_cut(task: Task, n: int, domain: str) -> Fraction | None:
    """How often the task on cut operands is right one digit on; null where that is not counted, or not soon."""
    return truncation_accuracy(task, n, n + 1, domain) if work(task) <= MAX_WORK else None


def _tailed(task: Task, layout: Layout, training: Training, longer: int, invariant: bool, shared: tuple[str, ...]) -> Applied:
    """Unbounded relative attention at a fixed width: what a band of the roles would meet there says how far training shows the rule.

    A band that shows nothing else is right as far as that (theory.local.bands). Unbounded attention sees the zero tail above the trained
    digits and the separators as well; that it does not use them as marks is assumption A1, and it held where all contexts were shown and
    broke, at the top, where they were not (results: grid-add-relative-aligned, wrong where the last carry first met the separators).
    """
    marks = "but unbounded attention sees the zero tail above the trained digits and the separators, and can use them as marks"
    if selects(training.domain):  # whose pairs are not listed there: of few digits, a borrow is shown at few places
        yet = f"which contexts of roles {_sort(training)} reach is not listed"
        return Applied("zero tail", (*shared, yet, marks))
    machine = local_machine(task, "lsd") if invariant else None  # else the first digits follow a rule of their own
    try:
        found = None if machine is None else coverage(task, machine, layout, band(layout, task), training, QUICK)
    except (InputError, TooLarge):
        found = None
    if found is None:
        return Applied("zero tail", (*shared, marks))
    shown = f"of the {found.contexts} contexts of roles that operands of up to {layout.width} digits reach, training misses: {found.text()}"
    if found.ambiguous:
        shown += f"; {found.ambiguous} of them leave the answer open"
    if found.digits < longer or found.ambiguous:
        return Applied("zero tail", (*shared, shown, marks))
    return Applied("roles shown", (*shared, shown, marks), found.digits)


def _constant(task: Task, digits: int) -> bool:
    """Whether the bounds show one value for all operands of up to so many digits."""
    if task.machine is not None:
        return False
    low, high = bounds(task.expression, task.base**digits - 1)
    return low == high


def _not_causal(task: Task, layout: Layout, training: Training, causal: Property, carried: bool) -> Applied:
    """Never exact, which is what is proven; how much can be right by guessing is counted or bounded (theory.local.guessing).

    Guesses can be worth something: a // 7 is invertible mod powers of 10, so least significant first the remainder is guessed once, and 1/7
    of the lines are right at every length; a == b is 0 nearly always. Failing is proven where no guess is worth 5 % one digit on. A guess
    can only decay with the length if it is `carried` there: if the shift lifts.
    """
    length = training.longest + 1
    ordered = training.domain == "ordered"
    least, most = guess_bounds(task, layout, training.domain, length)
    worth = f"{float(100 * least):.3g}" if least == most else f"between {float(100 * least):.3g} and {float(100 * most):.3g}"
    limit = f"from the digits in sight at best {worth} % of lines of length {length} are right"
    if most < FAILING:
        name = "not causal"
    elif least < FAILING:
        name = "not causal, half guessed" if ordered else "not causal, uncounted"
        limit = f"how much guessing is worth is not counted for this task{' on operands in order' if ordered else ''}"
    else:
        name = "not causal, guessed" if DECAYING <= least == most and carried else "not causal, half guessed"
    why = (f"the layout is not causal for the task: {causal.certificate}", f"no network of any size can be exact; {limit}")
    return Applied(name, why)


def dilution(task: Task, trained: int, longer: int, layout: Layout, domain: str = "either") -> str:
    """Why a rule that is read with unbounded attention may decay.

    Of T digits before the query the rule reads r. If their logits exceed the others by D, their weights sum to r*e^D / (r*e^D + T - r),
    which is 99 % at D = log(99 * (T - r) / r) and falls to 0 with growing T at any fixed D. T counts no digits above those of the operands,
    but the zeros of a short b where it is padded to the length of a.
    """
    read = sum(kind in layout.shown + "c" for kind, _ in ROLES)
    unpadded = {m: Layout("plain", 1).widths(task, m, domain if layout.unpadded else "either") for m in (trained, longer)}
    digits = {m: sum(getattr(width, kind) for kind in layout.shown) + width.c - 1 for m, width in unpadded.items()}
    apart = {m: log(99 * max(number - read, 1) / read) for m, number in digits.items()}
    seen = (f"{number} at length {m} (99 % of its weight takes logits {apart[m]:.1f} apart)" for m, number in digits.items())
    return f"but dilution: the rule reads {read} digits, and unbounded attention sees {' and '.join(seen)}"


def _window(facts: Facts, encoding: Encoding, layout: Layout, training: Training) -> Applied:
    """Hard windows: the receptive field must hold the I/O memory of a finite local rule."""
    assert encoding.receptive_field is not None
    sees = encoding.receptive_field - 1
    if not layout.interleaved:
        why = f"a window of {sees} tokens covers no fixed number of digit groups in the {layout.name} layout; no rule decides this"
        return Applied("window undecided", (why,))
    task, local = facts.task, facts.by_direction[layout.result_direction]
    if local.value is False and not facts.support.value and not facts.starts_apart(layout):
        return Applied("window without a rule", (f"a bounded window cannot hold the state the task needs: {local.certificate}",))
    if not local.value and facts.held is None:
        return Applied("window undecided", (f"the local rule is not decided for this task in a window: {local.certificate}",))
    need = needed_window(task, layout.result_direction, layout.shown, facts.domain)
    if need.value is None:
        return Applied("window undecided", (f"what window the task needs: {need.certificate}",))
    fact = f"{need.certificate}; {sees} are seen"
    if need.digits is None or sees < need.digits:
        counted = majority_of(task, encoding, layout, training)
        share = None if counted is None else counted.accuracy(training.domain, training.longest + 1)
        if need.digits is None and share is None:
            name = "window without a rule" if local.value else "window undecided"
            return Applied(name, (f"what window the task needs: {need.certificate}",))
        guessed = "the majority answer per visible context is wrong now and then, at each digit"
        if share is not None and FAILING <= share < DECAYING:
            worth = f"it is worth {float(100 * share):.3g} % at length {training.longest + 1}: neither failing nor decaying"
            return Applied("window half enough", (fact, guessed, worth))
        return Applied("window far too small" if share is not None and share < FAILING else "window too small", (fact, guessed))
    invariant = f"the task is translation invariant: {local.certificate}"
    return Applied("window holds the rule", (invariant, fact, "each answer is a function of a bounded context, at every length alike"))


def _band(facts: Facts, encoding: Encoding, layout: Layout, training: Training) -> Applied:
    """Attention masked to the offsets of the roles: training must show every context that operands one digit longer reach."""
    if selects(training.domain):
        return Applied("band undecided", (f"the contexts that {_sort(training)} reach under a band are not listed",))
    task, local = facts.task, facts.by_direction["lsd"]
    starts_apart = layout.result_direction == "lsd" and facts.starts_apart(layout)  # a band reads the least significant digit first
    if local.value is False and not facts.support.value and not starts_apart:
        return Applied("no local rule", (f"a band shows a few digits, which cannot hold the state the task needs: {local.certificate}",))
    machine = local_machine(task, "lsd")
    if machine is None:
        return Applied("band undecided", (f"no finite machine is known for {task.text}, least significant digit first",))
    try:
        offsets = reach(band(layout, task), encoding.layers)
        found = coverage(task, machine, layout, offsets, training)
    except (InputError, TooLarge) as reason:
        return Applied("band undecided", (str(reason),))
    sees = f"the layout names the offsets {', '.join(map(str, offsets))} back from the query; operands of up to {layout.width} digits"
    fact = f"{sees} reach {found.contexts} contexts"
    if found.ambiguous:
        return Applied("band undecided", (f"{fact}, and {found.ambiguous} of them leave the answer open, so no network is exact there",))
    shown = f"what training does not show of them: {found.text()}"
    if found.digits < min(training.longest + 1, layout.width):
        return Applied("band undecided", (fact, shown))
    return Applied("band holds the rule", (fact, shown, "each answer is a function of such a context, at every place alike"), found.digits)


def _sort(training: Training) -> str:
    return "ordered operands (a >= b)" if training.domain == "ordered" else "operands with a short b"


def in_distribution(task: Task, encoding: Encoding, layout: Layout, training: Training) -> str:
    """Outcome on the trained lengths: exact, unless a window or band leaves some tokens of a line out of sight."""
    if encoding.family == "banded":
        return "undetermined"
    tokens = len(layout.slots(layout.widths(task, training.longest, training.domain)))
    return "exact" if encoding.receptive_field is None or encoding.receptive_field >= tokens - 1 else "undetermined"


def downward(task: Task, encoding: Encoding, layout: Layout, training: Training) -> str:
    """Outcome on shorter operands: exact iff every needed (code, digit) cell occurs in training, for the digits it occurs for.

    Without positions roles share one code, and in the unpadded layouts a shorter line moves all digits to other codes (abacus apart).
    Elsewhere the places keep their codes, and D_abn never shows a 0 on top, nor do ordered operands at a's.
    """
    n = training.longest
    if encoding.family == "none" or (layout.unpadded and encoding.family != "abacus"):
        return "undetermined"
    if (trained := in_distribution(task, encoding, layout, training)) != "exact":
        return trained
    if training.domain in ("either", "sampler") or n == 1:  # of operands in order, and beside a short b, a has its full length
        return "exact"
    support = Facts(task, training.domain).support
    needed = support.digits if support.value and support.digits is not None else n
    # place j shows the digit 0 if some trained length is above j+1 (uniform there) or at most j (padding)
    shown = all(any(length > j + 1 or length <= j for length in training.lengths) for j in range(1, min(needed, n)))
    return "exact" if shown else "undetermined"
