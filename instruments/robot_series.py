"""Partial results of a robot as per-cycle data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from instruments.base import Series
from instruments.board import Content

if TYPE_CHECKING:
    from numpy.typing import NDArray


def joined(parts: Sequence[Content], since: int = 0) -> Series | None:
    """The series in the parts behind cycle `since`; None where there is none in any of them."""
    import numpy as np

    pieces = [part["series"] for part in parts if part.get("series")]
    if not pieces:
        return None
    voltage: Sequence[float] = next(
        (piece["voltage"] for piece in pieces if piece.get("voltage")), []
    )
    cycles = np.concatenate([np.asarray(piece["cycles"], dtype=np.int64) for piece in pieces])
    names = list(pieces[0]["summary"])
    summary = {name: _numbers([piece["summary"][name] for piece in pieces]) for name in names}
    curve_cycles = [cycle for piece in pieces for cycle in piece.get("curve_cycles", [])]
    rows = [curve for piece in pieces for curve in piece.get("curves", [])]
    wanted, of = cycles > since, np.asarray(curve_cycles, dtype=np.int64)
    curves = np.asarray(rows, dtype=np.float32).reshape(len(rows), len(voltage))
    return Series(
        cycles=cycles[wanted],
        summary={name: values[wanted] for name, values in summary.items()},
        voltage=np.asarray(voltage, dtype=np.float64),
        curves=curves[of > since],
        curve_cycles=of[of > since],
    )


def _numbers(pieces: Sequence[Sequence[float | None]]) -> NDArray[Any]:
    """float64 of all pieces, one after the other; null is not a number."""
    import numpy as np

    flat = [np.nan if value is None else value for piece in pieces for value in piece]
    return np.asarray(flat, dtype=np.float64)
