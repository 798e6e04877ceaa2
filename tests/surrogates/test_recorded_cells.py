"""The public layout is read as it is, and every fault names its file or cell."""

import numpy as np
import pytest

from surrogates.cycle_life import read_cells


@pytest.fixture
def layout(tmp_path):
    """A folder of three cells of the split `train`, in the public layout."""
    (tmp_path / "train").mkdir()
    (tmp_path / "cycle_lives").mkdir()
    (tmp_path / "cycle_lives" / "train_cycle_lives.csv").write_text("700\n800\n900.0\n")
    shape = np.linspace(0.0, 1.07, 1000)[:, None] * np.linspace(1.0, 0.98, 99)
    for k in (1, 2, 3):
        write(tmp_path / "train" / f"cell{k}.csv", shape * (1.0 - 0.001 * k))
    return tmp_path


def write(path, q):
    np.savetxt(path, q, delimiter=",", fmt="%.6g")


def test_cells_come_in_file_order_with_their_lives(layout):
    cells = read_cells(layout, splits=("train",))
    assert [cell.id for cell in cells] == ["train/cell1", "train/cell2", "train/cell3"]
    assert [cell.cycle_life for cell in cells] == [700, 800, 900]
    assert cells[0].q.shape == (1000, 99)
    assert cells[0].voltage[[0, -1]].tolist() == [3.6, 2.0]
    assert cells[0].cycles[[0, -1]].tolist() == [2, 100]
    assert [cell.id for cell in read_cells(str(layout), "train")] == [cell.id for cell in cells]


def test_missing_things_are_named(layout):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        read_cells(layout / "nowhere")
    with pytest.raises(ValueError, match=r"unknown split 'test1' in .*there are \['train'\]"):
        read_cells(layout)
    with pytest.raises(ValueError, match=r"unknown split 'trian' .*; did you mean 'train'"):
        read_cells(layout, "trian")
    with pytest.raises(ValueError, match="no split"):
        read_cells(layout, splits=())
    (layout / "train" / "cell2.csv").unlink()
    with pytest.raises(ValueError, match=r"cell2\.csv is missing"):
        read_cells(layout, ("train",))
    (layout / "cycle_lives" / "train_cycle_lives.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"lives .*train_cycle_lives\.csv is missing"):
        read_cells(layout, ("train",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("700\n\n900\n", r"train_cycle_lives\.csv, line 2: the life of cell2 is ''"),
        ("700\nmany\n900\n", r"line 2: the life of cell2 is 'many'"),
        ("700\n-3\n900\n", r"line 2: the life of cell2 is '-3'"),
        ("", r"train_cycle_lives\.csv is empty"),
        ("700\n>\n900\n", r"line 2: the life of cell2 is '>'"),
        ("700\n800\n", "holds 3 cells, but .*train_cycle_lives.csv holds 2 lives"),
    ],
)
def test_a_missing_life_is_named(layout, text, message):
    (layout / "cycle_lives" / "train_cycle_lives.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_cells(layout, ("train",))


def test_faulty_cells_may_be_left_out(layout):
    (layout / "train" / "cell2.csv").write_text("1,2\n")
    told = []
    cells = read_cells(layout, "train", on_fault=lambda name, error: told.append((name, error)))
    assert [cell.id for cell in cells] == ["train/cell1", "train/cell3"]
    assert [name for name, _ in told] == ["train/cell2"]
    assert "wrong grid" in str(told[0][1])


def test_a_life_may_be_a_lower_bound(layout):
    (layout / "cycle_lives" / "train_cycle_lives.csv").write_text("700\n>400\n> 900.5\n")
    cells = read_cells(layout, ("train",))
    assert [(c.cycle_life, c.censored) for c in cells] == [
        (700, False), (400, True), (900.5, True),
    ]  # fmt: skip


def test_cells_may_lie_in_one_folder(layout):
    folder = layout / "train"
    with pytest.raises(FileNotFoundError, match=r"lives .*train/cycle_lives\.csv is missing"):
        read_cells(folder)
    (folder / "cycle_lives.csv").write_text("700\n>800\n900\n")
    cells = read_cells(folder)
    assert [cell.id for cell in cells] == ["cell1", "cell2", "cell3"]
    assert [cell.censored for cell in cells] == [False, True, False]
    assert np.array_equal(cells[0].q, read_cells(layout, "train")[0].q)
    with pytest.raises(ValueError, match="train has no splits"):
        read_cells(folder, "train")


def test_a_folder_without_cells_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no cells: neither cells\.toml, nor"):
        read_cells(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; a folder of cells is needed"):
        read_cells(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"cell3\.csv cannot be read: it is empty"),
        (b"0.1,0.2\n0.3,abc\n", r"cell3\.csv cannot be read: line 2, column 2 holds 'abc'"),
        (b"voltage,capacity\n3.6,0.1\n", r"line 1, column 1 holds 'voltage', which is no number"),
        (b"1,2\n1,2,3\n", r"cell3\.csv cannot be read"),
        (b"\xff\xfe\x00\x01", r"cell3\.csv cannot be read"),
        (b"1,2,3\n4,5,6\n", r"cell3\.csv has the wrong grid: 2 voltages x 3 cycles"),
    ],
)
def test_an_unreadable_file_is_named(layout, content, message):
    (layout / "train" / "cell3.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_cells(layout, ("train",))


def test_blank_values_are_repaired_and_too_many_refused(layout):
    q = np.linspace(0.0, 1.07, 1000)[:, None] * np.ones(99)
    q[500, 40] = np.nan
    write(layout / "train" / "cell1.csv", q)
    assert [r.cycle for r in read_cells(layout, ("train",))[0].repairs] == [42]
    q[500, 30:60] = np.nan
    write(layout / "train" / "cell1.csv", q)
    with pytest.raises(ValueError, match=r"cell train/cell1: .*missing or corrupt"):
        read_cells(layout, ("train",))


def test_the_recorded_corruption_is_found(recorded_cells):
    repaired = {(c.id, r.cycle) for c in recorded_cells for r in c.repairs}
    # Capacities up to 48.8 Ah; the others are lone jumps and negative capacities.
    assert repaired >= {
        ("train/cell2", 12), ("train/cell9", 13), ("test1/cell3", 12), ("test1/cell9", 13),
    }  # fmt: skip
    assert len(repaired) == 12
    assert max(cell.q.max() for cell in recorded_cells) < 1.2
