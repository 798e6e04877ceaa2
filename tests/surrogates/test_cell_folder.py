"""A folder of exports described by cells.toml: cells by entry and pattern, faults by key."""

import re
from pathlib import Path

import numpy as np
import pytest

from surrogates.cell_folder import read_description
from surrogates.cells import Cell
from surrogates.cycle_life import read_cells
from surrogates.exported_cells import Grid
from tests.surrogates.cycler_records import BDF, records_of

GRID = Grid(3.5, 2.0, 40)
SHAPE = np.linspace(0.0, 1.05, 40)
DESCRIPTION = """
last_cycle = 15
[columns]
cycle = "Cycle Count / 1"
voltage = "U"
capacity = "Discharging Capacity / Ah"
current = "Current / A"
[units]
voltage = "mV"
[voltage]
high = 3.5
low = 2.0
points = 40
[end_of_life]
share = 0.901
alive = "censored"
[[cells]]
file = "special.csv"
id = "x1"
life = ">700"
split = "test"
[[cells]]
file = "batch-*.csv"
split = "train"
"""


@pytest.fixture
def folder(tmp_path):
    """Three exports of cells that fade by 1, 1/2 and 1/4 % a cycle, and their description."""
    for name, fade in (("special", 0.01), ("batch-1", 0.005), ("batch-2", 0.01)):
        q = SHAPE[:, None] * (1.0 - fade * np.arange(20))
        frame = records_of(Cell(name, None, q, GRID.voltage, np.arange(1, 21)))
        frame[BDF["voltage"]] *= 1000
        frame.rename(columns={BDF["voltage"]: "U"}).to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "cells.toml").write_text(DESCRIPTION)
    return tmp_path


def test_cells_come_in_the_order_of_their_entries(folder):
    cells = read_cells(folder)
    assert [cell.id for cell in cells] == ["test/x1", "train/batch-1", "train/batch-2"]
    assert [(c.cycle_life, c.censored) for c in cells] == [(700, True), (20, True), (11, False)]
    assert all(cell.q.shape == (40, 15) for cell in cells)
    assert np.allclose(cells[2].q[:, 0], SHAPE)
    assert [cell.id for cell in read_cells(folder, "train")] == ["train/batch-1", "train/batch-2"]


def test_little_needs_to_be_said_of_battery_data_format(tmp_path):
    q = SHAPE[:, None] * (1.0 - 0.01 * np.arange(20))
    for k, low in (("a", 2.0), ("b", 2.1)):  # grids differ a little: one is found for both
        cell = Cell(k, None, q, np.linspace(3.5, low, 40), np.arange(1, 21))
        records_of(cell).to_csv(tmp_path / f"{k}.bdf.csv", index=False)
    (tmp_path / "cells.toml").write_text('[[cells]]\nfile = "*.bdf.csv"\n')
    cells = read_cells(tmp_path)
    assert [(cell.id, cell.cycle_life) for cell in cells] == [("a", None), ("b", None)]
    assert np.array_equal(cells[0].voltage, cells[1].voltage)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("last_cycle", "last_cylce", "last_cylce: unknown option; .*did you mean 'last_cycle'"),
        ("capacity =", "capcity =", "columns.capcity: unknown quantity; .*mean 'capacity'"),
        ('"mV"', '"mA"', r"special\.csv: column 'U' \(voltage\): 'mA' cannot be converted to 'V'"),
        ("high = 3.5", "high = 1.5", "voltage.*high 1.5 and low 2"),
        ("high = 3.5", "", r"voltage\.high: is missing"),
        ("points = 40", 'points = "many"', r'voltage\.points: "many" is not allowed'),
        ("share = 0.901", "share = 90", r"end_of_life\.share: 90 is not allowed"),
        ('alive = "censored"', 'alive = "dead"', r"end_of_life\.alive: .*allowed"),
        ('">700"', '"long"', r"cells\[0\]\.life: 'long' is not a life; write 812, or >400"),
        ("special.csv", "special.tsv", r"there is no file 'special\.tsv'"),
        ("special.csv", "../special.csv", r"cells\[0\]\.file: .* leaves the folder"),
        ("batch-*.csv", "none-*.csv", r"there is no file 'none-\*\.csv'"),
        ('file = "batch-*.csv"', 'file = "batch-*.csv"\nlife = 3', "takes neither id nor life"),
        ('file = "special.csv"', "", r"cells\[0\]\.file: is missing"),
        ('"U"', '"V"', r"special\.csv: there is no column 'V' \(voltage\); there are: "),
        ("[columns]", "[columns", r"cells\.toml is no TOML"),
        ('"x1"', '"batch-1"\nlief = 3', r"cells\[0\]\.lief: unknown option; .*mean 'life'"),
    ],
)
def test_faults_name_the_file_and_the_key(folder, old, new, message):
    assert old in DESCRIPTION
    (folder / "cells.toml").write_text(DESCRIPTION.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_cells(folder)


def test_two_cells_of_one_name_and_unknown_splits_are_told(folder):
    text = DESCRIPTION.replace('"x1"', '"batch-1"').replace('split = "test"', 'split = "train"')
    (folder / "cells.toml").write_text(text)
    with pytest.raises(ValueError, match=r"special\.csv and batch-1\.csv are both called 'train/b"):
        read_cells(folder)
    with pytest.raises(ValueError, match=r"split 'tran': unknown split; .*did you mean 'train'"):
        read_cells(folder, ["tran"])


def test_faulty_exports_may_be_left_out(folder):
    (folder / "batch-1.csv").write_text("a,b\n1,2\n")
    told = []
    cells = read_cells(folder, on_fault=lambda name, error: told.append((name, error)))
    assert [cell.id for cell in cells] == ["test/x1", "train/batch-2"]
    assert [name for name, _ in told] == ["train/batch-1"]
    assert "there is no column" in str(told[0][1])


def test_every_mistake_of_the_description_is_a_line_of_its_own(folder):
    text = DESCRIPTION.replace("last_cycle", "lst").replace("share", "shar")
    (folder / "cells.toml").write_text(text)
    with pytest.raises(ValueError, match=r"cells\.toml") as caught:
        read_cells(folder)
    lines = str(caught.value).splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(str(folder / "cells.toml")) for line in lines)


def test_the_example_of_the_documentation_is_one(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "cells.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "cells.toml").write_text(example)
    description = read_description(tmp_path / "cells.toml")
    assert description.voltage == Grid(3.6, 2.0, 1000)
    assert [entry.split for entry in description.cells] == ["test", "train"]
