"""Units: a value answers to prices and volumes as its degree says, bit for bit."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orion_assets.transforms.indicators import REGISTRY, Degree
from orion_assets_tests.indicator_frames import bars_of, planted, scale_faults, walk

ENTRIES = list(REGISTRY.values())
SERIES = pl.concat((walk(1500, seed=11), bars_of([5.0] * 40, ticker="B", volumes=[0.0] * 40)))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
@settings(deadline=None, max_examples=15)
@given(a=st.integers(-20, 20), b=st.integers(-20, 20))
def test_a_value_answers_to_units_as_its_degree_says(entry, a, b):
    assert scale_faults(entry, SERIES, a, b) == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_another_degree_would_be_caught(entry):
    wrong = [type(o)(o.name, Degree(o.degree.price + 1, o.degree.volume), o.unit, "") for o in entry.outputs]
    liar = type(entry)(entry.name, entry.function, tuple(wrong), 0, "", (), entry.parameters)

    assert scale_faults(liar, SERIES, 3, 0) == [output.name for output in entry.outputs]


@pytest.mark.parametrize(
    "inhomogeneous",
    [
        pytest.param(np.log, id="log price"),
        pytest.param(lambda close: close / (close + 1e-12), id="a small denominator"),
        pytest.param(lambda close: np.where(np.abs(close - 100) < 5, 0.0, close), id="an absolute threshold"),
    ],
)
def test_the_law_catches_a_value_without_a_degree(inhomogeneous):
    for degree in (Degree(0, 0), Degree(1, 0)):
        assert scale_faults(planted(inhomogeneous, degree=degree), SERIES, 3, 0) == ["planted"]
