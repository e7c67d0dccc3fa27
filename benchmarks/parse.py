"""From a vendor's bytes to a validated frame, beside what its client and a bare reader make of the same bytes.

`bars_json`: one answer of 50,000 minute bars, beside the client's own objects. `flat_file`: one day of minutes as a
flat file, gzip, 1.8 million rows (400,000 with --quick), beside a bare `pl.read_csv` with a schema. Orion's side is
what production calls, `PolygonSource.read` by its transport and by its bucket, with every check, hash and mark of
provenance; as on the client's side, the connections alone are stood in for. Rounds interleave the contestants; medians;
the values must agree.
"""

import argparse
import gzip
import io
import json
import sys
import time
from datetime import UTC, date, datetime
from statistics import median

import numpy as np
import polars as pl
from polygon import RESTClient

from orion_assets.clock import FixedClock
from orion_assets.schemas import RAW_MINUTE_BARS
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.polygon import flatfiles
from orion_assets.sources.polygon.bucket import Bucket
from orion_assets.sources.polygon.files import FlatFiles
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource, Reach, polygon_transport
from orion_assets.sources.protocols import Ask
from orion_assets.sources.wire import Reply

BARS = 50_000
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPAN = (date(2026, 8, 1), date(2026, 9, 30))
DAY = date(2026, 11, 18)
# In the order in which the file has them
NAMES = ("ticker", "volume", "open", "close", "high", "low", "window_start", "transactions")
SCHEMA = {name: flatfiles.COLUMNS[name] for name in NAMES}


class Told:
    """Stands in for connections, the client's, the transport's and the bucket's, and gives them the bytes."""

    status = 200

    def __init__(self, data):
        self.data = data

    def request(self, *_, **__):
        return self

    def get(self, _):
        return Reply(200, {"content-type": "application/json"}, self.data)

    def get_object(self, **_):
        told = {"ContentLength": len(self.data), "ETag": '"an-etag"', "LastModified": NOW}
        return {**told, "Body": io.BytesIO(self.data)}


class Unlimited:
    """A log of calls without a limit."""

    def take(self, *_):
        return 1

    def end(self, *_):
        pass


def limited(rate, lease_s):
    return Limiter(Unlimited(), "anybody", rate, lease_s=lease_s, pause=time.sleep)


def polygon(told):
    """Production's source, whose connections are stood in for."""
    rights = RIGHTS["advanced"]
    transport = polygon_transport("x" * 32, "https://api.polygon.io", rights, limited, FixedClock(NOW))
    transport._wire = told  # noqa: SLF001
    files = FlatFiles(Bucket(told, limited(Rate(100, 1.0), 600.0)))
    return PolygonSource(transport, rights, Reach(files=files))


def walk(count, seed):
    draw = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.0005, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(open_, close) * (1 + draw.random(count) * 0.001)
    low = np.minimum(open_, close) * (1 - draw.random(count) * 0.001)
    prices = {"o": open_, "c": close, "h": high, "l": low, "vw": (open_ + close) / 2}
    return {name: np.round(value, 4) for name, value in prices.items()}, np.round(draw.random(count) * 10_000, 6)


def page():
    prices, volume = walk(BARS, 1)
    first = int(datetime(2026, 8, 3, 8, tzinfo=UTC).timestamp() * 1000)
    results = [
        {"v": float(volume[n]), **{name: float(value[n]) for name, value in prices.items()},
         "t": first + 60_000 * n, "n": n % 300 + 1}
        for n in range(BARS)
    ]  # fmt: skip
    told = {"ticker": "AAA", "queryCount": BARS, "resultsCount": BARS, "adjusted": False, "results": results}
    return json.dumps({**told, "status": "OK", "request_id": "0" * 32, "count": BARS}, separators=(",", ":")).encode()


def orion_bars(source):
    return source.read(Ask(RAW_MINUTE_BARS.name, *SPAN, ("AAA",), NOW, is_partial=True, route="minute_window")).rows


def orion_file(source, tickers):
    end = DAY.replace(day=DAY.day + 1)
    return source.read(Ask(RAW_MINUTE_BARS.name, DAY, end, tickers, NOW, is_partial=True, route="minute_file")).rows


def client_bars(body):
    client = RESTClient(api_key="none")
    client.client = Told(body)
    return client.get_aggs("AAA", 1, "minute", "2026-08-01", "2026-09-29")


def flat_file(count):
    tickers = count // 360
    prices, volume = walk(tickers * 360, 2)
    first = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "ticker": np.repeat([f"T{n:05d}" for n in range(tickers)], 360),
            "volume": volume, "open": prices["o"], "close": prices["c"], "high": prices["h"], "low": prices["l"],
            "window_start": np.tile(int(first.timestamp()) * 10**9 + np.arange(360) * 60 * 10**9, tickers),
            "transactions": np.tile(np.arange(360) % 50 + 1, tickers),
        }
    )  # fmt: skip
    out = io.BytesIO()
    frame.write_csv(out)
    return gzip.compress(out.getvalue(), 6)


def measured(contestants, rounds):
    seconds, found = {name: [] for name in contestants}, {}
    for _ in range(rounds):
        for name, run in contestants.items():
            began = time.perf_counter()
            result = run()
            seconds[name].append(time.perf_counter() - began)
            # Only now is the one of the round before let go of: that is nobody's work
            found[name] = result
    return {name: median(each) for name, each in seconds.items()}, found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller file and fewer rounds: within 50 s")
    quick = parser.parse_args().quick
    rows = 400_000 if quick else 1_800_000
    body, packed = page(), flat_file(rows)
    # An answer takes a tenth of a second, a file one or two
    of_answers, of_files = (21, 7) if quick else (41, 11)
    # A tenth of those in the file are followed
    tickers = tuple(f"T{n:05d}" for n in range(rows // 3_600))
    source, files = polygon(Told(body)), polygon(Told(packed))
    json_s, bars = measured({"orion": lambda: orion_bars(source), "client": lambda: client_bars(body)}, of_answers)
    file_s, day = measured(
        {
            "orion": lambda: orion_file(files, tickers),
            "read_csv": lambda: pl.read_csv(packed, schema=SCHEMA),
        },
        of_files,
    )
    followed = day["read_csv"].head(len(tickers) * 360)
    agree = (
        bars["orion"]["close"].to_list() == [bar.close for bar in bars["client"]]
        and bars["orion"]["ts_open"].dt.timestamp("ms").to_list() == [bar.timestamp for bar in bars["client"]]
        and day["orion"]["close"].equals(followed["close"])
        and day["orion"]["ticker"].equals(followed["ticker"])
    )
    print(f"50,000 bars of JSON: orion {json_s['orion']:.3f} s, client objects {json_s['client']:.3f} s")
    print(
        f"{day['read_csv'].height:,} rows of a file: orion {file_s['orion']:.3f} s, read_csv {file_s['read_csv']:.3f} s"
    )
    ratios = {
        "bars_json/client_objects": round(json_s["orion"] / json_s["client"], 3),
        "flat_file/read_csv": round(file_s["orion"] / file_s["read_csv"], 3),
    }
    if not agree:
        print("the results disagree", file=sys.stderr)
    print(json.dumps({"name": "parse", "ratios": ratios}))
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
