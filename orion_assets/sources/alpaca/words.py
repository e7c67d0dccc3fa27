"""What Alpaca's statuses and messages mean, whatever the route; texts as third parties have seen them."""

from orion_assets.errors import KeyRefused, NotEntitled, NotYet
from orion_assets.sources.bodies import refusal_of, refuse_no_json
from orion_assets.sources.responses import Response


def judge(response: Response) -> None:
    """Raise what an answer deserves in the vendor's own words; bodies of 200 are only looked at from outside.

    Raises:
        NotYet: It is about the last 15 minutes, which the plan may not see.
        NotEntitled: The plan does not include it.
        KeyRefused: The key is unknown: Alpaca says 403 for that as well.
        Passing: It is no JSON: a page of a proxy, or nothing.
    """
    if response.status == 200:
        refuse_no_json(response)
        return
    said = refusal_of(response, "message")
    if response.status == 403:
        _refuse(said, response)


def _refuse(said: str, response: Response) -> None:
    told = f"alpaca: {response.url}: {said}"
    if "recent SIP data" in said:
        raise NotYet(f"{told}. After 15 minutes it is there; the next run asks again")
    if "subscription" in said or "not permit" in said:
        raise NotEntitled(f"{told}. Set another feed, or another plan")
    if said.rstrip(".").lower() in {"forbidden", "access key verification failed"}:
        raise KeyRefused(f"{told}. Nothing more is sent with this key; set ALPACA_API_KEY and ALPACA_SECRET_KEY")
