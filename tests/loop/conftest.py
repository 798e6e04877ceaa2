"""What several files of the loop's tests stand on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from instruments import registry
from loop import attendance, launch
from tests.loop.press import HandClock, Press, World


@pytest.fixture
def world(monkeypatch):
    """A press to run campaigns on, whose time is moved by hand."""
    HandClock.time = datetime(2026, 1, 1, tzinfo=UTC)
    Press.world = World()
    monkeypatch.setattr(launch, "RealClock", HandClock)
    monkeypatch.setattr(registry, "target", lambda kind: Press)
    monkeypatch.setattr(attendance, "LOOK_S", 600.0)  # of the press's time, which costs nothing
    return Press.world
