"""`orion vendor`: what a key can do, asked of the vendor itself."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from typing import Annotated

import typer

from orion_assets.calendars import NEW_YORK
from orion_assets.cli.context import Call, now
from orion_assets.cli.options import Json
from orion_assets.cli.output import ERR, OUT, Exit, counted, document, refuse
from orion_assets.errors import (
    AnswerDistrusted,
    NotEntitled,
    NotFound,
    NotYet,
    RequestRejected,
    SourceUnavailable,
)
from orion_assets.ingest.entitlement import AGE, PROBED, is_due, kept, most_calls, reach
from orion_assets.ingest.plan import duration
from orion_assets.markets import EQUITIES, MARKETS, market_named_in
from orion_assets.schemas import IN_OTHER_MARKETS, RAW_NEWS
from orion_assets.sources.protocols import Probing, Question, Source
from orion_assets.sources.responses import Passing

app = typer.Typer(no_args_is_help=True, help="What a key can do, asked of the vendor itself.")
_TICKER = "AAPL"
_NONE = "no session was answered"
# What ends a question and not the others
_REFUSALS = (AnswerDistrusted, NotEntitled, NotFound, NotYet, RequestRejected, SourceUnavailable)


@dataclass(frozen=True)
class Told:
    """One line of a probe.

    Attributes:
        question: What was asked.
        answer: What was found; where nothing was, why.
        is_answered: Whether it was found.
    """

    question: str
    answer: str
    is_answered: bool


@app.command()
def probe(
    ctx: typer.Context,
    ticker: Annotated[str, typer.Option(help="One that trades all day.")] = _TICKER,
    max_calls: Annotated[int | None, typer.Option(min=0, help="Ask nothing where it may take more calls.")] = None,
    beyond_budget: Annotated[
        bool,
        typer.Option(
            "--beyond-budget",
            help="Learn what only a refusal tells: two calls at most beyond the budget, while nobody else may call.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Ask what a key can do: how far back it reaches, and what nobody knows of the vendor without a key.

    One line a question, its answer or what it would take. The calls it takes are said first and count against
    the budget. How far back the key reaches is kept, moves on with the days, and is what plans go by from then on.
    """
    call: Call = ctx.obj
    source, instant = call.source(), now()
    if not isinstance(source, Probing):
        refuse(f"vendor probe: {source.name} has nothing to be probed; for a vendor with a key: ORION_SOURCE=polygon")
    landed = call.lake().read(RAW_NEWS)
    questions = source.questions(ticker, instant, landed=landed, exceeds=beyond_budget)
    _say_cost(source, questions, instant, max_calls)
    told: list[Told] = []
    try:
        for each in chain(_reaches(source, call, ticker, instant), map(_answered, questions)):
            told.append(each)
            if not json:
                OUT.print(f"{each.question}: {each.answer}")
    finally:
        # What was asked is paid for, whatever ended the rest
        if json and told:
            document({"answers": [asdict(each) for each in told], "source": source.name})


def _say_cost(source: Probing, questions: Sequence[Question], instant: datetime, max_calls: int | None) -> None:
    today = instant.astimezone(NEW_YORK).date()
    rates = {route.dataset: route.budget for route in source.routes(today)}
    datasets = [name for name in PROBED if name in source.datasets]
    fixed = sum(each.calls for each in questions)
    least, most = fixed + len(datasets), fixed + len(datasets) * most_calls(source.first_session, instant)
    if max_calls is not None and most > max_calls:
        refuse(
            f"vendor probe: it may take {counted(most, 'call')}, and --max-calls is {max_calls}; nothing was asked",
            Exit.BUDGET,
        )
    waits = sum(each.seconds for each in questions)
    took = f", {duration(next(iter(rates.values())).seconds_safe(most) + waits)} at most" if rates else ""
    ERR.print(f"{least} to {most} calls{took}")


def _one_of(dataset: str, ticker: str, call: Call) -> str:
    """Give of whom to ask: of another market its best known."""
    market = market_named_in(dataset)
    if market is MARKETS["indices"]:
        # A plan includes some and leaves out others
        return min(call.state().universe(market), default=market.example)
    return ticker if market is EQUITIES else market.example


def _reaches(source: Probing, call: Call, ticker: str, instant: datetime) -> Iterator[Told]:
    """Find and keep how far back the key reaches; of other markets, where they are supplied."""
    floors = call.floors()
    for dataset in PROBED:
        question = f"how far back may {dataset} be asked for"
        if dataset not in source.datasets and dataset in IN_OTHER_MARKETS:
            continue
        if dataset not in source.datasets:
            yield Told(question, "the source does not supply it", is_answered=False)
            continue
        try:
            found = reach(source, dataset, source.first_session, instant, _one_of(dataset, ticker, call))
        except _REFUSALS as e:
            yield Told(question, str(e), is_answered=False)
            continue
        if found.floor is None:
            yield Told(question, f"{_NONE} ({counted(found.calls, 'call')})", is_answered=False)
            continue
        floors.record(source.budget, dataset, found.floor)
        rolls = f"moving on with the days; looked for again in {AGE.days} days" if found.floor.is_rolling else "all"
        yield Told(question, f"{found.floor.first}, {rolls} ({counted(found.calls, 'call')})", is_answered=True)


def probe_again(call: Call, source: Source, ticker: str, instant: datetime) -> None:
    """Look again for the floors that were found a week ago or earlier; of those that nobody ever looked for, none."""
    if not ticker or not isinstance(source, Probing):
        return
    today, floors = instant.astimezone(NEW_YORK).date(), call.floors()
    for dataset, floor in floors.of(source.budget).items():
        if dataset not in source.datasets or not is_due(floor, today):
            continue
        before = f"{dataset} was found to reach back to {floor.first} on {floor.on}"
        try:
            found = reach(source, dataset, source.first_session, instant, _one_of(dataset, ticker, call))
        except _REFUSALS as e:
            ERR.print(f"{before}; now {e}")
            if not isinstance(e, SourceUnavailable):
                floors.record(source.budget, dataset, kept(floor, today))
            continue
        told = f"{found.floor.first}" if found.floor else "no session is answered"
        ERR.print(f"{before}; looked for again with {counted(found.calls, 'call')}: {told}")
        floors.record(source.budget, dataset, found.floor or kept(floor, today))


def _answered(question: Question) -> Told:
    if question.ask is None:
        return Told(question.text, f"not asked: {question.why_not}", is_answered=False)
    try:
        return Told(question.text, question.ask(), is_answered=True)
    except (*_REFUSALS, Passing) as e:
        return Told(question.text, f"no answer now: {e}", is_answered=False)
