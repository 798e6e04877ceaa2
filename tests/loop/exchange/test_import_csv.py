"""A table of results becomes a campaign that can be read, audited and learnt from."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from campaigns.campaign import CampaignError
from campaigns.records import Bound, FailureKind, TrialState
from loop.cli import answer
from loop.exchange.from_csv import import_csv
from loop.exchange.results_table import Naming
from loop.launch import create, engine
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import hill, run

FILE = """\
name = "slurry"
seed = 2

[space.parameters]
gap = { low = 0.0, high = 2.0, unit = "mm" }
speed = { choices = [1, 2, 4], unit = "m/min" }
binder = { choices = ["PVDF", "CMC"] }

[[objectives]]
metric = "life"
goal = "maximize"
unit = "1"

[[constraints]]
metric = "loading"
at_most = 30.0
unit = "mg/cm^2"

[optimizer]
kind = "random"

[budget]
trials = 10
"""

ROWS = """\
gap (um),speed,binder,life,life_sem,loading,batch,ended,hours,note
500,1,PVDF,410,12,20,a,2026-03-01T10:00:00Z,2,fine
1500,2.0,CMC,>600,,25,a,2026-03-01T14:00:00Z,6,
1000,4,CMC,,,,b,2026-03-02T10:00:00+00:00,1,fell off
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurry.toml").write_text(FILE)
    (tmp_path / "results.csv").write_text(ROWS)
    return tmp_path


def read(files, **naming):
    store = Store.open("sqlite://")
    found = import_csv(store, files / "results.csv", files / "slurry.toml", Naming(**naming))
    return store, *found


def test_every_row_is_a_trial_in_the_units_of_the_campaign(files):
    store, campaign_id, recorded = read(files)
    state = restore(store, campaign_id)
    first, second, third = state.history.trials.values()
    assert (campaign_id, recorded.unread) == ("slurry-1", ("note",))
    assert dict(first.parameters) == {"gap": 0.5, "speed": 1, "binder": "PVDF"}
    assert (first.outcomes["life"].mean, first.outcomes["life"].sem) == (410.0, 12.0)
    assert first.outcomes["loading"].mean == pytest.approx(20.0)
    assert (first.state, second.state) == (TrialState.COMPLETED, TrialState.STOPPED)
    assert second.outcomes["life"].bound is Bound.AT_LEAST
    assert type(second.parameters["speed"]) is int
    assert (third.state, third.failure.kind) == (TrialState.FAILED, FailureKind.DATA_GAP)
    assert [trial.batch for trial in (first, second, third)] == [1, 1, 2]


def test_times_are_campaign_time(files):
    store, campaign_id, _ = read(files)
    state = restore(store, campaign_id)
    assert state.epoch.isoformat() == "2026-03-01T08:00:00+00:00"
    assert state.cost.instrument_hours == 9.0
    assert state.time == 26 * 3600.0
    assert state.status == "finished"


def test_an_import_verifies_and_is_sound(files):
    store, campaign_id, _ = read(files)
    verdict = verify(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert (verdict.proposals, verdict.recommendations) == (0, 1)
    assert store.check() == []


def test_an_import_cannot_be_run_on_but_another_campaign_starts_from_it(files):
    store, campaign_id, _ = read(files)
    with pytest.raises(CampaignError, match="recorded elsewhere"), engine(store, campaign_id):
        pass
    store.close()
    with Store.open("sqlite://") as store:
        (files / "hill.toml").write_text(hill(budget="trials = 3").text)
        (files / "hill.csv").write_bytes(hill().files["hill.csv"])
        (files / "old.csv").write_text("a,b,value\n3,2,99\n1,1,93.5\n")
        old, _ = import_csv(store, files / "old.csv", files / "hill.toml", Naming())
        new = run(store, hill(budget="trials = 3", overrides={"start.campaigns": [old]}))
        trials = restore(store, new).history.trials
        assert [t.outcomes["value"].mean for t in list(trials.values())[:2]] == [99.0, 93.5]
        assert len(trials) == 5
        assert verify(store, new).ok


def test_results_stand_in_for_a_missing_instrument(files):
    """The recorded results are a test bench: what was measured can be asked for again."""
    text = FILE.replace('binder = { choices = ["PVDF", "CMC"] }\n', "")
    (files / "slurry.toml").write_text(text)
    store, campaign_id, _ = read(files)
    campaign = restore(store, campaign_id).campaign
    assert campaign.instrument.kind == "table"
    content = campaign.files["recorded_results.csv"].decode()
    assert content == "gap,speed,life,loading,hours\n0.5,1,410.0,20.0,2.0\n"
    fixed = {"space.parameters.gap": {"choices": [0.5], "unit": "mm"},
             "space.parameters.speed": {"choices": [1], "unit": "m/min"}}  # fmt: skip
    from campaigns.campaign import parse

    again = parse(campaign.text, campaign.files, fixed | {"budget.trials": 1})
    new = create(store, again)
    with engine(store, new) as running:
        running.run()
    (trial,) = restore(store, new).history.trials.values()
    assert trial.outcomes["life"].mean == 410.0


@pytest.mark.parametrize("kind", ["random", "bayes_gap"])
def test_a_campaign_of_ours_given_as_a_table_is_derived_again(files, kind):
    """`--derive` claims that the file's optimiser asked; the audit proves or refutes it."""
    with Store.open("sqlite://") as store:
        source = hill(kind, channels=2, rounds=True, budget="trials = 8")
        (files / "hill.toml").write_text(source.text)
        (files / "hill.csv").write_bytes(source.files["hill.csv"])
        trials = restore(store, run(store, source)).history.trials.values()
        rows = [
            f"{t.parameters['a']},{t.parameters['b']},{t.outcomes['value'].mean!r},"
            f"{t.outcomes['value'].sem!r},{t.batch}"
            for t in trials
        ]
        for name, text in (("good", rows), ("forged", [*rows[:4], "0,0,74.0,2.0,3", *rows[5:]])):
            (files / "t.csv").write_text("\n".join(["a,b,value,value_sem,batch", *text]))
            told = import_csv(store, files / "t.csv", files / "hill.toml", Naming(), derived=True)
            verdict = verify(store, told[0])
            assert verdict.proposals == 8
            assert verdict.ok is (name == "good"), verdict.first_divergence


MISTAKES = {
    "speed,binder,life\n1,CMC,3\n": "no column 'gap'",
    "gap,speed,binder,loading\n1,1,CMC,3\n": "no column holds life",
    "gap,speed,binder,life\n1,1,CMC,many\n": "line 2: life: 'many' is no finite number",
    "gap,speed,binder,life\n1,1,CMC,>\n": "line 2: life: '>' is no finite number",
    "gap,speed,binder,life\n1,3,CMC,3\n": "line 2: speed: 3 is no option",
    "gap,speed,binder,life\n9,1,CMC,3\n": "line 2: gap: 9",
    "gap,speed,binder,life\n,1,CMC,3\n": "line 2: gap: '' is no finite number",
    "gap (kg),speed,binder,life\n1,1,CMC,3\n": "column 'gap (kg)'",
    "gap,speed,binder,life,life_sem\n1,1,CMC,3,-1\n": "line 2: life_sem: '-1' is no number >= 0",
    "gap,speed,binder,life,failure\n1,1,CMC,,broken\n": "line 2: failure: unknown kind",
    "gap,speed,binder,life,failure\n1,1,CMC,3,assembly\n": "a result is given, too",
    "gap,speed,binder,life,ended\n1,1,CMC,3,soon\n": "line 2: ended: 'soon' is no number of hours",
    "gap,speed,binder,life,started,ended\n1,1,CMC,3,4,2\n": "ended is before started",
    "gap,speed,binder,life,hours\n1,1,CMC,3,-1\n": "hours: '-1'",
    "gap,speed,binder,life,ended\n1,1,CMC,3,1\n1,1,CMC,3,2026-01-01\n": "is a number, but other",
    "gap,speed,binder,life\n": "at least one row",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_clear_line(files, capsys, text):
    (files / "results.csv").write_text(text)
    code = answer(["import", "csv", "results.csv", "--campaign", "slurry.toml"])
    err = capsys.readouterr().err
    assert code == 2
    assert "results.csv" in err
    assert MISTAKES[text] in err
    assert "Traceback" not in err
    with Store.open("sqlite:///leyden.db") as store:
        assert store.campaigns() == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--column", "lif=life"), "lif"),
        (("--column", "life=lifetime"), "lifetime"),
        (("--unit", "gap=kg"), "gap"),
        (("--unit", "gap="), "nothing stands behind"),
    ],
)
def test_mistakes_of_names_and_units(files, capsys, options, word):
    assert answer(["import", "csv", "results.csv", "--campaign", "slurry.toml", *options]) == 2
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("name", ["results.csv", "slurry.toml"])
def test_a_file_that_is_not_there(files, capsys, name):
    (files / name).unlink()
    assert answer(["import", "csv", "results.csv", "--campaign", "slurry.toml"]) == 2
    assert name in capsys.readouterr().err


def test_the_command_and_what_can_be_done_with_its_campaign(files, capsys):
    (files / "results.csv").write_text(ROWS.replace("gap (um)", "d").replace("life,", "L,", 1))
    names = ("--column", "gap=d", "--unit", "gap=um", "--column", "life=L")
    code = answer(["import", "csv", "results.csv", "--campaign", "slurry.toml", *names, "--json"])
    told = capsys.readouterr()
    assert (code, json.loads(told.out)) == (0, {"campaign": "slurry-1"})
    assert "not read: note" in told.err
    for words in (("show",), ("report", "-o", "r.html"), ("export", "-o", "out")):
        assert answer([words[0], "slurry-1", *words[1:]]) == 0
    assert answer(["replay", "slurry-1", "--verify"]) == 0
    assert (files / "r.html").stat().st_size > 10_000


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 2.0), st.sampled_from([1, 2, 4]), st.floats(-1e9, 1e9),
            st.floats(0.0, 1e3), st.floats(0.0, 1e3),
        ),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_values_and_times_come_back_as_written(tmp_path_factory, rows):
    """Whatever the order of rows in time, the journal is lawful and holds every value."""
    folder = tmp_path_factory.mktemp("csv")
    (folder / "slurry.toml").write_text(FILE)
    lines = [f"{g!r},{s},CMC,{life!r},{start!r},{h!r}" for g, s, life, start, h in rows]
    (folder / "results.csv").write_text("\n".join(["gap,speed,binder,life,started,hours", *lines]))
    store, campaign_id, _ = read(folder)
    state = restore(store, campaign_id)
    found = [
        (t.parameters["gap"], t.parameters["speed"], t.outcomes["life"].mean)
        for t in state.history.trials.values()
    ]
    times = [getattr(event.body, "time", 0.0) for event in store.events(campaign_id)]
    by_start = sorted(rows, key=lambda row: row[3])
    assert found == [row[:3] for row in by_start]
    assert times == sorted(times)
    assert math.isclose(state.cost.instrument_hours, math.fsum(row[4] for row in rows))
    assert verify(store, campaign_id).ok
    store.close()
