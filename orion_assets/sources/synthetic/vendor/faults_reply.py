"""Faults of whole answers: statuses, bodies that are no data, pages that lead nowhere."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from orion_assets.sources.synthetic.vendor.hit import Fault, Hit, fault_of
from orion_assets.sources.synthetic.vendor.parameters import cursor_of, with_cursor
from orion_assets.sources.synthetic.vendor.reply import VENDOR_HOST, Refused, Reply, Request
from orion_assets.sources.synthetic.vendor.rights import NOT_ENTITLED, NOT_IN_TIMEFRAME, TODAY
from orion_assets.sources.synthetic.vendor.transmission import http_date

TOO_MANY: Final = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    "https://polygon.io/pricing"
)
UNKNOWN_KEY: Final = "Unknown API Key"
_HTML: Final = "text/html"
_REASONS: Final = {
    403: "403 Forbidden",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
_FORBIDDEN: Final = {
    "endpoint": ("NOT_AUTHORIZED", NOT_ENTITLED),
    "timeframe": ("NOT_AUTHORIZED", NOT_IN_TIMEFRAME),
    "today": ("NOT_AUTHORIZED", TODAY),
    "error": ("ERROR", NOT_ENTITLED),
}


def too_many_requests(reply: Reply, hit: Hit, *, retry_after: str | int = "", body: str = "text") -> Reply:
    """429, with Retry-After as given (`date:30` is 30 seconds ahead), a sentence or an `empty` body."""
    told = str(retry_after)
    if told.startswith("date:"):
        told = http_date(hit.request.now + timedelta(seconds=float(told.removeprefix("date:"))))
    headers = {"Retry-After": told} if told else {}
    if body == "empty":
        return Reply(text="", status=429, headers=headers, route=reply.route)
    return replace(Refused(429, TOO_MANY).reply(hit.request.request_id), headers=headers, route=reply.route)


def server_error(reply: Reply, _: Hit, *, status: int = 503) -> Reply:
    """500, 502, 503, 504, or the 403 of a firewall, with a page of HTML."""
    return _page(reply, status, _REASONS.get(status, f"{status} Error"))


def html(reply: Reply, _: Hit) -> Reply:
    """200 with a page that speaks of maintenance."""
    return _page(reply, 200, "Scheduled maintenance")


def body(reply: Reply, _: Hit, *, text: str = "") -> Reply:
    """200 with another body: nothing, `{}`, `null`, `[]`, `"x"`, ...."""
    return Reply(text=text, route=reply.route)


def status_error(reply: Reply, hit: Hit, *, message: str = "An internal error occurred") -> Reply:
    """200 whose JSON says status ERROR."""
    told = {"status": "ERROR", "request_id": hit.request.request_id, "error": message}
    return Reply(told, route=reply.route)


def redirect(reply: Reply, hit: Hit, *, to: str = "http://127.0.0.1:9", status: int = 302) -> Reply:
    """A redirect of the same path and query to another host."""
    location = f"{to}{hit.request.target}"
    return Reply(text="", status=status, headers={"Location": location}, route=reply.route)


def unknown_key(reply: Reply, hit: Hit, *, as_html: bool = False) -> Reply:
    """401, the key is known no longer."""
    if as_html:
        return _page(reply, 401, "401 Authorization Required")
    return replace(Refused(401, UNKNOWN_KEY).reply(hit.request.request_id), route=reply.route)


def forbidden(reply: Reply, hit: Hit, *, kind: str = "endpoint") -> Reply:
    """403 of a kind: `endpoint`, `timeframe`, `today`, or `error`, which has the status ERROR."""
    code, message = _FORBIDDEN[kind]
    told = Refused(403, message, code, "message").reply(hit.request.request_id)
    return replace(told, route=reply.route)


def wrong_envelope(reply: Reply, _: Hit, *, ticker: str = "WRONG") -> Reply:
    """The envelope names another ticker."""
    return replace(reply, head={**reply.head, "ticker": ticker}) if "ticker" in reply.head else reply


def page_repeated(reply: Reply, hit: Hit) -> Reply:
    """The rows of the page before come again; `next_url` goes on."""
    return reply if hit.before is None else replace(reply, rows=hit.before[1].rows)


def next_url(reply: Reply, hit: Hit, *, kind: str = "self", host: str = "https://elsewhere.example") -> Reply:
    """`next_url` leads to the same page (`self`), back (`cycle`), to a `foreign` host or to a `bad` request.

    Or it is left out (`lost`); or the last page of a list by a date names one too, which is `empty`.
    """
    if kind == "lost":
        return _without_next(reply) if "next_url" in reply.head else reply
    own = VENDOR_HOST + hit.request.target
    following = str(reply.head.get("next_url", own))
    parts = urlsplit(following)
    if kind in {"bad", "empty"} and "next_url" in reply.head:
        return reply
    told = {
        "self": own,
        "cycle": following if hit.before is None else VENDOR_HOST + hit.before[0],
        "foreign": f"{host}{parts.path}?{parts.query}",
        "bad": f"{VENDOR_HOST}{parts.path}?cursor=%21",
    }
    if kind == "empty":
        told[kind] = f"{VENDOR_HOST}{urlsplit(own).path}?cursor={_beyond(hit.request)}"
    return replace(reply, head={**reply.head, "next_url": told[kind]})


def page_missing(reply: Reply, hit: Hit) -> Reply:
    """`next_url` leaves one page out."""
    if "next_url" not in reply.head:
        return reply
    skipped = hit.follow(_target(str(reply.head["next_url"])))
    kept = _without_next(reply).head
    return replace(reply, head={**kept, **{name: skipped.head[name] for name in ("next_url",) if name in skipped.head}})


def adjusted_lost(reply: Reply, hit: Hit) -> Reply:
    """`next_url` forgets that unadjusted bars were asked for."""
    if "next_url" not in reply.head:
        return reply
    url = str(reply.head["next_url"])
    following = with_cursor(Request.of(_target(url), hit.request.now, ""))
    kept = {name: value for name, value in following.params.items() if name != "adjusted"}
    return replace(reply, head={**reply.head, "next_url": f"{url.partition('?')[0]}?cursor={cursor_of(kept)}"})


def results_null(reply: Reply, _: Hit) -> Reply:
    """`results` is null though there are rows."""
    return replace(reply, head={**_counted(reply, 0), "results": None}, rows=None)


def empty(reply: Reply, _: Hit) -> Reply:
    """A count of 0 and no `results` though there are rows."""
    kept = {name: value for name, value in _counted(reply, 0).items() if name not in ("next_url", "count")}
    return replace(reply, head=kept, rows=None)


def delayed(reply: Reply, _: Hit) -> Reply:
    """The status is DELAYED, which is good data."""
    return replace(reply, head={**reply.head, "status": "DELAYED"}) if "status" in reply.head else reply


def _without_next(reply: Reply) -> Reply:
    return replace(reply, head={name: value for name, value in reply.head.items() if name != "next_url"})


def _beyond(request: Request) -> str:
    """Give a cursor beyond the last date of a list."""
    asked = with_cursor(request).params
    return cursor_of({**asked, f"{asked.get('sort', '').partition('.')[0]}.gt": "9999-12-31"})


def _counted(reply: Reply, count: int) -> Mapping[str, Any]:
    return {name: count if name in ("queryCount", "resultsCount") else value for name, value in reply.head.items()}


def _page(reply: Reply, status: int, title: str) -> Reply:
    text = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    text += "<hr><center>nginx/1.19.2</center>\r\n</body>\r\n</html>\r\n"
    return Reply(text=text, status=status, content_type=_HTML, route=reply.route)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


FAULTS: Final[tuple[Fault, ...]] = tuple(
    fault_of("reply", each)
    for each in (
        *(too_many_requests, server_error, html, body, status_error, redirect, unknown_key, forbidden),
        *(wrong_envelope, page_repeated, next_url, page_missing, adjusted_lost, results_null, empty, delayed),
    )
)
