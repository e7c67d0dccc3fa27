"""The vendor's paths, and who answers them."""

import re
from collections.abc import Callable
from typing import Final

from orion_assets.sources.synthetic.vendor.articles import Articles
from orion_assets.sources.synthetic.vendor.bars import Bars
from orion_assets.sources.synthetic.vendor.reference import Reference
from orion_assets.sources.synthetic.vendor.reply import Refused, Reply, Request
from orion_assets.sources.synthetic.vendor.rights import Rights
from orion_assets.sources.synthetic.vendor.snapshots import Snapshots
from orion_assets.sources.synthetic.vendor.status import Status

Handler = Callable[..., Reply]
_PATTERNS: Final = {
    "range": "/v2/aggs/ticker/{}/range/{}/{}/{}/{}",
    "grouped": "/v2/aggs/grouped/locale/{}/market/{}/{}",
    "prev": "/v2/aggs/ticker/{}/prev",
    "open_close": "/v1/open-close/{}/{}",
    "ticker_types": "/v3/reference/tickers/types",
    "tickers": "/v3/reference/tickers",
    "ticker": "/v3/reference/tickers/{}",
    "events": "/vX/reference/tickers/{}/events",
    "contracts": "/v3/reference/options/contracts",
    "news": "/v2/reference/news",
    "splits": "/stocks/v1/splits",
    "dividends": "/stocks/v1/dividends",
    "old_splits": "/v3/reference/splits",
    "old_dividends": "/v3/reference/dividends",
    "exchanges": "/v3/reference/exchanges",
    "conditions": "/v3/reference/conditions",
    "status_now": "/v1/marketstatus/now",
    "status_upcoming": "/v1/marketstatus/upcoming",
    "snapshot": "/v2/snapshot/locale/us/markets/stocks/tickers",
    "index_snapshot": "/v3/snapshot/indices",
}
ROUTES: Final = tuple(_PATTERNS)
_COMPILED: Final = {name: re.compile(pattern.replace("{}", "([^/]+)")) for name, pattern in _PATTERNS.items()}


class Routes:
    """Answers requests of the vendor's paths by its rights."""

    def __init__(self, rights: Rights) -> None:
        bars, reference, status = Bars(rights), Reference(rights), Status()
        snapshots = Snapshots(rights, bars)
        self._rights: Final = rights
        self._handlers: Final[dict[str, Handler]] = {
            "range": bars.aggregates,
            "grouped": bars.grouped,
            "prev": bars.previous,
            "open_close": bars.open_close,
            "ticker_types": reference.types,
            "tickers": reference.tickers,
            "ticker": reference.detail,
            "events": reference.events,
            "contracts": reference.contracts,
            "news": Articles(rights).articles,
            "splits": reference.splits,
            "dividends": reference.dividends,
            "old_splits": reference.old_splits,
            "old_dividends": reference.old_dividends,
            "exchanges": reference.exchanges,
            "conditions": reference.conditions,
            "status_now": status.now,
            "status_upcoming": status.upcoming,
            "snapshot": snapshots.stocks,
            "index_snapshot": snapshots.indices,
        }

    def answer(self, request: Request) -> Reply:
        """Answer one request; what a route refuses is an answer too."""
        name, parts = route_of(request.path)
        if not name:
            return Reply(status=404, text="404 page not found\n", content_type="text/plain; charset=utf-8")
        try:
            self._rights.cover(name)
            return self._handlers[name](request, *parts)
        except Refused as e:
            return e.reply(request.request_id)


def route_of(path: str) -> tuple[str, tuple[str, ...]]:
    """Give the name of a path's route and its parts, still percent-encoded; an empty name where there is none."""
    for name, pattern in _COMPILED.items():
        match = pattern.fullmatch(path)
        if match:
            return name, match.groups()
    return "", ()
