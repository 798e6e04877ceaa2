"""Numbers in Modbus registers: where they stand, how they are coded, what fits."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from instruments.base import Garbled

Kind = Literal["holding", "input", "coil", "discrete"]
Coding = Literal[
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool"
]
Order = Literal["big", "little"]

_CODES = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip
_BITS = frozenset({"coil", "discrete"})
LAST_ADDRESS = 65535


@dataclass(frozen=True)
class Register:
    """One number on the device: value = raw * scale + offset, in the device's unit.

    address: of the first register (or bit), counted from 0
    bit:     of a word, counted from the lowest; such a bit can only be read
    """

    address: int
    kind: Kind = "holding"
    type: Coding | None = None
    scale: float = 1.0
    offset: float = 0.0
    bit: int | None = None

    def __post_init__(self) -> None:
        if self.kind in _BITS and self.type not in (None, "bool"):
            raise ValueError(f"type: {self.type} is not allowed; a {self.kind} holds a bool")
        if self.kind not in _BITS and self.type in (None, "bool") and self.bit is None:
            allowed = ", ".join(_CODES)
            raise ValueError(f"type: {self.type or 'none'} is not allowed; allowed: {allowed}")
        if self.bit is not None and (self.kind in _BITS or not 0 <= self.bit <= 15):
            raise ValueError(f"bit: {self.bit} is not allowed; 0 to 15 of a register are")
        if self.bit is not None and self.type not in (None, "bool"):
            raise ValueError(f"bit: is not allowed with type {self.type}; leave the type out")
        if self.scale == 0 or not math.isfinite(self.scale):
            raise ValueError(f"scale: {self.scale:g} is not allowed; a finite number but 0 is")
        if not 0 <= self.address <= LAST_ADDRESS + 1 - self.count:
            raise ValueError(f"address: {self.address} is not allowed; 0 to {LAST_ADDRESS} are")

    @property
    def count(self) -> int:
        """How many registers, or bits, it takes."""
        return struct.calcsize(_CODES[self.type]) // 2 if self.type in _CODES else 1

    @property
    def readable(self) -> bool:
        return True

    @property
    def writable(self) -> bool:
        return self.kind in ("holding", "coil") and self.bit is None

    @property
    def whole_bits(self) -> int:
        if self.type in (None, "bool", "float32", "float64"):
            return 0
        exact = self.scale == 1.0 and self.offset == 0.0
        return 16 * self.count - self.type.startswith("int") if exact else 0

    @property
    def textual(self) -> bool:
        return False

    def takes(self, value: float) -> bool:
        try:
            self.encode(value, "big", "big")
        except (struct.error, OverflowError, ValueError):
            return False
        return True

    def overlaps(self, other: Register) -> bool:
        if self.kind != other.kind or self.same_place(other):
            return False
        return self.address < other.address + other.count and (
            other.address < self.address + self.count
        )

    def same_place(self, other: Register) -> bool:
        mine = (self.kind, self.address, self.count)
        return mine == (other.kind, other.address, other.count)

    def encode(self, value: float, words: Order, octets: Order) -> list[int]:
        """Registers of a number. Raises struct.error, OverflowError or ValueError."""
        if self.type not in _CODES:
            if value not in (0, 1):
                raise ValueError(f"{value!r} is no bit")
            return [int(value)]
        raw = value if self.whole_bits else (value - self.offset) / self.scale
        code = _CODES[self.type]
        data = struct.pack(f">{code}", raw if code in "fd" else round(raw))
        return list(_ordered(struct.unpack(f">{self.count}H", data), words, octets))

    def decode(self, registers: Sequence[Any], words: Order, octets: Order) -> float | int:
        """The number in registers (or the bit). Raises Garbled for a wrong count."""
        if len(registers) < self.count:
            raise Garbled(f"{len(registers)} registers came back; {self.count} were asked for")
        if self.bit is not None:
            (word,) = _ordered(registers[:1], words, octets)
            return word >> self.bit & 1
        if self.type not in _CODES:
            return int(registers[0])
        ordered = _ordered(registers[: self.count], words, octets)
        raw: float | int = struct.unpack(
            f">{_CODES[self.type]}", struct.pack(f">{self.count}H", *ordered)
        )[0]
        return raw if self.whole_bits else raw * self.scale + self.offset


def _ordered(registers: Sequence[int], words: Order, octets: Order) -> Sequence[int]:
    """Most significant register and byte first, or back; doing it twice changes nothing."""
    if words == "little":
        registers = registers[::-1]
    if octets == "little":
        registers = [(one & 0xFF) << 8 | one >> 8 for one in registers]
    return registers
