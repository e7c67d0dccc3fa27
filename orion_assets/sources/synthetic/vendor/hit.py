"""What a fault is, and what it is told of the request that it meets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, getdoc, signature
from random import Random
from typing import Any, Literal

from orion_assets.sources.synthetic.vendor.reply import Reply, Request

Stage = Literal["accept", "reply", "sent"]


@dataclass(frozen=True)
class Hit:
    """One request that a rule has met.

    Attributes:
        request: What was asked.
        rng: Randomness of this request alone.
        follow: Answers another target, as the vendor would without faults.
        before: Target and faultless answer of the request before, on the same route and ticker.
    """

    request: Request
    rng: Random
    follow: Callable[[str], Reply]
    before: tuple[str, Reply] | None = None


@dataclass(frozen=True)
class Fault:
    """One way to go wrong.

    Attributes:
        name: As rules name it.
        stage: What it changes: `accept` a connection, `reply` an answer before it is bytes, `sent` the bytes.
        apply: Gives the changed thing, or the same one where there is nothing to change; its keyword parameters are
            the fault's.
    """

    name: str
    stage: Stage
    apply: Callable[..., Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its parameters with their defaults."""
        found = signature(self.apply).parameters.values()
        return {each.name: each.default for each in found if each.kind is Parameter.KEYWORD_ONLY}

    @property
    def what(self) -> str:
        """What it does, in a sentence."""
        return (getdoc(self.apply) or "").split("\n", maxsplit=1)[0]


def fault_of(stage: Stage, apply: Callable[..., Any]) -> Fault:
    """Make a fault of a function, under its name."""
    return Fault(apply.__name__, stage, apply)
