"""Hold rows that were made in one pass against those that the sessions wrote: bit for bit, or they are accused."""

import polars as pl

from orion_assets.tables import Table


def unequal(rebuilt: pl.DataFrame, stored: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Find the versions of rows that differ, or stand on one side alone.

    Args:
        rebuilt: Rows of the table, all versions, made anew from raw.
        stored: The same, as the sessions wrote them.
        table: What both are.

    Returns:
        The key, `ts_known`, `differs` (the columns, or `rebuilt only`, `stored only`) and `remedy`, sorted.
    """
    identity = [*table.key, "ts_known"]
    values = [name for name in table.names if name not in identity]
    both = rebuilt.select(table.names).join(
        stored.select(table.names).with_columns(_is_stored=True),
        on=identity,
        how="full",
        coalesce=True,
        suffix="_stored",
    )
    both = both.join(rebuilt.select(identity).with_columns(_is_rebuilt=True), on=identity, how="left")
    # Compared as bits: what prints alike may differ, and null is a value
    names = [pl.when(pl.col(name).ne_missing(pl.col(f"{name}_stored"))).then(pl.lit(name)) for name in values]
    differs = (
        pl.when(pl.col("_is_stored").is_null())
        .then(pl.lit("rebuilt only"))
        .when(pl.col("_is_rebuilt").is_null())
        .then(pl.lit("stored only"))
        .otherwise(pl.concat_str(names, separator=" ", ignore_nulls=True))
    )
    return (
        both.with_columns(differs=differs)
        .filter(pl.col("differs") != "")
        .select(*identity, "differs", remedy=pl.lit("derive anew with: orion store rebuild"))
        .sort(identity)
    )
