"""Minutes of two years for fifty tickers, from a fake vendor through the lake: memory and time of one backfill.

`orion backfill --datasets minute` in a process of its own; the kernel tells its peak resident memory at its end.
"""

import os
from datetime import timedelta
from time import perf_counter

import pytest

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.clock import SystemClock
from orion_assets.schemas import CLEAN_MINUTE_BARS, RAW_MINUTE_BARS
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.accept_runs import figure, on_vendor, undisturbed

pytestmark = pytest.mark.accept

TICKERS, SESSIONS = 50, 504
MOST_MB = 2048


def test_two_years_of_minutes_for_fifty_tickers_stay_under_two_gibibytes(tmp_path):
    today = SystemClock().now().astimezone(NEW_YORK).date() - timedelta(days=1)
    days = calendars.sessions(end=today + timedelta(days=1))["session"].tail(SESSIONS)
    with undisturbed(), fake_vendor(large_market(TICKERS + 20, SESSIONS + 1, today)) as vendor:
        followed = vendor.truth.bars_on(days[0])["ticker"].head(TICKERS).to_list()
        made = on_vendor(tmp_path, vendor, followed, days[0], ORION_DATASETS="minute")
        begun = perf_counter()
        process = made.start("backfill", "--to", str(days[-1] + timedelta(days=1)))
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, peak = perf_counter() - begun, used.ru_maxrss / 1024
        windows = [entry for entry in vendor.journal if "/1/minute/" in entry.path]
        served = sum(entry.rows for entry in windows)

    assert process.returncode == 0
    rows = {
        table.name: sum(
            made.lake.read(table, start=day, end=day + timedelta(days=1), tickers=followed).height for day in days
        )
        for table in (RAW_MINUTE_BARS, CLEAN_MINUTE_BARS)
    }
    figure(f"{len(windows)} windows, {served:,} minutes: {seconds:.0f} s, {peak:.0f} MB at most")
    assert peak < MOST_MB
    assert rows[RAW_MINUTE_BARS.name] == rows[CLEAN_MINUTE_BARS.name] > TICKERS * SESSIONS * 100
