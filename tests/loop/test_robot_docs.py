"""The ten minutes of docs/robots.md, command by command, and its card of one's own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

from instruments.clock import RealClock
from instruments.robot import Robot
from loop.api.app import create_app
from loop.store.store import Store
from tests.loop.robots import ENVIRONMENT, ROOT

TEXT = (ROOT / "docs/robots.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_commands_work_as_they_stand(tmp_path: Path):
    """As one shell script; what was started in the background is ended at its end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    shim = tmp_path / "leyden"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m loop.cli "$@"\n')
    shim.chmod(0o755)
    script = "\n".join(blocks("sh")).replace("8765", port)
    script = script.replace("leyden serve &", f"leyden serve --port {port} &")
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "LEYDEN_STORE"}
    environment["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-e", "-c", script], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.wait(timeout=120) == 0, process.stderr.read()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    out, _ = process.communicate()
    assert "revoked" in out
    with Store.open(f"sqlite:///{tmp_path}/leyden.db", read_only=True) as store:
        (campaign,) = store.campaigns()
        assert (campaign.status, campaign.trials) == ("finished", 4)


def test_the_card_of_ones_own_is_one():
    card, section = blocks("toml")
    options = tomllib.loads(section)["instrument"]["options"]
    files = {"card.toml": card.encode()}
    told = Robot.open({**options, "channels": 2}, RealClock(), files).describe()
    assert [setting.name for setting in told.settings] == ["gap", "blade"]
    assert dict(told.metrics) == {"mass_loading": "mg/cm**2"}


def test_every_route_is_documented(tmp_path: Path):
    with Store.open(f"sqlite:///{tmp_path}/w.db") as store:
        described = create_app(store, store).openapi()["paths"]
    for path, methods in described.items():
        shown = path.replace("{work}", "{id}")
        for method in methods:
            told = f"{method.upper()} {shown}"
            assert told in TEXT or shown == "/v1/health", told
