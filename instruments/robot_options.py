"""Options of the robot, as a campaign file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from campaigns.records import NOTHING
from instruments.robot_card import CardFile


@dataclass(frozen=True, slots=True)
class BoardAddress:
    """A board for use without an engine: `target` ("package.module:function") opens `url`."""

    target: str
    url: str


@dataclass(frozen=True, slots=True)
class RobotOptions:
    """Options of `[instrument] kind = "robot"`.

    name:          what the tokens of its robots are bound to
    like:          its card is that of this kind of instrument, opened with `like_options`,
    card:          or stands in a TOML file
    lease_s:       a robot that has not been heard of for so long is silent
    lost_after_s:  silent for so long, its job is lost until a person rules
    on_lease_loss: what the robot does when it is cut off: hold, continue or stop
    repeatable:    whether a job whose robot is silent may be given to another one
    poll_s:        between two looks at the board
    retry_s:       before a board that was full or locked is asked again
    patience_s:    how long one look may take
    board:         where jobs are posted without an engine, which else says it
    """

    name: str
    channels: int
    like: str = ""
    like_options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    card: CardFile | None = None
    lease_s: float = 60.0
    lost_after_s: float = 900.0
    on_lease_loss: Literal["hold", "continue", "stop"] = "hold"
    repeatable: bool = False
    poll_s: float = 2.0
    retry_s: float = 30.0
    patience_s: float = 60.0
    board: BoardAddress | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name: is empty; the name that tokens are bound to is needed")
        if bool(self.like) == (self.card is not None):
            raise ValueError("like, card: exactly one of the two is needed")
        for name in ("lease_s", "poll_s", "retry_s", "patience_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: {getattr(self, name):g} is not allowed; above 0 is")
        if self.lost_after_s <= self.lease_s:
            raise ValueError(
                f"lost_after_s: {self.lost_after_s:g} is not allowed; above lease_s "
                f"({self.lease_s:g}) is"
            )
        if self.channels < 1:
            raise ValueError(f"channels: {self.channels} is not allowed; 1 or more is")
