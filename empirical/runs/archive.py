"""Runs as one archive that moves between machines: a .tar.gz with a manifest of SHA-256 digests.

    manifest.json  predictions*.json  <digest>/spec.json  <digest>/result.json  ...

Everything that a run's folder holds travels, checkpoints excepted, and the registered predictions that the runs were trained under. An
archive is read twice: first to check every name and digest, then to stage its runs beside the store, where each is loaded as any run is.
Only then do they move in. One thing wrong, and nothing is taken.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from empirical.runs.store import Run, claimed, finished, load_run, sha256, to_json
from theory.errors import InputError

MANIFEST = "manifest.json"
_RUN_FILE = re.compile(r"([0-9a-f]{16})/[A-Za-z0-9_][A-Za-z0-9._-]*")
_PREDICTIONS = re.compile(r"predictions[A-Za-z0-9._-]*\.json")


@dataclass(frozen=True)
class Imported:
    """What an import did: digests of the runs that came in, and of those that were here already, which stay as they are."""

    new: tuple[str, ...]
    kept: tuple[str, ...]


def export_runs(runs: Sequence[Run], path: Path) -> None:
    """Write finished runs, digests checked, into a new archive; equal runs give equal archives.

    Raises:
        InputError: no runs, the archive exists, or it cannot be written.
    """
    if not runs:
        raise InputError("no runs to export: name them, or a group of them")
    if path.exists():
        raise InputError(f"{path}: exists: give another name, or move it away")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            write_archive(runs, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename, never over a file that appeared meanwhile
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def write_archive(runs: Iterable[Run], file: IO[bytes]) -> None:
    """The archive of these runs, as a stream."""
    files: dict[str, Path] = {}
    for run in sorted(runs, key=lambda run: run.folder.name):
        files |= {f"{run.folder.name}/{path.name}": path for path in sorted(run.folder.iterdir()) if _travels(path)}
        for path in sorted(run.folder.parent.glob("predictions*.json")):
            if sha256(path) == run.result.get("predictions"):
                files[path.name] = path
    manifest = to_json({"files": {name: sha256(path) for name, path in files.items()}})
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        _add(tar, MANIFEST, len(manifest), io.BytesIO(manifest))
        for name, path in files.items():
            with path.open("rb") as content:
                _add(tar, name, path.stat().st_size, content)


def _travels(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not path.name.startswith((".", "checkpoint"))


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    tar.addfile(member, content)


def import_runs(archive: Path | IO[bytes], results: Path) -> Imported:
    """Take the runs of an archive into a store. A run that is finished here stays untouched, whatever the archive holds.

    Raises:
        InputError: the archive is cut short or edited, holds a path outside its folder, a link, a file that its manifest does not list or
            a run that does not check, or the store holds other predictions under the same name.
    """
    name = archive if isinstance(archive, Path) else Path("archive")
    _check(archive, name)
    made = not results.exists()
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=results) as folder:
            stage = Path(folder)
            for path, data in _members(archive, name):
                (stage / path).parent.mkdir(exist_ok=True)
                (stage / path).write_bytes(data)
            (stage / MANIFEST).unlink()
            return _take(stage, results, name)
    except OSError as error:
        raise InputError(f"{results}: cannot import: {error.strerror or error}") from None
    finally:
        if made and results.is_dir() and not any(results.iterdir()):
            results.rmdir()


def _take(stage: Path, results: Path, name: Path) -> Imported:
    folders = [path for path in sorted(stage.iterdir()) if path.is_dir()]
    for folder in folders:
        try:
            load_run(folder)
        except InputError as error:
            raise InputError(f"{name}: {str(error).replace(f'{stage}/', '').split(': restore')[0]}: export it again") from None
    for path in sorted(stage.glob("predictions*.json")):
        there = results / path.name
        if there.exists() and sha256(there) != sha256(path):
            raise InputError(f"{name}: {path.name} differs from that of {results}: import into another store")
    for path in sorted(stage.glob("predictions*.json")):
        path.replace(results / path.name)
    new = [folder.name for folder in folders if _move(folder, results / folder.name)]
    return Imported(tuple(new), tuple(folder.name for folder in folders if folder.name not in new))


def _move(folder: Path, target: Path) -> bool:
    """Move a staged run into the store, its result last; whether it was not finished there."""
    with claimed(target):
        if finished(target):
            return False
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "result.json"):
            path.replace(target / path.name)
        for path in target.glob("checkpoint*"):
            path.unlink()
    return True


def _check(archive: Path | IO[bytes], name: Path) -> None:
    """Every name and digest, before anything is written."""
    listed: Any = None
    found: dict[str, str] = {}
    for path, data in _members(archive, name):
        if path == MANIFEST:
            listed = _manifest(data, name)
        else:
            found[path] = hashlib.sha256(data).hexdigest()
    if listed is None:
        raise InputError(f"{name}: no {MANIFEST}: not an archive of arith-train export")
    for path in sorted({*found, *listed}):
        if found.get(path) != listed.get(path):
            what = "missing" if path not in found else "not in the manifest" if path not in listed else "digest mismatch"
            raise InputError(f"{name}: {path}: {what}: export it again")


def _manifest(data: bytes, name: Path) -> dict[str, Any]:
    try:
        files = json.loads(data)["files"]
    except (ValueError, KeyError, TypeError, RecursionError):
        files = None
    if not isinstance(files, dict):
        raise InputError(f"{name}: {MANIFEST}: not a manifest: export it again")
    return files


def _members(archive: Path | IO[bytes], name: Path) -> Iterator[tuple[str, bytes]]:
    """Every file with its content, its name and kind checked."""
    seen: set[str] = set()
    with _opened(archive, name) as tar:
        for member in tar:
            path = member.name
            if not member.isreg():
                raise InputError(f"{name}: {path!r}: links and folders are refused, an archive holds files alone")
            if path != MANIFEST and not _PREDICTIONS.fullmatch(path) and not _RUN_FILE.fullmatch(path):
                raise InputError(f"{name}: {path!r}: refused, it is outside the folder of a run")
            if path in seen:
                raise InputError(f"{name}: {path!r} comes twice: export it again")
            seen.add(path)
            content = tar.extractfile(member)
            assert content is not None  # a regular file
            yield path, content.read()


@contextmanager
def _opened(archive: Path | IO[bytes], name: Path) -> Iterator[tarfile.TarFile]:
    try:
        if isinstance(archive, Path):
            with tarfile.open(archive, "r:gz") as tar:
                yield tar
        else:
            archive.seek(0)
            with tarfile.open(fileobj=archive, mode="r:gz") as tar:
                yield tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{name}: no archive of runs, or cut short: export it again") from None
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}: give an archive of arith-train export") from None
