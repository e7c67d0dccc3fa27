"""What an indicator is, and the register of all of them.

An indicator cannot be computed, stored or documented without an entry here, so tests over the register miss none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar, cast

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., None])


class Degree(NamedTuple):
    """How a value answers to units: g(aP, bV) = a^price * b^volume * g(P, V), for prices P and volumes V."""

    price: int
    volume: int


PURE: Final = Degree(price=0, volume=0)
PRICE: Final = Degree(price=1, volume=0)
VOLUME: Final = Degree(price=0, volume=1)


@dataclass(frozen=True)
class Output:
    """One column that an indicator adds.

    Attributes:
        name: The column, such as `rsi_14`.
        degree: What a split does to the value.
        unit: `USD`, `shares`, `percent`, `ratio` or `log ratio`.
        description: One line for the catalog.
        is_cumulative: The value has no own level (OBV): stored in forward units, only differences mean anything.
    """

    name: str
    degree: Degree
    unit: str
    description: str
    is_cumulative: bool = False


@dataclass(frozen=True, eq=False)
class Indicator:
    """One entry of the register: a function with its parameters fixed.

    Attributes:
        name: Unique in the register.
        function: `function(panel, into, **parameters)` fills `into`, one array an output, at the rows of the panel's
            tickers and at no other, with NaN where undefined. Its docstring is the documentation.
        outputs: The columns, in the order that the function fills them.
        warm_up: Rows from a ticker's first bar after which two histories with different first bars agree within
            1e-9 (exactly, where only a window is read); cumulative outputs agree by differences.
        oracle: Which outside implementation the tests compare it with.
        inputs: The columns of the bars that it reads.
        parameters: Keyword arguments of the function.
    """

    name: str
    function: Callable[..., None]
    outputs: tuple[Output, ...]
    warm_up: int
    oracle: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, int] = field(default_factory=dict[str, int])


REGISTRY: Final[dict[str, Indicator]] = {}


def register(entry: Indicator) -> None:
    """Add an entry to the register.

    Args:
        entry: An indicator whose name and columns are new.

    Raises:
        ValueError: The name, or the name of a column, is taken.
    """
    taken = {output.name for other in REGISTRY.values() for output in other.outputs}
    clash = [output.name for output in entry.outputs if output.name in taken]
    if entry.name in REGISTRY or clash:
        raise ValueError(f"indicator {entry.name}: name or column {clash} is registered already; rename one of them")
    REGISTRY[entry.name] = entry


def indicator(
    *parameter_sets: Mapping[str, int],
    outputs: Callable[P, tuple[Output, ...]],
    warm_up: Callable[P, int],
    oracle: str,
    inputs: tuple[str, ...],
) -> Callable[[F], F]:
    """Register a function once for each set of parameters.

    Args:
        *parameter_sets: The keyword arguments of each entry.
        outputs: From the parameters, the columns in the order that the function fills them.
        warm_up: From the parameters, `Indicator.warm_up`.
        oracle: The outside implementation that the tests compare with.
        inputs: The columns of the bars that the function reads.

    Returns:
        A decorator that returns the function unchanged.
    """
    columns, rows = cast("Callable[..., tuple[Output, ...]]", outputs), cast("Callable[..., int]", warm_up)

    def register_all(function: F) -> F:
        for parameters in parameter_sets:
            name = "_".join([cast("Any", function).__name__, *map(str, parameters.values())])
            entry = Indicator(
                name, function, columns(**parameters), rows(**parameters), oracle, inputs, parameters=parameters
            )
            register(entry)
        return function

    return register_all


def at_least(subject: str, minimum: int, **windows: int) -> None:
    """Refuse a window that is too short to mean anything.

    Args:
        subject: The indicator, for the message.
        minimum: The smallest sensible number of rows.
        **windows: The parameters to check.

    Raises:
        ValueError: One of them is smaller.
    """
    for name, value in windows.items():
        if value < minimum:
            raise ValueError(f"{subject}: {name} must be at least {minimum} sessions, was {value}")
