"""`leyden check-adapter` and `pytest --leyden-adapter`, on the adapter of the tutorial."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loop import cli

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ADAPTER = "folder_coater:FolderCoater"


@pytest.fixture
def folder(tmp_path):
    """The two files of the tutorial in a folder of their own."""
    for file in EXAMPLES.glob("folder_coater*.py"):
        shutil.copy(file, tmp_path)
    return tmp_path


def called(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def with_pytest(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return called(folder, "-m", "pytest", "--leyden-adapter", ADAPTER, *more)


def test_the_adapter_of_the_tutorial_is_short_and_printed_as_it_is():
    text = (EXAMPLES / "folder_coater.py").read_text()
    assert len(text.splitlines()) <= 60
    assert f"```python\n{text}```" in (ROOT / "docs" / "adapters.md").read_text()


def test_the_commands_of_the_tutorial_are_the_ones_tested_here():
    text = (ROOT / "docs" / "adapters.md").read_text()
    commands = re.findall(r"^(?:leyden|pytest) .*$", text, re.MULTILINE)
    assert commands == [f"leyden check-adapter {ADAPTER}", f"pytest --leyden-adapter {ADAPTER}"]


def test_the_adapter_of_the_tutorial_passes_the_suite(folder):
    done = called(folder, "-m", "loop.cli", "check-adapter", ADAPTER, "--json")
    told = json.loads(done.stdout)
    outcomes = {check["check"]: check["outcome"] for check in told["checks"]}
    assert (done.returncode, told["failed"]) == (0, 0), done.stdout
    assert outcomes["engine_killed_mid_run"] == outcomes["engine_killed_mid_submit"] == "passed"
    untested = {name for name, outcome in outcomes.items() if outcome == "not tested"}
    assert untested == {"unsuitable_setting_is_refused", "late_delivery_is_not_never"}
    assert told["passed"] >= 39
    assert told["adapter"] == ADAPTER


def test_pytest_runs_the_same_checks_and_nothing_else(folder):
    (folder / "test_of_the_lab.py").write_text("def test_of_the_lab():\n    assert False\n")
    done = with_pytest(
        folder, "-q", "-rs", "-k", "card or limit or second_submit or lab or delivery"
    )
    assert done.returncode == 0, done.stdout
    assert "of_the_lab" not in done.stdout
    assert "NOT TESTED: the bench's device has no hook delay()" in done.stdout


@pytest.mark.slow
def test_pytest_passes_the_adapter_of_the_tutorial(folder):
    done = with_pytest(folder, "-q")
    assert done.returncode == 0, done.stdout


def test_a_failed_check_is_told_with_what_was_demanded(folder):
    _break(folder)
    done = with_pytest(folder, "-q", "-k", "card_is_complete")
    assert done.returncode == 1
    assert "'heap' is not a unit" in done.stdout
    assert "Demanded: The card names every setting" in done.stdout


def test_a_failed_check_ends_the_command_with_1(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("instruments.conformance.suite.CHECKS", _first_checks())
    monkeypatch.syspath_prepend(str(folder))
    (folder / "broken_coater.py").write_text(
        "from folder_coater import FolderCoater\n"
        "from folder_coater_bench import conformance\n"
        "class Broken(FolderCoater):\n"
        "    def describe(self):\n"
        "        return self.card('broken', (), {})\n"
    )
    assert cli.answer(["check-adapter", "broken_coater:Broken"]) == 1
    told = capsys.readouterr()
    assert "card_is_complete" in told.out
    assert "1 failed" in told.out
    assert "the card has no metrics" in told.out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere:Coater", "nowhere:Coater: cannot be imported: ModuleNotFoundError"),
        ("folder_coater:Nobody", "folder_coater has no Nobody"),
        ("folder_coater:SETTINGS", "is a tuple; a class is needed"),
        ("folder_coater:FolderOptions", "has no open, no describe"),
        ("coater", "mypkg.module:Class, or a registered kind, is needed"),
        ("table", "has no bench"),
        ("half:Coater", "SyntaxError"),
    ],
)
def test_what_cannot_be_tested_is_one_clear_line(folder, monkeypatch, capsys, name, told):
    (folder / "half.py").write_text("class Coater(\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    assert cli.answer(["check-adapter", name]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_an_option_that_the_adapter_refuses_is_one_clear_line(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    assert cli.answer(["check-adapter", ADAPTER, "--option", "fold=1"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "instrument.options.fold: unknown" in told.err


def _first_checks():
    from instruments.conformance.describing import CHECKS

    return CHECKS[:1]


def _break(folder: Path) -> None:
    file = folder / "folder_coater.py"
    file.write_text(file.read_text().replace('"loading": "mg/cm^2"', '"loading": "heap"'))
