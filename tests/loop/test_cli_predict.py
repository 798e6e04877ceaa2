"""`leyden predict`: fitted on real files, applied, judged; wrong input is one clear line."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from loop.cli import answer
from surrogates.cycle_life import CycleLifeModel, read_cells

N_TRAIN, N_TEST = 24, 10


def _write(folder, split, n, seed):
    """Cells in the public layout whose fade tells their life."""
    rng = np.random.default_rng(seed)
    voltage = np.linspace(3.6, 2.0, 1000)
    shape = 1.0 / (1.0 + np.exp((voltage - 3.1) / 0.08))
    dent = np.exp(-(((voltage - 2.9) / 0.2) ** 2))
    cycles = np.arange(2, 101)
    lives = np.round(10 ** rng.uniform(2.5, 3.15, n))
    (folder / split).mkdir()
    (folder / "cycle_lives").mkdir(exist_ok=True)
    (folder / "cycle_lives" / f"{split}_cycle_lives.csv").write_text(
        "".join(f"{life:.0f}\n" for life in lives)
    )
    for k, life in enumerate(lives, start=1):
        fade = 0.6 * cycles / life**1.5
        warmth = 1.0 + 1e-3 * rng.standard_normal(len(cycles))
        q = 1.07 * shape[:, None] * warmth - (dent + 0.2 * shape)[:, None] * fade
        np.savetxt(folder / split / f"cell{k}.csv", q, fmt="%.6f", delimiter=",")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict") / "lab"
    folder.mkdir()
    _write(folder, "train", N_TRAIN, 1)
    _write(folder, "test1", N_TEST, 2)
    return folder


@pytest.fixture(scope="module")
def fitted(data):
    """The file of a model fitted to the split `train`."""
    path = data.parent / "model.json"
    assert (
        answer(("predict", "fit", "--data", str(data), "--splits", "train", "-o", str(path))) == 0
    )
    return path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def leyden(capsys):
    """Run `leyden predict …` in this process: exit code, output, lines of standard error."""

    def run(*arguments):
        capsys.readouterr()
        code = answer(("predict", *map(str, arguments)))
        told = capsys.readouterr()
        return code, told.out, told.err.splitlines()

    return run


def test_the_file_predicts_what_the_model_does(data, fitted, leyden):
    code, out, _ = leyden("apply", fitted, "--data", data, "--splits", "test1", "--json")
    told = json.loads(out)
    model = CycleLifeModel().fit(read_cells(data, ("train",)))
    direct = model.predict(read_cells(data, ("test1",)))
    assert code == 0
    assert told["digest"] == model.digest
    assert [one["predicted"] for one in told["predictions"]] == direct.mean.tolist()
    assert [one["lower"] for one in told["predictions"]] == direct.lower.tolist()
    assert told["refused"] == []
    assert not any(one["trained_on"] for one in told["predictions"])
    code, out, _ = leyden("apply", fitted, "--data", data)
    assert f"{N_TRAIN} of {N_TRAIN + N_TEST} cells taught the model" in out


def test_the_card_lies_beside_the_model_and_is_shown(fitted, leyden):
    card = fitted.with_suffix(".card.md").read_text()
    code, out, _ = leyden("show", fitted)
    assert code == 0
    assert out.rstrip() == card.rstrip()
    assert f"cells: {N_TRAIN}" in card
    assert "five-fold cross-validation" in card
    told = json.loads(leyden("show", fitted, "--json")[1])["card"]
    assert told["data"]["source"] == "lab: train"
    assert told["fits"][0]["scores"]["cells"] == N_TRAIN


def test_the_same_cells_give_the_same_file(data, fitted, here, leyden):
    code, out, _ = leyden("fit", "--data", data, "--splits", "train", "-o", "again.json", "--json")
    assert code == 0
    assert json.loads(out)["card_file"] == "again.card.md"
    assert (here / "again.json").read_bytes() == fitted.read_bytes()


def test_a_bad_cell_is_named_and_the_others_are_predicted(data, fitted, here, leyden):
    import shutil

    shutil.copytree(data, here / "lab")
    (here / "lab/test1/cell3.csv").write_text("3,three\n")
    (here / "lab/test1/cell5.csv").unlink()
    code, out, err = leyden("apply", fitted, "--data", "lab", "--splits", "test1", "-o", "p.csv")
    assert code == 0
    assert "test1/cell4" in out
    assert "test1/cell3" not in out
    assert [("cell3" in line, "cell5" in line) for line in err] == [(True, False), (False, True)]
    with (here / "p.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == N_TEST - 2
    assert float(rows[0]["lower"]) < float(rows[0]["predicted"]) < float(rows[0]["upper"])
    for k in range(1, N_TEST + 1):
        (here / f"lab/test1/cell{k}.csv").write_text("1,2\n")
    code, out, err = leyden("apply", fitted, "--data", "lab", "--splits", "test1")
    assert (code, out) == (2, "")
    assert err[-1] == f"leyden: none of the {N_TEST} cells in lab can be predicted"


def test_models_are_judged_on_held_out_cells(data, here, leyden):
    code, out, err = leyden(
        "evaluate", "--data", data, "--splits", "train:test1", "--model", "variance", "--model",
        "elastic_net", "--at-cycle", "50", "--at-cycle", "100", "-o", "page.html", "--json",
    )  # fmt: skip
    told = json.loads(out)
    assert (code, err) == (0, [])
    assert (told["method"], told["judged_on"]) == ("held out", "lab: test1")
    kinds = [(one["model"], one["at_cycle"]) for one in told["results"]]
    assert kinds == [(m, h) for m in ("variance", "elastic_net") for h in (50, 100)]
    last = told["results"][-1]
    assert last["all"]["cells"] == N_TEST == len(last["predictions"])
    assert last["all"]["mape"] < 0.2
    assert len(last["importance"]) == 10
    assert told["results"][0]["importance"] == []
    page = (here / "page.html").read_text()
    assert page.count("<svg") == 6  # two parities, coverage, cycles, two importances
    assert not re.search(r"""src\s*=|href\s*=\s*["'][^#]|url\([^#]|<script""", page)
    leyden("evaluate", "--data", data, "--splits", "train:test1", "--model", "variance", "--model",
           "elastic_net", "--at-cycle", "50", "--at-cycle", "100", "-o", "again.html")  # fmt: skip
    assert (here / "again.html").read_text() == page


def test_one_side_alone_is_cross_validated(data, leyden):
    code, out, _ = leyden("evaluate", "--data", data, "--splits", "train", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["method"] == "five-fold cross-validation"
    assert [one["at_cycle"] for one in told["results"]] == [20, 30, 50, 75, 100]
    assert told["results"][0]["all"]["cells"] == N_TRAIN


def test_a_fitted_model_is_judged_on_cells_it_has_not_seen(data, fitted, here, leyden):
    code, out, _ = leyden(
        "evaluate", fitted, "--data", data, "--splits", "test1", "-o", "p.html", "--json"
    )
    told = json.loads(out)
    assert code == 0
    assert (told["trained_on"], told["judged_on"]) == ("lab: train", "lab: test1")
    assert len(told["results"]) == 1
    assert "How early" not in (here / "p.html").read_text()
    code, _, err = leyden("evaluate", fitted, "--data", data)
    assert code == 2
    assert f"{N_TRAIN} of the {N_TRAIN + N_TEST} cells" in err[-1]


def test_a_page_for_people(data, leyden):
    code, out, _ = leyden(
        "evaluate", "--data", data, "--splits", "train:test1", "--at-cycle", "100"
    )
    assert code == 0
    for words in ("default", "held out", "95% intervals cover", "shuffling costs"):
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("fit", "--data", "none", "-o", "m.json"), "there is no folder"),
        (("fit", "--data", "DATA", "--splits", "tran", "-o", "m.json"), "unknown split 'tran'"),
        (("fit", "--data", "DATA", "--splits", "a,,b", "-o", "m.json"), "commas"),
        (("fit", "--data", "DATA", "--splits", "train,train", "-o", "m.json"), "twice"),
        (("fit", "--data", "DATA", "--splits", "train:test1", "-o", "m.json"), "evaluate"),
        (("fit", "--data", "DATA", "--model", "oracle", "-o", "m.json"), "oracle"),
        (("fit", "--data", "DATA", "--at-cycle", "1", "-o", "m.json"), "at_cycle is 1"),
        (("fit", "--data", "DATA", "--at-cycle", "300", "-o", "m.json"), "cycle 300"),
        (("fit", "--data", "DATA", "--level", "90", "-o", "m.json"), "level is 90"),
        (("fit", "--data", "DATA", "-o", "m.pickle"), "json can be written"),
        (("fit", "--data", "DATA", "-o", "no/m.json"), "no such folder"),
        (("show", "none.json"), "No such file"),
        (("show", "cut.json"), "JSON"),
        (("show", "changed.json"), "SHA-256 does not match"),
        (("apply", "changed.json", "--data", "DATA"), "SHA-256 does not match"),
        (("apply", "MODEL", "--data", "none"), "there is no folder"),
        (("apply", "MODEL", "--data", "DATA", "--level", "0"), "level is 0"),
        (("apply", "MODEL", "--data", "DATA", "-o", "p.xlsx"), "csv can be written"),
        (("evaluate", "--data", "DATA", "--splits", "train:train"), "both sides"),
        (("evaluate", "--data", "DATA", "--splits", "train:"), "both sides of a colon"),
        (("evaluate", "--data", "DATA", "--splits", "a:b:c"), "both sides of a colon"),
        (("evaluate", "--data", "DATA", "--splits", "train:none"), "unknown split 'none'"),
        (("evaluate", "--data", "DATA", "--model", "oracle"), "oracle"),
        (("evaluate", "--data", "DATA", "--at-cycle", "101"), "end at cycle 100"),
        (("evaluate", "--data", "DATA", "--at-cycle", "50", "--at-cycle", "50"), "twice"),
        (("evaluate", "--data", "DATA", "--longer-than", "-1"), "positive"),
        (("evaluate", "--data", "DATA", "-o", "p.png"), "html can be written"),
        (("evaluate", "MODEL", "--data", "DATA", "--model", "variance"), "fitted already"),
        (("evaluate", "MODEL", "--data", "DATA", "--splits", "train:test1"), "colon"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, told, data, fitted, here, leyden):
    content = fitted.read_bytes()
    (here / "cut.json").write_bytes(content[: len(content) // 2])
    (here / "changed.json").write_bytes(content.replace(b'"level":0.9', b'"level":0.8', 1))
    before = sorted(here.iterdir())
    names = {"DATA": data, "MODEL": fitted}
    code, out, err = leyden(*(names.get(word, word) for word in arguments))
    assert (code, out, len(err)) == (2, "", 1)
    assert told in err[0]
    assert sorted(here.iterdir()) == before


def test_the_shortest_cell_says_how_late_can_be_judged(data, capsys):
    from loop.commands.predict_evaluate import _horizons

    cells = read_cells(data, ("test1",))
    cells = [*cells[1:4], cells[0].until(60)]
    assert _horizons(cells, None) == [20, 30, 50]
    assert f"the curves of {cells[-1].id} end at cycle 60" in capsys.readouterr().err
    assert _horizons(cells, [40, 30]) == [30, 40]
    with pytest.raises(ValueError, match="--at-cycle 61"):
        _horizons(cells, [61, 30])
