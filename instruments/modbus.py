"""Any device with a register map over Modbus TCP: an oven, a chamber, a pump, a PLC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Self

from campaigns.options import build
from campaigns.records import NOTHING
from instruments.base import Clock
from instruments.modbus_line import ModbusConnection, modbus_line
from instruments.modbus_register import Register
from instruments.setpoint import SetpointInstrument
from instruments.setpoint_binding import read_map
from instruments.setpoint_options import content, one_channel


@dataclass(frozen=True)
class ModbusOptions:
    """Options of `[instrument] kind = "modbus"`; host, port and unit_id go before the map's."""

    file: str
    channels: int = 1
    host: str | None = None
    port: int | None = None
    unit_id: int | None = None

    def __post_init__(self) -> None:
        one_channel(self.channels)


class ModbusInstrument(SetpointInstrument[Register]):
    """Drives a device by its register map; see docs/modbus.md for the map."""

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: file, key, what is wrong, what is allowed."""
        chosen = build(ModbusOptions, options, "instrument.options")
        if find_spec("pymodbus") is None:
            raise ValueError("modbus needs the package pymodbus: pip install 'leyden[modbus]'")
        plan = read_map(chosen.file, content(chosen.file, files), Register, ModbusConnection)
        there = plan.connection
        connection = replace(
            there,
            host=chosen.host or there.host,
            port=there.port if chosen.port is None else chosen.port,
            unit_id=there.unit_id if chosen.unit_id is None else chosen.unit_id,
        )
        connect = partial(modbus_line, connection, plan.timing.timeout_s)
        return cls("modbus", plan, connect, clock)
