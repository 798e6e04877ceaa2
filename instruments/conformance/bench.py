"""How an adapter is put to the test: its options, good and bad settings, and a device to hurt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from campaigns.records import NOTHING, Setting


class NotTested(Exception):
    """What a check needs is not there: it is reported, never passed."""


class Device:
    """The device, or its simulator on loopback, that an adapter under test talks to.

    A bench overrides the hooks it can offer; the checks that need another one are reported as not
    tested. `options` and `files` are laid over the bench's when the adapter is opened (an address,
    a folder). A hook returns once it has taken effect.
    """

    options: Mapping[str, Any] = NOTHING
    files: Mapping[str, bytes] = NOTHING

    # the way to the device -------------------------------------------------------------------

    def cut(self) -> None:
        """Cut the connection: new and open ones fail. The device itself goes on."""
        _missing("cut")

    def hang(self) -> None:
        """Let the device accept connections and requests but never answer."""
        _missing("hang")

    def garble(self) -> None:
        """Let every answer be nonsense: wrong types, NaN, half a message, another protocol."""
        _missing("garble")

    def double(self) -> None:
        """Deliver every request to the device twice, as a retransmission does."""
        _missing("double")

    def delay(self, seconds: float) -> None:
        """Deliver every request that much later; nothing is lost."""
        _missing("delay")

    def restore(self) -> None:
        """End whatever cut, hang, garble, double and delay did; harmless when nothing was."""

    # the device itself -----------------------------------------------------------------------

    def kill(self) -> None:
        """End the device's process with SIGKILL (or pull its plug)."""
        _missing("kill")

    def restart(self) -> None:
        """Start the killed device again, at the same address, with the memory it then has."""
        _missing("restart")

    def forget(self) -> None:
        """Let the device lose every job, as a replaced disk does; it answers again on return."""
        _missing("forget")

    # what really happened, told past the adapter -----------------------------------------------

    def starts(self, key: str) -> int:
        """How often the device has physically begun the job of this key."""
        return _missing("starts")

    def is_running(self, key: str) -> bool:
        """Whether the device is physically at work on the job of this key now (held: False)."""
        return _missing("is_running")


def _missing(hook: str) -> NoReturn:
    raise NotTested(f"the bench's device has no hook {hook}()")


@dataclass(frozen=True)
class Bench:
    """What the suite needs to know of an adapter beside its class.

    options, files: what it is opened with (`channels` among the options; 2 are enough)
    settings:  two or more different settings that it accepts, in its own units. With real time a
               job should last one to three seconds, longer than the device takes to stop: choose
               the time scale of the simulator so
    unsuitable: settings that it must refuse beside those that follow from its card (a combination
               that the device cannot do)
    device:    makes a context manager that starts a device on loopback and stops it at the end.
               None: the adapter needs none, or `options` already name one that is there
    longest_s: real seconds after which a job that is not over, or a device that was restored and
               does not answer, counts as a failure
    needs:     package of an optional extra, without which the adapter cannot be opened
    """

    options: Mapping[str, Any]
    settings: Sequence[Setting]
    files: Mapping[str, bytes] = field(default_factory=lambda: NOTHING)
    unsuitable: Sequence[Setting] = ()
    device: Callable[[], AbstractContextManager[Device]] | None = None
    longest_s: float = 30.0
    needs: str = ""

    def __post_init__(self) -> None:
        if len(self.settings) < 2:
            raise ValueError("settings: two or more different ones are needed")
        if any(dict(self.settings[0]) == dict(other) for other in self.settings[1:]):
            raise ValueError("settings: the first one is given twice; they must differ")
        if not self.longest_s > 0:
            raise ValueError(f"longest_s: {self.longest_s!r} is not allowed; above 0 is")
