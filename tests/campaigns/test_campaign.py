"""Campaign files: every key loads, every mistake is one clear line, and all come at once."""

import copy
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import CampaignError, literal, load, parse, schema, shipped
from campaigns.objective import Objective, OutcomeConstraint
from campaigns.records import FailureKind
from campaigns.target import Aim, Target

FULL = """
name = "everything"
description = "every key there is"
seed = 7

[space]
exclude = ["cc1 == 4.8 and binder == 'PVDF'"]
constraints = ["a + 2*b <= 2"]
sums = [{ of = ["a", "b"], equals = 1.0 }]
[space.parameters]
cc1 = { choices = [3.6, 4.8], unit = "1/h" }
binder = { choices = ["PVDF", "CMC"], ordered = true }
a = { low = 0, high = 1 }
b = { low = 0.0, high = 1.0, scale = "linear" }
layers = { low = 1, high = 8, integer = true, scale = "log" }
"coating speed" = { low = 0.1, high = 8, scale = "log", unit = "m/min" }
lambda = { low = 0.1, high = 8 }
[space.derived]
cc4 = { expression = "1/cc1", low = 0.1, high = 4.81, unit = "h" }

[[objectives]]
metric = "yield"
goal = "maximize"
unit = "1"
[[objectives]]
metric = "E"
goal = "target"
target = 3.5
[[objectives]]
metric = "viscosity"
goal = "target"
target = { file = "curve.csv", weights = { low = 2 }, scales = "50 %", sd = 0.1, log = ["hi*"] }

[[constraints]]
metric = "porosity"
at_least = 0.25
at_most = 0.5
unit = "1"

[optimizer]
kind = "bo"
rounds = true
replicates = 5
options = { noise = "observed", nested = { list = [1, 2] } }

[recommend]
among = "space"
confirm = 2
level = 0.8

[instrument]
kind = "cycler.simulated"
channels = 8
options = { file = "lives.csv" }

[early_prediction]
kind = "cycle_life"
model = "variance"
at_cycle = "adaptive"
level = 0.9
run_on = 0.1
training = { folder = "cells", splits = ["train"] }
options = { voltages = 100 }

[failures]
assembly = "exclude"
early_death = "censored"
channel_fault = "retry:2"
data_gap = "retry:3 then infeasible"
out_of_range = "infeasible"
not_converged = "exclude"
aborted = "exclude"

[start]
results = "old.csv"
campaigns = ["fast-charging-1"]
[[start.settings]]
cc1 = 3.6
binder = "CMC"
a = 0.5
b = 0.5
layers = 2
"coating speed" = 1
lambda = 1
[execution]
kind = "dask"
address = "tcp://10.0.0.1:8786"
workers = 2

[bench.fixed]
kind = "gp_ucb"
options = { beta = 2 }

[budget]
trials = 200
rounds = 4
instrument_hours = 1e4
lab_days = 60
wall_minutes = 10.5
stall = 30
"""
FILES = {
    "curve.csv": b"metric,value,sd\nlow,4,0.5\nhigh,9,\n",
    "lives.csv": b"",
    "old.csv": b"\xef\xbb\xbfcc1,binder,a,b,layers,coating speed,lambda,yield,yield_sem,E\r\n"
    b"3.6,CMC,0.5,0.5,2,1,1,0.9,0.01,\r\n4.8,CMC,0.25,0.75,2,1,1,,,3.4\r\n",
}
SMALL = """name = "small"
[space.parameters]
x = { low = 0, high = 1 }
[[objectives]]
metric = "y"
[optimizer]
kind = "random"
[instrument]
kind = "table"
[budget]
trials = 9
"""


def told(text: str, files: dict[str, bytes] | None = None, **more: Any) -> str:
    with pytest.raises(CampaignError) as caught:
        parse(text, FILES if files is None else files, **more)
    assert caught.value.problems
    assert all("\n" not in line and line.strip() for line in caught.value.problems)
    return str(caught.value)


def test_every_key_of_the_format_loads() -> None:
    campaign = parse(FULL, FILES)
    assert campaign.seed == 7
    assert campaign.space.names == (
        "cc1", "binder", "a", "b", "layers", "coating speed", "lambda",
    )  # fmt: skip
    assert campaign.objectives[:2] == (
        Objective("yield", "maximize", "1"),
        Objective("E", "target", "1", 3.5),
    )
    low = Aim("low", 4.0, sd=0.5, weight=2.0, scale=2.0)
    high = Aim("high", 9.0, sd=0.1, scale=0.5, log=True)
    assert campaign.objectives[2].target == Target("curve.csv", (low, high))
    assert campaign.constraints == (OutcomeConstraint("porosity", 0.25, 0.5),)
    assert campaign.optimizer.options == {"noise": "observed", "nested": {"list": [1, 2]}}
    assert campaign.early_prediction is not None
    assert campaign.early_prediction.training.splits == ["train"]
    rule = campaign.failures[FailureKind.DATA_GAP]
    assert (rule.action, rule.retries, rule.then) == ("retry", 3, "infeasible")
    assert campaign.start.settings[0]["cc4"] == 1 / 3.6
    first, second = campaign.start.measured
    assert first.setting["a"] == 0.5
    assert (first.outcomes["yield"].mean, first.outcomes["yield"].sem) == (0.9, 0.01)
    assert list(second.outcomes) == ["E"]
    assert campaign.execution.address == "tcp://10.0.0.1:8786"
    assert campaign.bench["fixed"].options == {"beta": 2}
    assert campaign.budget.instrument_hours == 1e4
    assert campaign.text == FULL
    assert set(campaign.files) == set(FILES)
    assert all(map(campaign.space.feasible, campaign.space.sample(5, np.random.default_rng(0))))


def test_the_least_campaign_has_the_defaults_of_the_page() -> None:
    campaign = parse(SMALL)
    assert (campaign.seed, campaign.instrument.channels) == (0, 1)
    assert (campaign.optimizer.replicates, campaign.optimizer.rounds) == (1, False)
    recommend = campaign.recommend
    assert (recommend.among, recommend.confirm, recommend.level) == ("tried", 0, 0.9)
    assert campaign.early_prediction is None
    assert set(campaign.failures) == set(FailureKind) - {FailureKind.REJECTED}
    assert campaign.failures[FailureKind.EARLY_DEATH].action == "censored"
    assert campaign.failures[FailureKind.CHANNEL_FAULT].retries == 2
    assert campaign.failures[FailureKind.OUT_OF_RANGE].action == "infeasible"


@pytest.mark.parametrize("name", shipped())
def test_shipped_campaigns_load(name: str) -> None:
    campaign = load(name)
    assert campaign.name == name
    assert campaign == parse(campaign.text, campaign.files)


def test_shipped_names() -> None:
    assert {"fast-charging", "fast-charging-continuous"} <= set(shipped())


def test_structure_and_meaning_are_told_together() -> None:
    text = (
        FULL.replace("trials = 200", "trails = 200")
        .replace("rounds = 4", "rounds = 0")
        .replace("lab_days = 60", "lab_days = true")
        .replace("confirm = 2", 'confirm = "2"')
        .replace('"a + 2*b <= 2"', '"a * b <= 2", "a + c <= 1"')
        .replace("cc1 == 4.8 and", "cc9 == 4.8 and")
        .replace("equals = 1.0", "equals = 3.0")
        .replace('metric = "E"', 'metric = "yield"')
        .replace('kind = "cycler.simulated"', 'kind = "table"')
    )
    assert told(text).splitlines() == [
        'recommend.confirm: "2" is not allowed; a whole number is needed',
        "budget.rounds: 0 is not allowed; must be >= 1",
        "budget.lab_days: true is not allowed; a number is needed",
        "budget.trails: unknown key; allowed: trials, cost, rounds, instrument_hours, lab_days, "
        "wall_minutes, stall; did you mean 'trials'?",
        "objectives[1].metric: 'yield' is already named in objectives",
        "early_prediction: the table instrument gives no series to predict from",
        "space.exclude[0]: 'cc9 == 4.8 and binder == 'PVDF'': column 1: unknown name 'cc9'; "
        "known: cc1, binder, a, b, layers, coating speed, lambda, cc4; did you mean 'cc4'?",
        "space.constraints[0]: 'a * b <= 2': constraints are linear; write others as "
        'exclude = ["not (a * b <= 2)"]',
        "space.constraints[1]: 'a + c <= 1': column 5: unknown name 'c'; "
        "known: cc1, a, b, layers, coating speed, lambda",
        "space.sums[0].equals: 3 cannot be reached; the bounds allow 0 to 2",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("low = 0, high = 1 }", "low = 1, high = 1 }", "space.parameters.a: low must be below"),
        ("low = 0, high = 1 }", "low = true, high = 1 }", "space.parameters.a.low: true is not"),
        ("low = 0, high = 1 }", "lo = 0, high = 1 }", "space.parameters.a.lo: unknown key"),
        ("low = 0, high = 1 }", 'low = "0", high = 1 }', 'space.parameters.a.low: "0" is not'),
        ("low = 0, high = 1 }", "low = nan, high = 1 }", "a finite number is needed"),
        ("low = 0, high = 1 }", "low = 0 }", "space.parameters.a: either choices, or low and"),
        ("low = 0.1, high = 8, scale", "low = 0, high = 8, scale", "a log scale needs low > 0"),
        ('"coating speed" = { low', '"coating speed" = { lw', 'space.parameters."coating speed"'),
        ("low = 1, high = 8, int", "low = 1.5, high = 8, int", "must be whole numbers"),
        ("[3.6, 4.8]", "[3.6, 3.6]", "space.parameters.cc1: the choice 3.6 is given twice"),
        ("[3.6, 4.8]", '[3.6, "x"]', "space.parameters.cc1: choices must be all"),
        ("[3.6, 4.8]", "[]", "space.parameters.cc1.choices: [] is not allowed; at least 1"),
        ("[3.6, 4.8]", "[[1]]", "space.parameters.cc1.choices[0]"),
        ("[3.6, 4.8], unit", "[3.6, 4.8], low = 1, unit", "does not go together with choices"),
        ("cc4 = {", "cc1 = {", "space.derived.cc1: there is a parameter"),
        ('"1/cc1"', '"1/cc1 +"', "space.derived.cc4.expression: "),
        ('"1/cc1"', "\"__import__('os')\"", "only these can be called"),
        ("low = 0.1, high = 4.81", "low = 9, high = 4.81", "space.derived.cc4: low must be below"),
        ("low = 0.1, high = 4.81", "low = 3, high = 4.81", "space: no setting is feasible"),
        ('of = ["a", "b"]', 'of = ["a", "bb"]', "space.sums[0].of: 'bb': unknown numeric"),
        ('of = ["a", "b"]', 'of = ["a"]', "space.sums[0]: a sum needs two"),
        ("seed = 7", "seed = -1", "seed: -1 is not allowed; must be >= 0"),
        ("seed = 7", "seed = 7.0", "seed: 7.0 is not allowed; a whole number is needed"),
        ('name = "everything"', 'name = ""', 'name: "" is not allowed; must not be empty'),
        ('name = "everything"', "", "name: is missing"),
        ('goal = "maximize"', 'goal = "maximise"', "did you mean 'maximize'?"),
        ("target = 3.5", "", "objectives[1].target: is given if and only if"),
        ("target = 3.5", "target = true", "objectives[1].target: true is not allowed"),
        ('target = { file = "curve.csv",', "target = { ", "objectives[2].target.file: is missing"),
        ("weights = { low = 2 }", 'weights = { low = "2" }', "objectives[2].target.weights.low"),
        ("at_least = 0.25", "at_least = 0.75", "constraints[0]: at_least 0.75 is above"),
        ("at_least = 0.25\nat_most = 0.5", "", "constraints[0]: at_least or at_most"),
        ('among = "space"', 'among = "spaces"', 'recommend.among: "spaces": unknown value'),
        ("level = 0.8", "level = 1.0", "recommend.level: 1.0 is not allowed; must be < 1"),
        ("channels = 8", "channels = 0", "instrument.channels: 0 is not allowed; must be >= 1"),
        ("channels = 8", "channels = true", "instrument.channels: true is not allowed"),
        ('"adaptive"', "1", "early_prediction.at_cycle: 1 is not allowed; a whole number >= 2"),
        ('"adaptive"', "true", "early_prediction.at_cycle: True is not allowed"),
        ("run_on = 0.1", "run_on = 1.1", "early_prediction.run_on: 1.1 is not allowed"),
        ('folder = "cells", splits', "simulate = 4, splits", "splits: belongs to folder"),
        ('folder = "cells"', 'folder = "cells", simulate = 4', "exactly one of simulate"),
        ('"retry:2"', '"retry:x"', "failures.channel_fault: 'retry:x' is not allowed; allowed: "),
        ("channel_fault", "chanel_fault", "failures.chanel_fault: unknown key"),
        ("cc1 = 3.6", "cc1 = 3.7", "start.settings[0]: cc1: 3.7 is"),
        ("cc1 = 3.6", "cc = 3.7", "start.settings[0]: cc: unknown"),
        ('"dask"', '"process"', "execution: address: belongs to"),
        ('"dask"', '"daks"', "did you mean 'dask'?"),
        ("wall_minutes = 10.5", "wall_minutes = -1", "budget.wall_minutes: -1 is not allowed"),
        ("trials = 200", "trials = 200.5", "budget.trials: 200.5 is not allowed; a whole"),
        ("nested = { list", "nested = { when = 2020-01-01, list", "dates as texts"),
        ('"old.csv"', '"odl.csv"', "start.results: 'odl.csv' is not among"),
        ('"lives.csv"', '"x.csv"', "instrument.options.file: 'x.csv' is not among"),
    ],
)
def test_each_mistake_is_one_clear_line(old: str, new: str, line: str) -> None:
    assert old in FULL
    problems = told(FULL.replace(old, new, 1)).splitlines()
    assert any(line in problem for problem in problems), problems
    assert len(problems) <= 3


def test_an_empty_budget_is_a_mistake() -> None:
    assert "budget: at least one of trials" in told(SMALL.replace("trials = 9", ""))


def test_parameters_or_candidates() -> None:
    assert "either parameters or candidates" in told(
        SMALL.replace("[space.parameters]\nx = { low = 0, high = 1 }", "[space]")
    )
    assert "space: is missing" in told(
        SMALL.replace("[space.parameters]\nx = { low = 0, high = 1 }", "")
    )


def test_toml_mistakes_name_the_line() -> None:
    assert told('name = "x"\nseed 3\n').startswith("line 2, column 6: not TOML: ")
    assert "not TOML" in told("a = 1\na = 2")
    assert "not TOML" in told("a = " + "[" * 5000)


def test_unknown_kinds_are_told_with_the_nearest() -> None:
    known = {"optimizer": ["random", "sobol"], "instrument": ["table"], "early_prediction": []}
    assert parse(SMALL, known=known).optimizer.kind == "random"
    line = told(SMALL.replace('"random"', '"randon"'), known=known)
    assert line == (
        "optimizer.kind: 'randon': unknown kind; allowed: random, sobol; did you mean 'random'?"
    )
    rival = SMALL + '[bench.fast]\nkind = "sobl"\n'
    assert told(rival, known=known).startswith("bench.fast.kind: 'sobl': unknown kind")


LISTED = SMALL.replace(
    "[space.parameters]\nx = { low = 0, high = 1 }",
    '[space]\nexclude = ["x > 8"]\n'
    'candidates = { file = "p.csv", columns = ["x", "t"], units = { x = "1/h" } }',
)


def test_candidates_come_from_a_file_in_its_order() -> None:
    content = b"\xef\xbb\xbft, x ,other\r\np,3,z\r\nq,1,\r\n\r\np,9,z\r\n"
    campaign = parse(LISTED, {"p.csv": content})
    assert campaign.space.finite
    assert [campaign.space.key(c) for c in campaign.space.candidates] == [(3, "p"), (1, "q")]
    assert campaign.space.parameters[0].unit == "1/h"
    assert campaign.space.decode(campaign.space.encode(campaign.space.candidates)) == list(
        campaign.space.candidates
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"x,t\n1,p\n,q\n3,r\n", "space.candidates: p.csv: line 3: column 'x' is empty"),
        (b"x,t\n1,p\nabc,q\n3,r\n", "p.csv: line 3: column 'x': 'abc' is no finite number"),
        (b"x,t\n1,p\nnan,q\n3,r\n", "p.csv: line 3: column 'x': 'nan' is no finite number"),
        (b"x,t\n1,p\n2\n", "p.csv: line 3: 1 values, but 2 columns"),
        (b"x,t\n1,p\n2,q\n1.0,p\n", "p.csv: line 4: the same as line 2"),
        (b"y,t\n1,p\n", "p.csv: 'x': unknown column; allowed: y, t"),
        (b"x,x\n1,p\n", "p.csv: the column names are not all there and different"),
        (b"x,t\n", "p.csv: a header line and at least one row are needed"),
        (b"", "p.csv: a header line and at least one row are needed"),
        (b"x,t\n1,\xff\n", "p.csv: byte 6 is not UTF-8"),
        (b'x,t\n1,"p\n', "p.csv: line 2: unexpected end of data"),
        (b"x,t\n9,p\n", "space: no setting is feasible: of 1 looked at, exclude[0] rules out 1"),
    ],
)
def test_mistakes_in_candidate_files_name_the_line(content: bytes, line: str) -> None:
    assert line in told(LISTED, {"p.csv": content})


def test_mistakes_in_candidate_tables() -> None:
    content = {"p.csv": b"x,t\n1,p\n"}
    assert "space.candidates.units.y: unknown column" in told(
        LISTED.replace("units = { x", "units = { y"), content
    )
    assert "named twice" in told(LISTED.replace('"x", "t"', '"x", "x"'), content)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"x,y,z\n0.5,1,2\n", "start.results: r.csv: 'z': unknown column"),
        (b"y\n1\n", "start.results: r.csv: the column 'x' is missing"),
        (b"x\n0.5\n", "no column holds an outcome"),
        (b"x,y\n0.5,1\n1.5,1\n", "r.csv: line 3: x: 1.5 is outside 0 to 1"),
        (b"x,y\n0.5,abc\n", "r.csv: line 2: column 'y': 'abc' is no finite number"),
        (b"x,y\n0.5,\n", "r.csv: line 2: no outcome is given"),
        (b"x,y,y_sem\n0.5,1,-1\n", "'-1' is no number >= 0"),
    ],
)
def test_mistakes_in_result_files_name_the_line(content: bytes, line: str) -> None:
    text = SMALL + '[start]\nresults = "r.csv"\n'
    assert line in told(text, {"r.csv": content})


def test_load_reads_files_beside_the_campaign(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf" + LISTED.replace("\n", "\r\n").encode())
    with pytest.raises(CampaignError, match=r"c\.toml: space\.candidates\.file: 'p\.csv' cannot"):
        load(str(path))
    (tmp_path / "p.csv").write_bytes(b"x,t\n1,p\n")
    campaign = load(str(path))
    assert dict(campaign.files) == {"p.csv": b"x,t\n1,p\n"}
    assert parse(campaign.text, campaign.files) == campaign
    path.write_text(LISTED.replace("trials", "trails"))
    with pytest.raises(CampaignError) as caught:
        load(str(path))
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("fast-chargin", "did you mean 'fast-charging'"),
        ("nowhere/x.toml", "cannot be read: No such file"),
        (".", "cannot be read"),
        ("x\0y", "cannot be read"),
    ],
)
def test_campaigns_that_are_not_there(name: str, what: str) -> None:
    with pytest.raises(CampaignError, match=re.escape(what)):
        load(name)


def test_files_of_another_encoding_are_told(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b'name = "x"\ndescription = "\xe9"\n')
    with pytest.raises(CampaignError, match="line 2: not UTF-8"):
        load(str(path))


def test_overrides_change_the_value_and_leave_the_text() -> None:
    before = load("fast-charging")
    overrides = {"budget.trials": 8, "objectives.0.goal": "minimize", "optimizer.options.beta": 2.5}
    after = load("fast-charging", overrides)
    assert after.budget.trials == 8
    assert after.objectives[0].goal == "minimize"
    assert after.optimizer.options == {"beta": 2.5}
    assert after.digest != before.digest
    lines = set(before.text.splitlines())
    new = [line for line in after.text.splitlines() if line not in lines]
    assert len(new) <= 5
    assert before.text.splitlines()[0] in after.text


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("budget.trails", 8, "budget.trails: unknown key"),
        ("budget.trials.x", 8, "'budget.trials' is a value, not a table"),
        ("objectives.7.goal", "minimize", "no place in the array"),
        ("objectives.x.goal", "minimize", "no place in the array"),
        ("", 8, "is no path"),
        ("a b", 8, "is no path"),
        ("budget.trials", object(), "the value cannot be written"),
        ("budget.trials", "many", "a whole number is needed"),
    ],
)
def test_overrides_that_lead_nowhere(path: str, value: object, what: str) -> None:
    assert what in told(SMALL, overrides={path: value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8), ("1e3", 1000.0), ("true", True), ("[1, 2]", [1, 2]), ("gp_ucb", "gp_ucb"),
        ('"8"', "8"), ("{ a = 1 }", {"a": 1}), ("", ""), ("a = 1", "a = 1"),
        ("1\nb = 2", "1\nb = 2"),
    ],
)  # fmt: skip
def test_literals(text: str, value: object) -> None:
    assert literal(text) == value


def test_only_budget_and_channels_change_once_frozen() -> None:
    campaign = parse(FULL, FILES)
    more = campaign.changed("budget.trials", 300).changed("instrument.channels", 2)
    assert (more.budget.trials, more.budget.rounds, more.instrument.channels) == (300, 4, 2)
    assert more.space is campaign.space
    assert campaign.changed("budget.rounds", None).budget.rounds is None
    for path, value in [("seed", 1), ("budget.trails", 1), ("budget.trials", 0), ("budget", {})]:
        with pytest.raises(CampaignError):
            campaign.changed(path, value)


def test_digest_covers_text_and_files() -> None:
    campaign = parse(FULL, FILES)
    assert re.fullmatch("[0-9a-f]{64}", campaign.digest)
    assert campaign == parse(FULL, FILES)
    assert campaign != parse(FULL + "\n", FILES)
    assert campaign != parse(FULL, {**FILES, "lives.csv": b"1"})
    assert len({campaign, parse(FULL, FILES)}) == 1
    assert campaign.digest != hashlib.sha256(FULL.encode()).hexdigest()


def _places(here: Any, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = here.items() if isinstance(here, dict) else enumerate(here)
    found = []
    for key, value in inner:
        found.append((*way, key))
        if isinstance(value, (dict, list)):
            found += _places(value, (*way, key))
    return found


TABLES = tomllib.loads(FULL)
scalars = st.one_of(
    st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
    st.sampled_from(["a", "b", "cc1", "lambda", "a+b", "a<1", "retry:1", "log", "target", "x.csv"]),
    st.dates(), st.just([]), st.just({}), st.just([[1]]), st.just({"a": {"b": 1}}),
    st.just({"file": "y.csv"}), st.just(["a", 1]), st.just(10**400),
)  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(_places(TABLES)),
            st.sampled_from(["delete", "rename", "retype", "add"]),
            scalars,
            st.text(max_size=6),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_mutated_files_load_or_are_told(
    mutations: list[tuple[tuple[str | int, ...], str, Any, str]],
) -> None:
    tables: Any = copy.deepcopy(TABLES)
    for place, action, value, name in mutations:
        here = tables
        try:
            for part in place[:-1]:
                here = here[part]
            old = here[place[-1]]
        except (KeyError, IndexError, TypeError):
            continue
        if action == "retype":
            here[place[-1]] = value
            continue
        if action != "add":
            del here[place[-1]]
        if isinstance(here, dict) and action != "delete":
            here[name] = old if action == "rename" else value
    try:
        text = tomlkit.dumps(tables)
        tomllib.loads(text)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return  # no TOML can be written of it
    problems: tuple[str, ...] = ("none",)
    try:
        parse(text, FILES)
    except CampaignError as error:
        problems = error.problems
    assert problems
    assert all(line.strip() for line in problems)


@given(st.text(max_size=80))
def test_any_text_is_told(text: str) -> None:
    with pytest.raises(CampaignError):
        parse(text, {})


def test_the_schema_is_json_and_closed() -> None:
    described = schema()
    assert described["$schema"].startswith("https://json-schema.org/")
    assert described["required"] == ["name", "space", "objectives", "optimizer",
                                     "budget"]  # fmt: skip
    tables = [described, *described["$defs"].values()]
    assert all(table["additionalProperties"] is False for table in tables)


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "campaign_file.md").read_text("utf-8")
    described = schema()
    tables = {"": described, **described["$defs"]}
    keys = {key for table in tables.values() for key in table["properties"]}
    missing = [key for key in sorted(keys) if f"`{key}`" not in page and f"[{key}" not in page]
    assert not missing


def test_the_campaigns_of_the_page_are_campaigns() -> None:
    page = (Path(__file__).parents[2] / "docs" / "campaign_file.md").read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert parse(blocks[0]).name == "fast-charging"
    for block in blocks[1:]:
        tomllib.loads(block)


def test_importing_is_light() -> None:
    code = (
        "import sys, campaigns.campaign, campaigns.options;"
        "heavy = {'pandas', 'torch', 'pint', 'scipy', 'sklearn', 'matplotlib', 'tomlkit'};"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
