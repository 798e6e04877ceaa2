"""A pair of SCPI commands: one that sets a value, one that asks for it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from instruments.base import Garbled
from instruments.setpoint_line import Raw

_PLACE = re.compile(r"\{value(?::([^{}]*))?\}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = frozenset("dxXbo")  # formats of whole numbers
NOT_A_NUMBER = 9.9e37  # SCPI-1999, section 7.2.1.5: 9.9E37 stands for infinity, 9.91E37 for NaN


@dataclass(frozen=True)
class Command:
    """`set` is sent with the value in place of {value}, or {value:.3f}; `query` asks for it.

    type:   number (also 1 and 0 for ON and OFF), or text
    suffix: a unit that the answer ends with
    reply:  what the device answers to `set`, where it answers at all
    """

    set: str = ""
    query: str = ""
    type: Literal["number", "text"] = "number"
    suffix: str = ""
    reply: str = ""

    def __post_init__(self) -> None:
        if not self.set and not self.query:
            raise ValueError("set: is missing; set, query, or both are needed")
        rest = _PLACE.sub("", self.set, count=1)
        if "{" in rest or "}" in rest:
            raise ValueError(f"set: {self.set!r} is not allowed; one {{value}} or {{value:.3f}} is")
        if self.reply and not self.set:
            raise ValueError("reply: is given without set")
        place = _PLACE.search(self.set)
        if place is not None and self.type == "number":
            self._spelt(1.0)
        elif place is not None and place[1]:
            raise ValueError(f"set: {self.set!r} is not allowed; a text has no number format")

    @property
    def readable(self) -> bool:
        return bool(self.query)

    @property
    def writable(self) -> bool:
        return bool(self.set)

    @property
    def whole_bits(self) -> int:
        return 0

    @property
    def textual(self) -> bool:
        return self.type == "text"

    def takes(self, value: float) -> bool:
        return math.isfinite(value)

    def overlaps(self, other: Any) -> bool:
        return False

    def same_place(self, other: Command) -> bool:
        return _PLACE.sub("", self.set) == _PLACE.sub("", other.set)

    def spelt(self, value: Raw) -> str:
        """The command that sets the value."""
        return self._spelt(value)

    def _spelt(self, value: Raw) -> str:
        place = _PLACE.search(self.set)
        if place is None:
            return self.set
        form = place[1] or ("" if self.textual or isinstance(value, str) else ".9g")
        if form[-1:] in _WHOLE and not isinstance(value, str):
            value = round(value)
        try:
            text = format(value, form)
        except ValueError as error:
            raise ValueError(
                f"set: {form!r} is not allowed; a number format such as .3f is"
            ) from error
        return self.set[: place.start()] + text + self.set[place.end() :]

    def parsed(self, answer: str) -> Raw:
        """The value in an answer. Raises Garbled."""
        text = answer.strip()
        if self.textual:
            return text.strip('"')
        if self.suffix:
            if not text.endswith(self.suffix):
                raise Garbled(f"{self.query} answered {text!r}, which does not end with its unit")
            text = text.removesuffix(self.suffix).strip()
        switched = {"ON": 1.0, "OFF": 0.0}.get(text.upper())
        if switched is not None:
            return switched
        if not _NUMBER.fullmatch(text):
            raise Garbled(f"{self.query} answered {text!r}, which is no number")
        value = float(text)
        if abs(value) >= NOT_A_NUMBER:
            raise Garbled(f"{self.query} answered {text}, which stands for no number")
        return value
