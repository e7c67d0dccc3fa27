import pytest

from orion_assets.errors import SettingsError
from orion_assets.sources.files.source import FilesSource
from orion_assets_tests.files_worlds import ROW, ask, bars, read, source, table

NEWS = '[[news]]\nfiles = ["n.csv"]\ncolumns = { article_id = "i", published = "p", title = "t", ticker = "k" }\n'


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("a = 1\nb == 2", ["is not TOML", "line 2", "mend that line"]),
        ("", ["maps nothing", "[[daily_bars]]"]),
        ('[[daily_bar]]\nfiles = ["x"]', ["[[daily_bar]] is no option", "did you mean daily_bars"]),
        (bars(options='datefmt = "%Y"'), ["[[daily_bars]] number 1: datefmt is no option", "date_format"]),
        (bars() + bars(options='zone = "Mars"'), ["[[daily_bars]] number 2: zone 'Mars' is not a time zone", "UTC"]),
        (bars(options='delay = "15"'), ["delay '15' is not a delay", "such as 15m"]),
        (bars(options="skip_rows = [0]"), ["skip_rows counts data rows from 1"]),
        (bars(options='splits = { colum = "s" }'), ["splits.colum is no option", "did you mean column"]),
        (bars().replace('"as_traded"', '"raw"'), ["price_basis 'raw' input should be 'as_traded'"]),
        (bars().replace('price_basis = "as_traded"\n', ""), ["price_basis: field required"]),
        (bars().replace("as_traded", "split_adjusted"), ["refused as bars", "as traded", 'use = "reconciliation"']),
        (bars().replace("as_traded", "fully_adjusted"), ["'fully_adjusted' is refused as bars"]),
        (bars(options='use = "reconciliation"\nsplits = { column = "s" }'), ["only compared with"]),
        (bars().replace('close = "close", ', ""), ["columns must say which column holds close"]),
        (bars(more=', vwop = "v"'), ["columns.vwop is no column of Orion", "did you mean vwap"]),
        (bars(ticker=""), ["whose rows they are in exactly one way", 'ticker_from = "stem"']),
        (bars(options='ticker = "AAPL"'), ["in exactly one way"]),
        (bars(options='date_format = "%Y-%m-%d %H:%M %z"'), ["bar_label", '"start" or "end"']),
        (bars(options='date_format = "%Y-%m-%d %H:%M"\nbar_label = "end"'), ["a time without a zone", "add zone"]),
        (
            '[[splits]]\nfiles = ["s.csv"]\nticker = "A"\ncolumns = { ex_date = "d" }',
            ["shares_after and shares_before"],
        ),
        (
            '[[splits]]\nrows = [{ ticker = "A", ex_date = 2014-01-02, shares_after = 0 }]',
            ["rows.shares_after 0 input"],
        ),
        ("[[splits]]\nrows = []", ["say either files = [...] or rows"]),
        (NEWS + 'date_format = "%Y-%m-%d"', ["needs the instant of its publication"]),
    ],
)
def test_a_wrong_mapping_says_where_and_what_to_do(tmp_path, mapping, words):
    with pytest.raises(SettingsError) as caught:
        source(tmp_path, mapping)

    message = str(caught.value)
    assert message.startswith("mapping mapping.toml: ")
    assert [word for word in words if word not in message] == [], message


def test_an_absent_mapping_is_said(tmp_path):
    with pytest.raises(SettingsError, match="ORION_FILES_MAPPING"):
        FilesSource([tmp_path / "none.toml"])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ("none/*.csv", ["'none/*.csv' finds no file under", "correct the pattern or the root"]),
        ("/etc/hosts", ["absolute path", "relative to the mapping's folder"]),
        ("", ["finds no file"]),
        ("package:bokeh_sampledata_none/x.csv", ["'bokeh_sampledata_none' is not installed", "pip install"]),
        ("package:polars/none.csv", ["finds no file"]),
    ],
)
def test_a_pattern_without_files_is_said(tmp_path, files, words):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, bars(files))

    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_mappings_add_up_and_each_is_relative_to_its_folder_unless_a_root_is_given(tmp_path):
    for name, ticker in (("a", "AAPL"), ("b", "MSFT")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.toml").write_text(bars())
        (tmp_path / name / "bars.csv").write_text(table(ROW.replace("AAPL", ticker)))

    own = FilesSource([tmp_path / "a" / "m.toml", tmp_path / "b" / "m.toml"])
    rooted = FilesSource([tmp_path / "a" / "m.toml"], root=tmp_path / "b")

    assert own.listed_tickers() == ("AAPL", "MSFT")
    assert rooted.listed_tickers() == ("MSFT",)


def test_the_evidence_follows_the_mapping_and_the_files(tmp_path):
    first = read(tmp_path, bars(), bars__csv=table(ROW)).evidence

    assert read(tmp_path, bars(), bars__csv=table(ROW)).evidence == first
    assert read(tmp_path, bars() + "# said\n", bars__csv=table(ROW)).evidence != first
    assert read(tmp_path, bars(), bars__csv=table(ROW + "0")).evidence != first


def test_a_dataset_that_is_not_mapped_is_a_wrong_call(tmp_path):
    with pytest.raises(ValueError, match="raw_vix is not mapped; mapped are raw_daily_bars, raw_tickers"):
        source(tmp_path, bars(), bars__csv=table(ROW)).read(ask("raw_vix"))
