"""Verdicts for other programs: JSON, Markdown for a CI summary, JUnit XML for its list of tests."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

from theory.errors import InputError
from verify.claims.dependence import shaken
from verify.claims.schema import Loaded
from verify.verdicts.engine import Verdict
from verify.verdicts.ledger import digest
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, UNTESTED, VERDICTS

SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "untested": "–", "error": "!"}


def verdicts_json(verdicts: Sequence[Verdict], provenance: Mapping[str, Any]) -> str:
    """The JSON object that `--json` prints, with a digest of all it says."""
    content = json.loads(json.dumps({**provenance, "claims": [asdict(verdict) for verdict in verdicts]}))
    return json.dumps({**content, "digest": digest(content)}, indent=1)


def read_verdicts(path: Path, loaded: Loaded) -> tuple[list[Verdict], dict[str, Any]]:
    """Verdicts and provenance from a file that `--json` printed, of these very claims.

    Raises:
        InputError: it is missing, no such file, edited, or of another version of the claims.
    """
    try:
        content = json.loads(path.read_bytes())
        as_written = content.pop("digest") == digest(content)
        verdicts = [Verdict(**one) for one in content.pop("claims")] if as_written else []
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: give a file that arith-verify all --json wrote") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"{path}: not what arith-verify all --json writes: write it anew") from None
    if not as_written:
        raise InputError(f"{path}: edited since arith-verify all --json wrote it: write it anew")
    if content["sha256"] != loaded.sha256:
        raise InputError(f"{path}: verdicts on other claims than {loaded.path} holds now: write it anew with arith-verify all --json")
    return verdicts, content


def markdown(loaded: Loaded, verdicts: Sequence[Verdict], provenance: Mapping[str, Any]) -> str:
    """A summary table, then one table per family."""
    statements, notes = {claim.id: claim.statement for claim in loaded.claims}, shaken(loaded, verdicts)
    families = list(dict.fromkeys(verdict.family for verdict in verdicts))
    shown = [name for name in VERDICTS if any(verdict.verdict == name for verdict in verdicts)]
    lines = ["| family | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for family in families:
        counts = [sum(one.family == family and one.verdict == name for one in verdicts) for name in shown]
        lines.append(f"| {_cell(family)} | " + " | ".join(str(count or "") for count in counts) + " |")
    for family in families:
        lines += ["", f"### {family}", "", "| claim | verdict | statement | why |", "|---|---|---|---|"]
        for one in (one for one in verdicts if one.family == family):
            why = "; ".join([one.detail, *([notes[one.id]] if one.id in notes else [])])
            lines.append(f"| `{one.id}` | {SIGNS[one.verdict]} {one.verdict} | {_cell(statements[one.id])} | {_cell(why)} |")
    rests = [f"claims `{str(provenance['sha256'])[:16]}`", f"evidence `{str(provenance['evidence_sha256'])[:16]}`"]
    rests += [f"seed {provenance['seed']}", *([f"commit `{provenance['commit'][:12]}`"] if provenance.get("commit") else [])]
    return "\n".join([*lines, "", ", ".join(rests)])


def _cell(text: str) -> str:
    """Text that no character of which ends or marks a cell."""
    escaped = "".join(f"\\{letter}" if letter in "\\|*_`<>[]#" else letter for letter in text)
    return " ".join(escaped.split())


def junit(verdicts: Sequence[Verdict], fail_on: Collection[str]) -> str:
    """A test per claim: failed by the verdicts named, skipped where nothing was decided."""
    root = xml.Element("testsuites", name="arith-verify", tests=str(len(verdicts)))
    for family in dict.fromkeys(verdict.family for verdict in verdicts):
        mine = [one for one in verdicts if one.family == family]
        counts = {
            "failures": sum(one.verdict in fail_on and one.verdict != ERROR for one in mine),
            "errors": sum(one.verdict == ERROR for one in mine),
            "skipped": sum(one.verdict in (UNTESTED, INCONCLUSIVE) and one.verdict not in fail_on for one in mine),
        }
        attributes = {"name": family, "tests": str(len(mine)), **{key: str(count) for key, count in counts.items()}}
        suite = xml.SubElement(root, "testsuite", attributes)
        for one in mine:
            case = xml.SubElement(suite, "testcase", classname=family, name=one.id)
            if one.verdict == ERROR:
                xml.SubElement(case, "error", message=_plain(one.detail))
            elif one.verdict in fail_on:
                xml.SubElement(case, "failure", message=_plain(f"{one.verdict}: {one.detail}"))
            elif one.verdict in (UNTESTED, INCONCLUSIVE):
                xml.SubElement(case, "skipped", message=_plain(f"{one.verdict}: {one.detail}"))
            xml.SubElement(case, "system-out").text = _plain(f"{one.verdict}: {one.detail}")
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode")


def _plain(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(letter if letter >= " " and letter not in "\ufffe\uffff" else " " for letter in text)
