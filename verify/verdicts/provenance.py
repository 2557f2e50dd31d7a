"""What verdicts rest on: the claims file, the evidence, the code and the versions, the seed."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from verify.claims.schema import ROOT, Loaded

if TYPE_CHECKING:
    from empirical.runs.store import Run

PACKAGES = ("arith-theory", "torch", "numpy", "scipy", "sympy", "z3-solver", "pydantic")


def provenance(loaded: Loaded, runs: Sequence[Run], seed: int, examples: int, sample: bool) -> dict[str, Any]:
    """Plain values; `commit` is None outside a git checkout, and `dirty` says whether the code differs from it."""
    evidence = hashlib.sha256()
    for digest, result in sorted((run.spec.digest, str(run.result.get("sha256"))) for run in runs):
        evidence.update(f"{digest} {result}\n".encode())
    commit = _git("rev-parse", "HEAD")
    return {
        "claims_file": str(loaded.path),
        "sha256": loaded.sha256,
        "evidence_sha256": evidence.hexdigest(),
        "networks": len(runs),
        "seed": seed,
        "examples": examples,
        "sample": sample,
        "commit": commit,
        "dirty": None if commit is None else bool(_git("status", "--porcelain", "--", "theory", "empirical", "verify")),
        "versions": {"python": platform.python_version(), **{name: found for name in PACKAGES if (found := _version(name))}},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    if not (ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
