"""What Orion says of real data: no feature saw the future, and only what is known to be wrong is accused."""

import json
from pathlib import Path

import pytest

from orion_assets_tests.accept_runs import DATA, ROOT, Deployment, deployment, figure, needs_data

pytestmark = needs_data

EXAMPLE = ROOT / "examples" / "real_2000_2013"
# The features whose past is rebuilt: indicators, sentiment with its counts, market, and what joins them
LEAST_FEATURES = 40


@pytest.fixture(scope="session")
def real_2000_2013(once) -> Deployment:
    """Thirteen years of the example with VIX; read only."""
    pytest.importorskip("bokeh_sampledata", reason="the extra [examples] is not installed")

    def fill(folder: Path) -> None:
        mappings = Path(f"{EXAMPLE / 'mapping.toml'},{EXAMPLE / 'vix.toml'}")
        deployment(folder, mappings, root=DATA, start="2000-03-01").backfill("2000-03-01", "2013-03-02")

    return Deployment(once("real_2000_2013", fill))


def leaks(run: Deployment) -> dict:
    told = json.loads(run.done("quality", "leaks", "--json"))
    figure(f"{told['features']} features, {told['rows']} rows at {len(told['instants'])} instants: {told['leaks']}")
    return told


def accused(run: Deployment) -> dict[str, int]:
    checks = json.loads(run.done("quality", "report", "--json"))["checks"]
    assert len(checks) > 30
    found = {f"{check['asset']}.{check['check']}": check["rows"] for check in checks if check["rows"]}
    figure(str(found))
    return found


def test_no_feature_of_2014_saw_the_future(real_2014):
    told = leaks(real_2014)

    assert told["leaks"] == []
    assert told["features"] >= LEAST_FEATURES
    assert told["tickers"] == ["AAPL", "BRK_A", "MSFT", "ZEN"]


def test_of_2014_texts_with_many_tickers_alone_are_accused(real_2014):
    # Half of the texts are tagged with several tickers, as the data says of itself
    crowded = sum(len(tickers) > 10 for tickers in real_2014.of_lake("raw_news")["tickers"].to_list())

    assert accused(real_2014) == {"clean_news.few_tickers": crowded}


@pytest.mark.accept
def test_no_feature_of_thirteen_years_saw_the_future(real_2000_2013):
    told = leaks(real_2000_2013)

    assert told["leaks"] == []
    assert told["features"] >= LEAST_FEATURES
    assert told["tickers"] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]


@pytest.mark.accept
def test_of_thirteen_years_vix_alone_is_accused(real_2000_2013):
    assert {name.partition(".")[0] for name in accused(real_2000_2013)} == {"clean_vix"}
