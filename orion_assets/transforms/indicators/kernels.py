"""Compiled loops over contiguous tickers: arrays in, NaN where undefined; frames, names and checks stay outside.

A kernel takes full columns and `offsets`: ticker t is rows `offsets[t]` to `offsets[t + 1]`. A windowed value is a
function of its window alone: what n rows give is put together from what 1, 2, 4, 8 ... rows give, always in the same
order; there is no running sum. Constants with a unit stay out: multiplying an input by a power of two is then exact.
All compiled code is in this file, because numba's disk cache notices a change in a function's own file only.
"""
# ruff: noqa: FURB136  (min() and max() of floats take longer to compile, and end in slower loops)

from typing import Final

import numpy as np
import numpy.typing as npt

from orion_assets.transforms.indicators.compiler import compiled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

TIE: Final = 1e-9  # of the price: two prices closer than this are the same price
TILE: Final = 1024  # rows worked on at a time, so that scratch stays in the first-level cache


@compiled
def _add(total: Floats, left: Floats, right: Floats) -> None:
    for i in range(total.size):
        total[i] = left[i] + right[i]


@compiled
def _copy(into: Floats, values: Floats) -> None:
    # into[:] = values takes numba two seconds to compile
    for i in range(into.size):
        into[i] = values[i]


@compiled
def _window_sums(values: Floats, window: int, total: Floats, scratch: Floats) -> None:
    # total[i] = the sum of values[i : i + window]; level[i] = the sum of `width` values from i on
    level, width, taken, turn = values, 1, 0, 0
    while True:
        if window & width:
            piece = level[taken : taken + total.size]
            if taken == 0:
                _copy(total, piece)
            else:
                for i in range(total.size):
                    total[i] += piece[i]
            taken += width
        if taken == window:
            return
        wider = scratch[turn][: level.size - width]
        _add(wider, level, level[width:])
        level, width, turn = wider, 2 * width, 1 - turn


@compiled
def _window_maxima(values: Floats, window: int, total: Floats, scratch: Floats) -> None:
    level, width, turn = values, 1, 0
    while 2 * width <= window:
        wider = scratch[turn][: level.size - width]
        shifted = level[width:]
        for i in range(wider.size):
            wider[i] = level[i] if level[i] > shifted[i] else shifted[i]
        level, width, turn = wider, 2 * width, 1 - turn
    shifted = level[window - width :]
    for i in range(total.size):
        total[i] = level[i] if level[i] > shifted[i] else shifted[i]


@compiled
def _window_moments(values: Floats, window: int, total: Floats, squares: Floats, scratch: Floats) -> None:
    # squares[i] = the sum of squared distances from the window's mean, joined from parts without cancellation
    # (Chan, Golub, LeVeque 1979): equal values give exactly 0
    level, spread, width, taken, turn = values, scratch[4][: values.size], 1, 0, 0
    spread[:] = 0.0
    while True:
        if window & width:
            piece, around = level[taken : taken + total.size], spread[taken : taken + total.size]
            if taken == 0:
                _copy(total, piece)
                _copy(squares, around)
            else:
                share, rest, weight = float(width), float(taken), 1.0 / (width * taken * (width + taken))
                for i in range(total.size):
                    gap = piece[i] * rest - total[i] * share
                    squares[i] = squares[i] + around[i] + gap * gap * weight
                    total[i] = total[i] + piece[i]
            taken += width
        if taken == window:
            return
        wider, wider_spread = scratch[turn][: level.size - width], scratch[2 + turn][: level.size - width]
        shifted, shifted_spread, weight = level[width:], spread[width:], 0.5 / width
        for i in range(wider.size):
            gap = level[i] - shifted[i]
            wider_spread[i] = spread[i] + shifted_spread[i] + gap * gap * weight
            wider[i] = level[i] + shifted[i]
        level, spread, width, turn = wider, wider_spread, 2 * width, 1 - turn


@compiled
def _log(ratios: Floats) -> None:
    # fdlibm's e_log.c (Sun Microsystems, 1993; error below 1 ulp), without branches. The C library's logarithm differs
    # in last bits between versions and processors; these operations are the same everywhere
    bits = ratios.view(np.int64)
    for i in range(ratios.size):
        ratio = ratios[i]
        shifted = bits[i] + 0x3FF0000000000000 - 0x3FE6A09E00000000
        power = np.float64((shifted >> 52) - 1023)
        bits[i] = (shifted & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E00000000
        f = ratios[i] - 1.0
        s = f / (2.0 + f)
        z = s * s
        w = z * z
        odd = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332))
        even = 0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591)
        even = z * (0.6666666666666735130 + w * even)
        half = 0.5 * f * f
        rest = s * (half + (even + odd)) + power * 1.90821492927058770002e-10
        value = power * 6.93147180369123816490e-01 - ((half - rest) - f)
        ratios[i] = value if 2.2250738585072014e-308 <= ratio < np.inf else np.nan


@compiled
def _log_returns(close: Floats, into: Floats) -> None:
    # One value less than closes: the first is of close 1 over close 0
    later = close[1:]
    for i in range(into.size):
        into[i] = later[i] / close[i] if close[i] > 0.0 else np.nan
    _log(into)


@compiled
def window_mean(values: Floats, offsets: Integers, window: int, mean: Floats) -> None:
    """Write the mean of the last `window` rows."""
    scratch = np.empty((2, TILE + window))
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        mean[start : min(start + window - 1, stop)] = np.nan
        for row in range(start, stop - window + 1, TILE):
            source = values[row : min(row + TILE + window - 1, stop)]
            total = mean[row + window - 1 : row + source.size]
            _window_sums(source, window, total, scratch)
            for i in range(total.size):
                total[i] = total[i] / window


@compiled
def bands(close: Floats, offsets: Integers, window: int, deviations: float, into: tuple[Floats, ...]) -> None:
    """Write Bollinger's upper, middle and lower band, the close's place between them, and their distance."""
    upper, middle, lower, place, width = into
    scratch, squares, weight = np.empty((5, TILE + window)), np.empty(TILE), deviations * deviations / window
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        for column in into:
            column[start : min(start + window - 1, stop)] = np.nan
        for row in range(start, stop - window + 1, TILE):
            first, last = row + window - 1, min(row + TILE + window - 1, stop)
            m, price = middle[first:last], close[first:last]
            up, low, at, wide = upper[first:last], lower[first:last], place[first:last], width[first:last]
            _window_moments(close[row:last], window, m, squares[: m.size], scratch)
            for i in range(m.size):
                m[i] = m[i] / window
                half = np.sqrt(squares[i] * weight)
                up[i] = m[i] + half
                low[i] = m[i] - half
                gap = up[i] - low[i]
                at[i] = (price[i] - low[i]) / gap if gap > TIE * price[i] else np.nan
                wide[i] = gap / m[i] if m[i] > 0.0 else np.nan


@compiled
def realized_volatility(close: Floats, offsets: Integers, window: int, deviation: Floats) -> None:
    """Write the sample standard deviation of the last `window` log returns."""
    scratch, returns, total = np.empty((5, TILE + window)), np.empty(TILE + window), np.empty(TILE)
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        deviation[start : min(start + window, stop)] = np.nan
        for row in range(start, stop - window, TILE):
            last = min(row + TILE + window, stop)
            squares = deviation[row + window : last]
            changes = returns[: last - row - 1]
            _log_returns(close[row:last], changes)
            _window_moments(changes, window, total[: squares.size], squares, scratch)
            for i in range(squares.size):
                squares[i] = np.sqrt(squares[i] / (window - 1))


@compiled
def window_vwap(bars: tuple[Floats, ...], offsets: Integers, window: int, vwap: Floats) -> None:
    """Write the volume-weighted mean of the typical price of the last `window` rows."""
    high, low, close, volume = bars
    scratch, turnover, shares = np.empty((2, TILE + window)), np.empty(TILE + window), np.empty(TILE)
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        vwap[start : min(start + window - 1, stop)] = np.nan
        for row in range(start, stop - window + 1, TILE):
            last = min(row + TILE + window - 1, stop)
            h, l, c, v = high[row:last], low[row:last], close[row:last], volume[row:last]  # noqa: E741
            for i in range(v.size):
                turnover[i] = (h[i] + l[i] + c[i]) / 3.0 * v[i]
            total = vwap[row + window - 1 : last]
            _window_sums(turnover[: v.size], window, total, scratch)
            _window_sums(v, window, shares[: total.size], scratch)
            for i in range(total.size):
                total[i] = total[i] / shares[i]  # NaN without volume


@compiled
def stochastic(bars: tuple[Floats, ...], offsets: Integers, window: int, k: Floats) -> None:
    """Write %K, the close's place in the range of the last `window` rows."""
    high, low, close = bars
    scratch, negative = np.empty((2, TILE + window)), np.empty(TILE + window)
    top, bottom = np.empty(TILE), np.empty(TILE)
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        k[start : min(start + window - 1, stop)] = np.nan
        for row in range(start, stop - window + 1, TILE):
            last = min(row + TILE + window - 1, stop)
            share, price = k[row + window - 1 : last], close[row + window - 1 : last]
            lows = low[row:last]
            for i in range(lows.size):
                negative[i] = -lows[i]
            _window_maxima(high[row:last], window, top[: share.size], scratch)
            _window_maxima(negative[: lows.size], window, bottom[: share.size], scratch)
            for i in range(share.size):
                extent = top[i] + bottom[i]
                share[i] = 100.0 * ((price[i] + bottom[i]) / extent) if extent > TIE * price[i] else np.nan


@compiled
def blank(column: Floats, offsets: Integers, rows: int) -> None:
    """Take away the first `rows` rows of each ticker."""
    for t in range(offsets.size - 1):
        column[offsets[t] : min(offsets[t] + rows, offsets[t + 1])] = np.nan


@compiled
def change(close: Floats, offsets: Integers, lag: int, scale: float, into: Floats) -> None:
    """Write `scale` times the relative change of the close over `lag` rows."""
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        into[start : min(start + lag, stop)] = np.nan
        now, before, value = close[start + lag : stop], close[start:stop], into[start + lag : stop]
        for i in range(value.size):
            value[i] = (now[i] / before[i] - 1.0) * scale if before[i] > 0.0 else np.nan


@compiled
def log_returns(close: Floats, offsets: Integers, into: Floats) -> None:
    """Write the natural logarithm of the close over the close before."""
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        into[start] = np.nan
        _log_returns(close[start:stop], into[start + 1 : stop])


@compiled
def _mean(values: Floats) -> float:
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total / values.size


@compiled
def exponential_mean(values: Floats, offsets: Integers, window: int, mean: Floats) -> None:
    """Write the EMA of `window` rows, seeded with their mean."""
    alpha, keep = 2.0 / (window + 1.0), 1.0 - 2.0 / (window + 1.0)
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        x, y = values[start:stop], mean[start:stop]
        y[: min(window - 1, y.size)] = np.nan
        if x.size < window:
            continue
        state = _mean(x[:window])
        y[window - 1] = state
        for i in range(window, x.size):
            state = state * keep + x[i] * alpha
            y[i] = state


@compiled
def macd(close: Floats, offsets: Integers, windows: tuple[int, int, int], into: tuple[Floats, ...]) -> None:
    """Write the difference of two EMAs that start on the same row, its own EMA (the signal), and their difference."""
    fast, slow, smooth = windows
    quick, calm, follow = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0), 2.0 / (smooth + 1.0)
    first = slow + smooth - 2
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        for column in into:
            column[start : min(start + first, stop)] = np.nan
        if stop - start <= first:
            continue
        x, line, signal, gap = close[start:stop], into[0][start:stop], into[1][start:stop], into[2][start:stop]
        a, b = _mean(x[slow - fast : slow]), _mean(x[:slow])
        average = a - b
        for i in range(slow, first + 1):
            a = a * (1.0 - quick) + x[i] * quick
            b = b * (1.0 - calm) + x[i] * calm
            average += a - b
        average /= smooth
        line[first], signal[first], gap[first] = a - b, average, a - b - average
        for i in range(first + 1, x.size):
            a = a * (1.0 - quick) + x[i] * quick
            b = b * (1.0 - calm) + x[i] * calm
            average = average * (1.0 - follow) + (a - b) * follow
            line[i], signal[i], gap[i] = a - b, average, a - b - average


@compiled
def _step(now: float, before: float) -> float:
    return now - before if abs(now - before) > TIE * abs(before) else 0.0


@compiled
def rsi(close: Floats, offsets: Integers, window: int, into: Floats) -> None:
    """Write Wilder's relative strength index."""
    alpha, keep = 1.0 / window, 1.0 - 1.0 / window
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        x, y = close[start:stop], into[start:stop]
        y[: min(window, y.size)] = np.nan
        if x.size <= window:
            continue
        gain = loss = 0.0
        for i in range(1, window + 1):
            step = _step(x[i], x[i - 1])
            gain += step if step > 0.0 else 0.0
            loss -= step if step < 0.0 else 0.0
        gain, loss = gain / window, loss / window
        y[window] = 100.0 * (gain / (gain + loss))
        for i in range(window + 1, x.size):
            step = _step(x[i], x[i - 1])
            gain = gain * keep + (step if step > 0.0 else 0.0) * alpha
            loss = loss * keep - (step if step < 0.0 else 0.0) * alpha
            y[i] = 100.0 * (gain / (gain + loss))


@compiled
def average_true_range(bars: tuple[Floats, ...], offsets: Integers, window: int, into: Floats) -> None:
    """Write Wilder's mean of the true range; a ticker's first bar has none."""
    alpha, keep = 1.0 / window, 1.0 - 1.0 / window
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        high, low, close, y = bars[0][start:stop], bars[1][start:stop], bars[2][start:stop], into[start:stop]
        y[: min(window, y.size)] = np.nan
        state = 0.0
        for i in range(1, y.size):
            before = close[i - 1]
            extent = (high[i] if high[i] > before else before) - (low[i] if low[i] < before else before)
            if i <= window:
                state += extent
                if i == window:
                    state /= window
            else:
                state = state * keep + extent * alpha
            if i >= window:
                y[i] = state


@compiled
def on_balance_volume(close: Floats, volume: Floats, offsets: Integers, into: Floats) -> None:
    """Write the volume of rising rows less that of falling rows, from the ticker's first volume on."""
    for t in range(offsets.size - 1):
        start, stop = offsets[t], offsets[t + 1]
        v, y, before, now = volume[start:stop], into[start:stop], close[start:stop], close[start + 1 : stop]
        gained, traded = y[1:], v[1:]
        for i in range(now.size):
            step = _step(now[i], before[i])
            gained[i] = traded[i] if step > 0.0 else (-traded[i] if step < 0.0 else 0.0)
        state = v[0]
        y[0] = state
        for i in range(1, y.size):
            state += y[i]
            y[i] = state


@compiled
def _bits(values: Floats) -> int:
    bits = 0
    for i in range(values.size):
        bits |= int(values[i] == values[i]) << i
    return bits


@compiled
def pack_validity(values: Floats, validity: npt.NDArray[np.uint8], first: int, last: int) -> None:
    """Write bytes [first, last) of an Arrow validity bitmap: a bit is set where the value is not NaN."""
    whole = min(last, values.size // 8)
    rows, flags = values[8 * first : 8 * whole].reshape(-1, 8), validity[first:whole]
    for i in range(flags.size):
        # A sum is NaN where a term is; few bytes need the closer look
        left = rows[i, 0] + rows[i, 1] + (rows[i, 2] + rows[i, 3])
        total = rows[i, 4] + rows[i, 5] + (rows[i, 6] + rows[i, 7]) + left
        flags[i] = 255 if total == total else _bits(rows[i])  # noqa: PLR0124
    if whole < last:
        validity[whole] = _bits(values[8 * whole :])
