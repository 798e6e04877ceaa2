"""A folder of cycler exports that a file `cells.toml` describes."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.options import build
from campaigns.problems import CampaignError, unknown
from surrogates.cells import Cell
from surrogates.discharges import Discharge
from surrogates.export_columns import check_mapping
from surrogates.export_table import Records, read_records
from surrogates.exported_cells import EndOfLife, Grid, build_cell, common_grid, found_discharges
from surrogates.life_file import Life
from surrogates.missing import MissingCellData


@dataclass(frozen=True)
class Entry:
    """One file, or all that fit a pattern such as `*.csv`."""

    file: str
    id: str | None = None  # by default the file's name up to the first dot
    life: float | str | None = None  # 812, or ">400" where the cell was stopped alive
    split: str | None = None

    def __post_init__(self) -> None:
        if not self.file:
            raise ValueError("file: must not be empty")
        if self.pattern and (self.id is not None or self.life is not None):
            raise ValueError("a pattern of several files takes neither id nor life")
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts:
            raise ValueError(f"file: {self.file!r} leaves the folder of cells.toml")
        if self.life is not None:
            try:
                self.known_life()
            except ValueError as error:
                raise ValueError(f"life: {error}") from error

    @property
    def pattern(self) -> bool:
        return any(sign in self.file for sign in "*?[")

    def known_life(self) -> Life | None:
        return None if self.life is None else Life.parse(str(self.life))


@dataclass(frozen=True)
class Description:
    """What `cells.toml` holds."""

    cells: tuple[Entry, ...]
    columns: Mapping[str, str] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "."
    voltage: Grid | None = None
    end_of_life: EndOfLife | None = None
    last_cycle: int | None = None

    def __post_init__(self) -> None:
        if not self.cells:
            raise ValueError("cells: at least one [[cells]] is needed")
        if self.decimal not in (".", ","):
            raise ValueError(f'decimal: {self.decimal!r} is not allowed; "." or "," is needed')
        if self.last_cycle is not None and self.last_cycle < 1:
            raise ValueError(f"last_cycle: {self.last_cycle} is not allowed; must be >= 1")
        check_mapping(self.columns, self.units)


def read_folder(
    file: Path,
    splits: Sequence[str] | None = None,
    on_fault: Callable[[str, ValueError], None] | None = None,
) -> list[Cell]:
    """The cells that ``file``, a `cells.toml`, describes, in its order, patterns by name.

    ``splits`` takes those cells only whose entry names one of them; None takes all. Cells share one
    voltage grid. A cell that cannot be made is an error, or told to ``on_fault`` and left out.
    Raises ValueError with one line a mistake, naming the file and the key, or the export and what
    is wrong in it; MissingCellData where a file is not there.
    """
    about = read_description(file)
    entries = _of_splits(file, about.cells, splits)
    read: list[tuple[str, Entry, Records, list[Discharge]]] = []
    for id, (path, entry) in _named(file, entries).items():
        with _faults(id, on_fault):
            records = read_records(path, about.columns, about.units, about.decimal)
            read.append((id, entry, records, found_discharges(records)))
    if not read:
        return []
    grid = about.voltage or common_grid([found for *_, found in read])
    cells: list[Cell] = []
    for id, entry, records, found in read:
        rules = (entry.known_life(), about.end_of_life, about.last_cycle)
        with _faults(id, on_fault):
            cells.append(build_cell(records, found, id, grid, *rules))
    return cells


@contextmanager
def _faults(id: str, on_fault: Callable[[str, ValueError], None] | None) -> Iterator[None]:
    """ValueErrors of the block go to ``on_fault``, where there is one."""
    try:
        yield
    except ValueError as error:
        if on_fault is None:
            raise
        on_fault(id, error)


def read_description(file: Path) -> Description:
    """Raises ValueError: one line a mistake, naming the file and the key."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no TOML: {error}") from error
    try:
        return build(Description, table, "")
    except CampaignError as error:
        told = (problem.removeprefix(".").removeprefix(": ") for problem in error.problems)
        raise ValueError("\n".join(f"{file}: {line}" for line in told)) from error


def _of_splits(
    file: Path, entries: Sequence[Entry], splits: Sequence[str] | None
) -> Sequence[Entry]:
    if splits is None:
        return entries
    known = sorted({entry.split for entry in entries if entry.split is not None})
    for split in splits:
        if split not in known:
            raise ValueError(f"{file}: split {split!r}: {unknown('split', split, known)}")
    return [entry for split in splits for entry in entries if entry.split == split]


def _named(file: Path, entries: Sequence[Entry]) -> dict[str, tuple[Path, Entry]]:
    """Each cell's file by its id; a file named by itself is not taken by a pattern as well."""
    folder = file.parent
    single = {folder / entry.file for entry in entries if not entry.pattern}
    named: dict[str, tuple[Path, Entry]] = {}
    for entry in entries:
        paths = [folder / entry.file]
        if entry.pattern:
            fitting = sorted(path for path in folder.glob(entry.file) if path.is_file())
            paths = [path for path in fitting if path not in single and path != file]
        if not paths or not paths[0].is_file():
            raise MissingCellData(f"{file}: there is no file {entry.file!r} in {folder}")
        for path in paths:
            id = entry.id or path.name.split(".", 1)[0]
            id = f"{entry.split}/{id}" if entry.split else id
            if id in named:
                raise ValueError(
                    f"{file}: {named[id][0].name} and {path.name} are both called {id!r}; "
                    "give one of them another id"
                )
            named[id] = (path, entry)
    return named
