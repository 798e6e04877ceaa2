"""Campaigns on the OPC UA coater: as on the simulated one, and with everything going wrong."""

from __future__ import annotations

import os

import pytest

from benchmarks.robot_faults_opcua import campaign, table
from loop.cli import answer
from loop.launch import create, engine, read
from loop.store.store import Store
from tests.instruments.opcua_rig import Server, free_port


def proposals(path, **overrides):
    """The settings of a campaign that is run to its end, and what was measured."""
    with Store.open(f"sqlite:///{path}") as store:
        campaign_id = create(store, read("electrode-coating", overrides))
        with engine(store, campaign_id) as runner:
            runner.run()
            trials = runner.state.history.trials
            return [(t.parameters, t.state, _means(t)) for _, t in sorted(trials.items())]


def _means(trial):
    return {metric: (one.mean, one.sem) for metric, one in trial.outcomes.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "trials"), [("random", 6), ("bo", 16)])
def test_the_same_campaign_gives_the_same_trials_simulated_and_over_opc_ua(
    tmp_path, optimizer, trials
):
    same = {"seed": 5, "budget.trials": trials, "optimizer.kind": optimizer}
    simulated = proposals(tmp_path / "simulated.db", **same)
    server = Server(tmp_path, speed=20_000.0)
    server.start()
    try:
        over_the_wire = proposals(
            tmp_path / "opcua.db",
            **same,
            **{
                "instrument.kind": "coater.opcua",
                "instrument.options.endpoint": server.endpoint,
                "instrument.options.poll_s": 0.1,
            },
        )
    finally:
        server.kill()
    assert over_the_wire == simulated
    assert len(simulated) == trials


@pytest.mark.slow
def test_under_fire_every_job_runs_at_most_once_and_none_is_lost_unsaid(tmp_path):
    findings = campaign(8, 20, seed=4, folder=tmp_path)
    assert findings.ok, table(findings)
    assert findings.injected.total() >= 15
    assert findings.started >= 8


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["coater"], "--opcua"),
        (["press", "--opcua"], "press"),
        (["coater", "--opcua", "--endpoint", "opc.tcp://0.0.0.0:4840/"], "--certificate"),
        (["coater", "--opcua", "--user", "leyden"], "--password-file"),
        (["coater", "--opcua", "--option", "colour=1"], "colour"),
        (["coater", "--opcua", "--speed", "0"], "--speed"),
        (["coater", "--opcua", "--lease", "0"], "--lease"),
    ],
)
def test_what_cannot_be_served_is_bad_input(capsys, arguments, told):
    assert answer(["robot", "simulate", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken_is_a_failure(tmp_path, capsys):
    import socket

    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        url = f"opc.tcp://127.0.0.1:{port}/leyden/coater/"
        assert answer(["robot", "simulate", "coater", "--opcua", "--endpoint", url]) == 1
    assert str(port) in capsys.readouterr().err


def test_the_server_says_how_to_attach_and_ends_when_asked(tmp_path):
    server = Server(tmp_path)
    server.start()
    os.kill(server.pid, 15)
    assert server._process.wait(20) == 0
    assert server._process.stdout.read() == ""
    server.kill()
