"""AAPL, FB, GOOG, IBM and MSFT as traded, from a package: half a year around a split, or with --all 2000 to 2013.

No key and no download is needed. With EXAMPLE_DATA naming a folder that holds vix/vix-daily.csv, VIX is added.
"""

import os
import sys
from pathlib import Path

from examples import showing
from orion_assets import settings
from orion_assets.cli import showing as shown
from orion_assets.cli.app import app, leave
from orion_assets.cli.output import OUT

HERE = Path(__file__).parent


def main(arguments: list[str]) -> None:
    """Fill the range, then show what came of it."""
    showing.alone()
    if data := os.environ.get("EXAMPLE_DATA"):
        os.environ["ORION_FILES_ROOT"] = data
        os.environ["ORION_FILES_MAPPING"] = f"{HERE / 'mapping.toml'},{HERE / 'vix.toml'}"
    start, end = ("2000-03-01", "2013-03-02") if "--all" in arguments else ("2004-12-01", "2005-06-01")
    env = str(HERE / ".env")
    app(["--env-file", env, "backfill", "--from", start, "--to", end], standalone_mode=False)
    found = settings.load(HERE / ".env")
    shown.layers(found)
    with showing.opened(found) as store:
        columns = ["close", "split_factor", "sma_20", "rsi_14", "atr_14", "ret_log", "vix_close"]
        shown.features(store, ["AAPL", "IBM", "MSFT"], "2005-02-28", "2005-03-01", columns)
        showing.split(store, "AAPL", "2005-02-23", "2005-03-04")
        showing.total_return(store, "AAPL")
    shown.page(found)
    OUT.print(
        "\nNext: .venv/bin/orion --env-file examples/real_2000_2013/.env features AAPL --as-of 2005-03-01\n"
        "      .venv/bin/orion --help, or bring your own files: docs/reference/files-mapping.md"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
    leave(0)
