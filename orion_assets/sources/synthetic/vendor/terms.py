"""What a key of the fake vendor may ask, and how the vendor behaves where nobody knows how the real one does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from orion_assets.clock import Clock

Mode = Literal["sliding", "fixed"]
RefusalBody = Literal["text", "empty"]
RetryAfter = Literal["none", "seconds", "date"]


@dataclass(frozen=True)
class Plan:
    """What a subscription covers.

    Attributes:
        name: As it is called on the command line.
        calls: Requests a window; None for no limit.
        history_days: Days back from today that may be asked for, and none to come; None for all.
        limited: Routes beside those of bars whose history ends where theirs does: news, splits, dividends.
        clips: A range that starts too early is answered without its early part, in place of a 403.
        has_today: Whether a session under way may be asked for.
        delay: From a minute's end to its being told, while the session is under way.
        excluded: Routes it does not cover, and other markets: indices, crypto, fx, options.
    """

    name: str = "open"
    calls: int | None = None
    history_days: int | None = None
    limited: frozenset[str] = frozenset()
    clips: bool = False
    has_today: bool = True
    delay: timedelta = timedelta()
    excluded: frozenset[str] = frozenset()


def _days(years: int) -> int:
    # With all leap days that so many years can hold: the anniversary of today is always within
    return years * 365 + years // 4 + 1


_STOCKS_ALONE: Final = frozenset({"indices", "crypto", "fx", "options"})
_DELAY: Final = timedelta(minutes=15)
PLANS: Final[Mapping[str, Plan]] = {
    plan.name: plan
    for plan in (
        Plan(),
        Plan("free", 5, _days(2), has_today=False, excluded=_STOCKS_ALONE | {"snapshot"}),
        Plan("starter", None, _days(5), delay=_DELAY, excluded=_STOCKS_ALONE),
        Plan("developer", None, _days(10), delay=_DELAY, excluded=_STOCKS_ALONE),
        Plan("advanced", excluded=_STOCKS_ALONE),
    )
}


@dataclass(frozen=True)
class Terms:
    """How the vendor behaves.

    Attributes:
        plan: What every key may ask.
        keys: Keys it knows; None for any that is not empty.
        window_s: Length of the budget's window, seconds.
        mode: `sliding`: so many calls in any window; `fixed`: in windows that start at multiples of its length.
        counts_refused: Whether a refused call uses the budget up as well.
        refusal_body: What a 429 says: the vendor's sentence, or nothing.
        retry_after: Header of a 429.
        final_after: From a session's close to its bars being final, for a plan with today's data.
        end_of_day: From a session's close to its bars being told, for a plan without; four hours is 20:00 New York.
        page: Results of a page at most, whatever limit is asked for; None for the limits of the routes.
        seed: Of request ids.
        corrects: Whether daily bars that planted.py corrects are told as first told until they are corrected.
    """

    plan: Plan = field(default_factory=Plan)
    keys: frozenset[str] | None = None
    window_s: float = 60.0
    mode: Mode = "sliding"
    counts_refused: bool = False
    refusal_body: RefusalBody = "text"
    retry_after: RetryAfter = "none"
    final_after: timedelta = timedelta(minutes=15)
    end_of_day: timedelta = timedelta(hours=4)
    page: int | None = None
    seed: int = 0
    corrects: bool = False


@dataclass(frozen=True)
class ShiftedClock:
    """A clock that runs beside another one, some time ahead of it."""

    clock: Clock
    ahead: timedelta

    def now(self) -> datetime:
        """Return the other clock's instant, shifted, in UTC."""
        return self.clock.now() + self.ahead


class ManualClock:
    """A clock that stands until somebody moves it: virtual time for tests of budgets."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        """Return where it stands."""
        return self._instant

    def advance(self, seconds: float) -> None:
        """Move it, backwards when negative."""
        self._instant += timedelta(seconds=seconds)
