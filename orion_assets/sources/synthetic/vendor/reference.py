"""The vendor's reference routes: tickers, their details and renames, splits, dividends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import prod
from typing import Any, Final

import polars as pl

from orion_assets.sources.synthetic.vendor.conditions import trade_conditions
from orion_assets.sources.synthetic.vendor.listings import KNOWN_UNDERLYINGS, contracts, other_listings
from orion_assets.sources.synthetic.vendor.pages import Listed, kept, page
from orion_assets.sources.synthetic.vendor.parameters import day, flag, with_cursor
from orion_assets.sources.synthetic.vendor.reply import Refused, Reply, Request, decoded
from orion_assets.sources.synthetic.vendor.rights import Rights
from orion_assets.sources.synthetic.vendor.truth import Listing, Truth
from orion_assets.sources.synthetic.vendor.wire import objects

_NOT_FOUND: Final = "Ticker not found."
_TICKERS: Final = Listed("/v3/reference/tickers", "ticker", ("ticker", "name", "type", "market"), 100, 1000)
_CONTRACTS: Final = Listed(
    "/v3/reference/options/contracts",
    "ticker",
    ("ticker", "underlying_ticker", "expiration_date", "strike_price"),
    10,
    1000,
)
_CONDITIONS: Final = Listed(
    "/v3/reference/conditions", "id", ("id", "name", "type", "asset_class", "data_types"), 10, 1000
)
_OLD_SPLITS: Final = Listed("/v3/reference/splits", "execution_date", ("execution_date", "ticker"), 10, 1000, "desc")
_NEW_SPLITS: Final = replace(_OLD_SPLITS, path="/stocks/v1/splits", limit=100, most=5000)
_OLD_DIVIDENDS: Final = Listed(
    "/v3/reference/dividends", "ex_dividend_date", ("ex_dividend_date", "ticker", "cash_amount"), 10, 1000, "desc"
)
_NEW_DIVIDENDS: Final = replace(_OLD_DIVIDENDS, path="/stocks/v1/dividends", limit=100, most=5000)
_OLD_SPLIT: Final = ("id", "execution_date", "split_from", "split_to", "ticker")
_OLD_DIVIDEND: Final = (
    *("id", "cash_amount", "currency", "declaration_date", "dividend_type", "ex_dividend_date", "frequency"),
    *("pay_date", "record_date", "ticker"),
)
_NEW_DIVIDEND: Final = (
    *("id", "ticker", "record_date", "pay_date", "ex_dividend_date", "declaration_date", "cash_amount", "currency"),
    *("frequency", "distribution_type", "historical_adjustment_factor", "split_adjusted_cash_amount"),
)
_MEMBER: Final = {"exchange": "primary_exchange"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """Answers of the reference routes."""

    rights: Rights

    @property
    def truth(self) -> Truth:
        """What the vendor holds."""
        return self.rights.truth

    def tickers(self, request: Request) -> Reply:
        """Answer `/v3/reference/tickers`: who is listed, or no longer listed, as of a date."""
        asked = with_cursor(request)
        on = self._date(asked)
        is_active = flag(asked, "active", default=True)
        listings = [each for each in self.truth.listings if _is_told(each, on, is_active=is_active)]
        rows = [_ticker(each, on, is_active=is_active) for each in listings]
        rows += other_listings(on) if is_active else []
        names = ("type", "market", "exchange", "cik", "cusip")
        wanted = {name: asked.params[name] for name in names if asked.params.get(name)}
        rows = [row for row in rows if all(row.get(_MEMBER.get(name, name)) == wanted[name] for name in wanted)]
        search = asked.params.get("search", "").casefold()
        rows = [row for row in rows if search in row["ticker"].casefold() or search in row["name"].casefold()]
        return page(asked, _TICKERS, kept(asked, rows, "ticker"))

    def detail(self, request: Request, ticker: str) -> Reply:
        """Answer `/v3/reference/tickers/{ticker}`."""
        on, name = self._date(request), decoded(ticker)
        borne = [each for each in self.truth.listings if each.ticker == name and each.since <= on]
        if not borne:
            raise Refused(404, _NOT_FOUND, "NOT_FOUND", "message")
        found = borne[-1]
        is_active = found.is_active(on)
        row = _ticker(found, on, is_active=is_active) | {
            "list_date": self._listed_on(found),
            "ticker_root": name,
            "round_lot": 100,
            "share_class_shares_outstanding": 10_000_000,
            "weighted_shares_outstanding": 10_000_000,
            "description": "A synthetic company; nothing of it is real.",
        }
        told = {name: value for name, value in row.items() if value is not None}
        return Reply({"request_id": request.request_id, "results": told, "status": "OK"})

    def events(self, request: Request, identifier: str) -> Reply:
        """Answer `/vX/reference/tickers/{id}/events`: renames, newest first, of who bears the ticker now."""
        asked = decoded(identifier)
        borne = [each for each in self.truth.listings if asked in (each.ticker, each.figi)]
        if not borne:
            raise Refused(404, _NOT_FOUND, "NOT_FOUND", "message")
        owner = max(borne, key=lambda each: each.since)
        own = [each for each in self.truth.listings if each.number == owner.number and each.since <= request.today]
        changes = [
            {"type": "ticker_change", "date": each.since.isoformat(), "ticker_change": {"ticker": each.ticker}}
            for each in sorted(own, key=lambda each: each.since, reverse=True)
        ]
        results = {"name": owner.name, "composite_figi": owner.figi, "cik": _cik(owner), "events": changes}
        return Reply({"results": results, "status": "OK", "request_id": request.request_id})

    def contracts(self, request: Request) -> Reply:
        """Answer `/v3/reference/options/contracts`: what can be traded, or has expired, as of a date."""
        asked = with_cursor(request)
        on = self._date(asked, "as_of")
        stocks = {each.ticker for each in self.truth.listings if each.is_active(on)}
        named = asked.params.get("underlying_ticker", "")
        wanted = sorted(each for each in stocks.union(KNOWN_UNDERLYINGS) if named in ("", each))
        is_expired = flag(asked, "expired", default=False)
        rows = list(contracts(wanted, self.truth.market.first, on, is_expired=is_expired))
        names = ("underlying_ticker", "contract_type", "expiration_date", "strike_price", "ticker")
        return page(asked, _CONTRACTS, kept(asked, rows, *names))

    def splits(self, request: Request) -> Reply:
        """Answer `/stocks/v1/splits`."""
        asked = with_cursor(request)
        rows = self._since("splits", "execution_date", asked, self._splits(request))
        rows = kept(asked, rows, "ticker", "execution_date", "adjustment_type")
        return page(asked, _NEW_SPLITS, rows)

    def old_splits(self, request: Request) -> Reply:
        """Answer `/v3/reference/splits`, without what the new route added."""
        asked = with_cursor(request)
        rows = self._since("splits", "execution_date", asked, self._splits(request))
        if "reverse_split" in asked.params:
            is_reverse = flag(asked, "reverse_split", default=False)
            rows = [row for row in rows if (row["split_from"] > row["split_to"]) == is_reverse]
        rows = [{name: row[name] for name in _OLD_SPLIT} for row in kept(asked, rows, "ticker", "execution_date")]
        return page(asked, _OLD_SPLITS, rows)

    def dividends(self, request: Request) -> Reply:
        """Answer `/stocks/v1/dividends`."""
        asked = with_cursor(request)
        names = ("ticker", "ex_dividend_date", "frequency", "distribution_type", "cash_amount")
        rows = kept(asked, self._since("dividends", "ex_dividend_date", asked, self._dividends(request)), *names)
        return page(asked, _NEW_DIVIDENDS, [{name: row[name] for name in _NEW_DIVIDEND} for row in rows])

    def old_dividends(self, request: Request) -> Reply:
        """Answer `/v3/reference/dividends`, without what the new route added."""
        asked = with_cursor(request)
        names = ("ticker", "ex_dividend_date", "record_date", "declaration_date", "pay_date", "frequency")
        found = self._since("dividends", "ex_dividend_date", asked, self._dividends(request))
        rows = kept(asked, found, *names, "cash_amount", "dividend_type")
        return page(asked, _OLD_DIVIDENDS, [{name: row[name] for name in _OLD_DIVIDEND} for row in rows])

    def types(self, request: Request) -> Reply:
        """Answer `/v3/reference/tickers/types`."""
        told = {"CS": "Common Stock", "PFD": "Preferred Stock", "ETF": "Exchange Traded Fund"}
        rows = [
            {"code": code, "description": text, "asset_class": "stocks", "locale": "us"} for code, text in told.items()
        ]
        return Reply({"status": "OK", "request_id": request.request_id, "count": len(rows)}, objects(rows))

    def conditions(self, request: Request) -> Reply:
        """Answer `/v3/reference/conditions`: those of trades in stocks."""
        asked = with_cursor(request)
        rows = kept(asked, trade_conditions(), "id", "asset_class")
        kind, sip = asked.params.get("data_type", ""), asked.params.get("sip", "")
        rows = [row for row in rows if kind in ("", *row["data_types"]) and sip in ("", *row["sip_mapping"])]
        return page(asked, _CONDITIONS, rows)

    def exchanges(self, request: Request) -> Reply:
        """Answer `/v3/reference/exchanges`."""
        row = {
            "id": 1,
            "type": "exchange",
            "asset_class": "stocks",
            "locale": "us",
            "name": "Synthetic Exchange",
            "mic": "XSYN",
            "operating_mic": "XSYN",
        }
        return Reply({"status": "OK", "request_id": request.request_id, "count": 1}, objects([row]))

    def _date(self, request: Request, name: str = "date") -> date:
        on = day(name, request.params[name]) if request.params.get(name) else request.today
        if on < request.today:
            self.rights.span(on, on, request.today, request.now)
        return on

    def _listed_on(self, listing: Listing) -> str | None:
        first = self.truth.market.cast[listing.number].since
        return None if first == self.truth.market.first else first.isoformat()

    def _since(self, route: str, name: str, request: Request, rows: Sequence[Row]) -> Sequence[Row]:
        """Leave out what lies before what the plan reaches."""
        first = self.rights.reached(route, request, name).isoformat()
        return [row for row in rows if row[name] >= first]

    def _splits(self, request: Request) -> Sequence[Row]:
        known = self.truth.splits.filter(pl.col("ts_known") <= request.now)
        factors = known.sort("ex_date", descending=True).with_columns(
            factor=(pl.col("shares_before") / pl.col("shares_after")).cum_prod().over("number")
        )
        return [
            {
                "id": row["event_id"],
                "ticker": row["ticker"],
                "execution_date": row["ex_date"].isoformat(),
                "split_from": row["shares_before"],
                "split_to": row["shares_after"],
                "adjustment_type": "reverse_split" if row["shares_before"] > row["shares_after"] else "forward_split",
                "historical_adjustment_factor": row["factor"],
            }
            for row in factors.sort("ex_date", "ticker").iter_rows(named=True)
        ]

    def _dividends(self, request: Request) -> Sequence[Row]:
        announced = self.truth.dividends.filter(pl.col("ex_date") <= request.today + timedelta(days=30))
        done = self.truth.splits.filter(pl.col("ex_date") <= request.today)
        splits = done.select("number", "ex_date", ratio=pl.col("shares_after") / pl.col("shares_before")).rows()
        return [_dividend(row, splits) for row in announced.iter_rows(named=True)]


def _dividend(row: Row, splits: Sequence[tuple[int, date, float]]) -> Row:
    ex_date: date = row["ex_date"]
    factor = prod(ratio for number, at, ratio in splits if number == row["number"] and at > ex_date)
    is_special = row["dividend_type"] == "special"
    return {
        "id": row["event_id"],
        "ticker": row["ticker"],
        "cash_amount": row["cash_amount"],
        "currency": "USD",
        "declaration_date": (ex_date - timedelta(days=30)).isoformat(),
        "ex_dividend_date": ex_date.isoformat(),
        "record_date": ex_date.isoformat(),
        "pay_date": (ex_date + timedelta(days=21)).isoformat(),
        "frequency": 0 if is_special else 4,
        "dividend_type": "SC" if is_special else "CD",
        "distribution_type": "special" if is_special else "recurring",
        "historical_adjustment_factor": 1.0,
        "split_adjusted_cash_amount": round(row["cash_amount"] / factor, 8),
    }


def _is_told(listing: Listing, on: date, *, is_active: bool) -> bool:
    if is_active:
        return listing.is_active(on)
    return listing.is_delisted and listing.until is not None and listing.until <= on


def _ticker(listing: Listing, on: date, *, is_active: bool) -> dict[str, Any]:
    ended = None if is_active or listing.until is None else f"{listing.until}T05:00:00Z"
    return {
        "ticker": listing.ticker,
        "name": listing.name,
        "market": "stocks",
        "locale": "us",
        "primary_exchange": "XSYN",
        "type": listing.type,
        "active": is_active,
        "currency_name": "usd",
        "cik": _cik(listing),
        "composite_figi": listing.figi,
        "share_class_figi": f"{listing.figi}C",
        "last_updated_utc": f"{on}T07:05:00Z",
        "delisted_utc": ended,
    }


def _cik(listing: Listing) -> str:
    return f"{9_900_000 + listing.number:010d}"
