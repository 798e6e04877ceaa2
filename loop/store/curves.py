"""Per-cycle data as rows and compressed blobs, without losing a bit, and the digest of them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from instruments.base import Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 32  # curves a blob: large enough to fill pages, small enough to read a few alone


def digest_series(series: Series) -> str:
    """SHA-256 of a series: cycles, summary by name, grid and curves, little-endian.

    Every NaN of the summary counts as the same; curves count bit by bit. Names without cycles and a
    grid without curves say nothing and do not count.
    """
    import numpy as np

    check_series(series)
    names = sorted(series.summary) if len(series.cycles) else []
    voltage = series.voltage if len(series.curves) else series.voltage[:0]
    head = ["series", 1, len(series.cycles), names, len(series.curves), len(voltage)]
    sha = hashlib.sha256(json.dumps(head, separators=(",", ":")).encode())
    sha.update(_plain(series.cycles, "<i8"))
    for name in names:
        values = np.array(series.summary[name], dtype="<f8")
        values[np.isnan(values)] = np.nan
        sha.update(values.tobytes())
    sha.update(_plain(voltage, "<f8"))
    if len(series.curves):
        sha.update(_plain(series.curve_cycles, "<i8"))
        sha.update(_plain(series.curves, "<f4"))
    return sha.hexdigest()


def check_series(series: Series) -> None:
    """Raises ValueError where the shapes do not fit or cycles do not ascend."""
    import numpy as np

    for name, values in series.summary.items():
        if np.shape(values) != np.shape(series.cycles):
            raise ValueError(f"series: {name} needs one value a cycle ({len(series.cycles)})")
    if len(series.curves) and np.shape(series.curves)[1:] != np.shape(series.voltage):
        raise ValueError("series: every curve needs one value a voltage")
    if len(series.curves) != len(series.curve_cycles):
        raise ValueError("series: every curve needs its cycle")
    for cycles in (series.cycles, series.curve_cycles):
        if np.any(np.diff(cycles) <= 0):
            raise ValueError("series: cycles must ascend")


def pack(curves: NDArray[np.float32]) -> bytes:
    """Compress n curves of v values: differences along each curve, bytes by weight, zlib.

    Looking for runs alone (Z_RLE) takes two thirds of the time of zlib's fastest search, for blobs
    3 % larger: after the differences only signs and exponents repeat, the rest is noise.
    """
    import numpy as np

    bits = np.ascontiguousarray(curves, dtype="<f4").view("<u4")
    steps = bits.copy()
    steps[:, 1:] -= bits[:, :-1]  # wraps around, so nothing is lost
    planes = np.ascontiguousarray(steps).view(np.uint8).reshape(-1, 4).T
    squeeze = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return squeeze.compress(planes.tobytes()) + squeeze.flush()


def unpack(data: bytes, n: int, v: int) -> NDArray[np.float32]:
    """The n x v curves of a blob. Raises ValueError where it does not hold them."""
    import numpy as np

    try:
        planes = np.frombuffer(zlib.decompress(data), dtype=np.uint8)
    except zlib.error as error:
        raise ValueError(f"a blob of curves cannot be read: {error}") from None
    if planes.size != 4 * n * v:
        raise ValueError(f"a blob holds {planes.size} bytes of curves, not {4 * n * v}")
    steps = np.ascontiguousarray(planes.reshape(4, -1).T).view("<u4").reshape(n, v)
    bits = np.cumsum(steps, axis=1, dtype=np.uint32)
    return bits.view(np.float32)


def cycle_rows(series: Series) -> Iterator[dict[str, Any]]:
    """The rows of table `cycle`: the cycle, and its summary as JSON."""
    names = sorted(series.summary)
    heads = [json.dumps(name) + ":" for name in names]
    columns = [[_number(value) for value in series.summary[name].tolist()] for name in names]
    for index, cycle in enumerate(series.cycles.tolist()):
        texts = (head + column[index] for head, column in zip(heads, columns, strict=True))
        yield {"cycle": cycle, "summary": "{" + ",".join(texts) + "}"}


def curve_rows(series: Series) -> Iterator[dict[str, Any]]:
    """The rows of table `curve`: the cycles, and their curves compressed with a checksum."""
    for start in range(0, len(series.curves), CHUNK):
        data = pack(series.curves[start : start + CHUNK])
        cycles = series.curve_cycles[start : start + CHUNK].tolist()
        yield {
            "first_cycle": cycles[0],
            "cycles": json.dumps(cycles, separators=(",", ":")),
            "checksum": hashlib.sha256(data).hexdigest(),
            "data": data,
        }


def grid(series: Series) -> bytes:
    """The voltage grid as it is kept among the artifacts."""
    return _plain(series.voltage, "<f8")


def join(
    cycles: Sequence[tuple[int, str]],
    curves: Sequence[tuple[str, bytes, bytes]],
    until: int | None = None,
) -> Series:
    """A series from its rows, in order: (cycle, summary) and (cycles, grid, data).

    Raises ValueError for a blob that cannot be read and for curves on different grids.
    """
    import numpy as np

    numbers = np.array([cycle for cycle, _ in cycles], dtype=np.int64)
    voltage = np.empty(0)
    blocks: list[NDArray[np.float32]] = []
    curve_cycles: list[int] = []
    for text, content, data in curves:
        grid_v = np.frombuffer(content, dtype="<f8")
        if blocks and not np.array_equal(grid_v, voltage):
            raise ValueError("the curves of one attempt are on different voltage grids")
        voltage = grid_v
        own = json.loads(text)
        blocks.append(unpack(data, len(own), len(voltage)))
        curve_cycles.extend(own)
    series = Series(
        cycles=numbers,
        summary=_columns([json.loads(summary) for _, summary in cycles]),
        voltage=voltage.astype(np.float64),
        curves=np.concatenate(blocks) if blocks else np.empty((0, 0), dtype=np.float32),
        curve_cycles=np.array(curve_cycles, dtype=np.int64),
    )
    return series if until is None else _until(series, until)


def _until(series: Series, last: int) -> Series:
    keep = series.cycles <= last
    shown = series.curve_cycles <= last
    return Series(
        cycles=series.cycles[keep],
        summary={name: values[keep] for name, values in series.summary.items()},
        voltage=series.voltage,
        curves=series.curves[shown],
        curve_cycles=series.curve_cycles[shown],
    )


def _columns(rows: Sequence[Mapping[str, float | None]]) -> dict[str, NDArray[np.float64]]:
    import numpy as np

    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name) for row in rows], dtype=np.float64) for name in names}


def _number(value: float) -> str:
    """A float as JSON: null where it is not a number, beyond all numbers where it is infinite."""
    if value != value:
        return "null"
    if value in (float("inf"), float("-inf")):
        return "1e999" if value > 0 else "-1e999"
    return repr(float(value))


def _plain(values: NDArray[Any], kind: str) -> bytes:
    import numpy as np

    return np.ascontiguousarray(values, dtype=kind).tobytes()
