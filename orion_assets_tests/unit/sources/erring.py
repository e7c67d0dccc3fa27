"""The fake vendor asked without a fault and then with it, and the list of faults that a test module has seen."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime

from orion_assets.sources.synthetic.vendor.hit import Fault
from orion_assets_tests.raw_http import Raw, ask

LAST = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
MARKET = "/v2/aggs/grouped/locale/us/market/stocks"
GROUPED = f"{MARKET}/{LAST}?adjusted=false"
DAILY = f"/v2/aggs/ticker/SAAA/range/1/day/2026-09-01/{LAST}?adjusted=false&limit=20"
TICKERS = "/v3/reference/tickers"
HOST = "https://api.massive.com:443"


def range_of(ticker: str, every: str, start: object, end: object, **params: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return f"/v2/aggs/ticker/{ticker}/range/{every}/{start}/{end}?{query}"


class Around:
    """Asks without a fault, then with it."""

    def __init__(self, vendor):
        self.vendor = vendor

    def __call__(self, target: str, fault: str, times: int = 1, **more) -> tuple[Raw, Raw]:
        healthy = ask(self.vendor.port, target)
        self.vendor.faults.add(fault, **more)
        headers = {"Accept_Encoding": "gzip"} if "gzip" in fault else {}
        return healthy, ask(self.vendor.port, target, timeout_s=0.5, **headers)

    def pages(self, fault: str, **more) -> tuple[list[Raw], list[Raw]]:
        """Follow the daily bars to the end, without and with the fault."""
        healthy = self.follow(DAILY)
        self.vendor.faults.add(fault, **more)
        return healthy, self.follow(DAILY)

    def follow(self, target: str) -> list[Raw]:
        pages = []
        while target and len(pages) < 6:
            pages.append(ask(self.vendor.port, target))
            target = pages[-1].json.get("next_url", "").removeprefix(HOST) if pages[-1].status == 200 else ""
        return pages


class Seen:
    """Which faults the tests of a module see; `of` marks a test with their names."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def of(self, *names: str) -> Callable:
        self.names.update(names)
        return lambda test: test

    def assert_all(self, faults: Iterable[Fault]) -> None:
        """Assert that each fault is seen, and none that does not exist."""
        assert self.names == {fault.name for fault in faults}
