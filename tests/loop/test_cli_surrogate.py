"""`leyden surrogate`: built on a real model, killed and taken up, asked, and never silent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loop.cli import answer
from surrogates.electrode_file import from_bytes, to_bytes
from tests.surrogates.electrode_cell import trained

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 70
BUILD = (
    "build", "p2d", "--samples", str(SAMPLES), "--model", "random_forest", "--set", "model=spm",
    "--parameters", "box.toml", "--workers", "1", "-o", "cell.surrogate",
)  # fmt: skip
TABLE = """
[space.parameters]
positive_thickness = { low = 0.04, high = 0.12, unit = "mm" }
positive_active_fraction = { low = 0.4, high = 0.65 }
c_rate = { low = 0.2, high = 4.0, scale = "log", unit = "1/h" }
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "box.toml").write_text(TABLE)
    return tmp_path


@pytest.fixture
def leyden(capsys):
    """Run `leyden surrogate …` in this process: exit code, output, lines of standard error."""

    def run(*arguments):
        code = answer(("surrogate", *map(str, arguments)))
        told = capsys.readouterr()
        return code, told.out, told.err.splitlines()

    return run


@pytest.fixture(scope="module")
def closed_form(tmp_path_factory):
    """A surrogate that needs no simulation, as a file."""
    path = tmp_path_factory.mktemp("surrogate") / "closed.surrogate"
    path.write_bytes(to_bytes(trained()))
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A surrogate of the single particle model, built without being disturbed."""
    pytest.importorskip("pybamm", reason="building is NOT TESTED: pybamm is missing")
    folder = tmp_path_factory.mktemp("built")
    (folder / "box.toml").write_text(TABLE)
    assert _spawned(folder).wait() == 0
    return folder / "cell.surrogate"


def _spawned(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "loop.cli", "surrogate", *BUILD]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_twice_it_ends_with_the_same_bytes(built, tmp_path):
    samples = tmp_path / "cell.surrogate.samples.jsonl"
    for least in (5, 40):
        process = _spawned(tmp_path)
        while _lines(samples) < least:
            assert process.poll() is None
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "cell.surrogate").exists()
        with samples.open("ab") as file:
            file.write(b'{"ok": true, "sca')  # what a kill in the middle of a write leaves
    assert _spawned(tmp_path).wait() == 0
    assert samples.read_bytes() == built.with_name(samples.name).read_bytes()
    assert (tmp_path / "cell.surrogate").read_bytes() == built.read_bytes()


def test_what_was_built_is_told(built, leyden):
    code, out, _ = leyden("show", built, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["model"] == "random_forest"
    assert told["provenance"]["samples"] == SAMPLES
    assert told["provenance"]["spec"]["options"] == {"model": "spm"}
    assert told["exact"] == ["capacity", "mass", "rate", "volume"]
    assert told["box"][0]["high"] == pytest.approx(120.0)
    assert told["scores"]["metrics"]["specific_power_w_kg"]["log_r2"] > 0.95


def test_fresh_designs_score_it(built, leyden):
    code, out, err = leyden("score", built, "--samples", "12", "--workers", "1", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["scores"]["designs"] == 12
    assert told["scores"]["metrics"]["specific_power_w_kg"]["log_r2"] > 0.9
    assert err == ["score: 12 of 12 designs"]


def test_more_samples_solve_only_what_is_missing(built, tmp_path, leyden):
    samples = built.with_name(built.name + ".samples.jsonl").read_bytes()
    (tmp_path / "cell.surrogate.samples.jsonl").write_bytes(samples)
    more = [str(SAMPLES + 6) if word == str(SAMPLES) else word for word in BUILD]
    code, out, _ = leyden(*more, "--json")
    assert code == 0
    assert json.loads(out)["provenance"]["samples"] == SAMPLES + 6
    after = (tmp_path / "cell.surrogate.samples.jsonl").read_bytes()
    assert after.startswith(samples)
    assert after.count(b"\n") == SAMPLES + 7
    code, out, _ = leyden(*BUILD, "--json")  # fewer: the first of them
    assert (tmp_path / "cell.surrogate").read_bytes() == built.read_bytes()
    other = [word.replace("spm", "spme") for word in BUILD]
    code, _, err = leyden(*other)
    assert (code, len(err)) == (2, 1)
    assert "another options" in err[0]
    assert (tmp_path / "cell.surrogate").read_bytes() == built.read_bytes()


def test_a_campaign_runs_on_it(built, tmp_path, capsys):
    (tmp_path / "cell.toml").write_text(
        f'name = "cell"\nseed = 3\n{TABLE}'
        '[[objectives]]\nmetric = "specific_energy_wh_kg"\ngoal = "maximize"\nunit = "W*h/kg"\n'
        '[optimizer]\nkind = "random"\n'
        '[instrument]\nkind = "p2d.surrogate"\nchannels = 2\n'
        f'options = {{ file = "{built.name}" }}\n[budget]\ntrials = 6\n'
    )
    (tmp_path / built.name).write_bytes(built.read_bytes())
    code = answer(("run", "cell.toml", "--json"))
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["trials"]["completed"] + told["trials"]["failed"] == 6
    assert told["trials"]["completed"] >= 4


def test_a_page_for_people(closed_form, leyden):
    code, out, _ = leyden("show", closed_form)
    assert code == 0
    for words in ("neural network", "positive_thickness", "specific_energy_wh_kg", "balanced"):
        assert words in out


def test_sensitivities_are_told_and_drawn(closed_form, tmp_path, leyden):
    code, out, _ = leyden("sensitivity", closed_form, "--n", "64", "--json")
    assert code == 0
    told = json.loads(out)["metrics"]
    assert set(told) == {"specific_energy_wh_kg", "specific_power_w_kg"}
    figure = tmp_path / "s.svg"
    code, out, _ = leyden(
        "sensitivity", closed_form, "--metric", "validity", "--n", "64", "-o", figure
    )
    assert code == 0
    assert "likely to be valid" in out
    assert figure.read_text().startswith("<?xml")


def test_a_map_is_drawn(closed_form, tmp_path, leyden):
    figure = tmp_path / "m.png"
    code, out, _ = leyden(
        "map", closed_form, "--x", "c_rate", "--y", "positive_thickness",
        "--metric", "specific_energy_wh_kg", "--set", "positive_particle_radius=8", "-o", figure,
        "--json",
    )  # fmt: skip
    told = json.loads(out)
    assert code == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert told["held"]["positive_particle_radius"] == 8.0
    assert 0.0 < told["valid"] < 1.0


MAP = ("--x", "c_rate", "--y", "positive_thickness", "--metric", "utilisation")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("build", "cgmd"), "p2d is allowed"),
        (("build", "p2d", "--samples", "0"), "--samples 0"),
        (("build", "p2d", "--seed", "-1"), "--seed -1"),
        (("build", "p2d", "--model", "oracle"), "oracle"),
        (("build", "p2d", "-o", "no/where"), "no such folder"),
        (("build", "p2d", "--parameters", "none.toml"), "No such file"),
        (("build", "p2d", "--parameters", "box.toml", "--space", "hill"), "exclude each other"),
        (("build", "p2d", "--set", "mesh_points=1"), "mesh_points"),
        (("build", "p2d", "--set", "mesh=1"), "mesh"),
        (("build", "p2d", "--workers", "0"), "--workers 0"),
        (("show", "none"), "No such file"),
        (("show", "box.toml"), "damaged"),
        (("score", "box.toml"), "damaged"),
        (("score", "CLOSED"), "which model"),
        (("sensitivity", "CLOSED", "--metric", "luck"), "luck"),
        (("sensitivity", "CLOSED", "--n", "100"), "power of two"),
        (("sensitivity", "CLOSED", "-o", "s.gif"), "png, svg, pdf"),
        (("map", "CLOSED", *MAP, "-o", "m.jpeg"), "png, svg, pdf"),
        (("map", "CLOSED", *MAP, "-o", "m.png", "--set", "c_rate=1"), "axis of the map"),
        (("map", "CLOSED", *MAP, "-o", "m.png", "--set", "np_ratio=1"), "np_ratio"),
        (("map", "CLOSED", *MAP, "-o", "m.png", "--set", "c_rate=fast"), "a number"),
        (("map", "CLOSED", *MAP, "-o", "no/m.png"), "no such folder"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, told, closed_form, tmp_path, leyden):
    if arguments[0] == "build":
        pytest.importorskip("pybamm", reason="building is NOT TESTED: pybamm is missing")
    before = sorted(tmp_path.iterdir())
    code, out, err = leyden(*(closed_form if w == "CLOSED" else w for w in arguments))
    assert (code, out, len(err)) == (2, "", 1)
    assert told in err[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_may_not_be_read_again_is_whole(closed_form):
    assert to_bytes(from_bytes(closed_form.read_bytes())) == closed_form.read_bytes()
