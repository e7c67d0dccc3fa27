"""The one door to numba, which has no types of its own; what is compiled lives in kernels.py."""

from collections.abc import Callable
from functools import wraps
from threading import Lock
from types import FunctionType
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

# No fastmath: it reorders sums, and then bytes depend on the machine. Error model: 0/0 is NaN, not an exception
OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_waiting: Final[list[FunctionType]] = []
_lock: Final = Lock()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, and keep the machine code on disk where that is possible.

    The code goes beside the module, else to the user's cache directory, else (a read-only image without a home)
    nowhere: then each process compiles again, which takes seconds, and nothing else changes.

    Args:
        function: Of a module, loops over NumPy arrays and scalars, within what numba compiles. It may call others that
            are compiled.

    Returns:
        The same function, compiled, releasing the interpreter lock while it runs. With its first call all functions
        take their compiled form's place in their modules: numba takes half a second to load, and most commands of the
        command line compute nothing.
    """
    own = cast("FunctionType", function)
    _waiting.append(own)

    @wraps(function)
    def first(*args: P.args, **kwargs: P.kwargs) -> R:
        _compile()
        return cast("Callable[P, R]", own.__globals__[own.__name__])(*args, **kwargs)

    return first


def _compile() -> None:
    import numba  # noqa: PLC0415 - it takes half a second to load

    decorate = cast("Callable[..., Callable[[FunctionType], object]]", numba.njit)
    with _lock:
        made = [(each.__globals__, each.__name__, _decorated(decorate, each)) for each in _waiting]
        # At once: one whose helper is not compiled yet could not be compiled by another thread
        for home in {id(each): each for each, _, _ in made}.values():
            home.update({name: function for other, name, function in made if other is home})
        _waiting.clear()


def _decorated(decorate: Callable[..., Callable[[FunctionType], object]], function: FunctionType) -> object:
    try:
        return decorate(cache=True, **OPTIONS)(function)
    except RuntimeError:
        # numba's "no locator available": no directory that it may write to
        return decorate(**OPTIONS)(function)
