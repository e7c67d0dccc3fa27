"""The way to Yahoo: yfinance's session, within a budget; every answer is whole, or an error says why there is none."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

from orion_assets.clock import Uptime, uptime
from orion_assets.errors import AnswerDistrusted, SettingsError, SourceUnavailable
from orion_assets.sources.breaker import Breaker, left_alone
from orion_assets.sources.limiter import LONGEST_CLOSE_S, Limiter
from orion_assets.sources.responses import Response
from orion_assets.sources.transport import DISTRUSTED

URL: Final = "https://query2.finance.yahoo.com/v8/finance/chart/"
DEADLINE_S: Final = 30.0
# Sixty years of days are 2 MB
MOST_BYTES: Final = 32 * 1024**2


class ChartWire(Protocol):
    """Whoever can get the body of a chart."""

    def __call__(self, symbol: str, params: Mapping[str, str]) -> Response:
        """Ask for a chart; an answer of 404 is an answer.

        Raises:
            SourceUnavailable: There is none now.
            AnswerDistrusted: It is larger than any chart.
            SettingsError: What it takes is not installed.
        """
        ...


class YfinanceWire:
    """yfinance's cookie, crumb and fingerprint; its parsing and its caches of answers are not used."""

    def __init__(self, limiter: Limiter, *, uptime: Uptime = uptime) -> None:
        """Prepare; yfinance is loaded with the first request.

        Args:
            limiter: The budget; one ask may cost yfinance several requests.
            uptime: Seconds that nobody sets, for the breaker.
        """
        self._limiter = limiter
        self._breaker = Breaker(uptime)

    def __call__(self, symbol: str, params: Mapping[str, str]) -> Response:
        """Ask for a chart; as `ChartWire`."""
        url = URL + quote(symbol, safe="")
        if left := self._breaker.ask():
            raise SourceUnavailable(f"{left_alone('yahoo', left)}. The next run asks again", retry_after_s=left)
        with self._breaker.watched(SourceUnavailable):
            got = self._sent(url, symbol, params)
        if got is None or got.status_code == 429:
            raise self._spent(symbol)
        if got.status_code not in {200, 404}:
            raise _unavailable(symbol, got.status_code)
        body = bytes(got.content)
        if len(body) > MOST_BYTES:
            # yfinance holds it before anybody can say how much is enough; it goes no further
            raise AnswerDistrusted(
                f"yahoo: {symbol}: an answer of {len(body):,} bytes, and no chart has that many. {DISTRUSTED}"
            )
        # Without the crumb, which is as good as a key
        told = f"{url}?{urlencode(params)}"
        return Response(told, got.status_code, {}, body)

    def _sent(self, url: str, symbol: str, params: Mapping[str, str]) -> Any:  # noqa: ANN401 - yfinance's
        """Give what came; None where yfinance says itself that the budget is spent."""
        data, exceptions = _loaded("yfinance.data"), _loaded("yfinance.exceptions")
        with self._limiter.slot():
            try:
                got = data.YfData().get(url=url, params=dict(params), timeout=DEADLINE_S)
            except exceptions.YFRateLimitError:
                return None
            except (OSError, exceptions.YFException) as e:
                raise SourceUnavailable(f"yahoo: {symbol}: {type(e).__name__}: {e}. The next run asks again") from e
        if got.status_code >= 500:
            raise _unavailable(symbol, got.status_code)
        return got

    def _spent(self, symbol: str) -> SourceUnavailable:
        self._limiter.refused(None)
        return SourceUnavailable(
            f"yahoo: {symbol}: it wants to be left alone (HTTP 429). The next run asks again",
            retry_after_s=LONGEST_CLOSE_S,
        )


def _unavailable(symbol: str, status: int) -> SourceUnavailable:
    return SourceUnavailable(f"yahoo: {symbol}: HTTP {status}. The next run asks again")


def _loaded(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as e:
        raise SettingsError(
            f"yahoo: {e.name or name} is not installed; install the extra: pip install 'orion-assets[yahoo]'"
        ) from e
