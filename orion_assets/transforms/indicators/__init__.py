"""Technical indicators: each a causal function of a ticker's own bars, with its degree, nulls and source stated.

Importing this package fills the register. Conventions are TA-Lib's, unless a docstring says otherwise.
"""

from orion_assets.transforms.indicators import momentum, returns, trend, volatility, volume
from orion_assets.transforms.indicators.engine import CORE, compute
from orion_assets.transforms.indicators.registry import REGISTRY, Degree, Indicator, Output

__all__ = [
    "CORE",
    "REGISTRY",
    "Degree",
    "Indicator",
    "Output",
    "compute",
    "momentum",
    "returns",
    "trend",
    "volatility",
    "volume",
]
