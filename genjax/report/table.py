"""Runs of any families in one table: a column never mixes variables."""

from collections.abc import Sequence
from typing import NamedTuple

from genjax.report.summary import Quantity, Summary, format_number

__all__ = ["Cell", "Column", "Table", "comparison"]

COMPARED = ("Likelihood", "Quality", "Diversity and mode collapse", "Cost")


class Column(NamedTuple):
    """One quantity of one variable.

    Args:
        heading: of the checklist.
        name: of the quantity; of likelihoods "negative log-likelihood", whatever a run calls its own.
        of: the variable.
        unit: of the values.
    """

    heading: str
    name: str
    of: str
    unit: str

    @property
    def title(self) -> str:
        """The whole in words."""
        of = f" of {self.of}" if self.of and self.of not in self.name else ""
        return f"{self.name}{of}" + (f" / {self.unit}" if self.unit else "")

    @property
    def short(self) -> str:
        """The quantity and its unit, where the variable is said elsewhere."""
        return self.name.removesuffix(f", {self.of}") + (f" / {self.unit}" if self.unit else "")


class Cell(NamedTuple):
    """One cell: a quantity, and whether it is the best of its column beyond doubt.

    Args:
        name: what the run calls it.
        quantity: the number.
        best: whether its 95 % interval over seeds lies apart from all others, on the better side.
    """

    name: str
    quantity: Quantity
    best: bool


class Table(NamedTuple):
    """Columns, and for each run its cells; None where the run has no such number.

    Args:
        columns: the columns.
        rows: one per run.
    """

    columns: list[Column]
    rows: list[list[Cell | None]]

    def by_variable(self) -> list[tuple[str, list[int], list[int]]]:
        """Each variable with its columns and with the rows that have any of them; last what is of no variable."""
        groups = []
        for of in sorted({c.of for c in self.columns}, key=lambda of: (not of, self._order(of))):
            columns = [i for i, c in enumerate(self.columns) if c.of == of]
            rows = [j for j, row in enumerate(self.rows) if any(row[i] is not None for i in columns)]
            groups.append((of, columns, rows))
        return groups

    def baseline(self, column: int) -> Quantity | None:
        """A quantity of the column whose baseline is that of all others that have one; None where they differ."""
        told: dict[tuple[str, str], Quantity] = {}
        for row in self.rows:
            cell = row[column]
            if cell is not None and cell.quantity.baseline is not None:
                told[format_number(cell.quantity.baseline), cell.quantity.baseline_of] = cell.quantity
        return next(iter(told.values())) if len(told) == 1 else None

    def _order(self, of: str) -> int:
        return next(i for i, c in enumerate(self.columns) if c.of == of)


def comparison(summaries: Sequence[Summary]) -> Table:
    """Put runs side by side.

    Likelihoods stand in one column where they are of the same variable in the same unit, each with its kind; the main
    one of every run is taken. Other quantities stand in one column where name, space and unit agree; those that only
    one run has, and only its family knows, are left out.

    Args:
        summaries: of the runs.

    Returns:
        `Table`.
    """
    cells: list[dict[Column, tuple[str, Quantity]]] = []
    for summary in summaries:
        mine: dict[Column, tuple[str, Quantity]] = {}
        for heading, name, row in summary.rows:
            if heading in COMPARED:
                likelihood = bool(row.kind)
                column = Column(heading, "negative log-likelihood" if likelihood else name, row.of, row.unit)
                mine.setdefault(column, (name, row))
        cells.append(mine)
    shared = lambda c: sum(c in mine for mine in cells) > 1
    present = dict.fromkeys(
        c for mine in cells for c in mine if shared(c) or mine[c][1].kind or c.name.endswith(f", {c.of}")
    )
    columns = sorted(present, key=lambda c: (COMPARED.index(c.heading), not shared(c)))
    best = {column: _best([mine.get(column) for mine in cells], column) for column in columns}
    rows = [
        [Cell(*mine[column], best=best[column] == i) if column in mine else None for column in columns]
        for i, mine in enumerate(cells)
    ]
    return Table(columns, rows)


def _best(entries: Sequence[tuple[str, Quantity] | None], column: Column) -> int | None:
    """The run whose interval lies apart on the better side; None where there is none or no side is better."""
    better = _direction(column)
    present = [(i, entry[1]) for i, entry in enumerate(entries) if entry is not None]
    if better == 0 or len(present) < 2:
        return None
    if any(row.kind not in ("", "exact") for _, row in present) and column.heading == "Likelihood":
        return None  # a bound beside another number says nothing of which is better
    if any(row.interval is None for _, row in present):
        return None
    first, top = max(present, key=lambda pair: better * pair[1].mean)
    apart = lambda row: better * (top.mean - row.mean) > (top.interval or 0.0) + (row.interval or 0.0)
    return first if all(apart(row) for i, row in present if i != first) else None


def _direction(column: Column) -> int:
    """+1 where more is better, −1 where less is, 0 where neither."""
    if column.heading == "Likelihood":
        return -1 if column.name == "negative log-likelihood" else 0
    start = column.name.split(",")[0]
    return {"Fréchet distance": -1, "precision": 1, "recall": 1}.get(start, 0)
