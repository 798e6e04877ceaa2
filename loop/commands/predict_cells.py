"""What the commands of `leyden predict` read: cells of a folder, and files of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loop.commands.console import BadInput, note, reading

if TYPE_CHECKING:
    from surrogates.cycle_life import Cell, CycleLifeModel
    from surrogates.predictor_file import Predictor


@dataclass(frozen=True)
class Usable:
    """Cells a model can predict, and the others, each with its reason."""

    cells: list[Cell]
    refused: list[tuple[str, str]]

    @classmethod
    def of_folder(cls, model: CycleLifeModel, data: Path, splits: Sequence[str] | None) -> Usable:
        """Read a folder and ask the model cell by cell. Raises BadInput for a folder of none."""
        refused: list[tuple[str, str]] = []

        def refuse(name: str, error: ValueError) -> None:
            refused.append((name, _one_line(error)))

        return cls._asked(model, _read(data, splits, refuse), refused)

    @classmethod
    def of_campaign(cls, model: CycleLifeModel, campaign: str, url: str) -> Usable:
        """The same for the trials of a campaign, by their numbers. Raises StoreError."""
        from loop.stored_cells import stored_cells

        with reading(url) as store:
            cells = stored_cells(store, [campaign], until=model.at_cycle)
        return cls._asked(model, cells, [])

    @classmethod
    def _asked(
        cls, model: CycleLifeModel, cells: Sequence[Cell], refused: list[tuple[str, str]]
    ) -> Usable:
        usable: list[Cell] = []
        for cell in cells:
            try:
                model.predict([cell])
            except ValueError as error:
                refused.append((cell.id, _one_line(error)))
            else:
                usable.append(cell)
        return cls(usable, refused)


def _one_line(error: ValueError) -> str:
    return " ".join(str(error).split())


def splits_of(text: str | None) -> tuple[str, ...] | None:
    """`train,test1` as names; None where none are given. Raises BadInput."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise BadInput(f"--splits {text}: names with commas between them are needed")
    if ":" in text:
        raise BadInput(f"--splits {text}: a colon is for predict evaluate with models to be fitted")
    if len(set(names)) < len(names):
        raise BadInput(f"--splits {text}: a name stands in it twice")
    return names


def read(folder: Path, splits: Sequence[str] | None) -> list[Cell]:
    """The cells of a folder, at least one. Raises BadInput, naming the file or cell."""
    cells = _read(folder, splits, None)
    if not cells:
        raise BadInput(f"--data {folder}: there are no cells")
    return cells


def _read(
    folder: Path, splits: Sequence[str] | None, on_fault: Callable[[str, ValueError], None] | None
) -> list[Cell]:
    from surrogates.cycle_life import read_cells

    try:
        if splits is None:
            return read_cells(folder, on_fault=on_fault)
        return read_cells(folder, splits, on_fault=on_fault)
    except (ValueError, OSError) as error:
        raise BadInput(f"--data {folder}: {error}") from error


def read_predictor(path: Path) -> Predictor:
    """Raises BadInput for a file that is missing, damaged or something else."""
    from surrogates.predictor_file import from_bytes

    try:
        return from_bytes(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error


def repairs_told(cells: Sequence[Cell]) -> None:
    """A line on standard error for each cell that needed repairs."""
    for cell in cells:
        if cell.repairs:
            told = "; ".join(f"cycle {one.cycle}: {one.reason}" for one in cell.repairs)
            note(f"warning: repaired: {cell.id}, {told}")
