"""The audit: a faithful journal verifies, any change to it is found."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from loop.cli import answer
from loop.events import Passed
from loop.importing import attia2020
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import hill, run


@pytest.mark.parametrize("optimizer", ["random", "sobol", "bayes_gap", "gp_ucb"])
@pytest.mark.parametrize(("channels", "rounds"), [(1, False), (4, True), (3, False)])
def test_every_campaign_verifies(optimizer, channels, rounds):
    with Store.open("sqlite://") as store:
        campaign_id = run(store, hill(optimizer, channels=channels, rounds=rounds))
        verdict = verify(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert verdict.identical == verdict.proposals == 12
    assert verdict.recommendations > 0
    assert verdict.differences == ()


def test_the_recorded_campaign_of_attia_2020_verifies(recorded_data):
    """Batches 0-4, 240 of 240 protocols in order; the final posterior mean as measured."""
    with Store.open("sqlite://") as store:
        campaign_id = attia2020(store, recorded_data / "attia2020")
        verdict = verify(store, campaign_id)
        state = restore(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert (verdict.identical, verdict.proposals) == (240, 240)
    best = state.recommendation
    assert [best.parameters[name] for name in ("cc1", "cc2", "cc3")] == [4.8, 5.2, 5.2]
    assert best.objectives["cycle_life"].mean == pytest.approx(1184.58, abs=0.01)
    missing = [t for t in state.history.trials.values() if t.failure is not None]
    assert len(missing) == 3 + 2 + 1 + 1
    assert state.cost.instrument_hours == 4 * 48 * 96


def test_a_folder_without_the_campaign_is_one_clear_line(tmp_path):
    with Store.open("sqlite://") as store, pytest.raises(ValueError, match="policies_all") as told:
        attia2020(store, tmp_path)
    assert "\n" not in str(told.value)


TAMPERINGS = {
    "a changed observation": "UPDATE observation SET mean = mean + 1 WHERE trial = 2",
    "a changed event": (
        "UPDATE event SET payload = replace(payload, '\"mean\":', '\"mean\":1') "
        "WHERE kind = 'observed' AND seq = (SELECT max(seq) FROM event WHERE kind = 'observed')"
    ),
    "a deleted trial": "DELETE FROM trial WHERE number = 3",
    "a reordered journal": "UPDATE event SET seq = CASE seq WHEN 6 THEN 7 WHEN 7 THEN 6 END "
    "WHERE seq IN (6, 7)",
    "a changed campaign": "UPDATE campaign SET text = replace(text, 'seed = 11', 'seed = 12')",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "campaign.db"
    with Store.open(f"sqlite:///{path}") as store:
        run(store, hill("gp_ucb", budget="trials = 6"))
    return path


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_tampered_store_is_found(recorded, tmp_path, tampering):
    path = tmp_path / "tampered.db"
    shutil.copy(recorded, path)
    tamper(path, tampering)
    with Store.open(f"sqlite:///{path}") as store:
        assert not verify(store, "hill-1").ok


def tamper(path, tampering):
    statement = TAMPERINGS[tampering]
    connection = sqlite3.connect(path)
    if "CASE seq" in statement:  # the unique index forbids the swap in one go
        for old, new in ((6, -1), (7, 6), (-1, 7)):
            connection.execute("UPDATE event SET seq = ? WHERE seq = ?", (new, old))
    else:
        connection.execute(statement)
    assert connection.total_changes > 0
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("tampering", "where"),
    [
        ("a changed observation", "at observation, hill-1 "),
        ("a deleted trial", "at trial, hill-1 3: the row is missing"),
        ("a reordered journal", "at event, hill-1: event 6 does not follow"),
    ],
)
def test_the_first_divergence_is_shown(recorded, tmp_path, capsys, tampering, where):
    path = tmp_path / "tampered.db"
    shutil.copy(recorded, path)
    tamper(path, tampering)
    assert answer(["replay", "hill-1", "--verify", "--store", f"sqlite:///{path}"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("leyden: hill-1 diverges ")
    assert where in line


def test_a_journal_that_makes_no_sense_diverges(recorded, tmp_path):
    """The chain is sound, but an event is about a trial that was never proposed."""
    path = tmp_path / "odd.db"
    shutil.copy(recorded, path)
    with Store.open(f"sqlite:///{path}") as store:
        store.append("hill-1", [Passed(1.0, 99, 1, "", "next", 0.0)])
        first = verify(store, "hill-1").first_divergence
    assert first.kind == "passed"
    assert "nothing" in first.derived


def test_a_campaign_whose_row_is_gone(recorded, tmp_path, capsys):
    path = tmp_path / "gone.db"
    shutil.copy(recorded, path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE campaign SET id = 'hill-9'")
    connection.commit()
    connection.close()
    for command in (["replay", "hill-1", "--verify"], ["store", "check"]):
        assert answer([*command, "--store", f"sqlite:///{path}"]) == 1
    assert "campaign, hill-1: the row is missing" in capsys.readouterr().err


def test_a_truncated_tail_is_found_by_the_head(recorded, tmp_path):
    path = tmp_path / "cut.db"
    shutil.copy(recorded, path)
    with Store.open(f"sqlite:///{path}") as store:
        head = store.head("hill-1")[1]
        assert verify(store, "hill-1", head=head).ok
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)")
    connection.commit()
    connection.close()
    with Store.open(f"sqlite:///{path}") as store:
        store.rebuild("hill-1")  # a forger would do as much
        assert verify(store, "hill-1").ok
        verdict = verify(store, "hill-1", head=head)
    assert verdict.first_divergence.kind == "head"


def test_a_forged_proposal_is_found_though_the_chain_is_sound(tmp_path, monkeypatch):
    """Someone who recomputes the whole chain still cannot make the optimiser agree."""
    from dataclasses import replace

    from loop import derive

    honest = derive.search

    def forged(*args):
        body = honest(*args)
        other = {"a": 5, "b": 4}
        return replace(body, trials=(replace(body.trials[0], parameters=other), *body.trials[1:]))

    monkeypatch.setattr(derive, "search", forged)
    with Store.open("sqlite://") as store:
        campaign_id = run(store, hill("gp_ucb", channels=1, budget="trials = 4"))
        monkeypatch.undo()
        assert store.check() == []
        verdict = verify(store, campaign_id)
    assert verdict.first_divergence.kind == "proposed"
    assert "trial 1" in verdict.first_divergence.recorded
