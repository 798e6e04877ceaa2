"""Registers over Modbus TCP: one connection for one call, nothing sent twice."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instruments.base import Busy, Garbled, Refused, Unreachable
from instruments.modbus_register import Order, Register
from instruments.setpoint_line import Raw

if TYPE_CHECKING:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.pdu import ModbusPDU

# exception codes of the Modbus application protocol, version 1.1b3, section 7
_WORDS = {
    1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure",
    5: "acknowledged, not done yet", 6: "busy", 10: "gateway without a path", 11: "gateway timeout",
}  # fmt: skip
_NO = frozenset({1, 2, 3})
_BUSY = 6


@dataclass(frozen=True)
class ModbusConnection:
    """Table `connection` of a Modbus map."""

    host: str
    port: int = 502
    unit_id: int = 1
    word_order: Order = "big"
    byte_order: Order = "big"

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port: {self.port} is not allowed; 1 to 65535 are")
        if not 0 <= self.unit_id <= 255:
            raise ValueError(f"unit_id: {self.unit_id} is not allowed; 0 to 255 are")


@contextmanager
def modbus_line(
    connection: ModbusConnection, timeout_s: float, until: float
) -> Iterator[ModbusLine]:
    """An open line, good until a moment of time.monotonic(). Raises Unreachable."""
    from pymodbus.client import ModbusTcpClient

    # pymodbus repeats an unanswered request by itself: a start must not be repeated
    client: Any = ModbusTcpClient(  # its connect and close carry no types
        connection.host, port=connection.port, timeout=timeout_s, retries=0
    )
    try:
        if not client.connect():
            raise Unreachable(f"no connection to {connection.host}:{connection.port}")
        yield ModbusLine(client, connection, until)
    finally:
        client.close()


class ModbusLine:
    """Reads and writes registers of one unit."""

    def __init__(self, client: ModbusTcpClient, connection: ModbusConnection, until: float) -> None:
        self._client = client
        self._connection = connection
        self._until = until

    def read(self, point: Register) -> Raw:
        asks = {
            "holding": self._client.read_holding_registers,
            "input": self._client.read_input_registers,
            "coil": self._client.read_coils,
            "discrete": self._client.read_discrete_inputs,
        }
        self._in_time()
        with _answered(point):
            unit = self._connection.unit_id
            answer = asks[point.kind](point.address, count=point.count, device_id=unit)
        _no_exception(answer, point, "read")
        told = answer.bits if point.kind in ("coil", "discrete") else answer.registers
        return point.decode(told, self._connection.word_order, self._connection.byte_order)

    def write(self, point: Register, value: Raw) -> None:
        self._in_time()
        words, octets = self._connection.word_order, self._connection.byte_order
        try:
            registers = point.encode(_number(value), words, octets)
        except (struct.error, OverflowError, ValueError) as error:
            raise Refused(f"{value!r} does not fit into {_name(point)}") from error
        unit = self._connection.unit_id
        with _answered(point):
            if point.kind == "coil":
                answer = self._client.write_coil(point.address, bool(registers[0]), device_id=unit)
            elif point.count == 1:
                answer = self._client.write_register(point.address, registers[0], device_id=unit)
            else:
                answer = self._client.write_registers(point.address, registers, device_id=unit)
        _no_exception(answer, point, "write")

    def _in_time(self) -> None:
        if time.monotonic() > self._until:
            raise Unreachable("the device answers too slowly")


@contextmanager
def _answered(point: Register) -> Iterator[None]:
    """What pymodbus raises where no answer came, or none that can be read."""
    from pymodbus.exceptions import ModbusException

    try:
        yield
    except (ModbusException, OSError) as error:
        raise Unreachable(f"no answer for {_name(point)}: {error}") from error
    except (struct.error, ValueError, IndexError, TypeError, AttributeError) as error:
        raise Garbled(f"an unreadable answer for {_name(point)}: {error}") from error


def _no_exception(answer: ModbusPDU, point: Register, verb: str) -> None:
    if not answer.isError():
        return
    code = getattr(answer, "exception_code", 0)
    told = f"the device would not {verb} {_name(point)}: {_WORDS.get(code, f'exception {code}')}"
    if code == _BUSY:
        raise Busy(told)
    if code in _NO and verb == "write":
        raise Refused(told)
    raise Garbled(told)


def _number(value: Raw) -> float | int:
    return float(value) if isinstance(value, str) else value


def _name(point: Register) -> str:
    return f"{point.kind} {point.address}"
