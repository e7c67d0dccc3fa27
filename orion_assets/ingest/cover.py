"""How to cover the cells of a grid with the fewest calls: whole columns against whole rows, and windows along a row.

Rows are tickers, columns sessions; cells are two arrays of equal length, row and column numbers, in
any order, each cell once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from orion_assets.ingest.flow import UNLIMITED, Network

Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Windows:
    """Stretches of rows.

    Attributes:
        row: The row of each.
        first: Its first column, which holds a cell.
        last: Its last column, which holds a cell too.
        cells: The cells in between, both included.
    """

    row: Whole
    first: Whole
    last: Whole
    cells: Whole

    def where(self, flags: Flags) -> "Windows":
        """Keep some of the windows."""
        return Windows(self.row[flags], self.first[flags], self.last[flags], self.cells[flags])


@dataclass(frozen=True)
class Classes:
    """Rows of a matrix that are equal, seen as one.

    Attributes:
        of_row: The class of each row.
        matrix: One row for each class.
        size: How many rows each class has.
    """

    of_row: Whole
    matrix: Flags
    size: Whole


def windows(row: Whole, column: Whole, longest: int) -> Windows:
    """Cover the cells with the fewest windows of at most `longest` columns, each along one row; sorted by row, column.

    From the left: a window must cover the first cell that is left, and reaches furthest when it begins there.
    """
    stride = int(column.max(initial=0)) + longest + 1
    # Stable, because what comes sorted is then left alone
    keys = np.sort(row * stride + column, kind="stable")
    begin = np.flatnonzero(np.diff(keys // stride, prepend=-1))
    found: list[tuple[Whole, Whole, Whole]] = [(keys[:0], keys[:0], keys[:0])]
    while begin.size:
        # The next row's cells begin a stride on, so no window reaches them
        end = np.searchsorted(keys, keys[begin] + longest)
        found.append((keys[begin], keys[end - 1], end - begin))
        inside = end < keys.size
        goes_on = keys[end[inside]] // stride == keys[begin[inside]] // stride
        begin = end[inside][goes_on]
    first, last, cells = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(first)
    return Windows(first[order] // stride, first[order] % stride, last[order] % stride, cells[order])


def joined(parts: Sequence[Windows]) -> Windows:
    """Put windows one after the other, as they come."""
    fields = ((part.row, part.first, part.last, part.cells) for part in parts)
    return Windows(*(np.concatenate(field) for field in zip(*fields, strict=True)))


def cheapest_cover(row: Whole, column: Whole, row_cost: int, column_cost: int) -> tuple[Flags, Flags]:
    """Choose the rows and columns of least total cost so that each cell lies in one of them.

    A minimum weighted vertex cover of a bipartite graph, which is a minimum cut (Kőnig, 1931): columns hang on the
    source, rows on the sink, cells join them and cannot be cut. Exact at any size: equal rows stand or fall together,
    and so do equal columns, so that each kind is collapsed to its classes first. Of two covers that cost the same it
    takes the one with fewer rows.

    Args:
        row: Row numbers of the cells.
        column: Column numbers of the cells.
        row_cost: What each row costs, at least 1.
        column_cost: What each column costs, at least 1.

    Returns:
        Which rows, and which columns, are chosen; up to the highest number that has a cell.
    """
    if not row.size:
        return np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.bool_)
    grid = np.zeros((row.max(initial=-1) + 1, column.max(initial=-1) + 1), dtype=np.bool_)
    grid[row, column] = True
    rows = classes(grid)
    columns = classes(rows.matrix.T)
    source, sink = 0, 1
    nodes = 2 + columns.size.size + rows.size.size
    network = Network(nodes)
    for place, size in enumerate(columns.size.tolist()):
        network.add(source, 2 + place, column_cost * size)
    for place, size in enumerate(rows.size.tolist()):
        network.add(2 + columns.size.size + place, sink, row_cost * size)
    for start, end in zip(*(each.tolist() for each in np.nonzero(columns.matrix)), strict=True):
        network.add(2 + start, 2 + columns.size.size + end, UNLIMITED)
    side = np.array(network.source_side(source, sink))
    is_reached_column, is_reached_row = side[2 : 2 + columns.size.size], side[2 + columns.size.size :]
    return is_reached_row[rows.of_row], ~is_reached_column[columns.of_row]


def classes(matrix: Flags) -> Classes:
    """Group equal rows of a matrix that has some; the order of the classes depends on the rows alone."""
    packed = np.packbits(matrix, axis=1)
    _, first, of_row, size = np.unique(packed, axis=0, return_index=True, return_inverse=True, return_counts=True)
    return Classes(of_row.reshape(-1), matrix[first], size)
