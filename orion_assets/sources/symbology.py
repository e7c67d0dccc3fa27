"""How providers spell a ticker. Orion's way is Polygon's: the tape's own, with a point for its slash.

`BRK.B` is a class, `KIMpL` a preferred share, `AAA.WS` a warrant, `AAA.WS.A` one of several, `AAA.U` a unit, `AAAr` a
right. A provider's spelling is made from what the ticker means, never by exchanging characters: the hyphen of Yahoo's
`BRK-B` is a class and that of its `BAC-PL` a preferred share, the point of `AAA.U` is no class. Where nobody has seen
how a provider spells a form, there is no spelling, and nobody is asked for it: another company may answer.

Seen: Yahoo `BRK-B`, `BAC-PL`; Alpaca `BRK.B` (vendors' pages and third-party code, 2026-11; no key was at hand).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Form = Literal["common", "class", "preferred", "warrant", "unit", "right"]
Provider = Literal["orion", "yahoo", "alpaca"]

# What a form is written like; `root` and `series` are put in, and read out
_SPELLED: Final[Mapping[Provider, Mapping[Form, str]]] = {
    "orion": {
        "common": "{root}",
        "class": "{root}.{series}",
        "preferred": "{root}p{series}",
        "warrant": "{root}.WS{series}",
        "unit": "{root}.U",
        "right": "{root}r",
    },
    "yahoo": {"common": "{root}", "class": "{root}-{series}", "preferred": "{root}-P{series}"},
    "alpaca": {"common": "{root}", "class": "{root}.{series}"},
}
_ROOT: Final = "(?P<root>[A-Z]{1,5})"
_SERIES: Final[Mapping[Form, str]] = {
    # A point and a U is a unit; at Yahoo a hyphen and a P may be a preferred share without a series
    "class": "(?P<series>[A-OQ-TV-Z])",
    "preferred": "(?P<series>[A-Z])",
    "warrant": r"(?P<series>(\.[A-Z])?)",
}


@dataclass(frozen=True)
class Name:
    """What a ticker means: the company's root, the form of the security, and which one of several."""

    root: str
    form: Form
    series: str = ""


def spelled(ticker: str, provider: Provider) -> str | None:
    """Give a ticker as a provider spells it; None where the ticker, or how it is spelt there, is not known."""
    name = _parsed(ticker, "orion")
    pattern = _SPELLED[provider].get(name.form) if name else None
    return pattern.format(root=name.root, series=name.series) if name and pattern else None


def read(symbol: str, provider: Provider) -> str | None:
    """Give the ticker that a provider's spelling means; None where that is not known."""
    name = _parsed(symbol, provider)
    return _SPELLED["orion"][name.form].format(root=name.root, series=name.series) if name else None


def _parsed(text: str, provider: Provider) -> Name | None:
    for form, pattern in _SPELLED[provider].items():
        escaped = re.escape(pattern).replace(r"\{root\}", _ROOT).replace(r"\{series\}", _SERIES.get(form, ""))
        if match := re.fullmatch(escaped, text):
            return Name(match["root"], form, match.groupdict().get("series") or "")
    return None
