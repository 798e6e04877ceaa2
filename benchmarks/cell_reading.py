"""CPU seconds to read recorded cells, and the same cells written as exports of a cycler.

    python benchmarks/cell_reading.py [FOLDER]

FOLDER holds the cells of Severson et al. (2019) in the public layout.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from surrogates.cycle_life import read_cells  # noqa: E402
from surrogates.exported_cells import Grid, read_export  # noqa: E402
from tests.surrogates.cycler_records import records_of  # noqa: E402


def seconds(work: Callable[[], object], times: int = 5) -> str:
    """Least, middle and largest CPU seconds of some runs."""
    taken = []
    for _ in range(times):
        start = process_time()
        work()
        taken.append(process_time() - start)
    return f"{min(taken):.2f} / {statistics.median(taken):.2f} / {max(taken):.2f}"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/data/severson2019"
    cells = read_cells(folder, "train")[:40]
    print("CPU seconds, least / median / largest of five (of three) runs")
    print(f"read 84 cells, public layout: {seconds(lambda: read_cells(folder))}")
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"{cell.id.replace('/', '-')}.csv" for cell in cells]
        for cell, path in zip(cells, paths, strict=True):
            records_of(cell).to_csv(path, index=False)
        size = sum(path.stat().st_size for path in paths) / 1e6

        def read() -> None:
            for path in paths:
                read_export(path, grid=Grid(3.6, 2.0))

        print(f"read {len(paths)} exports, {size:.0f} MB: {seconds(read, 3)}")


if __name__ == "__main__":
    main()
