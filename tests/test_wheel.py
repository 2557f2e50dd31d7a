"""The wheel carries the claims and the evidence, and works away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.command import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_size_and_contents(wheel: Path) -> None:
    assert wheel.stat().st_size < 30_000_000  # most of it weights that claims ask live
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"verify/data/paper_claims.yaml", "theory/py.typed", "empirical/py.typed", "verify/py.typed"} <= names
    results = {path.parent.name for path in (ROOT / "results").glob("*/result.json")}
    assert {name.split("/")[3] for name in names if name.endswith(("/weights.safetensors", "/weights.sha256"))} >= results
    assert not [name for name in names if name.startswith("tests")]


def test_verify_works_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """Unpacked outside the checkout; what is installed besides plays no part, as the unpacked packages come first."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "import sys; from verify.cli import main; sys.argv = ['arith-verify', *sys.argv[1:]]; main()"
    command = [sys.executable, "-c", code, "run", "p2-5-addition-invariant", "ours-window-exact", "--json", "--examples", "20"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["claims_file"] == str(tmp_path / "site" / "verify" / "data" / "paper_claims.yaml")
    assert [claim["verdict"] for claim in found["claims"]].count("untested") == 0
