"""A cast of any size for the synthetic exchange, with what happens to listings over the years, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np

from orion_assets.sources.synthetic import paths
from orion_assets.sources.synthetic.cast import Dividend, Listed, Spinoff, Split
from orion_assets.sources.synthetic.paths import Traits

_STREAM: Final = 8
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WITH_NEWS: Final = 40
_RATIOS: Final = ((2, 1), (3, 1), (3, 2), (1, 10), (1, 4))
# Differ by case alone: a common share and a preferred one
_COMMON, _PREFERRED = "KIMPL", "KIMpL"
_FEWEST: Final = 14
# The first two of the others, where there are as many: one is spun off from the other
_SPUN: Final = 0.3


def crowd(seed: int, count: int, sessions: Sequence[date]) -> tuple[Listed, ...]:
    """Draw a cast.

    The first fourteen always hold one of each kind: a fund, a split, a reverse split, dividends with a special one, a
    rename, a listing and a delisting on the way, a ticker used again, a halt, one that hardly trades, two tickers that
    differ by case alone. Of the others one in sixteen splits, one in three pays dividends, and the second is spun off
    from the first.

    Args:
        seed: Whose it is; the same seed and count give the same cast.
        count: Securities, at least 14.
        sessions: Sessions of the market, oldest first, at least 20.

    Raises:
        ValueError: Too few securities or sessions.
    """
    if count < _FEWEST or len(sessions) < 20:
        raise ValueError(f"crowd: needs {_FEWEST} tickers and 20 sessions, was asked for {count} and {len(sessions)}")
    traits = paths.random_traits(seed, count)
    rng = np.random.default_rng([seed, count, _STREAM])
    plain = [
        Listed(_ticker(number), f"Synthetic {_ticker(number)} Company", each, 0.0, since=sessions[0])
        for number, each in enumerate(traits)
    ]
    told = [replace(listed, news=0.25 if number < _WITH_NEWS else 0.0) for number, listed in enumerate(plain)]
    others = [_drawn(listed, rng, sessions) for listed in told[_FEWEST:]]
    return tuple(_special(told[:_FEWEST], sessions) + _spun(others, sessions))


def _ticker(number: int) -> str:
    """Give a ticker of four letters that starts with S."""
    letters = [_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in (2, 1, 0)]
    return "S" + "".join(letters)


def _special(plain: list[Listed], sessions: Sequence[date]) -> list[Listed]:
    def at(share: float) -> date:
        return sessions[int(share * (len(sessions) - 1))]

    renamed = plain[5]
    return [
        replace(plain[0], name="Synthetic Market Fund", type="ETF", news=1.0),
        replace(plain[1], splits=(Split(at(0.5), 4, 1),)),
        replace(plain[2], splits=(Split(at(0.7), 1, 20),)),
        replace(plain[3], dividends=_with_special(_quarterly(0.4, sessions), 5.0, at(0.6))),
        replace(plain[4], splits=(Split(at(0.25), 3, 2), Split(at(0.75), 2, 1)), dividends=_quarterly(0.1, sessions)),
        replace(renamed, renamed=(at(0.4), f"R{renamed.ticker[1:]}", "Synthetic Renamed Company")),
        replace(plain[6], since=at(0.3)),
        replace(plain[7], until=at(0.65)),
        replace(plain[8], until=at(0.35)),
        # Another company under a ticker that was free
        replace(plain[9], ticker=plain[8].ticker, name="Synthetic Successor Company", since=at(0.55)),
        replace(plain[10], halted=tuple(sessions[len(sessions) // 2 :][:3])),
        replace(plain[11], traits=Traits(7.5, 0.4, 0.025, 90.0), trades_on=0.6),
        replace(plain[12], ticker=_COMMON, name="Synthetic Realty"),
        replace(plain[13], ticker=_PREFERRED, name="Synthetic Realty preferred L", type="PFD"),
    ]


def _spun(others: list[Listed], sessions: Sequence[date]) -> list[Listed]:
    if len(others) < 2:
        return others
    ex_date = sessions[int(0.45 * (len(sessions) - 1))]
    parent, part, *rest = others
    paid = tuple(each for each in part.dividends if each.ex_date > ex_date)
    spun = replace(part, name="Synthetic Spun-Off Company", since=ex_date, splits=(), dividends=paid)
    return [replace(parent, spinoff=Spinoff(ex_date, _SPUN)), spun, *rest]


def _drawn(listed: Listed, rng: np.random.Generator, sessions: Sequence[date]) -> Listed:
    is_split, pays, moment, ratio, amount = rng.random(5)
    if is_split < 1 / 16:
        after, before = _RATIOS[int(ratio * len(_RATIOS))]
        listed = replace(listed, splits=(Split(sessions[int(moment * len(sessions))], after, before),))
    if pays < 1 / 3:
        listed = replace(listed, dividends=_quarterly(round(0.05 + amount, 4), sessions))
    return listed


def _with_special(regular: tuple[Dividend, ...], amount: float, otherwise: date) -> tuple[Dividend, ...]:
    """Add a special dividend on the ex-date of a regular one in the middle; on a date of its own where none is paid."""
    ex_date = regular[len(regular) // 2].ex_date if regular else otherwise
    return (*regular, Dividend(ex_date, amount, "special"))


def _quarterly(amount: float, sessions: Sequence[date]) -> tuple[Dividend, ...]:
    return tuple(Dividend(each, amount) for each in sessions[30::63])
