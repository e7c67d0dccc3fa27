"""From a block of the mapping to its sheets: which files, which columns, which rows.

Keep the meaning of the cells out of here; parsing.py and rows.py know that.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NoReturn

import polars as pl

from orion_assets.errors import SourceRejected
from orion_assets.sources.files.mapping import Mapping
from orion_assets.sources.files.options import Block, DailyBars, News, TickerBlock, Tickers
from orion_assets.sources.files.parsing import Sheet, is_no_ticker, text, ticker_lists
from orion_assets.sources.files.reading import Found, Kept, Shelf, find, frames, stem
from orion_assets.sources.protocols import Document

SPLIT_COLUMN = "split_ratio"
DIVIDEND_COLUMN = "dividend_cash"
# Where a mapping names a column that is not one of the bars' own
_SETTINGS: Final = {
    SPLIT_COLUMN: "splits.column (or leave splits out)",
    DIVIDEND_COLUMN: "dividends.column (or leave dividends out)",
}


@dataclass(frozen=True)
class Plan:
    """A block with the files that it names at this moment."""

    mapping: Mapping
    block: Block
    files: tuple[Found, ...]

    def marks(self, shelf: Shelf) -> tuple[object, ...]:
        """Give what changes when one of the files does."""
        return tuple(shelf.mark(file) for file in self.files)


def plan(mapping: Mapping, block: Block) -> Plan:
    """Resolve the block's patterns.

    Raises:
        SettingsError: A pattern finds no file.
    """
    return Plan(mapping, block, tuple(find(block.files, mapping.folder, mapping.name)))


def documents(planned: Plan, shelf: Shelf) -> list[Kept]:
    """Give what is behind the block: its files, or the mapping where the rows stand in it."""
    if planned.block.has_rows:
        return [Document(planned.mapping.name, planned.mapping.sha256, planned.mapping.content)]
    return [(file, shelf.sha256(file)) for file in planned.files]


def sheets(planned: Plan, shelf: Shelf) -> list[Sheet]:
    """Read the block's sheets.

    Raises:
        SourceRejected: A file cannot be read, a column is missing, a row to skip does not exist, or a ticker asked for
            is in none of the files.
    """
    block = planned.block
    made = [_literal(planned)] if block.has_rows else list(_from_files(planned, shelf))
    if block.skip_rows and len(made) != 1:
        _refuse_skipping([sheet.file for sheet in made])
    made = [_without(sheet, block.skip_rows) for sheet in made]
    wanted = block.tickers if isinstance(block, TickerBlock | Tickers) else ()
    return _only(made, wanted, block) if wanted else made


def each_sheet(planned: Plan) -> Iterator[tuple[Found, Sheet]]:
    """Read the sheets of a block of files as `sheets` does, but one at a time: nothing of a file is kept.

    Raises:
        SourceRejected: As for `sheets`; that a ticker asked for is nowhere shows only after the last sheet.
    """
    block, names, seen = planned.block, list[str](), set[str]()
    wanted = block.tickers if isinstance(block, TickerBlock) else ()
    for file in planned.files:
        for sheet in _from_files(replace(planned, files=(file,)), Shelf()):
            names.append(sheet.file)
            if block.skip_rows and len(names) > 1:
                _refuse_skipping(names)
            kept = _without(sheet, block.skip_rows)
            owners = _owners(kept, block)
            seen |= set(owners.explode(empty_as_null=False).unique())
            yield file, _of(kept, owners, wanted) if wanted else kept
    _demand_all(names, wanted, seen)


def _from_files(planned: Plan, shelf: Shelf) -> Iterator[Sheet]:
    columns = _columns(planned.block)
    for file in planned.files:
        document = shelf.take(file)
        tables = frames(file.name, document.content, members=file.members, separator=planned.block.separator)
        for name, frame in tables:
            rows = _mapped(name, frame, columns)
            yield Sheet(name, document.sha256, rows, columns, _constant(planned.block, name))


def _columns(block: Block) -> dict[str, str]:
    columns = dict(block.columns)
    if isinstance(block, DailyBars):
        columns |= {SPLIT_COLUMN: block.splits.column} if block.splits else {}
        columns |= {DIVIDEND_COLUMN: block.dividends.column} if block.dividends else {}
    return columns


def _mapped(name: str, frame: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    for ours, theirs in columns.items():
        if theirs not in frame.columns:
            near = difflib.get_close_matches(theirs, frame.columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(map(repr, frame.columns))}."
            setting = _SETTINGS.get(ours, f"columns.{ours}")
            raise SourceRejected(
                f"{name}: has no column {theirs!r} (mapped to {ours}); {hint} Correct {setting} in the mapping",
                file=name,
                column=theirs,
            )
    source_row = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("source_row")
    return frame.select(source_row, *(pl.col(theirs).alias(ours) for ours, theirs in columns.items()))


def _constant(block: Block, name: str) -> str | None:
    if not isinstance(block, TickerBlock):
        return None
    if block.ticker_from is None:
        return block.ticker
    found = stem(name)
    if is_no_ticker(pl.Series([found]))[0]:
        raise SourceRejected(
            f'{name}: ticker_from = "stem" finds {found!r}, which is no ticker; name the file by its ticker or say'
            " ticker in the mapping",
            file=name,
        )
    return found


def _literal(planned: Plan) -> Sheet:
    given = [row.model_dump(mode="json", exclude_none=True) for row in getattr(planned.block, "rows", ())]
    names = sorted({name for row in given for name in row})
    cells = {name: [None if row.get(name) is None else str(row[name]) for row in given] for name in names}
    rows = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String)).with_row_index("source_row", offset=1)
    return Sheet(
        planned.mapping.name,
        planned.mapping.sha256,
        rows.with_columns(pl.col("source_row").cast(pl.Int64)),
        {name: name for name in names},
    )


def _without(sheet: Sheet, skipped: tuple[int, ...]) -> Sheet:
    beyond = [row for row in skipped if row > sheet.rows.height]
    if beyond:
        raise SourceRejected(
            f"{sheet.file}: row {beyond[0]}: skip_rows leaves it out, but the file has {sheet.rows.height} data rows;"
            " correct skip_rows",
            file=sheet.file,
            row=beyond[0],
        )
    return sheet.holding(sheet.rows.filter(~pl.col("source_row").is_in(skipped)))


def _refuse_skipping(names: list[str]) -> NoReturn:
    raise SourceRejected(
        f"{names[0]}: skip_rows names rows of one file, but the block reads {len(names)} ({', '.join(names[:3])}); give"
        " the dirty file a block of its own",
        file=names[0],
    )


def _only(made: list[Sheet], wanted: tuple[str, ...], block: Block) -> list[Sheet]:
    owners = [_owners(sheet, block) for sheet in made]
    seen = {ticker for owner in owners for ticker in owner.explode(empty_as_null=False).unique()}
    _demand_all([sheet.file for sheet in made], wanted, seen)
    return [_of(sheet, owner, wanted) for sheet, owner in zip(made, owners, strict=True)]


def _demand_all(names: list[str], wanted: tuple[str, ...], seen: set[str]) -> None:
    absent = [ticker for ticker in wanted if ticker not in seen]
    if absent:
        near = difflib.get_close_matches(absent[0], sorted(map(str, seen)), n=1)
        raise SourceRejected(
            f"{', '.join(names[:3])}: holds no row of {absent[0]!r}, which tickers asks for;"
            f" {f'did you mean {near[0]!r}? Correct' if near else 'correct'} tickers in the mapping",
            file=names[0],
            column="ticker",
        )


def _of(sheet: Sheet, owners: pl.Series, wanted: tuple[str, ...]) -> Sheet:
    marked = pl.element().is_in(wanted)
    kept = owners.to_frame("owner").select(pl.col("owner").list.eval(marked).list.any())["owner"]
    return sheet.holding(sheet.rows.filter(kept))


def _owners(sheet: Sheet, block: Block) -> pl.Series:
    if isinstance(block, News) and sheet.has("tickers"):
        return ticker_lists(sheet, block.tickers_separator)
    constant = pl.repeat(sheet.ticker, sheet.rows.height, dtype=pl.String, eager=True)
    owner = constant if sheet.ticker is not None else text(sheet, "ticker")
    return owner.to_frame("owner").select(pl.concat_list("owner"))["owner"]
