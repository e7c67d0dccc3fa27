"""A process that spends a budget: what test_budget.py starts."""

import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from orion_assets.clock import uptime
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.store.call_log import SharedCallLog


def spend(url: str, budget: str, rate: Rate, calls: int, begin: Barrier, log: Path) -> None:
    """Make calls as soon as the budget allows; write down, in a clock of the machine, when each was made."""
    limiter = Limiter(SharedCallLog(url, uptime), budget, rate, lease_s=5.0, pause=time.sleep)
    begin.wait()
    with log.open("w") as told:
        for _ in range(calls):
            with limiter.slot():
                told.write(f"{uptime()}\n")
