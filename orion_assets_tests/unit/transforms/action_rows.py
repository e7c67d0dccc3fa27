"""Splits, dividends and securities as rows for tests of corporate actions, and what is made of them."""

from datetime import date

from orion_assets import calendars
from orion_assets.schemas import CORPORATE_ACTIONS, QUARANTINE, RAW_DIVIDENDS, RAW_SPLITS, SECURITIES
from orion_assets.transforms.actions import corporate_actions
from orion_assets_tests.unit.transforms.rows import FRI, HOUR, MON, rows, utc

T1 = utc(MON, 12)
T2, T3, T4 = T1 + HOUR, T1 + 2 * HOUR, T1 + 3 * HOUR
NAN = float("nan")
SESSIONS = calendars.sessions(MON, date(2014, 7, 1))
# More than 14 days after FRI, which is the 6th
LATER, LAST, FAR = date(2014, 6, 16), date(2014, 6, 26), date(2014, 6, 23)


def split(event: str, after: int | None, before: int | None = 1, known=T1, *, ticker="AAA", ex_date=FRI, **more):
    return {
        "event_id": event,
        "ticker": ticker,
        "session": ex_date,
        "ex_date": ex_date,
        "shares_after": after,
        "shares_before": before,
        "ts_known": known,
        **more,
    }


def cash(event: str, amount: float | None, known=T1, *, ticker="AAA", ex_date=FRI, **more):
    return {
        "event_id": event,
        "ticker": ticker,
        "session": ex_date,
        "ex_date": ex_date,
        "cash_amount": amount,
        "ts_known": known,
        **more,
    }


def security(security_id: str, ticker: str, valid_from=date(1990, 1, 1), valid_to=None, **more) -> dict:
    known = {"ts_known": utc(date(1990, 1, 2), 12), "is_start_known": True, **more}
    return {"security_id": security_id, "ticker": ticker, "valid_from": valid_from, "valid_to": valid_to, **known}


AAA = security("files:AAA", "AAA")


def made(splits=(), dividends=(), securities=(AAA,)):
    found = corporate_actions(
        rows(RAW_SPLITS, *splits), rows(RAW_DIVIDENDS, *dividends), rows(SECURITIES, *securities), SESSIONS
    )
    CORPORATE_ACTIONS.conform(found.rows)
    QUARANTINE.conform(found.quarantine)
    return found
