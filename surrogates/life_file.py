"""Files of cycle lives: one life a line, `>400` for a cell that was stopped alive at 400."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from surrogates.missing import MissingCellData


@dataclass(frozen=True, slots=True)
class Life:
    """Cycles to end of life; a lower bound where `censored` (the cell was stopped alive)."""

    cycles: float
    censored: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.cycles) or self.cycles <= 0.0:
            raise ValueError(f"{self.cycles:g} is not a positive number of cycles")

    @classmethod
    def parse(cls, text: str) -> Life:
        """`812`, or `>400` for at least 400. Raises ValueError."""
        bare = text.strip()
        number = bare.removeprefix(">")
        try:
            return cls(float(number), censored=number != bare)
        except ValueError as error:
            raise ValueError(
                f"{text!r} is not a life; write 812, or >400 if it was stopped alive"
            ) from error


def read_lives(path: Path) -> list[Life]:
    """The lives of cell1, cell2, …, one a line, blank lines at the end left out.

    Raises MissingCellData where there is no file, ValueError naming the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except FileNotFoundError as error:
        raise MissingCellData(f"the file of cycle lives {path} is missing") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read: it is not UTF-8 text") from error
    if not lines:
        raise ValueError(f"{path} is empty; it must hold one life a line")
    return [_life(path, number, line) for number, line in enumerate(lines, start=1)]


def _life(path: Path, number: int, line: str) -> Life:
    try:
        return Life.parse(line)
    except ValueError as error:
        raise ValueError(
            f"{path}, line {number}: the life of cell{number} is {line!r}; "
            "write 812, or >400 if it was stopped alive"
        ) from error
