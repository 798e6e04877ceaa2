"""Cells that are not there or cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnFault = Callable[[str, ValueError], None]


class MissingCellData(FileNotFoundError, ValueError):
    """A folder or file of recorded cells is not there."""


@contextmanager
def passing_over(name: str, on_fault: OnFault | None) -> Iterator[None]:
    """Tell ``on_fault`` the cell and its ValueError and go on; without one, it is raised."""
    try:
        yield
    except ValueError as error:
        if on_fault is None:
            raise
        on_fault(name, error)
