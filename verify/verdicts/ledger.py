"""The ledger of verdicts: one line for each time that claims were decided, and what changed since the last time.

A line holds what the verdicts rest on (commit, versions, digests of claims and evidence, seed) and, per claim, the verdict with digests
of its statement and of its evidence. Lines are appended whole, so that two runs at once lose nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from theory.errors import InputError
from verify.claims.schema import Loaded
from verify.verdicts.engine import Verdict


@dataclass(frozen=True)
class Change:
    """What became of one claim: new, removed, another verdict, or the same verdict on another statement or other evidence."""

    claim: str
    what: str
    before: str
    now: str


def default_path() -> Path:
    """`ledger.jsonl` where a program keeps its state: $XDG_STATE_HOME, else ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "arith-verify" / "ledger.jsonl"


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def lasting(evidence: Any) -> Any:
    """Evidence without what is drawn anew each time, or names places and versions of this machine."""
    if isinstance(evidence, dict):
        return {key: lasting(value) for key, value in evidence.items() if key not in ("evaluated_again", "versions", "shown")}
    return [lasting(value) for value in evidence] if isinstance(evidence, list) else evidence


def entry(loaded: Loaded, verdicts: Sequence[Verdict], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the ledger."""
    statements = {claim.id: digest(claim.model_dump(mode="json")) for claim in loaded.claims}
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance,
        "whole": len(verdicts) == len(loaded.claims),
        "verdicts": {
            one.id: {"verdict": one.verdict, "detail": one.detail, "claim": statements[one.id], "evidence": digest(lasting(one.evidence))}
            for one in verdicts
        },
    }


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write((json.dumps(line, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: name a ledger that can be written with --ledger") from None


def read(path: Path) -> list[dict[str, Any]]:
    """All lines, the oldest first.

    Raises:
        InputError: `FILE:LINE: ...` for a missing file or a line that is no entry.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: arith-verify all writes it, or name another with --ledger") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}:1: not UTF-8 text: name a ledger with --ledger") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            one = json.loads(line)
            for verdict in one["verdicts"].values():
                _ = verdict["verdict"] + verdict["detail"] + verdict["claim"] + verdict["evidence"]
            _ = one["time"] + one["claims_file"], one["whole"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(f"{path}:{number}: no entry of the ledger: delete the line") from None
        found.append(one)
    return found


def changes(lines: Sequence[Mapping[str, Any]]) -> list[Change]:
    """What the last entry changed: each of its claims against the last verdict before it on the same claims file.

    Raises:
        InputError: there are not two entries of one claims file.
    """
    last = lines[-1] if lines else None
    earlier = [line for line in lines[:-1] if last is not None and line["claims_file"] == last["claims_file"]]
    if last is None or not earlier:
        raise InputError("the ledger holds no two runs on one claims file: run arith-verify all again after a change")
    before: dict[str, Mapping[str, str]] = {}
    for line in earlier:
        if line["whole"]:
            before = {}  # what a whole run does not name is gone
        before |= line["verdicts"]
    found = []
    for name, now in last["verdicts"].items():
        if (old := before.get(name)) is None:
            found.append(Change(name, "new", "", f"{now['verdict']}: {now['detail']}"))
        elif old["verdict"] != now["verdict"]:
            found.append(Change(name, "verdict", f"{old['verdict']}: {old['detail']}", f"{now['verdict']}: {now['detail']}"))
        elif old["claim"] != now["claim"]:
            found.append(Change(name, "claim", old["verdict"], now["verdict"]))
        elif old["evidence"] != now["evidence"]:
            found.append(Change(name, "evidence", old["detail"], now["detail"]))
    if last["whole"]:
        found += [Change(name, "removed", old["verdict"], "") for name, old in before.items() if name not in last["verdicts"]]
    return found
