"""A person approves what runs: what is approved is one payload, and any change voids it."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import CampaignError, parse
from campaigns.records import TrialState
from loop import amend
from loop.approvals import needed, payload, within
from loop.cli import answer
from loop.engine import Waiting
from loop.events import Approved, Excluded, Submitting
from loop.launch import create
from loop.replay import verify
from loop.restoring import restore
from loop.store.errors import RulingWithdrawn
from loop.store.store import Store
from tests.loop.laboratory import coat_and_cycle, finish, hill
from tests.loop.press import TEXT


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def asking(policy, **budget):
    overrides = {"instrument.needs_approval": policy, "budget.trials": 6}
    return hill(overrides={**overrides, **budget})


def waits(store, campaign_id):
    with pytest.raises(Waiting):
        finish(store, campaign_id)
    return restore(store, campaign_id)


# the region that is known -----------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_mixtures_of_known_points_are_known(d, n, seed):
    rng = np.random.default_rng(seed)
    points = rng.random((n, d))
    assert within(points, rng.dirichlet(np.ones(n)) @ points)


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_a_point_beyond_a_plane_is_unknown(d, n, seed):
    rng = np.random.default_rng(seed)
    points = rng.random((n, d))
    normal = rng.standard_normal(d)
    normal /= np.linalg.norm(normal)
    top = points[np.argmax(points @ normal)]
    assert not within(points, top + 1e-3 * normal)


def test_when_a_person_is_asked(store):
    campaign = asking("never")
    history = restore(store, create(store, campaign)).history
    inside = {"a": 2, "b": 2}
    assert needed(campaign, ["never"], history, inside) == ""
    assert needed(campaign, ["never", "always"], history, inside) == "every job is approved"
    assert "completed yet" in needed(campaign, ["first"], history, inside)
    assert "nothing has been measured" in needed(
        campaign, ["outside-known-region"], history, inside
    )


def test_the_first_job_only(store):
    campaign_id = create(store, asking("first"))
    state = waits(store, campaign_id)
    assert sorted(state.awaiting) == [1]
    assert not state.attempts
    amend.approve(store, campaign_id, 1, "Ada")
    finish(store, campaign_id)
    state = restore(store, campaign_id)
    assert state.status == "finished"
    assert state.counts[TrialState.COMPLETED] == 6


def test_only_what_is_outside_the_known_region(store):
    campaign_id = create(store, asking("outside-known-region", **{"budget.trials": 12}))
    ran = 0
    for _ in range(30):
        try:
            finish(store, campaign_id)
            break
        except Waiting:
            for number in restore(store, campaign_id).awaiting:
                amend.approve(store, campaign_id, number, "Ada")
                ran += 1
    state = restore(store, campaign_id)
    assert state.counts[TrialState.COMPLETED] == 12
    assert 4 <= ran < 12
    assert verify(store, campaign_id).ok


# approving, modifying, rejecting ----------------------------------------------------------------


def test_nothing_runs_unapproved(store):
    campaign_id = create(store, asking("always"))
    state = waits(store, campaign_id)
    assert state.counts[TrialState.AWAITING_APPROVAL] == len(state.awaiting) > 0
    assert not [e for e in store.events(campaign_id) if e.kind == "submitting"]


def test_approved_trials_run_to_the_end(store):
    campaign_id = create(store, asking("always"))
    while restore(store, campaign_id).status != "finished":
        try:
            finish(store, campaign_id)
        except Waiting:
            for number in restore(store, campaign_id).awaiting:
                amend.approve(store, campaign_id, number, "Ada")
    state = restore(store, campaign_id)
    assert state.counts[TrialState.COMPLETED] == 6
    assert verify(store, campaign_id).ok
    assert store.check() == []
    approvals = [e.body for e in store.events(campaign_id) if e.kind == "approved"]
    assert {one.who for one in approvals} == {"Ada"}
    assert len({one.digest for one in approvals}) == len(
        {tuple(t.parameters.items()) for t in state.history.trials.values()}
    )


def test_the_optimiser_learns_from_what_was_run(store):
    campaign_id = create(store, asking("always"))
    state = waits(store, campaign_id)
    number = min(state.awaiting)
    before = state.history.trials[number].parameters
    changed = {"a": 3} if before["a"] != 3 else {"a": 2}
    said = amend.modify(store, campaign_id, number, changed, "Ada", "too thin", approve=True)
    assert said.line == f"trial {number}: a {before['a']} -> {changed['a']}; approved"
    for other in list(restore(store, campaign_id).awaiting):
        amend.reject(store, campaign_id, other, "Ada", "not today")
    with contextlib.suppress(Waiting):
        finish(store, campaign_id)
    trial = restore(store, campaign_id).history.trials[number]
    assert trial.state is TrialState.COMPLETED
    assert trial.parameters["a"] == changed["a"]
    assert trial.proposed == before
    a, b = trial.parameters["a"], trial.parameters["b"]
    assert trial.outcomes["value"].mean == pytest.approx(
        100 - (a - 3) ** 2 - 2 * (b - 2) ** 2, abs=10
    )
    assert verify(store, campaign_id).ok
    assert store.check() == []


def test_a_change_voids_the_approval(store):
    campaign_id = create(store, asking("always"))
    state = waits(store, campaign_id)
    number = min(state.awaiting)
    old = state.awaiting[number].digest
    amend.approve(store, campaign_id, number, "Ada")
    b = state.history.trials[number].parameters["b"]
    amend.modify(store, campaign_id, number, {"b": (b + 1) % 5}, "Bob")
    now = restore(store, campaign_id)
    assert number in now.awaiting
    assert number not in now.approved
    assert now.awaiting[number].digest != old
    with pytest.raises(CampaignError, match="it was changed since: look at it again"):
        amend.approve(store, campaign_id, number, "Ada", digest=old[:12])
    amend.approve(store, campaign_id, number, "Ada", digest=now.awaiting[number].digest[:12])


def test_a_payload_is_the_setting_and_the_instruments():
    campaign = asking("always")
    one = payload(campaign, {"a": 1, "b": 2})
    assert one == payload(campaign, {"b": 2, "a": 1})
    assert one != payload(campaign, {"a": 1, "b": 3})
    assert one != payload(
        hill(overrides={"instrument.options.missing": "nearest"}), {"a": 1, "b": 2}
    )


def test_a_rejected_setting_is_not_asked_for_again(store):
    campaign_id = create(store, asking("always", **{"budget.trials": 25}))
    rejected = set()
    for _ in range(5):
        state = waits(store, campaign_id)
        asked = {n: tuple(state.history.trials[n].parameters.items()) for n in state.awaiting}
        assert not rejected & set(asked.values())
        rejected |= set(asked.values())
        for number in asked:
            amend.reject(store, campaign_id, number, "Ada", "no solvent left")
    trial = restore(store, campaign_id).history.trials[1]
    assert trial.state is TrialState.REFUSED
    assert trial.failure.reason == "rejected by Ada: no solvent left"


def test_what_a_person_may_not_do(store):
    campaign_id = create(store, asking("always"))
    number = min(waits(store, campaign_id).awaiting)
    with pytest.raises(CampaignError, match=r"trial 99: there is no such trial"):
        amend.approve(store, campaign_id, 99, "Ada")
    with pytest.raises(CampaignError, match="--set c: is no parameter"):
        amend.modify(store, campaign_id, number, {"c": 1}, "Ada")
    with pytest.raises(CampaignError, match="a"):
        amend.modify(store, campaign_id, number, {"a": 77}, "Ada")
    amend.reject(store, campaign_id, number, "Ada", "no")
    with pytest.raises(CampaignError, match=f"trial {number}: is refused, not awaiting approval"):
        amend.approve(store, campaign_id, number, "Ada")
    with pytest.raises(CampaignError, match="is refused, not waiting to be run"):
        amend.modify(store, campaign_id, number, {"a": 1}, "Ada")


# with an engine at work -------------------------------------------------------------------------


def test_a_running_engine_obeys(world, tmp_path):
    """It waits for its person, who rules from elsewhere; then it goes on by itself."""
    url = f"sqlite:///{tmp_path / 'lab.db'}"
    asked = parse(TEXT.format(budget="trials = 2"), {}, {"instrument.needs_approval": "always"})
    with Store.open(url) as store:
        campaign_id = create(store, asked)
    ended = threading.Event()

    def work():
        with Store.open(url) as own:
            finish(own, campaign_id)
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    with Store.open(url) as store:
        deadline = time.monotonic() + 60
        while not ended.wait(0.05) and time.monotonic() < deadline:
            for number in restore(store, campaign_id).awaiting:
                amend.approve(store, campaign_id, number, "Ada")
        assert ended.is_set()
        with pytest.raises(CampaignError, match="is completed, not awaiting approval"):
            amend.approve(store, campaign_id, 1, "Ada")
        state = restore(store, campaign_id)
        assert state.status == "finished"
        assert state.counts[TrialState.COMPLETED] == 2
    assert set(world.starts.values()) == {1}


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    campaign = asking("always")
    (tmp_path / "hill.toml").write_text(campaign.text)
    (tmp_path / "hill.csv").write_bytes(campaign.files["hill.csv"])
    assert answer(["run", "hill.toml", "--json"]) == 130
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "waiting"
    assert answer(["trial", "waiting", "hill-1", "--json"]) == 0
    asked = json.loads(capsys.readouterr().out)["awaiting_approval"]
    numbers = [str(one["trial"]) for one in asked]
    assert answer(["trial", "modify", "hill-1", numbers[0], "--set", "a=1", "--set", "b=1"]) == 0
    assert "awaits approval" in capsys.readouterr().out
    assert answer(["trial", "waiting", "hill-1"]) == 0
    assert "proposed" in capsys.readouterr().out
    assert answer(["trial", "reject", "hill-1", numbers[-1], "--reason", "no"]) == 0
    assert answer(["trial", "approve", "hill-1", "--all"]) == 0
    assert answer(["trial", "approve", "hill-1"]) == 2
    assert answer(["trial", "resolve", "hill-1", "1", "--failed", "--adopt"]) == 2
    assert answer(["trial", "resolve", "hill-1", "1", "--failed"]) == 2
    assert answer(["resume", "hill-1"]) == 130
    assert "await approval" in capsys.readouterr().err


def test_the_page_tells_commands_that_work(tmp_path, monkeypatch):
    """Those on approval; the one on a lost trial needs hardware that loses one (test_lost.py)."""
    page = (Path(__file__).parents[2] / "docs" / "approvals.md").read_text("utf-8")
    (block,) = [b for b in re.findall(r"```console\n(.*?)```", page, re.S) if "hill" in b]
    monkeypatch.chdir(tmp_path)
    campaign = asking("never")
    (tmp_path / "hill.toml").write_text(campaign.text)
    (tmp_path / "hill.csv").write_bytes(campaign.files["hill.csv"])
    for line in block.splitlines():
        program, *arguments = shlex.split(line.removeprefix("$ "))
        assert program == "leyden"
        waits_again = arguments[0] in ("run", "resume")
        assert answer(arguments) == (130 if waits_again else 0), line


def test_what_ran_without_approval_is_found(store):
    """The audit holds every start against what persons had said by then."""
    campaign_id = create(store, asking("always"))
    number = min(waits(store, campaign_id).awaiting)
    store.append(campaign_id, [Submitting(0.0, number, 1, "k")])
    verdict = verify(store, campaign_id)
    assert not verdict.ok
    assert "an approval before it" in str(verdict.first_divergence)


def test_an_approval_of_something_else_is_found(store):
    campaign_id = create(store, asking("always"))
    number = min(waits(store, campaign_id).awaiting)
    store.append(campaign_id, [Approved(0.0, number, "0" * 64, "Eve", "")])
    assert not verify(store, campaign_id).ok


def test_a_ruling_is_taken_back_when_its_author_leaves(store, monkeypatch):
    """Nothing that nobody waits for is carried out later."""
    campaign_id = create(store, asking("always"))
    number = min(waits(store, campaign_id).awaiting)
    lease = store.acquire(campaign_id)

    def leave(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(amend.time, "sleep", leave)
    with pytest.raises(KeyboardInterrupt):
        amend.approve(store, campaign_id, number, "Ada")
    store.release(lease)
    assert store.open_rulings(campaign_id) == []
    assert number in restore(store, campaign_id).awaiting


def test_a_ruling_that_was_taken_back_is_not_carried_out(store):
    campaign_id = create(store, asking("always"))
    state = waits(store, campaign_id)
    filed = store.file_ruling(campaign_id, "{}")
    store.withdraw_ruling(filed)
    with pytest.raises(RulingWithdrawn):
        store.append(campaign_id, [Excluded(0.0, 1, True, "")], answered={filed: "done"})
    assert store.head(campaign_id)[0] == state.seq


def test_the_first_job_runs_alone(store):
    settings = [{"a": a, "b": 1} for a in range(3)]
    campaign_id = create(store, asking("first", **{"start.settings": settings}))
    waits(store, campaign_id)
    for number in list(restore(store, campaign_id).awaiting):
        amend.approve(store, campaign_id, number, "Ada")
    finish(store, campaign_id)
    kinds = [event.kind for event in store.events(campaign_id)]
    assert kinds[: kinds.index("ended")].count("submitting") == 1
    assert restore(store, campaign_id).status == "finished"


def test_a_person_may_write_units(store):
    """What a person types is converted to the campaign's unit; what cannot be is told."""
    campaign_id = create(store, coat_and_cycle({"steps.0.needs_approval": "always"}))
    number = min(waits(store, campaign_id).awaiting)
    amend.modify(store, campaign_id, number, {"gap_um": "0.25 mm"}, "Ada")
    trial = restore(store, campaign_id).history.trials[number]
    assert trial.parameters["gap_um"] == pytest.approx(250)
    with pytest.raises(CampaignError, match="a unit that converts to 'um' is needed"):
        amend.modify(store, campaign_id, number, {"gap_um": "3 kg"}, "Ada")
