"""Which requests go wrong and how: rules, seeded and composable; users write them in TOML (plan_file.py)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from random import Random
from threading import Lock
from typing import Any, Final

from orion_assets.sources.synthetic.vendor import faults_reply, faults_rows, faults_sent
from orion_assets.sources.synthetic.vendor.hit import Fault, Hit, Stage
from orion_assets.sources.synthetic.vendor.reply import Reply, Request
from orion_assets.sources.synthetic.vendor.routes import ROUTES, route_of
from orion_assets.sources.synthetic.vendor.transmission import Transmission

ANY: Final = "*"
FAULTS: Final[Mapping[str, Fault]] = {
    fault.name: fault for fault in (*faults_sent.FAULTS, *faults_reply.FAULTS, *faults_rows.FAULTS)
}


@dataclass(frozen=True)
class Rule:
    """When a fault happens: all of the conditions must hold; without any it always does.

    Attributes:
        fault: Name of the fault.
        route: Name of a route, or `*`.
        match: Text that path and query must hold; keys never count.
        nth: Matching requests by number, 1 for the first; empty for all.
        every: Each so-and-so-many-th of them; 0 for all.
        since: The first that may go wrong.
        probability: Share of them, drawn from the plan's seed.
        times: At most so many; 0 for no end.
        for_s: Only so long after the first hit, by the server's clock; 0 for no end.
        parameters: Of the fault.
    """

    fault: str
    route: str = ANY
    match: str = ""
    nth: Sequence[int] = ()
    every: int = 0
    since: int = 1
    probability: float = 1.0
    times: int = 0
    for_s: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def is_due(self, met: int, rng: Random) -> bool:
        """Say whether the so-and-so-many-th matching request goes wrong."""
        is_counted = (
            met >= self.since and (not self.nth or met in self.nth) and (not self.every or not met % self.every)
        )
        return is_counted and (self.probability >= 1 or rng.random() < self.probability)


@dataclass
class _Standing:
    rule: Rule
    met: int = 0
    hits: int = 0
    first_hit: float | None = None

    def is_over(self, at: float) -> bool:
        """Say whether its hits or its time are used up."""
        rule, since = self.rule, self.first_hit
        is_late = bool(rule.for_s) and since is not None and at >= since + rule.for_s
        return is_late or bool(rule.times and self.hits >= rule.times)


class FaultPlan:
    """Rules in the order in which they apply; more may be added while the vendor runs.

    Args:
        rules: The rules.
        seed: Of everything that is drawn.

    Raises:
        ValueError: A rule names a fault, route or parameter that does not exist.
    """

    def __init__(self, rules: Sequence[Rule] = (), seed: int = 0) -> None:
        self.seed: Final = seed
        self._standing: list[_Standing] = []
        self._hits: Counter[str] = Counter()
        self._before: dict[tuple[str, ...], tuple[str, Reply]] = {}
        self._lock: Final = Lock()
        for rule in rules:
            self.append(rule)

    def add(self, fault: str, route: str = ANY, **more: Any) -> Rule:  # noqa: ANN401 - conditions and parameters
        """Add a rule; what is no condition of a `Rule` is a parameter of the fault. Give the rule.

        Raises:
            ValueError: There is no such fault, route or parameter.
        """
        rule = rule_of({"fault": fault, "route": route, **more})
        self.append(rule)
        return rule

    def append(self, rule: Rule) -> None:
        """Add a rule.

        Raises:
            ValueError: There is no such fault, route or parameter.
        """
        _check(rule)
        with self._lock:
            self._standing.append(_Standing(rule))

    def clear(self) -> None:
        """Take all rules away; what they met stays counted in `hits`."""
        with self._lock:
            self._standing.clear()

    @property
    def hits(self) -> Mapping[str, int]:
        """How often each fault has happened, by name."""
        with self._lock:
            return dict(self._hits)

    def accepts(self, at: float) -> bool:
        """Say whether a new connection is let in."""
        met = self._met("accept", "", "", at)
        for fault, _, _ in met:
            self._count(fault)
        return not met

    def on_reply(self, reply: Reply, request: Request, follow: Callable[[str], Reply]) -> tuple[Reply, list[str]]:
        """Change an answer by the rules that meet it; name the faults that changed something."""
        names: list[str] = []
        faultless, stream = reply, _stream(request)
        for fault, rule, rng in self._met("reply", reply.route, request.target, request.now.timestamp()):
            hit = Hit(request, rng, follow, self._before.get(stream))
            changed = fault.apply(reply, hit, **rule.parameters)
            if changed is not reply:
                names.append(self._count(fault))
            reply = changed
        with self._lock:
            if self._standing:
                self._before[stream] = (request.target, faultless)
        return reply, names

    def on_sent(self, sent: Transmission, request: Request, route: str) -> tuple[Transmission, list[str]]:
        """Change the bytes of an answer by the rules that meet it; name the faults."""
        names: list[str] = []
        for fault, rule, rng in self._met("sent", route, request.target, request.now.timestamp()):
            sent = fault.apply(sent, rng, **rule.parameters)
            names.append(self._count(fault))
        return sent, names

    def _count(self, fault: Fault) -> str:
        with self._lock:
            self._hits[fault.name] += 1
        return fault.name

    def _met(self, stage: Stage, route: str, target: str, at: float) -> list[tuple[Fault, Rule, Random]]:
        """Give the rules that a request sets off, in their order."""
        found: list[tuple[Fault, Rule, Random]] = []
        with self._lock:
            for number, standing in enumerate(self._standing):
                rule, fault = standing.rule, FAULTS[standing.rule.fault]
                if fault.stage == stage and rule.route in (ANY, route) and rule.match in target:
                    standing.met += 1
                    rng = Random(f"{self.seed} {number} {standing.met}")
                    if not standing.is_over(at) and rule.is_due(standing.met, rng):
                        standing.hits += 1
                        standing.first_hit = at if standing.first_hit is None else standing.first_hit
                        found.append((fault, rule, rng))
        return found


def _stream(request: Request) -> tuple[str, ...]:
    """Give what pages of one list have in common: the route, and of bars the ticker and the length."""
    route, parts = route_of(request.path)
    return (route, *parts[:3]) if route == "range" else (route,)


def rule_of(told: Mapping[str, Any]) -> Rule:
    """Make a rule of its conditions and its fault's parameters, told together.

    Raises:
        ValueError: It names no fault.
    """
    if "fault" not in told:
        raise ValueError(f"a rule without a fault: {dict(told)}; name one of {', '.join(FAULTS)}")
    own = {name: told[name] for name in Rule.__dataclass_fields__ if name in told and name != "parameters"}
    return Rule(**own, parameters={name: told[name] for name in told if name not in own})


def _check(rule: Rule) -> None:
    refuse_unknown("fault", rule.fault, list(FAULTS))
    if rule.route != ANY:
        refuse_unknown("route", rule.route, list(ROUTES))
    for name in rule.parameters:
        refuse_unknown(f"parameter of {rule.fault}", name, list(FAULTS[rule.fault].parameters))


def refuse_unknown(what: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that does not exist, with the one that may be meant.

    Raises:
        ValueError: It does not exist.
    """
    if name in known:
        return
    near = get_close_matches(name, known, 1)
    meant = f"; {near[0]} was meant?" if near else f"; known are {', '.join(known) or 'none'}"
    raise ValueError(f"{what} {name!r} does not exist{meant}")
