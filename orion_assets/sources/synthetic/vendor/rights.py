"""What a plan may ask of the market at an instant, and the 403s that say no."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from orion_assets.sources.synthetic.vendor.reply import Refused, Request
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth

NOT_ENTITLED = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing"
NOT_IN_TIMEFRAME = (
    "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing"
)
TODAY = "Attempted to request today's data before end of day. Please upgrade your plan at https://polygon.io/pricing"


@dataclass(frozen=True)
class Rights:
    """The terms of a key, held against the market."""

    terms: Terms
    truth: Truth

    @property
    def plan(self) -> Plan:
        """The plan of the key."""
        return self.terms.plan

    def cover(self, *names: str) -> None:
        """Refuse what the plan does not cover at all.

        Raises:
            Refused: 403, a route or asset class is excluded.
        """
        if self.plan.excluded.intersection(names):
            raise forbidden(NOT_ENTITLED)

    def last_final(self, now: datetime) -> date:
        """Give the last session whose bars are told and will not change."""
        return self.truth.last_final(now, self.terms.final_after if self.plan.has_today else self.terms.end_of_day)

    def under_way(self, now: datetime) -> date | None:
        """Give the session of which the plan may see what there is so far."""
        sessions = self.truth.sessions
        after = sessions.filter(sessions["session"] > self.last_final(now)).head(1)
        if not self.plan.has_today or after.is_empty() or after["ts_open"][0] - timedelta(minutes=330) > now:
            return None
        return after["session"][0]

    def told_until(self, now: datetime) -> datetime:
        """Give the instant up to which minutes of a session under way are told."""
        return now - self.plan.delay

    def floored(self, start: date, end: date, today: date) -> date:
        """Give the start of a range, later where the plan clips.

        Raises:
            Refused: 403, the range starts before what the plan covers.
        """
        plan = self.plan
        floor = today - timedelta(days=plan.history_days) if plan.history_days is not None else start
        if start < floor and not (plan.clips and end >= floor):
            raise forbidden(NOT_IN_TIMEFRAME)
        return max(start, floor)

    def reached(self, route: str, request: Request, name: str) -> date:
        """Give the first date that is told of articles or actions, by the bounds that a request sets upon a date.

        Raises:
            Refused: 403, as `floored`, where the plan limits the route.
        """
        if route not in self.plan.limited:
            return date.min
        exact, params = request.params.get(name, ""), request.params
        low = exact or params.get(f"{name}.gte") or params.get(f"{name}.gt", "")
        high = exact or params.get(f"{name}.lte") or params.get(f"{name}.lt", "")
        start = date.fromisoformat(low[:10]) if low else date.min
        return self.floored(start, date.fromisoformat(high[:10]) if high else request.today, request.today)

    def span(self, start: date, end: date, today: date, now: datetime) -> tuple[date, date]:
        """Hold a range of dates, both included, against the plan.

        Returns:
            The range that is answered: without what is not told yet, and without the early part where the plan clips.

        Raises:
            Refused: 403, the range starts before what the plan covers, or all of it is still to come.
        """
        plan, first = self.plan, self.floored(start, end, today)
        if plan.history_days is not None and start > today:
            raise forbidden(NOT_IN_TIMEFRAME)
        last = self.last_final(now)
        if not plan.has_today and start >= today and start > last:
            raise forbidden(TODAY)
        last = self.under_way(now) or last
        return first, min(end, last)


def forbidden(message: str, code: str = "NOT_AUTHORIZED") -> Refused:
    """Give the 403 of a plan."""
    return Refused(403, message, code, "message")
