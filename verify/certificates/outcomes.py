"""The verdicts on a group of networks, proved anew or, where that takes long, read from the certificates beside them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.language.tasks import Task
from theory.local.alignment import ROLES
from verify.certificates.files import NAME, read
from verify.certificates.proof import LIMIT, LINE, certify, effort, function_of, stored_model
from verify.certificates.text import headline, truncation
from verify.verdicts.workers import Workers, lent

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

READS = re.compile(r"c_\d+ reads (nothing|[abc]_\d+(, [abc]_\d+)*)")
SPOT = 32  # random lines that a network is asked whose certificate is read
LIVE = 40_000  # contexts that a claim proves anew each time; of more, the certificate is read (`certify --check` proves it again)


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
        if (count := effort(run)) is None or run.trimmed or count > (LIVE if live is None else live):
            return recorded(run, count)
        found = certify(run, limit)
    except Exception as error:
        shown = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Outcome(run.spec.digest, run.spec.seed, "error", shown)
    findings, wrong = found.findings, found.wrong
    return Outcome(
        run.spec.digest, run.spec.seed, found.verdict, headline(found), findings.contexts, findings.margin,
        found.digits, None if wrong is None else wrong.digits,
        _told(run.spec, found.reads, found.local, found.truncates, found.uncut),
    )  # fmt: skip


def recorded(run: Run, count: int | None) -> Outcome:
    """What the certificate beside a run says of these very weights; the number of contexts, where it is known, is that of the theory.

    A wrong input that it names is asked again; a network that it certifies, where its weights are there, answers some random inputs, which
    tells a forgery of a network that is wrong now and then, not of one that is wrong once in a thousand lines.

    Raises:
        InputError: the certificate is missing or edited, speaks of other weights or contexts, or the network contradicts it.
    """
    from empirical.study.evaluate import answer

    path, function = run.folder / NAME, function_of(run)
    content = read(path)
    if content.get("weights_sha256") != run.result["weights_sha256"] or content.get("run") != run.spec.digest:
        raise InputError(f"{path}: it is of other weights: certify the run again")
    said = content.get("contexts", 0) * (LINE if run.spec.sparse else 1)
    if count is not None and said != count and content.get("proved"):
        raise InputError(f"{path}: it is of {content.get('contexts')} contexts, and there are {count}: certify the run again")
    if not run.trimmed:
        _spot_check(run, path, content, function)
    left_out = "; its weights are left out of the store" if run.trimmed else ""
    shown, wrong = f"as proved when its {path.name} was made{left_out}", content.get("wrong_input")
    if isinstance(wrong, dict):
        a, b = int(wrong["a"]), int(wrong["b"])
        given, truth = wrong["answer"] if run.trimmed else answer(run, a, b), str(function(a, b))
        if str(given) == truth or str(wrong["truth"]) != truth:
            raise InputError(f"{path}: its wrong input is answered rightly: certify the run again")
        shown = f"not certified: {function.text} at a = {a}, b = {b} is {wrong['truth']}, and the network answers {given}{left_out}"
    return Outcome(
        run.spec.digest, run.spec.seed, str(content["verdict"]), shown, int(content["contexts"]), content.get("margin"),
        content.get("digits"), None if not isinstance(wrong, dict) else int(wrong["digits"]),
        _told(run.spec, content.get("reads") or (), content.get("local"), content.get("truncates"), left_out=left_out),
    )  # fmt: skip


def _spot_check(run: Run, path: Path, content: Mapping[str, Any], function: Task) -> None:
    """Whether a network does on some random lines what its certificate says, and reads what it says.

    Raises:
        InputError: it does not.
    """
    from empirical.study.evaluate import answer, evaluate

    spec, measure = run.spec, "truth" if function.text == run.spec.make_task().text else "learned"
    length = spec.training.longest + 1 if spec.window is not None else content.get("digits") or 0
    if length and (spec.window is None or content["verdict"] == "certified"):
        (asked,) = evaluate(stored_model(run), spec, [length], SPOT, seed=0, places=False)
        if wrongly := asked["examples"] - asked[measure]:
            raise InputError(f"{path}: the network is wrong on {wrongly} of {asked['examples']} random lines: certify the run again")
    if not spec.sparse:
        return
    from verify.certificates.sparse import reading_of

    reading = reading_of(run, stored_model(run))
    truncates, cut = reading.blind or content["verdict"] == "certified", spec.base**spec.training.longest
    if isinstance(uncut := content.get("uncut"), dict):
        a, b = int(uncut["a"]), int(uncut["b"])
        truncates = answer(run, a, b) == answer(run, a % cut, b % cut)
    for key, now in {"reads": reading.text(), "local": reading.local, "truncates": truncates}.items():
        if content.get(key) != now and (key == "reads" or content.get(key) is not None):  # null: undecided
            raise InputError(f"{path}: {key} is {content.get(key)}, but the network gives {now}: certify the run again")


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


def _told(
    spec: RunSpec,
    reads: Sequence[str],
    local: bool | None,
    truncates: bool | None,
    uncut: tuple[int, int] | None = None,
    left_out: str = "",
) -> dict[str, tuple[bool | None, str]]:
    if not spec.sparse:
        return {}
    roles = "each digit c_i is computed from a_i, b_i, a_i-1, b_i-1 and c_i-1 alone"
    others = beyond_roles(reads)[:1]
    shown = roles if local else "; ".join([f"not so: {roles}", *others]) if local is False else f"not decided: {roles}"
    return {"local": (local, shown + left_out), "truncating": (truncates, truncation(spec, truncates, uncut) + left_out)}


def beyond_roles(reads: Sequence[str]) -> list[str]:
    """What the digits of the result read beside the roles of a local rule, of lines such as 'c_2 reads a_2, c_0'.

    Raises:
        InputError: a line is not of that form.
    """
    found = []
    for line in reads:
        if not READS.fullmatch(str(line)):
            raise InputError(f"{str(line)[:40]!r} does not say what a digit reads: certify the run again")
        digit, _, names = line.partition(" reads ")
        tokens = [name for name in names.split(", ") if name != "nothing"]
        others = [name for name in tokens if (name[0], int(digit[2:]) - int(name[2:])) not in ROLES]
        found += [f"{digit} reads {', '.join(others)}, too"] if others else []
    return found
