"""Position encodings, by family: what a query can tell about where a key stands. To add a name, add a row.

`randomised`: in training and testing alike, the positions of a sequence are an ordered random subset of a range that is larger than
any sequence asked for (Ruoss et al. 2023, arXiv 2305.16843), whatever is made of them then. Only their order is the same in every draw.
`positional`: absolute positions, and queries and keys are made of them alone (Back de Luca et al. 2024, arXiv 2410.01686).
`priced`: absolute positions, trained at a price on attention that is not on <bos>.
`sparse`: positional attention whose weights are those of sparsemax (Martins & Astudillo 2016, arXiv 1602.02068), hence 0 for most tokens,
and that is trained at such a price. `sparse-absolute`: absolute positions, with such weights and price.
"""

from __future__ import annotations

from dataclasses import dataclass

from theory.errors import InputError

FAMILIES = ("absolute", "relative", "window", "banded", "randomised", "none", "abacus")

#: concrete name -> family
ENCODINGS: dict[str, str] = {
    **{family: family for family in FAMILIES},
    **dict.fromkeys(("ape", "learned", "sinusoidal", "priced", "positional", "sparse", "sparse-absolute"), "absolute"),
    **dict.fromkeys(("rpe", "shaw", "bias", "t5", "rope", "alibi", "fire"), "relative"),
    **dict.fromkeys(("windowed", "local"), "window"),
    "band": "banded",
    **dict.fromkeys(("randomized", "random-subset", "randomised-ape", "randomised-rope", "randomised-alibi"), "randomised"),
    **dict.fromkeys(("nope", "no"), "none"),
    **dict.fromkeys(("coupled", "position-coupling"), "abacus"),
}

SPARSE = ("sparse", "sparse-absolute")
PRICED = ("priced", *SPARSE)
PRICEABLE = ("positional", *PRICED)  # the first with a price or without one

DEFAULT_LAYOUT = {"relative": "aligned", "window": "interleaved", "banded": "aligned"}


@dataclass(frozen=True)
class Encoding:
    """A position encoding; `window` tokens before the query are visible per layer (window family only).

    The banded family is relative, and shows one offset for each role of the local rule (theory.local.bands names them).
    """

    name: str
    family: str
    window: int | None = None
    layers: int = 1

    @property
    def keyed(self) -> bool:
        """Whether keys hold digits, which can then draw attention; in positional attention they hold places alone."""
        return self.name not in ("positional", "sparse")

    @property
    def priced(self) -> bool:
        """Whether it is one of those that are always trained at a price; positional attention may be."""
        return self.name in PRICED

    @property
    def sparse(self) -> bool:
        """Whether attention can be exactly 0."""
        return self.name in SPARSE

    @property
    def text(self) -> str:
        return f"{self.name} {'positions' if self.keyed else 'attention'}"

    @property
    def receptive_field(self) -> int | None:
        """Tokens that can influence a query, itself included: L*r + 1; None where they are no window."""
        return None if self.window is None else self.layers * self.window + 1


def make_encoding(name: str, window: int | None = None, layers: int = 1) -> Encoding:
    """An encoding by any of its names.

    Raises:
        InputError: unknown name, a window missing, superfluous or < 1, layers < 1.

    >>> make_encoding("rope").family
    'relative'
    >>> make_encoding("window", 4, layers=2).receptive_field  # tokens
    9
    """
    if name not in ENCODINGS:
        raise InputError(f"unknown encoding {name!r}: choose from {', '.join(ENCODINGS)}")
    family = ENCODINGS[name]
    if layers < 1:
        raise InputError(f"layers {layers}: at least one layer is needed")
    if family == "window" and (window is None or window < 1):
        raise InputError("the window encoding needs --window, the number of visible tokens before the query (at least 1)")
    if family != "window" and window is not None:
        raise InputError(f"--window goes with the window encoding, not with {name}")
    return Encoding(name, family, window, layers)
