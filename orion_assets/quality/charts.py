"""Small charts as SVG text: the closes around a session that a check accuses."""

from collections.abc import Mapping
from datetime import date
from html import escape
from typing import Final

import polars as pl

_AROUND: Final = 20
_WIDTH: Final = 320
_HEIGHT: Final = 96
_MARGIN: Final = 8


def around(bars: pl.DataFrame, ticker: str, session: date) -> str:
    """Draw a ticker's closes up to 20 sessions before and after a session, which is marked.

    Args:
        bars: Visible CLEAN_DAILY_BARS rows.
        ticker: Whose.
        session: Which; where it has no bar, its place is marked.

    Returns:
        An `svg` element that names what it shows, in the colours of the page; empty with fewer than two bars.
    """
    mine = bars.filter(pl.col("ticker") == ticker).sort("session")
    before = mine.filter(pl.col("session") < session).tail(_AROUND)
    after = mine.filter(pl.col("session") >= session).head(_AROUND + 1)
    shown = pl.concat([before, after])
    if shown.height < 2:
        return ""
    closes, days = shown["close"].to_list(), shown["session"].to_list()
    low, high = min(closes), max(closes)
    points = [f"{_across(at, len(closes)):.1f},{_up(close, low, high):.1f}" for at, close in enumerate(closes)]
    has_bar = session in days
    at = _across(before.height if has_bar else before.height - 0.5, len(closes))
    dot = f'<circle cx="{at:.1f}" cy="{_up(after["close"][0], low, high):.1f}" r="4" class="mark"/>' if has_bar else ""
    label = escape(f"{ticker}: close from {days[0]} to {days[-1]}, {low:,.6g} to {high:,.6g}; {session} is marked")
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{_HEIGHT}" class="mark"/>'
        f'<polyline points="{" ".join(points)}" class="close"/>{dot}'
        f'<text x="{_MARGIN}" y="12">{escape(ticker)} {session}</text></svg>'
    )


def over(counts: Mapping[date, int], what: str) -> str:
    """Draw a count over sessions, from nothing up.

    Args:
        counts: How many there are, by session, in order.
        what: What is counted.

    Returns:
        An `svg` element that stands by itself, in colours that a light and a dark page can carry; empty with fewer
        than two sessions.
    """
    if len(counts) < 2:
        return ""
    days, values = list(counts), list(counts.values())
    top = max(*values, 1)
    points = [f"{_across(at, len(values)):.1f},{_up(value, 0, top):.1f}" for at, value in enumerate(values)]
    label = f"{what}, {days[0]} to {days[-1]}: {min(values):,} to {max(values):,}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * _WIDTH}" height="{2 * _HEIGHT}"'
        f' viewBox="0 0 {_WIDTH} {_HEIGHT}"><polyline points="{" ".join(points)}" fill="none" stroke="#5b6ee1"/>'
        f'<text x="{_MARGIN}" y="10" font-size="8" font-family="sans-serif" fill="#808080">{escape(label)}</text></svg>'
    )


def _across(at: float, count: int) -> float:
    return _MARGIN + at * (_WIDTH - 2 * _MARGIN) / max(count - 1, 1)


def _up(close: float, low: float, high: float) -> float:
    share = (close - low) / (high - low) if high > low else 0.5
    return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN - 12)
