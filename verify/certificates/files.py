"""Certificates as files, as text, and for a whole group of networks.

    results/<digest>/certificate.json

holds the verdict of proof.py with the digests of the weights, of the contexts and of itself. It is a record, not a proof: to check it
is to prove everything again from the weights and the theory, and to compare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from verify.certificates.findings import Progress, WrongInput
from verify.certificates.proof import KEPT, LIMIT, LINE, Certificate, certify, effort, function_of
from verify.verdicts.workers import Workers, lent

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

NAME = "certificate.json"
LISTED = 10  # failing contexts in the file
SPOT = 32  # random lines that a network is asked whose certificate is read
LIVE = 40_000  # contexts that a claim proves anew each time; of more, the certificate is read (`certify --check` proves it again)
#: what has to come out the same when everything is proved again; numbers in floating point only nearly
SAME = (
    "run", "weights_sha256", "task", "base", "operands", "layout", "direction", "layers", "window", "offsets", "receptive_field",
    "smallest_window", "function", "reads", "local", "truncates", "uncut", "verdict", "digits", "proved", "contexts", "contexts_sha256",
    "failing", "failures", "wrong_input",
)  # fmt: skip
NEARLY = ("margin", "rounding")
ORDERS = 100  # within which float32 deviates alike everywhere: how far depends on the order of summation
#: what cannot come out again, as it tells of when the certificate was made: name -> what it must look like
PROVENANCE = {"commit": re.compile("[0-9a-f]{40}"), "code_sha256": re.compile("[0-9a-f]{64}")}


def certificate_json(found: Certificate) -> dict[str, Any]:
    """The content of the file, without versions and its own digest. Numbers of any length are text."""
    spec, findings = found.run.spec, found.findings
    return {
        "format": 1,
        "run": spec.digest,
        "weights_sha256": found.run.result["weights_sha256"],
        "task": spec.make_task().text,
        "base": spec.base,
        **({"operands": "a >= b"} if spec.test_domain == "ordered" else {}),
        **({"layout": spec.layout} if spec.layout == "unary" else {}),  # without it: interleaved, or of the band
        "direction": spec.direction,
        "layers": spec.layers,
        "window": spec.window,
        "offsets": None if spec.window is not None else list(spec.offsets or ()),
        "receptive_field": found.receptive_field,
        "smallest_window": found.smallest_window,
        **(_sparse_json(found) if spec.sparse else {}),
        "verdict": found.verdict,
        "digits": found.digits,
        "proved": list(findings.proved),
        "contexts": findings.contexts,
        "contexts_sha256": findings.contexts_sha256,
        "failing": findings.failing,
        "failures": [asdict(one) | {"tokens": list(one.tokens)} for one in findings.failures[:LISTED]],
        "wrong_input": None if found.wrong is None else {key: value and str(value) for key, value in asdict(found.wrong).items()},
        "margin": findings.margin,
        "rounding": findings.rounding,
        "deviation": findings.deviation,
    }


def _sparse_json(found: Certificate) -> dict[str, Any]:
    uncut = None if found.uncut is None else {"a": str(found.uncut[0]), "b": str(found.uncut[1])}
    told = {"function": found.function.text, "reads": list(found.reads), "local": found.local}
    return {**told, "truncates": found.truncates, "uncut": uncut}


def save(found: Certificate) -> Path:
    """Write the certificate beside its run.

    Raises:
        InputError: the folder cannot be written to.
    """
    from empirical.runs.store import provenance, self_digest, to_json, write_atomically

    path = found.run.folder / NAME
    content = {**certificate_json(found), **provenance()}
    try:
        write_atomically(path, to_json({**content, "sha256": self_digest(content)}))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: certify a copy of the run store, with --results") from None
    return path


def read(path: Path) -> dict[str, Any]:
    """A certificate whose own digest is right.

    Raises:
        InputError: it is missing, cut or edited.
    """
    from empirical.runs.store import self_digest

    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: give a certificate, or make one with arith-verify certify RUN") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: cut short or not JSON: certify the run again") from None
    if not isinstance(content, dict) or content.get("format") != 1 or content.get("sha256") != self_digest(content):
        raise InputError(f"{path}: digest mismatch, this is no certificate or it was edited: certify the run again")
    return content


def compare(path: Path, content: dict[str, Any], found: Certificate) -> None:
    """Whether a certificate says of its network what was found now.

    Raises:
        InputError: it does not, with the first difference.
    """
    now = json.loads(json.dumps(certificate_json(found)))
    for key in SAME:
        if content.get(key) != now.get(key):
            said, shown = (json.dumps(value)[:80] for value in (content.get(key), now.get(key)))
            raise InputError(f"{path}: {key} is {said}, but the network and the theory give {shown}: certify the run again")
    noise = 4 * (now["rounding"]["float64"] or 0.0)
    for key in NEARLY:
        if not _near(content.get(key), now[key], noise):
            raise InputError(f"{path}: {key} is {content.get(key)}, but the network gives {now[key]}: certify the run again")
    apart, again = content.get("deviation"), now["deviation"]
    if apart != again and not (isinstance(apart, float) and isinstance(again, float) and again / ORDERS <= apart <= again * ORDERS):
        raise InputError(f"{path}: deviation is {apart}, but the network gives {again}: certify the run again")
    if wrong := _misstated(content):
        raise InputError(f"{path}: {wrong} is {json.dumps(content.get(wrong))[:80]}, as no certificate states it: certify the run again")


def _misstated(content: dict[str, Any]) -> str:
    """The first field about the making of a certificate that is not as `save` writes it, or that no certificate has; or nothing."""
    outside_git = content.get("commit") is None and content.get("dirty") is None
    for name, form in PROVENANCE.items():
        value = content.get(name)
        if not (isinstance(value, str) and form.fullmatch(value)) and not (name == "commit" and outside_git):
            return name
    if not outside_git and not isinstance(content.get("dirty"), bool):
        return "dirty"
    versions = content.get("versions")
    if not isinstance(versions, dict) or sorted(versions) != ["numpy", "python", "torch"] or not all(map(_is_version, versions.values())):
        return "versions"
    known = {*SAME, *NEARLY, *PROVENANCE, "deviation", "dirty", "versions", "format", "failures", "sha256"}
    return next((name for name in content if name not in known), "")


def _is_version(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)+\S*", value) is not None


def _near(said: Any, now: Any, noise: float) -> bool:
    """Equal but for rounding in float64."""
    if isinstance(now, dict):
        return isinstance(said, dict) and said.keys() == now.keys() and all(_near(said[key], now[key], noise) for key in now)
    if isinstance(now, float) and isinstance(said, float):
        return isclose(said, now, rel_tol=1e-6, abs_tol=noise)
    return bool(said == now)


def find_run(results: Path, digest: str) -> Run:
    """The one finished run whose digest begins so, or that lies in a folder of this name.

    Raises:
        InputError: there is none, or more than one.
    """
    from empirical.runs.store import load_run

    if digest and (Path(digest) / "result.json").exists():
        return load_run(Path(digest))
    found = sorted(path.parent for path in results.glob("*/result.json") if path.parent.name.startswith(digest))
    if len(found) != 1:
        raise InputError(f"{len(found) or 'no'} finished runs in {results} begin with {digest!r}: see arith-train list")
    return load_run(found[0])


def certificate_text(found: Certificate) -> str:
    """The verdict first, then what it rests on."""
    run, spec, findings = found.run, found.run.spec, found.findings
    lines = [_headline(found)]
    lines.append(f"network {spec.digest}, group {run.result['group'] or '-'}, seed {spec.seed}: {spec.layers} layers, {_sees(spec)}")
    lines += [*found.reads, *([_truncation(spec, found.truncates, found.uncut)] if spec.sparse else [])]
    need = ""
    if spec.window is not None:
        known = found.smallest_window is not None
        need = f"; the task needs a window of {found.smallest_window}" if known else "; no window is enough for the task"
    lines.append(f"each digit is a function of at most {found.receptive_field} tokens{need}")
    what = "inputs that differ in a digit that is read or needed" if spec.sparse else "reachable contexts"
    lines.append(f"{findings.contexts} {what}, {findings.failing} answered wrongly")
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


def _truncation(spec: RunSpec, truncates: bool | None, uncut: tuple[int, int] | None = None) -> str:
    """Whether a sparse network answers every input as the one cut to the trained length."""
    cut = f"as cut to {spec.training.longest} digits"
    if truncates:
        return f"no operand digit above the trained places is read: every input is answered {cut}"
    if truncates is None:
        return f"operand digits above the trained places are read; no input was found that is not answered {cut}"
    return "operand digits above the trained places are read" + (f": a = {uncut[0]}, b = {uncut[1]} is not answered {cut}" if uncut else "")


def _told(
    spec: RunSpec, local: bool | None, truncates: bool | None, uncut: tuple[int, int] | None = None, left_out: str = ""
) -> dict[str, tuple[bool | None, str]]:
    if not spec.sparse:
        return {}
    roles = "each digit c_i is computed from a_i, b_i, a_i-1, b_i-1 and c_i-1 alone"
    shown = roles if local else f"not so: {roles}"
    return {"local": (local, shown + left_out), "truncating": (truncates, _truncation(spec, truncates, uncut) + left_out)}


def _sees(spec: RunSpec) -> str:
    if spec.sparse:
        return "sparse attention"
    return f"window {spec.window}" if spec.window is not None else f"a band of offsets {', '.join(map(str, spec.offsets or ()))}"


def _headline(found: Certificate) -> str:
    task, proved = found.function, found.findings.proved
    match found.verdict:
        case "certified":
            other = "" if "float32" in proved else "; in float32 shown for each context, not for every order of summation"
            which = "all lengths" if found.digits is None else f"all operands of up to {found.digits} digits, which are all that fit"
            order = ", a >= b" if found.run.spec.test_domain == "ordered" else ""
            return f"certified for {which}: {task.text} in base {task.base}{order}, in {', '.join(proved)} arithmetic{other}"
        case "refuted":
            assert found.wrong is not None
            up_to = f"certified for all operands of up to {found.digits} digits, not beyond" if found.digits else "not certified"
            compared = found.run.spec.sparse or found.findings.failing <= KEPT  # of more failing contexts, not all are
            which = "a shortest" if compared else "a"
            return f"{up_to}: {which} wrong input has {_show(found.wrong, task.text)}"
    if found.run.spec.sparse and found.findings.margin is not None and found.findings.margin > 0:
        return "not certified: no wrong input was found, but too many digits are read to try them all"
    return "not certified: no wrong input was found, but some lead is within rounding, or rounding is not bounded"


def _show(wrong: WrongInput, task: str) -> str:
    given = "no number" if wrong.answer is None else wrong.answer
    where = f"{wrong.digits} digits: {task} at a = {wrong.a}, b = {wrong.b}"
    return f"{where} is {wrong.truth}, and the network answers {given}"


def _token(token: int, base: int) -> str:
    from theory.language.layouts import SPECIALS

    return str(token) if token < base else f"<{SPECIALS[token - base]}>"


@dataclass(frozen=True)
class Outcome:
    """The verdict on one network of a group, or why there is none; `shown` is its headline.

    `digits` is what a banded network is proved for, `wrong_digits` the length of the operands that refute a network. `told` holds what is
    told of a sparse one from what it reads: name -> whether it is so (null: undecided), and in words.
    """

    digest: str
    seed: int
    verdict: str
    shown: str
    contexts: int = 0
    margin: float | None = None
    digits: int | None = None
    wrong_digits: int | None = None
    told: Mapping[str, tuple[bool | None, str]] = field(default_factory=dict)

    def as_told(self, name: str) -> Outcome:
        """The verdict on what a sparse network reads, `truncating` or `local`, whatever it answers."""
        if self.verdict == "error" or name not in self.told:
            return replace(self, verdict="error")
        so, shown = self.told[name]
        return replace(self, verdict={True: name, False: "refuted", None: "undecided"}[so], shown=shown, margin=None)

    def up_to(self, digits: int) -> str:
        """The verdict on operands of up to so many digits alone."""
        if self.verdict in ("certified", "error"):
            return self.verdict
        if self.digits is not None and digits <= self.digits:
            return "certified"
        return "refuted" if self.wrong_digits is not None and self.wrong_digits <= digits else "undecided"


def outcome(run: Run, limit: int = LIMIT, live: int | None = None) -> Outcome:
    """Certify a run of up to `live` contexts (default LIVE), or read its certificate; a failure is reported as a value."""
    from empirical.process import settle

    settle()
    try:
        if (count := effort(run)) is None or count > (LIVE if live is None else live):
            return recorded(run, count)
        found = certify(run, limit)
    except Exception as error:
        shown = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Outcome(run.spec.digest, run.spec.seed, "error", shown)
    findings, wrong = found.findings, found.wrong
    return Outcome(
        run.spec.digest, run.spec.seed, found.verdict, _headline(found), findings.contexts, findings.margin,
        found.digits, None if wrong is None else wrong.digits,
        _told(run.spec, found.local, found.truncates, found.uncut),
    )  # fmt: skip


def recorded(run: Run, count: int | None) -> Outcome:
    """What the certificate beside a run says of these very weights; the number of contexts, where it is known, is that of the theory.

    A wrong input that it names is asked again; a network that it certifies, where its weights are there, answers some random inputs, which
    tells a forgery of a network that is wrong now and then, not of one that is wrong once in a thousand lines.

    Raises:
        InputError: the certificate is missing or edited, speaks of other weights or contexts, or the network contradicts it.
    """
    from empirical.runs.store import load_model
    from empirical.study.evaluate import answer, evaluate

    path, function = run.folder / NAME, function_of(run)
    content = read(path)
    if content.get("weights_sha256") != run.result["weights_sha256"] or content.get("run") != run.spec.digest:
        raise InputError(f"{path}: it is of other weights: certify the run again")
    said = content.get("contexts", 0) * (LINE if run.spec.sparse else 1)
    if count is not None and said != count and content.get("proved"):
        raise InputError(f"{path}: it is of {content.get('contexts')} contexts, and there are {count}: certify the run again")
    if content["verdict"] == "certified" and not run.trimmed:
        length = run.spec.width if run.spec.window is None else run.spec.training.longest + 1
        (asked,) = evaluate(load_model(run), run.spec, [length], SPOT, seed=0, places=False)
        if wrongly := asked["examples"] - asked["truth" if function.text == run.spec.make_task().text else "learned"]:
            raise InputError(f"{path}: the network is wrong on {wrongly} of {asked['examples']} random lines: certify the run again")
    left_out = "; its weights are left out of the store" if run.trimmed else ""
    shown, wrong = f"as proved when its {path.name} was made{left_out}", content.get("wrong_input")
    if isinstance(wrong, dict):
        a, b = int(wrong["a"]), int(wrong["b"])
        if (given := answer(run, a, b)) == function(a, b):
            raise InputError(f"{path}: its wrong input is answered rightly: certify the run again")
        shown = f"not certified: {function.text} at a = {a}, b = {b} is {wrong['truth']}, and the network answers {given}"
    return Outcome(
        run.spec.digest, run.spec.seed, str(content["verdict"]), shown, int(content["contexts"]), content.get("margin"),
        content.get("digits"), None if not isinstance(wrong, dict) else int(wrong["digits"]),
        _told(run.spec, content.get("local"), content.get("truncates"), left_out=left_out),
    )  # fmt: skip


def outcomes(runs: Sequence[Run], live: Container[str] | None = None, workers: Workers | None = None) -> Iterator[Outcome]:
    """Certify many runs, in two processes, in their order; with `live`, only those digests, and of the others the certificate is read."""
    jobs = [(run, live is None or run.spec.digest in live) for run in runs]
    with lent(workers) as pool:
        yield from (found for _, found in pool.run(_outcome, jobs, _failed))


def _outcome(job: tuple[Run, bool]) -> Outcome:
    run, live = job
    return outcome(run) if live or not (run.folder / NAME).exists() else outcome(run, live=0)


def _failed(job: tuple[Run, bool], error: Exception) -> Outcome:
    return Outcome(job[0].spec.digest, job[0].spec.seed, "error", f"{type(error).__name__}: {error}")


def command(
    digest: str | None, results: Path | None, check: Path | None, limit: int | None, progress: Progress
) -> tuple[Certificate, Path]:
    """What `arith-verify certify` does: certify a run and save that, or check a certificate against its run.

    A certificate is checked against the run store that it lies in, or against the given one.

    Raises:
        InputError: bad input; with `check`, also a certificate that the network does not bear out.
    """
    from verify.verdicts.evidence import results_folder

    limit = limit or LIMIT
    if check is None:
        if digest is None:
            raise InputError("which run? give its digest, as arith-train list shows it, or --check FILE")
        found = certify(find_run(results_folder(results), digest), limit, progress)
        return found, save(found)
    content = read(check)
    named = str(content.get("run"))
    if digest is not None and not named.startswith(digest):
        raise InputError(f"{check}: it is of run {named}, not of {digest}: give the certificate of that run")
    beside = results is None and (check.parent / "result.json").exists()
    store = check.resolve().parent.parent if beside else results_folder(results)
    found = certify(find_run(store, named), limit, progress)
    compare(check, content, found)
    return found, check
