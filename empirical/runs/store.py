"""The run store: one folder per RunSpec digest, holding spec, metrics, weights, and last of all the result.

    <digest>/spec.json  metrics.jsonl  weights.safetensors  result.json

`result.json` is renamed into place when everything else is on disk: it marks a finished run. It carries the
digests of the weights, of the metrics and of itself, so a file that was cut or edited is noticed. Where weights would take more room than
they are worth, `trim` leaves weights.sha256 in their place, which says so in the format of sha256sum. An attempt that failed leaves
failed-*.json in the folder of its run, for good. Beside the folders lie the plans and, for each, the predictions registered before its
runs: plan*.toml, predictions*.json.

One process trains a run: it holds a lock on the folder (`claimed`), which ends with the process, however that ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.runs.spec import RunSpec, canonical_json, spec_from_dict
from theory.errors import InputError

if TYPE_CHECKING:
    from empirical.network.model import GPT

ROOT = Path(__file__).resolve().parent.parent.parent
WEIGHTS, POINTER = "weights.safetensors", "weights.sha256"


class Busy(InputError):
    """Another process trains this run now."""


@dataclass(frozen=True)
class Run:
    """A finished run, its digests checked."""

    spec: RunSpec
    result: dict[str, Any]
    folder: Path

    @property
    def trimmed(self) -> bool:
        """Whether the weights are left out of the store."""
        return (self.folder / POINTER).is_file()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def self_digest(result: dict[str, Any]) -> str:
    """SHA-256 of the result without its own digest."""
    return hashlib.sha256(canonical_json({key: value for key, value in result.items() if key != "sha256"}).encode()).hexdigest()


def finished(folder: Path) -> bool:
    return (folder / "result.json").exists()


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the folder of a run, which is made where it is missing: whoever writes into it has it alone.

    The lock is on the folder itself and ends with the process that holds it. File systems without locks are taken at their word.

    Raises:
        Busy: another process holds it.
        InputError: the folder cannot be made.
    """
    import fcntl  # POSIX alone; stores are read without it

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}: name a folder that can be written with --results") from None
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"run {folder.name} is being written by another process: wait for it, or end it") from None
        except OSError:
            pass
        for left in folder.glob(".*.[0-9]*"):  # parts that a killed writer left
            left.unlink()
        yield
    finally:
        os.close(handle)
        if not any(folder.iterdir()):  # refused before anything was written
            folder.rmdir()


def record_failure(folder: Path, failure: dict[str, Any]) -> Path:
    """Put a failed attempt on record, in a file of its own that nothing overwrites; folder names in its texts are left out.

    Raises:
        OSError: it cannot be written; a full disk, mostly.
    """
    now = datetime.now(UTC)
    data = to_json({"time": now.isoformat(timespec="seconds"), **failure, **versions()}).decode()
    data = re.sub(r"(?<![\w.])/[\w.+-]+(?:/[\w.+-]+)*/", "", data)
    path = folder / f"failed-{now:%Y%m%dT%H%M%S%f}-{hashlib.sha256(data.encode()).hexdigest()[:6]}.json"
    write_atomically(path, data.encode())
    return path


def failures(folder: Path) -> list[dict[str, Any]]:
    """The failed attempts at a run, the first first."""
    return [_read(path) for path in sorted(folder.glob("failed-*.json"))]


def unfinished_failures(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Digest -> failed attempts, for the runs that never finished."""
    folders = sorted({path.parent for path in results.glob("*/failed-*.json")})
    return {folder.name: failures(folder) for folder in folders if not finished(folder)}


def load_run(folder: Path) -> Run:
    """A finished run.

    Raises:
        InputError: a file is missing, cut, edited, or does not belong to this folder.
    """
    result = _read(folder / "result.json")
    spec_values = _read(folder / "spec.json")
    remedy = "restore the folder, or delete it and train again"
    if result.get("sha256") != self_digest(result):
        raise InputError(f"{folder / 'result.json'}: digest mismatch, the file was edited: {remedy}")
    try:
        spec = spec_from_dict(spec_values)
    except InputError as error:
        raise InputError(f"{folder / 'spec.json'}: {error}: {remedy}") from None
    if not spec.digest == folder.name == result.get("digest") or result.get("spec") != spec_values:
        raise InputError(f"{folder / 'spec.json'}: digest mismatch, the specification is not the one that was run: {remedy}")
    for name, key in ((WEIGHTS, "weights_sha256"), ("metrics.jsonl", "metrics_sha256")):
        path = folder / name
        if name == WEIGHTS and (folder / POINTER).is_file():
            if (folder / POINTER).read_text(errors="replace") != pointer(str(result.get(key))):
                raise InputError(f"{folder / POINTER}: digest mismatch, the file was cut or edited: {remedy}")
            continue
        if not path.exists():
            raise InputError(f"{path}: missing: {remedy}")
        if sha256(path) != result.get(key):
            raise InputError(f"{path}: digest mismatch, the file was cut or edited: {remedy}")
    return Run(spec, result, folder)


def pointer(digest: str) -> str:
    """What stands in the place of weights with this SHA-256."""
    return f"{digest}  {WEIGHTS}\n"


def trim(run: Run) -> None:
    """Leave the weights of a finished run out of its store; counts, metrics and digests stay."""
    with claimed(run.folder):
        write_atomically(run.folder / POINTER, pointer(run.result["weights_sha256"]).encode())
        (run.folder / WEIGHTS).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        return _parse(path, path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: missing: no finished run is stored there") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: restore it, or delete the folder and train again") from None


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: cut short or not JSON: restore it, or delete the folder and train again") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: not a JSON object: restore it, or delete the folder and train again")
    return value


def load_runs(results: Path) -> list[Run]:
    """All finished runs of a store, by group and seed."""
    runs = [load_run(path.parent) for path in sorted(results.glob("*/result.json"))]
    return sorted(runs, key=lambda run: (run.result["group"] or "", run.spec.seed, run.spec.digest))


def load_model(run: Run) -> GPT:
    """The trained network of a run, in evaluation mode, on the CPU.

    Raises:
        InputError: its weights are left out of the store.
    """
    if run.trimmed:
        raise InputError(f"{run.folder / WEIGHTS}: left out of this store: train the run again in another one, with --results")
    from safetensors.torch import load_file

    from empirical.training.loop import build_model

    model = build_model(run.spec)
    model.load_state_dict(load_file(run.folder / WEIGHTS))
    return model.eval()  # for readers of `model.training`: our dropout heeds a Noise alone, and no mode


def versions() -> dict[str, Any]:
    """Versions of what training rests on."""
    from importlib.metadata import version

    return {"versions": {"python": platform.python_version(), "torch": version("torch"), "numpy": version("numpy")}}


def provenance() -> dict[str, Any]:
    """Versions, commit and digest of the code that runs now."""
    code = hashlib.sha256()
    for package in ("empirical", "theory"):
        for path in sorted((ROOT / package).rglob("*.py")):
            code.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    commit = _git("rev-parse", "HEAD")
    return {
        **versions(),
        "commit": commit,
        "dirty": None if commit is None else bool(_git("status", "--porcelain", "--", "theory", "empirical")),
        "code_sha256": code.hexdigest(),
    }


def _git(*arguments: str) -> str | None:
    if not (ROOT / ".git").exists():
        return None
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def registrations(results: Path) -> dict[str, str]:
    """Run digest -> SHA-256 of the file of registered predictions (predictions*.json of the store) that names the run.

    Raises:
        InputError: such a file is not readable.
    """
    found: dict[str, str] = {}
    for path in sorted(results.glob("predictions*.json")):
        data = path.read_bytes()
        found |= dict.fromkeys(_registered_in(path, data), hashlib.sha256(data).hexdigest())
    return found


@lru_cache(64)  # asked of every run, again and again
def _registered_in(path: Path, data: bytes) -> tuple[str, ...]:
    """The run digests that a file of registered predictions with this content names."""
    groups: Any = _parse(path, data).get("groups")
    try:
        digests = tuple(digest for group in groups.values() for digest in group["runs"].values())
    except (AttributeError, KeyError, TypeError):
        digests = (None,)
    if not all(isinstance(digest, str) for digest in digests):
        raise InputError(f"{path}: not a file of registered predictions: restore it, or register the plan again")
    return digests
