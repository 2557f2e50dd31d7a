"""Certificates as people read them: the verdict first, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theory.words import counted
from verify.certificates.findings import LISTED, WrongInput
from verify.certificates.proof import KEPT, Certificate

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec


def certificate_text(found: Certificate) -> str:
    """The verdict first, then what it rests on."""
    run, spec, findings = found.run, found.run.spec, found.findings
    lines = [headline(found)]
    shape = f"{counted(spec.layers, 'layer')}, {_sees(spec)}"
    lines.append(f"network {spec.digest}, group {run.result['group'] or '-'}, seed {spec.seed}: {shape}")
    if spec.sparse:
        sight = f"{'no operand digit' if found.blind else 'some operand digit'} above the trained places is read"
        lines += [*found.reads, f"{sight}: {truncation(spec, found.truncates, found.uncut)}"]
    need = ""
    if spec.window is not None:
        known = found.smallest_window is not None
        need = f"; the task needs a window of {found.smallest_window}" if known else "; no window is enough for the task"
    lines.append(f"each digit is a function of at most {counted(found.receptive_field, 'token')}{need}")
    what = "reachable contexts"
    if spec.sparse:
        which = "inputs" if findings.total is None else f"random ones of {findings.total} inputs"
        what = f"{which} that differ in a digit that is read or needed"
    lines.append(f"{findings.contexts} {what}, {findings.failing} answered wrongly")
    if found.share is not None and findings.failing:
        share = f"{found.function.text} on {float(100 * found.share):.4g} %, exactly {found.share}"
        lines.append(f"so of operands of {spec.training.longest + 1} digits, or more that fit, it computes {share}")
    for one in findings.failures[:LISTED]:
        true = "more than one true answer" if one.truth < 0 else f"true {one.truth}"
        lines.append(f"  {' '.join(_token(token, spec.base) for token in one.tokens)}: answered {_token(one.given, spec.base)}, {true}")
    if len(findings.failures) > LISTED:
        lines.append(f"  and {findings.failing - LISTED} more")
    margin = "none" if findings.margin is None else f"{findings.margin:.4g}"
    bounds = ", ".join(f"{'unbounded' if value is None else f'{value:.2g}'} in {name}" for name, value in findings.rounding.items())
    lines.append(f"smallest lead of a true digit {margin} logits; rounding moves a lead by at most {bounds}")
    if findings.deviation is not None:
        lines.append(f"the stored network in float32, run on every context: at most {findings.deviation:.2g} logits from float64")
    if not findings.faithful:
        lines.append("that is more than rounding explains, so the error analysis does not hold here and nothing is proved")
    return "\n".join(lines)


def truncation(spec: RunSpec, truncates: bool | None, uncut: tuple[int, int] | None = None) -> str:
    """Whether a sparse network answers every input as the one cut to the trained length."""
    cut = f"as cut to {counted(spec.training.longest, 'digit')}"
    if truncates:
        return f"every input is answered {cut}"
    if truncates is None:
        return f"no input was found that is not answered {cut}"
    return f"{f'a = {uncut[0]}, b = {uncut[1]}' if uncut else 'some input'} is not answered {cut}"


def _sees(spec: RunSpec) -> str:
    if spec.sparse:
        return "sparse attention"
    return f"window {spec.window}" if spec.window is not None else f"a band of offsets {', '.join(map(str, spec.offsets or ()))}"


def headline(found: Certificate) -> str:
    task, proved = found.function, found.findings.proved
    match found.verdict:
        case "certified":
            other = "" if "float32" in proved else "; in float32 shown for each context, not for every order of summation"
            fits = f"all operands of up to {counted(found.digits or 0, 'digit')}, which are all that fit"
            which = "all lengths" if found.digits is None else fits
            order = ", a >= b" if found.run.spec.test_domain == "ordered" else ""
            return f"certified for {which}: {task.text} in base {task.base}{order}, in {', '.join(proved)} arithmetic{other}"
        case "refuted":
            assert found.wrong is not None
            up_to = f"certified for all operands of up to {counted(found.digits, 'digit')}, not beyond" if found.digits else "not certified"
            compared = found.run.spec.sparse or found.findings.failing <= KEPT  # of more failing contexts, not all are
            which = "a shortest" if compared else "a"
            return f"{up_to}: {which} wrong input has {_show(found.wrong, task.text)}"
    if found.findings.total is not None:
        return f"not certified: no wrong input was found, but so many digits are read that {found.findings.total} inputs differ"
    return "not certified: no wrong input was found, but some lead is within rounding, or rounding is not bounded"


def _show(wrong: WrongInput, task: str) -> str:
    given = "no number" if wrong.answer is None else wrong.answer
    where = f"{counted(wrong.digits, 'digit')}: {task} at a = {wrong.a}, b = {wrong.b}"
    return f"{where} is {wrong.truth}, and the network answers {given}"


def _token(token: int, base: int) -> str:
    from theory.language.layouts import SPECIALS

    return str(token) if token < base else f"<{SPECIALS[token - base]}>"
