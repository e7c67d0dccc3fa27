"""Prices and volumes of securities that never were, with the shape of real ones: fat tails, calm and stormy times.

Draws are made for blocks of securities, session after session, so that a security's path depends on seed and number
alone: neither another security nor a longer calendar changes it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

# One block is drawn at once: numpy's calls are dear, its loops are cheap
BLOCK: Final = 256
_DRAWS: Final = 7
_MARKET: Final = 2**32 - 1
_PERSISTENCE: Final = 0.9
_SHOCK: Final = 0.08
# Three days in a hundred move two and a half times as much
_JUMP: Final = 2.5
_JUMP_BEYOND: Final = 2.1701
_UNIT: Final = float(np.sqrt(1 + 0.03 * (_JUMP**2 - 1)))
_SESSIONS_A_YEAR: Final = 252
_YEARLY_DRIFT: Final = 0.07
MARKET_DEVIATION: Final = 0.01


@dataclass(frozen=True)
class Traits:
    """What a security's path is like.

    Attributes:
        price: Close before the first session, USD.
        beta: Share of the market's return in its own.
        deviation: Daily deviation of its own return.
        volume: Shares on a usual day.
    """

    price: float
    beta: float = 1.0
    deviation: float = 0.015
    volume: float = 1e6


@dataclass(frozen=True)
class Paths:
    """Bars of some securities as arrays of shape (sessions, securities), in USD and shares of the first session."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def market(seed: int, sessions: int) -> tuple[Floats, Floats]:
    """Give the market's log returns and the deviation expected of each, shape (sessions,)."""
    draws = _draws(seed, _MARKET, (sessions, 1, _DRAWS))
    deviations, returns = _clustered(draws, np.array([MARKET_DEVIATION]))
    return returns[:, 0] + _YEARLY_DRIFT / _SESSIONS_A_YEAR, deviations[:, 0]


def paths(seed: int, traits: Sequence[Traits], sessions: int) -> Iterator[Paths]:
    """Give the paths of securities 0, 1, 2, ... in blocks of up to BLOCK."""
    of_market, _ = market(seed, sessions)
    for number, first in enumerate(range(0, len(traits), BLOCK)):
        block = traits[first : first + BLOCK]
        draws = _draws(seed, number, (sessions, BLOCK, _DRAWS))[:, : len(block)]
        yield _paths(block, draws, of_market)


def random_traits(seed: int, count: int) -> list[Traits]:
    """Draw the traits of a whole exchange: many small and few large companies."""
    rng = np.random.default_rng([seed, _MARKET - 1])
    prices, volumes = np.exp(rng.normal(3.4, 0.9, count)), np.exp(rng.normal(12.5, 1.8, count))
    betas, deviations = rng.normal(1.0, 0.35, count), np.exp(rng.normal(-4.1, 0.35, count))
    drawn = zip(prices.tolist(), betas.tolist(), deviations.tolist(), volumes.tolist(), strict=True)
    return [Traits(*each) for each in drawn]


def bars(seed: int, names: Sequence[str], traits: Sequence[Traits], sessions: pl.Series) -> Iterator[pl.DataFrame]:
    """Give the daily bars of an exchange without events, a block of tickers at a time, for tests of scale.

    Args:
        seed: Whose market it is.
        names: Tickers.
        traits: Theirs, in the same order.
        sessions: Dates of the sessions.

    Returns:
        Frames of `ticker`, `session`, `open`, `high`, `low`, `close`, `vwap` (USD), `volume` (shares) and
        `trade_count`, sorted by ticker as given and session.
    """
    for number, made in enumerate(paths(seed, traits, len(sessions))):
        here = names[number * BLOCK : (number + 1) * BLOCK]
        # Columns of the arrays are tickers, rows of the frame go by ticker first
        flat = {name: as_quoted(getattr(made, name)).T.ravel() for name in ("open", "high", "low", "close")}
        volume = np.round(made.volume).T.ravel()
        yield pl.DataFrame(
            {
                "ticker": pl.Series(here).gather(np.repeat(np.arange(len(here)), len(sessions))),
                "session": pl.Series(sessions).gather(np.tile(np.arange(len(sessions)), len(here))),
                **flat,
                "volume": volume,
                "vwap": vwap(flat["open"], flat["high"], flat["low"], flat["close"]),
                "trade_count": trade_count(volume),
            }
        )


def as_quoted(prices: Floats) -> Floats:
    """Round to cents, below a dollar to hundredths of one."""
    return np.where(prices < 1, np.maximum(np.round(prices, 4), 0.0001), np.round(prices, 2))


def vwap(opened: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    """Give an average price between the extremes."""
    return np.clip(np.round((opened + high + low + close) / 4, 4), low, high)


def trade_count(volume: Floats) -> Floats:
    """Give how many trades such a volume takes."""
    return np.ceil(volume / 140)


def _draws(seed: int, block: int, shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng([seed, block]).standard_normal(shape)


def _clustered(draws: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """Give deviations (GARCH 1, 1) and returns with jumps; both of shape (sessions, securities)."""
    innovations = draws[..., 0] * np.where(np.abs(draws[..., 6]) > _JUMP_BEYOND, _JUMP, 1.0) / _UNIT
    deviations, returns = np.empty_like(innovations), np.empty_like(innovations)
    floor = usual**2 * (1 - _PERSISTENCE - _SHOCK)
    variance = usual**2
    for now in range(len(innovations)):
        np.sqrt(variance, out=deviations[now])
        np.multiply(deviations[now], innovations[now], out=returns[now])
        variance = floor + _PERSISTENCE * variance + _SHOCK * returns[now] ** 2
    return deviations, returns


def _paths(traits: Sequence[Traits], draws: Floats, of_market: Floats) -> Paths:
    own = np.array([each.deviation for each in traits])
    beta = np.array([each.beta for each in traits])
    deviations, returns = _clustered(draws, own)
    returns += beta * of_market[:, None] - own**2 / 2
    spread = np.sqrt(deviations**2 + (beta * MARKET_DEVIATION) ** 2)
    close = np.array([each.price for each in traits]) * np.exp(np.cumsum(returns, axis=0))
    before = close * np.exp(-returns)
    opened = before * np.exp(0.4 * returns + 0.35 * spread * draws[..., 1])
    high = np.maximum(opened, close) * np.exp(0.45 * spread * np.abs(draws[..., 2]))
    low = np.minimum(opened, close) * np.exp(-0.45 * spread * np.abs(draws[..., 3]))
    usual = np.array([each.volume for each in traits])
    busy = np.log((high / low - 1) / (1.5 * np.sqrt(own**2 + (beta * MARKET_DEVIATION) ** 2)) + 0.1)
    volume = usual * np.exp(0.6 * busy + 0.25 * draws[..., 4] + 0.13 * fading(draws[..., 5], 0.9))
    return Paths(opened, high, low, close, volume)


def fading(shocks: Floats, share: float) -> Floats:
    """Give what shocks leave behind when a share of it stays from session to session (AR 1)."""
    level = np.empty_like(shocks)
    level[0] = shocks[0]
    for now in range(1, len(shocks)):
        level[now] = share * level[now - 1] + shocks[now]
    return level
