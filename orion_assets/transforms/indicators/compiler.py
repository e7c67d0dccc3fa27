"""The one door to numba, which has no types of its own; what is compiled lives in kernels.py."""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

# No fastmath: it reorders sums, and then bytes depend on the machine. Error model: 0/0 is NaN, not an exception
OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, and keep the machine code on disk where that is possible.

    The code goes beside the module, else to the user's cache directory, else (a read-only image without a home)
    nowhere: then each process compiles again, which takes seconds, and nothing else changes.

    Args:
        function: Loops over NumPy arrays and scalars, within what numba compiles.

    Returns:
        The same function, compiled, releasing the interpreter lock while it runs.
    """
    decorate = cast("Callable[..., Callable[[Callable[P, R]], Callable[P, R]]]", numba.njit)
    try:
        return decorate(cache=True, **OPTIONS)(function)
    except RuntimeError:
        # numba's "no locator available": no directory that it may write to
        return decorate(**OPTIONS)(function)
