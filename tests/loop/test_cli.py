"""The command line: what it prints, what it refuses and how, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loop.cli import answer
from loop.events import Finished
from loop.store.store import Store
from tests.loop.laboratory import TABLE

ROOT = Path(__file__).resolve().parents[2]
FILE = """\
name = "hill"
seed = 11

[space.parameters]
a = { choices = [0, 1, 2, 3, 4, 5] }
b = { choices = [0, 1, 2, 3, 4], unit = "mm" }

[[objectives]]
metric = "value"
goal = "maximize"

[optimizer]
kind = "random"
replicates = 400

[instrument]
kind = "table"
channels = 3

[instrument.options]
file = "hill.csv"
parameters = { a = "a", b = "b" }
units = { b = "mm" }
metrics = { value = { column = "value", noise_sd = 2.0 } }
hours = "days"

[budget]
trials = 9
"""
OPTIONS = (
    'file="hill.csv"',
    'parameters={ a = "a", b = "b" }',
    "metrics.value.column=value",
    "hours=5",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with one campaign file and no store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEYDEN_STORE", raising=False)
    (tmp_path / "hill.toml").write_text(FILE)
    (tmp_path / "hill.csv").write_text(TABLE)
    return tmp_path


@pytest.fixture
def leyden(capsys: pytest.CaptureFixture[str]):
    """Run a command in this process: (exit code, standard output, lines of standard error)."""

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        code = answer(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err.splitlines()

    return run


def process(*arguments: str, **options: object) -> subprocess.Popen[str]:
    """The real command, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "loop.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# ---- running


def test_run_json_prints_one_object_with_the_promised_keys(here: Path) -> None:
    with process("run", "hill.toml", "--json", "--seed", "4") as running:
        out, err = running.communicate()
    assert running.returncode == 0, err
    told = json.loads(out)
    assert set(told) >= {
        "campaign", "name", "status", "seed", "trials", "recommendation", "cost", "head", "store",
    }  # fmt: skip
    assert (told["campaign"], told["status"], told["seed"]) == ("hill-1", "finished", 4)
    assert told["trials"]["completed"] == told["trials"]["total"] == 9
    assert told["trials"]["training"] == 0
    assert set(told["recommendation"]["parameters"]) == {"a", "b"}
    estimate = told["recommendation"]["objectives"]["value"]
    assert set(estimate) == {"mean", "lower", "upper", "level", "unit"}
    assert estimate["lower"] <= estimate["mean"] <= estimate["upper"]
    assert set(told["cost"]) == {
        "instrument_hours", "training_hours", "lab_days", "wall_seconds", "engine_seconds",
        "optimizer_seconds", "surrogate_seconds",
    }  # fmt: skip
    assert "campaign hill-1" in err
    assert (here / "leyden.db").is_file()


def test_run_tells_the_id_first_and_how_to_go_on(leyden) -> None:
    code, out, err = leyden("run", "hill.toml", "--store", "sqlite:///other.db")
    assert (code, err) == (0, [])
    assert out.startswith("campaign hill-1\n")
    assert "leyden replay hill-1 --verify --store sqlite:///other.db" in out
    assert "Recommendation" in out


def test_set_takes_toml_values_else_strings(leyden) -> None:
    overrides = ("--set", "budget.trials=4", "--set", "optimizer.kind=sobol")
    code, out, _ = leyden("run", "hill.toml", "--json", *overrides)
    assert code == 0
    assert json.loads(out)["trials"]["total"] == 4
    assert "by sobol on table" in leyden("show", "hill-1")[1]


def test_resume_with_a_larger_budget(leyden) -> None:
    leyden("run", "hill.toml")
    code, out, _ = leyden("resume", "hill-1", "--set", "budget.trials=12", "--json")
    assert code == 0
    assert json.loads(out)["trials"]["total"] == 12
    assert leyden("replay", "hill-1", "--verify")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(leyden, number: int) -> None:
    command = ("run", "hill.toml", "--set", "budget.trials=250", "--json", "--store")
    assert leyden(*command, "sqlite:///undisturbed.db")[0] == 0
    with process(*command, "sqlite:///disturbed.db") as running:
        _wait_for_trials(Path("disturbed.db"), 20)
        running.send_signal(number)
        out, err = running.communicate()
    assert running.returncode == 130, err
    assert "leyden resume hill-1 --store sqlite:///disturbed.db" in err
    assert "Traceback" not in err
    assert json.loads(out)["status"] == "interrupted"
    code, out, _ = leyden("resume", "hill-1", "--json", "--store", "sqlite:///disturbed.db")
    assert (code, json.loads(out)["trials"]["total"]) == (0, 250)
    for name in ("undisturbed", "disturbed"):
        assert leyden("export", "hill-1", "-o", name, "--store", f"sqlite:///{name}.db")[0] == 0
    assert Path("undisturbed/trials.csv").read_bytes() == Path("disturbed/trials.csv").read_bytes()


def _wait_for_trials(store: Path, n: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if store.is_file():
            try:
                with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
                    (found,) = connection.execute("SELECT count(*) FROM trial").fetchone()
                connection.close()
            except sqlite3.OperationalError:  # its tables are being made
                found = 0
            if found >= n:
                return
        time.sleep(0.02)
    pytest.fail("the run did not come to its trials")


def test_measured_trials_of_which_none_meets_a_constraint(leyden, here: Path) -> None:
    bound = '[[constraints]]\nmetric = "value"\nat_least = 500\n'
    (here / "hill.toml").write_text(FILE.replace('kind = "random"', 'kind = "gp_ucb"') + bound)
    code, _, err = leyden("run", "hill.toml")
    assert code == 1
    assert "9 trials were measured and none meets the outcome constraint" in err[-1]
    assert "value at least 500" in err[-1]
    assert "leyden show hill-1" in err[-1]
    assert "No recommendation: 9 trials were measured and none" in leyden("show", "hill-1")[1]


def test_a_campaign_that_failed_tells_why(leyden, here: Path) -> None:
    leyden("run", "hill.toml", "--set", "budget.trials=3")
    with Store.open("sqlite:///leyden.db") as store:
        reason = "the last 24 trials all ended without an outcome"
        store.append("hill-1", [Finished(0.0, "failed", reason)])
    code, out, err = leyden("resume", "hill-1", "--json")
    told = json.loads(out)
    assert (code, told["status"], told["reason"]) == (1, "failed", reason)
    assert err[-1] == f"leyden: hill-1: {reason}"
    code, out, err = leyden("resume", "hill-1")
    assert (code, err) == (1, [f"leyden: hill-1: {reason}"])
    assert reason in out


def test_a_store_that_fails_under_way_is_a_failure(leyden, here: Path) -> None:
    leyden("run", "hill.toml", "--set", "budget.trials=3")
    with sqlite3.connect(here / "leyden.db") as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON event WHEN NEW.kind = 'observed' "
            "BEGIN SELECT RAISE(ABORT, 'the disk failed'); END"
        )
    connection.close()
    assert pages > 1
    code, _, err = leyden("resume", "hill-1", "--set", "budget.trials=6")
    assert code == 1
    assert "the disk failed" in err[-1]
    assert err[-1].endswith("hill-1 goes on with: leyden resume hill-1")


def test_lines_to_copy_are_quoted(leyden) -> None:
    _, out, _ = leyden("run", "hill.toml", "--store", "sqlite:///my store.db")
    line = "leyden replay hill-1 --verify --store 'sqlite:///my store.db'"
    assert line in out
    assert leyden(*shlex.split(line)[1:])[0] == 0


def test_stop_ends_a_campaign(leyden) -> None:
    leyden("run", "hill.toml")
    leyden("trial", "add", "hill-1", "--set", "a=3", "--set", "b=2")
    code, out, _ = leyden("stop", "hill-1", "--reason", "enough", "--json")
    assert (code, json.loads(out)["status"]) == (0, "stopped")
    assert json.loads(leyden("show", "hill-1", "--json")[1])["status"] == "stopped"


# ---- bad input: exit code 2, one clear line a problem


def refused(told: tuple[int, str, list[str]], *words: str) -> list[str]:
    """The lines of a refusal, each checked to be one line, the words to be in them."""
    code, out, err = told
    assert (code, out) == (2, ""), err
    assert all(line.startswith("leyden: ") for line in err)
    for word in words:
        assert word in "\n".join(err)
    return err


def test_every_mistake_of_a_file_is_one_line(leyden, here: Path) -> None:
    bad = FILE.replace("channels = 3", "chanels = 3").replace('"maximize"', '"maximise"')
    (here / "bad.toml").write_text(bad)
    lines = refused(leyden("check", "bad.toml"), "chanels", "channels", "maximise", "maximize")
    assert len(lines) >= 2
    told = json.loads(leyden("check", "bad.toml", "--json")[1])
    assert told["ok"] is False
    assert len(told["problems"]) == len(lines)
    assert not (here / "leyden.db").exists()


def test_unknown_names_are_answered_with_the_nearest(leyden) -> None:
    refused(leyden("run", "fast-chargin"), "fast-chargin", "fast-charging")
    leyden("run", "hill.toml", "--set", "budget.trials=3")
    for command in ("show", "resume", "stop"):
        refused(leyden(command, "hil-1"), "hil-1", "did you mean hill-1")
    refused(leyden("measure", "tabel"), "tabel", "did you mean 'table'")
    refused(leyden("bench", "hill.toml", "--optimizer", "randon"), "randon", "random")


def test_stores_that_are_none(leyden, here: Path) -> None:
    refused(leyden("show", "hill-1"), "leyden.db")
    (here / "text.db").write_text("this is no database, and long enough to be looked at" * 20)
    for command in (("show", "hill-1"), ("run", "hill.toml"), ("list",)):
        refused(leyden(*command, "--store", "sqlite:///text.db"), "text.db")
    refused(leyden("run", "hill.toml", "--store", "sqlite:///nowhere/leyden.db"), "nowhere")
    refused(leyden("run", "hill.toml", "--store", "mysql://host/x"), "mysql")
    assert (here / "text.db").read_text().startswith("this is no database")


def test_places_that_cannot_be_written(leyden, here: Path) -> None:
    leyden("run", "hill.toml", "--set", "budget.trials=3")
    refused(leyden("report", "hill-1", "-o", "nowhere/report.html"), "nowhere/report.html")
    (here / "file").write_text("")
    refused(leyden("export", "hill-1", "-o", "file/folder"), "file/folder")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("runn", "x"), "runn"),
        (("run",), "CAMPAIGN"),
        (("run", "hill.toml", "--sed", "3"), "--sed"),
        (("run", "hill.toml", "--seed", "x"), "--seed"),
        (("run", "hill.toml", "--set", "budget.trials"), "NAME=VALUE"),
        (("run", "hill.toml", "--set", "budget.trails=3"), "did you mean 'trials'"),
        (("run", "hill.toml", "--set", "budget.trials=-3"), "budget.trials"),
        (("resume", "hill-1", "--set", "seed=3"), "budget.*"),
        (("run", "hill.toml", "--store", "sqlite://"), "lost when the command ends"),
        (("run", "hill.toml", "--store", "sqlite:///:memory:"), "lost when the command ends"),
        (("resume", "hill-1", "--store", "sqlite://"), "lost when the command ends"),
        (("run", "hill.toml", "--set", "seed=3", "--set", "seed=4"), "seed is given twice"),
        (("measure", "table", "--set", "a=3", "--set", "a=4"), "a is given twice"),
        (("replay", "hill-1"), "--verify"),
        (("replay", "hill-1", "--verify", "--head", "abc"), "64 hexadecimal digits"),
        (("bench", "hill.toml", "--seeds", "0"), "--seeds"),
    ],
)
def test_mistakes_on_the_command_line(leyden, arguments: tuple[str, ...], word: str) -> None:
    refused(leyden(*arguments), word)


@pytest.mark.parametrize("group", ["store", "trial", "import"])
def test_a_group_alone_shows_its_help(leyden, group: str) -> None:
    code, out, err = leyden(group)
    assert (code, out) == (2, "")
    assert err[0].startswith(f"Usage: leyden {group}")
    assert len(err) > 5


def test_help_is_there_for_every_command(leyden) -> None:
    _, out, _ = leyden("--help")
    commands = (
        "run", "resume", "check", "schema", "list", "show", "report", "export", "measure",
        "describe", "replay", "bench", "import", "trial", "stop", "store", "doctor",
    )  # fmt: skip
    for command in commands:
        assert f"\n  {command} " in out
        assert leyden(command, "--help")[0] == 0


# ---- looking


def test_list_without_a_store_shows_what_ships(leyden, here: Path) -> None:
    code, out, _ = leyden("list", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["campaigns"] == []
    assert {"fast-charging", "fast-charging-continuous"} <= set(told["shipped"])
    assert not (here / "leyden.db").exists()


def test_list_and_show(leyden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEYDEN_STORE", "sqlite:///named.db")
    ran = json.loads(leyden("run", "hill.toml", "--json")[1])
    (row,) = json.loads(leyden("list", "--json")[1])["campaigns"]
    assert (row["id"], row["status"], row["trials"]) == ("hill-1", "finished", 9)
    shown = json.loads(leyden("show", "hill-1", "--json")[1])
    assert {**shown, "cost": 0} == {**ran, "cost": 0}
    page = leyden("show", "hill-1")[1]
    for text in ("Recommendation", "Best settings", "b (mm)", shown["head"], "random on table"):
        assert text in page
    assert Path("named.db").is_file()


def test_show_says_what_was_changed_by_hand(leyden) -> None:
    leyden("run", "hill.toml")
    hint = "newer data than the recommendation; leyden resume hill-1 brings it up to date"
    assert hint not in leyden("show", "hill-1")[1]
    leyden("trial", "correct", "hill-1", "4", "value", "-5")
    leyden("trial", "exclude", "hill-1", "3")
    page = leyden("show", "hill-1")[1]
    assert hint in page
    assert "1 excluded, 1 corrected" in page
    assert leyden("resume", "hill-1")[0] == 0
    page = leyden("show", "hill-1")[1]
    assert hint not in page
    assert "1 excluded, 1 corrected" in page


def test_parameters_stand_in_the_order_of_the_file(leyden, here: Path) -> None:
    turned = FILE.replace("a = { choices = [0, 1, 2, 3, 4, 5] }\n", "")
    turned = turned.replace('"mm" }\n\n', '"mm" }\na = { choices = [0, 1, 2, 3, 4, 5] }\n\n')
    (here / "hill.toml").write_text(turned)
    told = json.loads(leyden("run", "hill.toml", "--json")[1])
    assert list(told["recommendation"]["parameters"]) == ["b", "a"]
    page = leyden("show", "hill-1")[1]
    assert re.search(r"\n *b \(mm\) +a +value", page)


def test_export(leyden, here: Path) -> None:
    leyden("run", "hill.toml")
    code, out, _ = leyden("export", "hill-1", "-o", "out", "--json")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert rows["trials.csv"] == rows["observations.csv"] == 9
    assert (here / "out/campaign.toml").read_text() == FILE
    assert (here / "out/hill.csv").read_text() == TABLE
    header, first, *_ = (here / "out/trials.csv").read_text().splitlines()
    assert header.startswith("trial,purpose,author,batch,a,b,state")
    assert first.startswith("1,search,random,1,")
    assert leyden("check", "out/campaign.toml")[0] == 0


def test_schema_and_doctor(leyden) -> None:
    assert json.loads(leyden("schema")[1])["properties"]["budget"]
    code, out, _ = leyden("doctor", "--json")
    told = json.loads(out)
    assert (code, told["ok"]) == (0, True)
    assert "random" in told["optimizers"]


def test_a_reader_that_goes_away_is_no_error(here: Path) -> None:
    with process("schema") as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait() == 0
        assert running.stderr is not None
        assert running.stderr.read() == ""


def test_list_loads_nothing_heavy(here: Path) -> None:
    code = (
        "import sys\nfrom loop.cli import answer\nassert answer(['list']) == 0\n"
        "heavy = {'torch', 'pandas', 'sqlmodel', 'sqlalchemy', 'matplotlib', 'scipy', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)


# ---- instruments


def test_measure_and_describe(leyden) -> None:
    options = [word for option in OPTIONS for word in ("--option", option)]
    code, out, _ = leyden("measure", "table", "--set", "a=3", "--set", "b=2", *options, "--json")
    told = json.loads(out)
    assert (code, told["state"]) == (0, "finished")
    assert told["scalars"]["value"]["value"] == 100.0
    assert told["parameters"] == {"a": 3, "b": 2}
    assert told["cpu_seconds"] >= 0
    card = json.loads(leyden("describe", "table", *options, "--json")[1])
    assert list(card["metrics"]) == ["value"]
    assert "value" in leyden("describe", "table", *options)[1]
    refused(leyden("measure", "table", "--set", "a=3", *options), "b")


# ---- auditing and amending


def test_replay_finds_a_cut_off_journal(leyden) -> None:
    leyden("run", "hill.toml")
    code, out, _ = leyden("replay", "hill-1", "--verify", "--json")
    told = json.loads(out)
    assert (code, told["proposals"], told["identical"]) == (0, 9, 9)
    assert told["first_divergence"] is None
    code, out, err = leyden("replay", "hill-1", "--verify", "--head", "0" * 64, "--json")
    assert code == 1
    assert json.loads(out)["first_divergence"]
    assert "diverges" in err[-1]


def test_store_check_finds_damage(leyden, here: Path) -> None:
    leyden("run", "hill.toml")
    assert leyden("store", "check")[0] == 0
    assert leyden("store", "backup", "copy.db")[0] == 0
    assert "up to date" in leyden("store", "upgrade")[1]
    with sqlite3.connect(here / "copy.db") as connection:
        connection.execute("UPDATE observation SET mean = 99 WHERE trial = 2")
    connection.close()
    code, out, err = leyden("store", "check", "--store", "sqlite:///copy.db", "--json")
    assert code == 1
    assert json.loads(out)["damages"]
    assert "damage" in err[-1]


def test_trials_by_hand(leyden) -> None:
    leyden("run", "hill.toml")
    setting = ("--set", "a=5", "--set", "b=4")
    code, out, _ = leyden("trial", "add", "hill-1", *setting, "--result", "value=120", "--json")
    assert (code, json.loads(out)["trial"]) == (0, 10)
    assert leyden("trial", "correct", "hill-1", "10", "value", "20", "--reason", "typo")[0] == 0
    assert leyden("trial", "exclude", "hill-1", "3", "--reason", "fell down")[0] == 0
    assert leyden("trial", "exclude", "hill-1", "3", "--undo")[0] == 0
    assert leyden("replay", "hill-1", "--verify")[0] == 0
    refused(leyden("trial", "correct", "hill-1", "99", "value", "20"), "trial 99")
    assert leyden("trial", "correct", "hill-1", "10", "value", "-5.5", "--sem", "1")[0] == 0
    refused(leyden("trial", "correct", "hill-1", "10", "value", "5", "--reasn", "x"), "--reasn")
    refused(leyden("trial", "add", "hill-1", "--set", "a=9", "--set", "b=4"), "a")
    refused(leyden("trial", "add", "hill-1", *setting, "--result", "value=much"), "much")


def test_bench_json(leyden) -> None:
    chosen = ("--optimizer", "random", "--optimizer", "sobol", "--seeds", "2", "--workers", "1")
    code, out, _ = leyden("bench", "hill.toml", *chosen, "--json")
    told = json.loads(out)
    assert (code, told["seeds"], set(told["optimizers"])) == (0, 2, {"random", "sobol"})
    rounds = told["optimizers"]["random"]["rounds"]
    assert [one["trials"] for one in rounds] == [3, 6, 9]
    assert set(rounds[0]) == {"trials", "true_value", "sem", "instrument_hours"}
    assert "± s.e." in leyden("bench", "hill.toml", *chosen)[1]


def test_import_of_the_recorded_campaign(leyden, recorded_data: Path) -> None:
    code, out, _ = leyden("import", "attia2020", str(recorded_data / "attia2020"), "--json")
    assert (code, json.loads(out)) == (0, {"campaign": "attia2020-1"})
    refused(leyden("import", "attia2020", "nowhere"), "nowhere")
