"""AAPL, MSFT, BRK_A and ZEN of 2014 as traded, with dividends, the 7:1 split of 9 June, VIX and time-stamped texts.

EXAMPLE_DATA names the folder that holds the files of mapping.toml.
"""

from pathlib import Path

from examples import showing
from orion_assets import settings
from orion_assets.cli import showing as shown
from orion_assets.cli.app import app, leave
from orion_assets.cli.output import OUT

HERE = Path(__file__).parent


def main() -> None:
    """Fill 2014, then show what came of it."""
    showing.alone()
    env = str(HERE / ".env")
    app(["--env-file", env, "backfill", "--from", "2014-01-02", "--to", "2015-01-01"], standalone_mode=False)
    found = settings.load(HERE / ".env")
    shown.layers(found)
    with showing.opened(found) as store:
        columns = ["close", "split_factor", "rsi_14", "sentiment", "news_count", "vix_close"]
        shown.features(store, ["AAPL", "MSFT"], "2014-06-09", "2014-06-10", columns)
        showing.split(store, "AAPL", "2014-06-04", "2014-06-13")
        showing.total_return(store, "AAPL")
    shown.page(found)
    OUT.print("\nNext: .venv/bin/orion --env-file examples/real_2014/.env features AAPL --as-of 2014-06-06")


if __name__ == "__main__":
    main()
    leave(0)
