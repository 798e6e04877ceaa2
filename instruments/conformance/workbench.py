"""The bench through all checks: one device for many checks, one rig for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from instruments.base import Clock, Instrument
from instruments.clock import RealClock, SimulatedClock
from instruments.conformance.bench import Bench, Device, NotTested
from instruments.conformance.opening import Opening, OptionsRefused
from instruments.conformance.rig import Rig
from instruments.conformance.verdict import CheckFailed, NotApplicable, Outcome, Verdict

Check = Callable[[Rig], None]


class Workbench:
    """Keeps the device between checks, and replaces one that a check has left in doubt."""

    def __init__(self, adapter: type[Instrument], bench: Bench) -> None:
        self.adapter = adapter
        self._bench = bench
        self._started = ExitStack()
        self._device: Device | None = None

    def refusal(self) -> str:
        """What the adapter, opened once, has against its options; "" where it accepts them."""
        try:
            with self._rig():
                return ""
        except OptionsRefused as refused:
            return str(refused.__cause__)
        except Exception:  # noqa: BLE001 - foreign code: the checks meet it again and tell
            self.close()
            return ""

    def verdict(self, check: Check) -> Verdict:
        """Run one check; whatever the adapter or its bench raises becomes a verdict."""
        outcome, reason = Outcome.PASSED, ""
        try:
            with self._rig() as rig:
                check(rig)
        except NotTested as told:
            outcome, reason = Outcome.NOT_TESTED, str(told)
        except NotApplicable as told:
            outcome, reason = Outcome.NOT_APPLICABLE, str(told)
        except CheckFailed as told:
            outcome, reason = Outcome.FAILED, str(told)
        except Exception as error:  # noqa: BLE001 - foreign code: what escapes it is its failure
            outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
        if outcome is Outcome.FAILED:
            self.close()
        return Verdict(named(check), outcome, " ".join(reason.split()), sentence(check))

    def close(self) -> None:
        """Stop the device; the next check starts another one."""
        self._device = None
        self._started.close()

    @contextmanager
    def _rig(self) -> Iterator[Rig]:
        device = self._ready()
        clock: Clock = SimulatedClock() if self.adapter.simulated else RealClock()
        rig = Rig(self._bench, device, clock, Opening.of(self.adapter, self._bench, device))
        try:
            yield rig
        finally:
            device.restore()
            if not rig.tidy():
                self.close()

    def _ready(self) -> Device:
        if self._device is None:
            made = self._bench.device
            self._device = Device() if made is None else self._started.enter_context(made())
        return self._device


def named(check: Check) -> str:
    """The name of a check, as it is printed."""
    return check.__name__


def sentence(check: Check) -> str:
    """What a check demands, and why: its docstring on one line."""
    return " ".join((check.__doc__ or "").split())
