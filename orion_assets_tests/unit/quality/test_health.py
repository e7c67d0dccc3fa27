"""What is installed, held against what the code was made for."""

from orion_assets.quality.health import of_requirements

WANTED = ["polars<3,>=2.1", "pandas-market-calendars>=5", "ruff>=0.15; extra == 'dev'", "duckdb>=2,<3"]


def test_what_is_installed_as_wanted_is_no_finding():
    found = {"polars": "2.1.0", "pandas-market-calendars": "5.1.1", "duckdb": "2.0.0"}

    assert list(of_requirements(WANTED, found)) == []


def test_a_package_that_is_absent_or_too_old_is_a_fault_with_a_remedy():
    old, absent = of_requirements(WANTED, {"polars": "1.40.0", "duckdb": "2.0.0"})

    assert (old.level, old.found) == ("fault", "polars 1.40.0; wanted is polars<3,>=2.1")
    assert (absent.level, absent.found) == (
        "fault",
        "pandas-market-calendars is absent; wanted is pandas-market-calendars>=5",
    )
    assert "requirements.lock" in old.remedy
