"""What only a refused call can tell of a budget: where it ends, how its window runs, what a refusal says and costs.

A call at first and the rest half a window later: where the window slides, a window after the first one call is free
again; where it is fixed, it began anew and all are. No more than two calls are beyond the budget, and they are made
while all of it is held, so that nobody else who shares the key is refused for them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from orion_assets.sources.limiter import Pause, Rate
from orion_assets.sources.polygon.requests import Request
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.transport import Transport

# Of what is never refused nothing can be told; a window of a second is over before a call has ended
LEAST_WINDOW_S: Final = 10.0
BEYOND: Final = 2


@dataclass(frozen=True)
class BudgetProbe:
    """Finds out once, for all of its questions.

    Attributes:
        transport: The way out.
        request: What the plan of the key allows, and costs little.
        rate: As the plan states it.
        pause: Waits.
    """

    transport: Transport
    request: Request
    rate: Rate
    pause: Pause

    @property
    def calls(self) -> int:
        """Count the calls that it takes at most."""
        return self.rate.calls + 3

    @property
    def seconds(self) -> float:
        """Give the seconds that pass until others may call again, beside those of its calls.

        Windows: three at most until calls under way have ended and one more has passed, one of its own, one after it.
        """
        return 5 * self.rate.hold_s

    def retry_after(self) -> str:
        """Say whether a 429 tells how long to wait."""
        refusal = self._seen.refusal
        if refusal is None:
            return self._seen.finding
        told, body = refusal.headers.get("retry-after", "").strip(), "a body" if refusal.body.strip() else "no body"
        return f"yes: {told!r}, with {body}" if told else f"no, with {body}"

    def window(self) -> str:
        """Say whether the window is fixed or slides."""
        return self._seen.finding

    def refused(self) -> str:
        """Say whether refused calls count."""
        return self._seen.cost

    @cached_property
    def _seen(self) -> "_Seen":
        try:
            with self.transport.whole_budget() as send:
                return self._found(lambda: _believed(send(self.request.path, self.request.params)))
        except Passing as e:
            return _Seen(f"no answer now: {e}")

    def _found(self, send: Callable[[], Response]) -> "_Seen":
        most, window_s = self.rate.calls, self.rate.window_s
        send()
        self.pause(window_s / 2)
        answers: list[Response] = []
        while len(answers) <= most and not (answers and _is_refused(answers[-1])):
            answers.append(send())
        if not _is_refused(answers[-1]):
            return _Seen(f"not found: {most + 2} calls within {window_s:g} s were answered, {most} are allowed")
        refusal, answered = answers[-1], len(answers)
        if answered > most:
            return _Seen(f"fixed: {most + 1} calls within {window_s:g} s were answered", refusal, _NO_MATTER)
        if answered < most:
            told = f"not found: call {answered + 1} was refused already, {most} are allowed; does another use the key?"
            return _Seen(told, refusal, told)
        self.pause(window_s / 2 + 1)
        if _is_refused(send()):
            return _Seen(_SLIDING, refusal, "yes: a window after the first call there was no room for another")
        if _is_refused(send()):
            return _Seen(_SLIDING, refusal, "no: a window after the first call there was room for one")
        return _Seen("fixed: a window after the first call, all calls were free again", refusal, _NO_MATTER)


_SLIDING: Final = "sliding: half a window after the others, they still counted"
_NO_MATTER: Final = "it makes no difference: the window is fixed"


@dataclass(frozen=True)
class _Seen:
    finding: str
    refusal: Response | None = field(default=None, repr=False)
    told: str = ""

    @property
    def cost(self) -> str:
        return self.told or self.finding


def _is_refused(response: Response) -> bool:
    return response.status == 429


def _believed(response: Response) -> Response:
    if response.status not in {200, 429}:
        raise Passing(f"HTTP {response.status} in place of an answer or a 429")
    return response
