"""Any device that speaks SCPI: a supply, a source-measure unit, a thermometer, a chamber."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Self

from campaigns.options import build
from campaigns.records import NOTHING
from instruments.base import Clock
from instruments.scpi_command import Command
from instruments.scpi_line import ScpiConnection, scpi_line
from instruments.setpoint import SetpointInstrument
from instruments.setpoint_binding import read_map
from instruments.setpoint_options import content, one_channel


@dataclass(frozen=True)
class ScpiOptions:
    """Options of `[instrument] kind = "scpi"`; resource and backend go before the map's."""

    file: str
    channels: int = 1
    resource: str | None = None
    backend: str | None = None

    def __post_init__(self) -> None:
        one_channel(self.channels)


class ScpiInstrument(SetpointInstrument[Command]):
    """Drives a device by its command table; see docs/scpi.md for the map."""

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: file, key, what is wrong, what is allowed."""
        chosen = build(ScpiOptions, options, "instrument.options")
        if find_spec("pyvisa") is None:
            raise ValueError("scpi needs the package pyvisa: pip install 'leyden[scpi]'")
        plan = read_map(chosen.file, content(chosen.file, files), Command, ScpiConnection)
        there = plan.connection
        connection = replace(
            there,
            resource=chosen.resource or there.resource,
            backend=chosen.backend or there.backend,
        )
        connect = partial(scpi_line, connection, plan.timing.timeout_s)
        return cls("scpi", plan, connect, clock)
