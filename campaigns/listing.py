"""CSV files that a campaign names: candidates and earlier results, read with line numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.parameter import is_number
from campaigns.problems import CampaignError, unknown
from campaigns.records import Value

MOST_TOLD = 20  # mistakes of one file that are told


@dataclass(frozen=True)
class Listing:
    """The rows of a CSV file with a header line; `lines` are their line numbers from 1."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    @classmethod
    def read(cls, name: str, content: bytes) -> Listing:
        """The listing in `content` (UTF-8, a byte order mark is skipped; comma-separated).
        Raises CampaignError with every mistake."""
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise CampaignError([f"{name}: byte {error.start} is not UTF-8"]) from None
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        found: list[tuple[int, tuple[str, ...]]] = []
        try:
            for row in reader:
                cells = tuple(cell.strip() for cell in row)
                if any(cells):
                    found.append((reader.line_num, cells))
        except csv.Error as error:
            raise CampaignError([f"{name}: line {reader.line_num}: {error}"]) from None
        if len(found) < 2:
            raise CampaignError([f"{name}: a header line and at least one row are needed"])
        (_, header), *rows = found
        listing = cls(name, header, tuple(r for _, r in rows), tuple(n for n, _ in rows))
        listing._check()
        return listing

    def _check(self) -> None:
        mistakes = []
        if len(set(self.header)) < len(self.header) or "" in self.header:
            mistakes.append(f"{self.name}: the column names are not all there and different")
        for line, row in zip(self.lines, self.rows, strict=True):
            if len(row) != len(self.header):
                mistakes.append(
                    f"{self.name}: line {line}: {len(row)} values, but {len(self.header)} columns"
                )
        if mistakes:
            raise CampaignError(mistakes[:MOST_TOLD])

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of one column. Raises CampaignError for an unknown column."""
        if name not in self.header:
            what = unknown("column", name, self.header)
            raise CampaignError([f"{self.name}: '{name}': {what}"])
        place = self.header.index(name)
        return tuple(row[place] for row in self.rows)

    def values(self, name: str) -> tuple[Value, ...]:
        """One column as numbers where most of its cells are, else as texts. Raises CampaignError,
        naming the lines, for empty cells and for texts or infinities among numbers."""
        cells = self.column(name)
        numbers = [number(cell) for cell in cells]
        numeric = 2 * sum(found is not None for found in numbers) > len(cells)
        parsed: Sequence[Value | None] = numbers if numeric else cells
        mistakes = []
        for line, cell, value in zip(self.lines, cells, parsed, strict=True):
            if cell == "":
                mistakes.append(f"{self.name}: line {line}: column '{name}' is empty")
            elif value is None:
                mistakes.append(
                    f"{self.name}: line {line}: column '{name}': '{cell}' is no finite number"
                )
        if mistakes:
            raise CampaignError(mistakes[:MOST_TOLD])
        return tuple(value for value in parsed if value is not None)


def number(cell: str) -> float | int | None:
    """The finite number in `cell`, or None."""
    for kind in (int, float):
        try:
            value = kind(cell)
        except ValueError:
            continue
        return value if is_number(value) else None
    return None
