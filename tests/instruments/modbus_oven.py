"""The oven as a Modbus TCP device: pymodbus' own simulator, with a process behind its registers.

Run as `modbus_oven.py PORT JOURNAL`.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from simulated_oven import Oven

# holding: 0-1 temperature degC (float32), 2 duration (0.1 s), 100-117 memory, 120 run counter
# input: 0 state, 1-2 moisture (float32), 3-4 temperature; coils: 0 start, 1 abort, 2 deaf, 3 alarm
KEY, RUN = 100, 120


class ModbusOven:
    """Registers of the oven; called before every access to them."""

    def __init__(self, journal: Path) -> None:
        self._oven = Oven(journal)
        self._holding: list[int] = [0] * 200

    async def action(self, code, start, address, count, registers, values):
        self._oven.tick()
        if code in (3, 6, 16):
            return self._hold(code, registers, address, values)
        if code == 4:
            registers[0] = self._oven.state
            registers[1:5] = _floats(self._oven.moisture_ppm, self._oven.temperature_c)
        if code == 2:
            registers[0] = (registers[0] & ~1) | self._oven.alarm
        if code == 5 and values:  # it is called once more to read the written bit
            self._switch(address, bool(values[0]))
        return None

    def _hold(self, code, registers, address, values):
        self._holding = registers
        registers[RUN] = self._oven.runs
        if code == 3 or address != 0:
            return None
        (temperature,) = struct.unpack(">f", struct.pack(">2H", *values))
        if temperature > 180.0:
            return ExcCodes.ILLEGAL_VALUE
        values[:] = _floats(min(temperature, 150.0))
        return None

    def _switch(self, coil, on):
        if coil == 0 and on:
            held = struct.pack(">3H", *self._holding[:3])
            self._oven.temperature_c, tenths = struct.unpack(">fH", held)
            self._oven.duration_s = tenths / 10.0
            self._oven.start(f"{self._holding[KEY]:04x}{self._holding[KEY + 1]:04x}")
        elif coil == 1 and on:
            self._oven.abort()
        elif coil == 2:
            self._oven.deaf = on
        elif coil == 3:
            self._oven.alarm = on


def _floats(*values):
    data = struct.pack(f">{len(values)}f", *values)
    return list(struct.unpack(f">{len(data) // 2}H", data))


async def serve(port, journal):
    blocks = (
        [SimData(0, count=16, values=False, datatype=DataType.BITS)],
        [SimData(0, count=16, values=False, datatype=DataType.BITS)],
        [SimData(0, count=200, values=0, datatype=DataType.REGISTERS)],
        [SimData(0, count=50, values=0, datatype=DataType.REGISTERS)],
    )
    device = SimDevice(1, simdata=blocks, action=ModbusOven(journal).action)
    await ModbusTcpServer(device, address=("127.0.0.1", port)).serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
