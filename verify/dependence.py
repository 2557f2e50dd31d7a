"""What claims rest on: the claims that `depends_on` names, and those that these rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verify.claims import Claim, Loaded
from verify.statistics import REFUTED, SUPPORTED

if TYPE_CHECKING:
    from verify.engine import Verdict


def foundations(claims: Sequence[Claim]) -> dict[str, list[str]]:
    """Claim -> every claim that it rests on, the nearest first."""
    named = {claim.id: list(claim.depends_on or ()) for claim in claims}
    found: dict[str, list[str]] = {}
    for claim, near in named.items():
        reached = list(near)
        for one in reached:  # which grows
            reached += [further for further in named[one] if further not in reached]
        found[claim] = reached
    return found


def shaken(loaded: Loaded, verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Supported claim -> a note naming the refuted ones that it rests on: what it says may hold, but not for the reason given."""
    known = {verdict.id: verdict.verdict for verdict in verdicts}
    notes: dict[str, str] = {}
    for claim, below in foundations(loaded.claims).items():
        refuted = [one for one in below if known.get(one) == REFUTED]
        if known.get(claim) == SUPPORTED and refuted:
            notes[claim] = f"supported, though it rests on what is refuted: {', '.join(refuted)}"
    return notes


def misplaced(claims: Sequence[Claim]) -> list[str]:
    """Dependences that cannot be meant: one line each."""
    by_id, below = {claim.id: claim for claim in claims}, foundations(claims)
    found = []
    for claim in claims:
        for one in claim.depends_on or ():
            if claim.scale == "symbolic" and by_id[one].scale != "symbolic":
                found.append(f"claim {claim.id} is proven, so it cannot depend on {one}, which networks decide")
            if one.startswith("reading-"):
                found.append(f"claim {claim.id} depends on {one}, a reading that is expected to be refuted")
            if through := [other for other in claim.depends_on or () if one in below[other]]:
                found.append(f"claim {claim.id} depends on {one} already through {through[0]}")
    return found
