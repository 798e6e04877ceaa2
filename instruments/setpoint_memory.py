"""What a device keeps of its job: whose it is, since when, and whether it has begun."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic

from instruments.base import Garbled, Job
from instruments.setpoint_line import Line, P
from instruments.setpoint_map import Memory

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PACKED = re.compile(r"([0-9a-f]{8})([0-9a-f]{8})-([0-9a-z]+)-([0-9a-z]+)-([0-9a-z]+)-([0-9a-z]*)")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def mark(key: str) -> int:
    """The 32 bits that stand for a job's key on a device; never 0, which means no job."""
    return _digest(key) or 1


def payload(job: Job) -> int:
    """The 32 bits that stand for all that a job asks for."""
    asked = {name: job.parameters[name] for name in sorted(job.parameters)}
    return _digest(json.dumps([asked, list(job.seed), job.sample]))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True)
class Slot:
    """The memory as it stands; times are milliseconds since 1970, 0 = not yet.

    written: when this job took the memory, or when the empty memory was first seen
    before:  the device's run counter when the job took the memory; run: as it is now
    payload: None where the device has no room for it
    """

    mark: int = 0
    payload: int | None = 0
    written: int = 0
    started: int = 0
    settled: int = 0
    before: int | None = None
    run: int | None = None

    def holds(self, key: str) -> bool:
        return self.mark == mark(key)

    def differs(self, job: Job) -> bool:
        """True where the device can tell that the same key came with another payload."""
        return self.payload is not None and self.payload != payload(job)

    def reaches(self, since: datetime | None) -> bool:
        """Whether every job sent since then would be seen here, had it arrived."""
        return self.written > 0 and since is not None and moment(self.written) < since

    @property
    def begun(self) -> bool | None:
        """Whether the job in the memory has begun; None where the device cannot tell."""
        if self.started > 0:
            return True
        if self.before is None or self.run is None or self.run - self.before not in (0, 1):
            return None
        return self.run != self.before

    def packed(self) -> str:
        """All of it as one text of at most 60 characters."""
        times = "-".join(_base36(one) for one in (self.written, self.started, self.settled))
        before = "" if self.before is None else _base36(self.before)
        return f"{self.mark:08x}{self.payload or 0:08x}-{times}-{before}"


def milliseconds(now: datetime) -> int:
    """Rounded up, so that a memory never seems older than it is."""
    return -((_EPOCH - now) // timedelta(milliseconds=1))


def moment(time_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=time_ms)


class SlotKeeper(Generic[P]):
    """Reads and writes the memory over one open line."""

    def __init__(self, memory: Memory[P], line: Line[P]) -> None:
        self._memory = memory
        self._line = line

    def read(self) -> Slot:
        """Raises Garbled where a field holds what no adapter has written."""
        place = self._memory
        run = self._whole(place.run)
        if place.text is not None:
            return _unpacked(str(self._line.read(place.text)), run)
        held = self._whole(place.key) or 0
        wide = place.key is not None and (place.key.textual or place.key.whole_bits >= 64)
        return Slot(
            mark=held >> 32 if wide else held,
            payload=held & 0xFFFFFFFF if wide else None,
            written=self._whole(place.written) or 0,
            started=self._whole(place.started) or 0,
            settled=self._whole(place.settled) or 0,
            before=self._whole(place.before),
            run=run,
        )

    def write(self, slot: Slot) -> None:
        """The key is written last: a memory that was written in part belongs to nobody new."""
        place = self._memory
        if place.text is not None:
            self._line.write(place.text, slot.packed())
            return
        self._put(place.started, slot.started)
        self._put(place.settled, slot.settled)
        self._put(place.before, slot.before or 0)
        self._put(place.written, slot.written)
        if place.key is not None:
            wide = place.key.textual or place.key.whole_bits >= 64
            self._put(place.key, slot.mark << 32 | (slot.payload or 0) if wide else slot.mark)

    def note(self, slot: Slot, field: str) -> None:
        """Write one field, `started` or `settled`, of a job that has the memory already."""
        if self._memory.text is not None:
            self.write(slot)
        else:
            self._put(getattr(self._memory, field), getattr(slot, field))

    def _put(self, point: P | None, value: int) -> None:
        if point is not None:
            self._line.write(point, f"{value:x}" if point.textual else value)

    def _whole(self, point: P | None) -> int | None:
        if point is None:
            return None
        value = self._line.read(point)
        if isinstance(value, str):
            return _parsed(value, 16) if value.strip('" ') else 0
        if value != int(value) or value < 0:
            raise Garbled(f"the device's memory holds {value!r}, which is no whole number")
        return int(value)


def _unpacked(text: str, run: int | None) -> Slot:
    """Anything but a packed slot is a text of somebody else: an empty memory."""
    found = _PACKED.fullmatch(text.strip().strip('"').casefold())
    if found is None:
        return Slot(run=run)
    written, started, settled = (_parsed(found[i], 36) for i in (3, 4, 5))
    before = _parsed(found[6], 36) if found[6] else None
    return Slot(int(found[1], 16), int(found[2], 16), written, started, settled, before, run)


def _parsed(text: str, base: int) -> int:
    try:
        return int(text.strip('" '), base)
    except ValueError as error:
        raise Garbled(f"the device's memory holds {text!r}, which is no whole number") from error


def _base36(value: int) -> str:
    digits = ""
    while True:
        value, digit = divmod(value, 36)
        digits = _DIGITS[digit] + digits
        if value == 0:
            return digits
