"""Spellings: oracles are tickers as the providers' own pages show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_assets.sources.symbology import read, spelled

ROOTS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5)
LETTERS = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
TICKERS = st.one_of(
    ROOTS,
    st.builds("{}.{}".format, ROOTS, LETTERS),
    st.builds("{}p{}".format, ROOTS, LETTERS),
    st.builds("{}.WS".format, ROOTS),
    st.builds("{}.WS.{}".format, ROOTS, LETTERS),
    st.builds("{}.U".format, ROOTS),
    st.builds("{}r".format, ROOTS),
)


@pytest.mark.parametrize(
    ("ticker", "provider", "symbol"),
    [
        ("AAPL", "yahoo", "AAPL"),
        ("BRK.B", "yahoo", "BRK-B"),
        ("p".join(["BAC", "L"]), "yahoo", "BAC-PL"),
        ("KIMpL", "yahoo", "KIM-PL"),
        ("BRK.B", "alpaca", "BRK.B"),
        ("BRK.B", "orion", "BRK.B"),
    ],
)
def test_a_ticker_is_spelled_as_its_provider_does(ticker, provider, symbol):
    assert spelled(ticker, provider) == symbol
    assert read(symbol, provider) == ticker


@pytest.mark.parametrize(
    ("ticker", "provider"),
    [("AAA.WS", "yahoo"), ("AAA.U", "yahoo"), ("AAA.U", "alpaca"), ("KIMpL", "alpaca"), ("AAAr", "alpaca")],
)
def test_a_form_that_nobody_has_seen_there_has_no_spelling(ticker, provider):
    assert spelled(ticker, provider) is None


@pytest.mark.parametrize("text", ["", "brk.b", "BRK/B", "BRK B", "BRK-B", "X:BTCUSD", "BRK.BB", "TOOLONG", "BRK.B "])
def test_what_is_no_ticker_of_the_tape_is_not_guessed_at(text):
    assert read(text, "orion") is None


def test_one_character_means_two_things_at_two_providers():
    assert read("AAA-PL", "yahoo") == "AAApL"
    assert read("AAA-L", "yahoo") == "AAA.L"
    assert read("AAA-P", "yahoo") is None


@given(TICKERS, st.sampled_from(["orion", "yahoo", "alpaca"]))
def test_a_spelling_leads_back_to_its_ticker(ticker, provider):
    symbol = spelled(ticker, provider)

    assert symbol is None or read(symbol, provider) == ticker


@given(TICKERS, TICKERS, st.sampled_from(["yahoo", "alpaca"]))
def test_two_tickers_never_share_a_spelling(one, other, provider):
    assert one == other or spelled(one, provider) is None or spelled(one, provider) != spelled(other, provider)
