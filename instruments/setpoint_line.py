"""What a set-point adapter asks of its transport: points of a device, and an open line to it."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeVar

Raw: TypeAlias = float | int | str  # what a point holds, in the device's own unit


class Point(Protocol):
    """One place of a device that can be written, read, or both: a register, or a command pair.

    readable, writable: what the point can do
    whole_bits: the widest whole number that it keeps exactly; 0 where it keeps none
    textual:    it holds a text
    """

    @property
    def readable(self) -> bool: ...
    @property
    def writable(self) -> bool: ...
    @property
    def whole_bits(self) -> int: ...
    @property
    def textual(self) -> bool: ...

    def takes(self, value: float) -> bool:
        """Whether the number, in the device's unit, can be written to this point."""

    def overlaps(self, other: Any) -> bool:
        """True where writing one changes the other, though the two are not the same place."""

    def same_place(self, other: Any) -> bool:
        """True where writing one writes the other."""


P = TypeVar("P", bound=Point)
P_contra = TypeVar("P_contra", bound=Point, contravariant=True)


class Line(Protocol[P_contra]):
    """An open connection, used for one call of the contract and then closed.

    Both raise Refused where the device says no, Unreachable where it does not answer in time, and
    Garbled where the answer cannot be understood. Nothing is ever sent twice.
    """

    def read(self, point: P_contra) -> Raw: ...

    def write(self, point: P_contra, value: Raw) -> None: ...
