"""Archives of runs: what was exported comes in whole or not at all, never outside its folder, never over a finished run."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from empirical.runs.archive import MANIFEST, export_runs, import_runs, write_archive
from empirical.runs.store import Run, load_runs, registrations, sha256
from empirical.training.loop import train
from tests.command import called, refused
from tests.networks import TINY
from theory.errors import InputError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    results = tmp_path_factory.mktemp("results")
    digests = {str(seed): replace(TINY, steps=2, seed=seed).digest for seed in (0, 1)}
    (results / "predictions-x.json").write_text(json.dumps({"groups": {"g": {"runs": digests}}}))
    (results / "predictions-y.json").write_text('{"groups": {}}')
    for seed in (0, 1):
        train(replace(TINY, steps=2, seed=seed), results, group="g")
    (results / digests["0"] / "failed-20260101T000000-abcdef.json").write_text("{}")
    (results / digests["0"] / "checkpoint.pt").write_bytes(b"x")
    return load_runs(results)


@pytest.fixture
def archive(runs: list[Run], tmp_path: Path) -> Path:
    export_runs(runs, tmp_path / "runs.tar.gz")
    return tmp_path / "runs.tar.gz"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(runs: list[Run], archive: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    done = import_runs(archive, there)
    assert (done.new, done.kept) == (tuple(sorted(run.spec.digest for run in runs)), ())
    assert [run.result for run in load_runs(there)] == [run.result for run in runs]
    before = contents(runs[0].folder.parent)
    assert contents(there) == {name: data for name, data in before.items() if not name.endswith(("checkpoint.pt", "-y.json"))}
    assert registrations(there) == {run.spec.digest: run.result["predictions"] for run in runs}
    again = io.BytesIO()
    write_archive(reversed(load_runs(there)), again)
    assert again.getvalue() == archive.read_bytes()  # equal runs, equal archives
    assert import_runs(archive, there).kept == done.new


def test_a_finished_run_is_never_overwritten_and_an_unfinished_one_is_completed(runs: list[Run], archive: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    first, second = runs
    mine = train(first.spec, there, group="mine")
    before = contents(mine.folder)
    (there / second.spec.digest).mkdir()
    (there / second.spec.digest / "checkpoint.pt").write_bytes(b"half-way")
    (there / second.spec.digest / "failed-20260102T000000-abcdef.json").write_text("{}")
    done = import_runs(archive, there)
    assert (done.new, done.kept) == ((second.spec.digest,), (first.spec.digest,))
    assert contents(mine.folder) == before
    assert {path.name for path in (there / second.spec.digest).iterdir()} == {
        "spec.json", "metrics.jsonl", "weights.safetensors", "result.json", "failed-20260102T000000-abcdef.json",
    }  # fmt: skip


Members = list[tuple[tarfile.TarInfo, bytes]]


def rewritten(archive: Path, change: Callable[[Members], None]) -> None:
    """The archive with its members changed, its manifest made to fit unless that is what is changed."""
    with tarfile.open(archive) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]
    change(members)
    with tarfile.open(archive, "w:gz") as tar:
        for member, data in members:
            if member.isreg():
                member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def planted(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[Members], None]:
    """A file that the manifest lists, so that its name or kind alone is wrong."""
    def change(members: Members) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        members.append((member, b"x" if kind == tarfile.REGTYPE else b""))
        manifest = json.loads(members[0][1])
        manifest["files"][name] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        members[0] = (members[0][0], json.dumps(manifest).encode())

    return change


def without(suffix: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        members[:] = [(member, data) for member, data in members if not member.name.endswith(suffix)]

    return change


def edited(members: Members) -> None:
    index = next(i for i, (member, _) in enumerate(members) if member.name.endswith("metrics.jsonl"))
    members[index] = (members[index][0], members[index][1] + b"\n")


def edited_with_manifest(members: Members) -> None:
    """Whoever edits the manifest as well still fails at the digests that the run carries itself."""
    import hashlib

    edited(members)
    manifest = json.loads(members[0][1])
    for member, data in members[1:]:
        manifest["files"][member.name] = hashlib.sha256(data).hexdigest()
    members[0] = (members[0][0], json.dumps(manifest).encode())


DIGEST = TINY.digest
ATTACKS: dict[str, tuple[Callable[[Members], None], str]] = {
    "parent": (planted("../escaped.json"), "outside"),
    "parent within": (planted(f"{DIGEST}/../../escaped.json"), "outside"),
    "absolute": (planted("/tmp/escaped.json"), "outside"),
    "hidden": (planted(f"{DIGEST}/.hidden"), "outside"),
    "top level": (planted("plan.py"), "outside"),
    "deeper": (planted(f"{DIGEST}/a/b.json"), "outside"),
    "backslash": (planted(f"{DIGEST}/..\\x"), "outside"),
    "symbolic link": (planted(f"{DIGEST}/link", tarfile.SYMTYPE, "/etc/passwd"), "links"),
    "hard link": (planted(f"{DIGEST}/link", tarfile.LNKTYPE, "spec.json"), "links"),
    "folder": (planted(DIGEST, tarfile.DIRTYPE), "links"),
    "device": (planted(f"{DIGEST}/null", tarfile.CHRTYPE), "links"),
    "twice": (lambda members: members.append(members[1]), "twice"),
    "no run": (planted(f"{'0' * 16}/spec.json"), "result.json"),
    "edited": (edited, "digest mismatch"),
    "edited with its manifest": (edited_with_manifest, "digest mismatch"),
    "a file missing": (without("metrics.jsonl"), "missing"),
    "no manifest": (without(MANIFEST), "manifest"),
    "bad manifest": (lambda members: members.__setitem__(0, (members[0][0], b"[]")), "manifest"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_one_thing_wrong_and_nothing_is_taken(name: str, archive: Path, tmp_path: Path) -> None:
    change, part = ATTACKS[name]
    rewritten(archive, change)
    (tmp_path / "store").mkdir()
    refused(called("empirical", "import", str(archive), "--results", "store/results", cwd=tmp_path), part)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.tar.gz", "store"]
    assert list((tmp_path / "store").iterdir()) == []


def test_an_untouched_archive_is_rewritten_to_one_that_is_taken(archive: Path, tmp_path: Path) -> None:
    """So the attacks fail for what they change."""
    rewritten(archive, lambda members: None)
    assert len(import_runs(archive, tmp_path / "there").new) == 2


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_an_archive_cut_short_is_refused(share: float, archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"runs\.tar\.gz: "):
        import_runs(archive, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_other_predictions_of_the_same_name_are_kept(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "predictions-x.json").write_text('{"groups": {}}')
    with pytest.raises(InputError, match=r"predictions-x\.json differs"):
        import_runs(archive, tmp_path / "there")
    assert list(contents(tmp_path / "there")) == ["predictions-x.json"]


def test_commands(runs: list[Run], tmp_path: Path) -> None:
    store = str(runs[0].folder.parent)
    made = called("empirical", "export", "a.tar.gz", runs[0].spec.digest[:8], "--group", "g*", "--results", store, "--json", cwd=tmp_path)
    assert json.loads(made.out)["runs"] == [run.spec.digest for run in runs]
    before = sha256(tmp_path / "a.tar.gz")
    for line, part in [
        ("export a.tar.gz --group g", "exists"), ("export b.tar.gz", "no runs"), ("export b.tar.gz ffff", "ffff"),
        ("export b.tar.gz --group h", "'h'"), ("export no/b.tar.gz --group g", "cannot write"), ("import b.tar.gz", "b.tar.gz"),
    ]:  # fmt: skip
        where = ["--results", store if line.startswith("export") else "new"]
        refused(called("empirical", *line.split(), *where, cwd=tmp_path), part)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
    assert sha256(tmp_path / "a.tar.gz") == before
    took = json.loads(called("empirical", "import", "a.tar.gz", "--results", "new", "--json", cwd=tmp_path).out)
    assert len(took["new"]) == 2
    less = json.loads(called("empirical", "trim", "--group", "g*", "--results", "new", "--json", cwd=tmp_path).out)
    assert sorted(less["trimmed"]) == sorted(run.spec.digest for run in load_runs(tmp_path / "new") if run.trimmed)
    assert less["bytes"] > 1000
    left = tmp_path / "new" / less["trimmed"][0] / "weights.safetensors"
    left.write_bytes(b"left behind by a trim that was killed")
    called("empirical", "trim", "--group", "g*", "--results", "new", cwd=tmp_path)
    assert not left.exists()
    called("empirical", "export", "less.tar.gz", "--group", "g*", "--results", "new", cwd=tmp_path)  # trimmed runs travel, and stay trimmed
    called("empirical", "import", "less.tar.gz", "--results", "third", cwd=tmp_path)
    assert all(run.trimmed for run in load_runs(tmp_path / "third"))
    (tmp_path / "plain.gz").write_bytes(gzip.compress(b"no tar"))
    refused(called("empirical", "import", "plain.gz", "--results", "other", cwd=tmp_path), "plain.gz")
    shutil.copytree(runs[0].folder, tmp_path / "x")


def test_a_full_disk_leaves_no_archive(runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("empirical.runs.archive.os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        export_runs(runs, tmp_path / "a.tar.gz")
    assert list(tmp_path.iterdir()) == []
