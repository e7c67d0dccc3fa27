"""From a request to the bytes of its answer: key, budget, route, faults, and the line in the journal."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Final

from orion_assets.clock import Clock
from orion_assets.sources.synthetic.vendor.budget import Budget
from orion_assets.sources.synthetic.vendor.faults import FaultPlan
from orion_assets.sources.synthetic.vendor.faults_reply import TOO_MANY, UNKNOWN_KEY
from orion_assets.sources.synthetic.vendor.journal import Journal, key_hash
from orion_assets.sources.synthetic.vendor.reply import Refused, Reply, Request
from orion_assets.sources.synthetic.vendor.rights import Rights
from orion_assets.sources.synthetic.vendor.routes import Routes, route_of
from orion_assets.sources.synthetic.vendor.terms import Terms
from orion_assets.sources.synthetic.vendor.transmission import Transmission, http_date, sent
from orion_assets.sources.synthetic.vendor.truth import Truth

_BEARER: Final = "bearer "


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire."""

    method: str
    target: str
    authorization: str
    takes_gzip: bool


class Answering:
    """Answers what came over the wire; everything of the vendor but its sockets."""

    def __init__(self, truth: Truth, terms: Terms, faults: FaultPlan, journal: Journal, clock: Clock) -> None:
        self._terms: Final = terms
        self._faults: Final = faults
        self._journal: Final = journal
        self._clock: Final = clock
        self._routes: Final = Routes(Rights(terms, truth))
        self._budget: Final = Budget(terms.plan.calls, terms.window_s, terms.mode, counts_refused=terms.counts_refused)
        self._ids: Final = count(1)

    def answer(self, asked: Asked) -> tuple[int, Transmission]:
        """Answer one request and write it down; give its number in the journal and what is to be sent."""
        now = self._clock.now()
        request_id = hashlib.sha256(f"{self._terms.seed} {next(self._ids)}".encode()).hexdigest()[:32]
        request = self._paged(Request.of(asked.target, now, request_id))
        key = request.key
        if asked.authorization.lower().startswith(_BEARER):
            key = asked.authorization[len(_BEARER) :].strip()
        number = self._journal.begin(now.timestamp(), key, asked.method, asked.target)
        route, _ = route_of(request.path)
        reply = self._refusal(asked, request, key)
        names: list[str] = []
        if reply is None:
            faultless = replace(self._routes.answer(request), route=route)
            reply, names = self._faults.on_reply(faultless, request, lambda target: self._follow(target, request))
            made = sent(reply, now, request_id, takes_gzip=asked.takes_gzip)
            made, more = self._faults.on_sent(made, request, route)
            names += more
        else:
            made = sent(reply, now, request_id, takes_gzip=asked.takes_gzip)
        facts = {"status": made.status, "rows": len(reply.rows or ()), "bytes": len(made.body), "sha256": made.sha256}
        self._journal.note(number, route=route, faults=tuple(names), **facts)
        return number, made

    def ended(self, number: int) -> None:
        """Write down that an answer was sent, or given up."""
        self._journal.finish(number, self._clock.now().timestamp())

    def accepts(self) -> bool:
        """Say whether a new connection is let in."""
        return self._faults.accepts(self._clock.now().timestamp())

    def _paged(self, request: Request) -> Request:
        """Lower the limit that is asked for to that of the terms; a cursor holds the lowered one already."""
        most, asked = self._terms.page, request.params.get("limit", "")
        if most is None or not asked.isdecimal() or int(asked) <= most:
            return request
        return replace(request, params={**request.params, "limit": str(most)})

    def _follow(self, target: str, request: Request) -> Reply:
        return self._routes.answer(Request.of(target, request.now, request.request_id))

    def _refusal(self, asked: Asked, request: Request, key: str) -> Reply | None:
        """Give the answer to who has no key, the wrong one or no budget; None to all others."""
        if asked.method != "GET":
            return Reply(status=405, text="405 method not allowed\n", content_type="text/plain; charset=utf-8")
        if not key:
            return Refused(401, "API Key was not provided").reply(request.request_id)
        if self._terms.keys is not None and key not in self._terms.keys:
            return Refused(401, UNKNOWN_KEY).reply(request.request_id)
        wait_s = self._budget.wait(key_hash(key), request.now.timestamp())
        return self._too_many(request, wait_s) if wait_s else None

    def _too_many(self, request: Request, wait_s: float) -> Reply:
        headers: dict[str, str] = {}
        seconds = int(wait_s) + 1
        if self._terms.retry_after == "seconds":
            headers["Retry-After"] = str(seconds)
        elif self._terms.retry_after == "date":
            headers["Retry-After"] = http_date(request.now + timedelta(seconds=seconds))
        if self._terms.refusal_body == "empty":
            return Reply(status=429, text="", headers=headers)
        return replace(Refused(429, TOO_MANY).reply(request.request_id), headers=headers)
