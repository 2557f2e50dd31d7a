"""Certificates as files.

    results/<digest>/certificate.json

holds the verdict of proof.py with the digests of the weights, of the contexts and of itself. It is a record, not a proof: to check it
is to prove everything again from the weights and the theory, and to compare.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from verify.certificates.findings import LISTED, Progress
from verify.certificates.proof import LIMIT, Certificate, certify

if TYPE_CHECKING:
    from empirical.runs.store import Run

NAME = "certificate.json"
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
