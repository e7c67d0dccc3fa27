"""When a session is traded at all, and when the trading date rolls: clock times, by parameter. No frames here."""

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Final

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Hours:
    """When a session is traded at all, before and after its regular hours too, as clock times of its market.

    Attributes:
        opens: First minute; at or after a `rolls` that is not midnight, on the evening before.
        closes: First minute no longer traded.
        rolls: When the next session's trading date begins; midnight where nobody trades overnight.
    """

    opens: time = time(4)
    closes: time = time(20)
    rolls: time = time(0)

    def __post_init__(self) -> None:
        """Refuse hours that end before they begin, or that fall between two minutes."""
        if any(clock.second or clock.microsecond or clock.tzinfo for clock in (self.opens, self.closes, self.rolls)):
            raise ValueError(f"hours {self}: state whole minutes without a zone, they are the market's own")
        first, last = self.window
        if first >= last:
            raise ValueError(
                f"hours {self}: the session would end before it begins; opens must come before closes, counted from"
                f" {self.rolls:%H:%M}, at which the trading date changes"
            )

    @property
    def shift(self) -> timedelta:
        """What to add to the market's clock so that its date is the trading date."""
        return (_DAY - _since_midnight(self.rolls)) % _DAY

    @property
    def window(self) -> tuple[timedelta, timedelta]:
        """The hours on that shifted clock, from the midnight that begins the trading date."""
        first, last = ((_since_midnight(clock) + self.shift) % _DAY for clock in (self.opens, self.closes))
        return first, last or _DAY

    @property
    def minutes(self) -> int:
        """Most minutes of a session."""
        first, last = self.window
        return int((last - first) / timedelta(minutes=1))


def _since_midnight(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute)
