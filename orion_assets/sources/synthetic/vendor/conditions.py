"""The vendor's trade conditions: which trades move a bar's high and low, its open and close, its volume."""

from collections.abc import Sequence
from typing import Any, Final

# Number, name, SIP codes of CTA and UTP; whether high and low, open and close, volume are moved, on all venues together
# and on the trade's own
_CONDITIONS: Final = (
    (0, "Regular Sale", "@", "@", (True, True, True), (True, True, True)),
    (2, "Average Price Trade", "B", "W", (False, False, True), (False, False, True)),
    (12, "Form T/Extended Hours", "T", "T", (False, False, True), (False, False, True)),
    (13, "Extended Hours (Sold Out Of Sequence)", "U", "U", (False, False, True), (False, False, True)),
    (14, "Intermarket Sweep", "F", "F", (True, True, True), (True, True, True)),
    (15, "Market Center Official Close", "M", "M", (False, False, False), (True, True, False)),
    (16, "Market Center Official Open", "Q", "Q", (False, False, False), (True, True, False)),
    (37, "Odd Lot Trade", "I", "I", (False, False, True), (False, False, True)),
)
_RULES: Final = ("updates_high_low", "updates_open_close", "updates_volume")


def trade_conditions() -> Sequence[dict[str, Any]]:
    """Give the conditions of trades in stocks, each with its rules."""
    return [
        {
            "id": number,
            "type": "sale_condition",
            "name": name,
            "asset_class": "stocks",
            "sip_mapping": {"CTA": cta, "UTP": utp},
            "update_rules": {
                "consolidated": dict(zip(_RULES, everywhere, strict=True)),
                "market_center": dict(zip(_RULES, here, strict=True)),
            },
            "data_types": ["trade"],
        }
        for number, name, cta, utp, everywhere, here in _CONDITIONS
    ]
