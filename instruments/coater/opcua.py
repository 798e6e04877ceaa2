"""The coater behind an OPC UA server: jobs by their key, answers read from the device alone."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting, Value
from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
    Job,
    JobState,
    Problem,
    Progress,
    Receipt,
    Refused,
    Result,
    Status,
    Unreachable,
)
from instruments.coater.opcua_map import NodeMap, Standing, arguments, check_endpoint, read_map
from instruments.guard import outside

if TYPE_CHECKING:
    from instruments.coater.opcua_device import Device, Panel
    from instruments.coater.opcua_line import Line
    from instruments.coater.opcua_map import Range
    from instruments.coater.opcua_records import Record

T = TypeVar("T")

KIND = "coater.opcua"
CLEARING_S = 1.0  # for a machine to leave Aborted
LOOKS = 3  # at a job that has a record, no outcome, and is not in the machine

_CLEARED = (Standing.READY, Standing.RUNNING, Standing.HELD)


@dataclass(frozen=True)
class OpcUaOptions:
    """Options of ``[instrument] kind = "coater.opcua"``; None: as the node map says.

    file:      the node map (docs/opcua.md); "" is that of `leyden robot simulate coater --opcua`
    endpoint:  the server, instead of the map's
    channels:  1; a coater makes one electrode at a time
    timeout_s: within which every call comes back
    poll_s:    between two looks at a running job
    retry_s:   before a busy or silent coater is asked again
    """

    file: str = ""
    endpoint: str = ""
    channels: int = 1
    timeout_s: float = 5.0
    poll_s: float | None = None
    retry_s: float = 5.0

    def __post_init__(self) -> None:
        if self.channels != 1:
            raise ValueError(
                f"channels: {self.channels} is not allowed; a coater makes one electrode at a "
                "time: 1 is"
            )
        for name, most in (("timeout_s", 60.0), ("poll_s", 3600.0), ("retry_s", 3600.0)):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 < value <= most):
                raise ValueError(f"{name}: {value!r} is not allowed; above 0 to {most:g} is")


class OpcUaCoater:
    """One coater. Everything about a job comes from the device's memory, by the job's key.

    Two connections, each with a thread of its own: one for all questions and the heartbeat, one for
    aborts alone, so that nothing can stand in the way of an abort.
    """

    simulated: ClassVar[bool] = False

    def __init__(self, node_map: NodeMap, options: OpcUaOptions, clock: Clock) -> None:
        self._map = node_map
        self._options = options
        self._clock = clock
        self._endpoint = options.endpoint or node_map.endpoint
        self._poll = timedelta(seconds=options.poll_s or node_map.poll_s)
        self._opened_at = clock.now()
        self._receipts: dict[str, tuple[Job, Receipt]] = {}  # answered in this process
        self._unanswered: dict[str, datetime] = {}  # sent, and since when nobody knows
        self._met: dict[str, datetime] = {}  # keys that the device has or had, and since when
        self._over_at: dict[str, datetime] = {}
        self._work: Line[Device] = self._line(heartbeat=True)
        self._stop: Line[Device] = self._line(heartbeat=False)

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Nothing is asked of the device yet. Raises ValueError: option, what is wrong."""
        chosen = build(OpcUaOptions, options, "instrument.options")
        node_map = read_map(chosen.file, files)
        try:
            check_endpoint(chosen.endpoint or node_map.endpoint, node_map.security)
        except ValueError as error:
            raise ValueError(f"instrument.options.{error}") from error
        if find_spec("asyncua") is None:
            raise ValueError(f"{KIND} needs the package asyncua: pip install 'leyden[opcua]'")
        return cls(node_map, chosen, clock)

    def describe(self) -> Card:
        metrics = {name: metric.unit for name, metric in self._map.metrics.items()}
        return Card(
            kind=KIND,
            settings=self._map.cards(),
            metrics=metrics,
            channels=1,
            series=False,
            repeatable=False,
            abortable=True,
            simulated=False,
            lease_s=self._map.lease_s,
            on_lease_loss="continue" if self._map.lease_s is None else "hold",
            needs_approval=self._map.needs_approval,
            retry_s=self._options.retry_s,
            patience_s=4.0 * self._options.timeout_s + 2.0,
        )

    def check(self, job: Job) -> list[Problem]:
        """Beyond the card, or a combination that the node map refuses."""
        problems = outside(self.describe(), job.parameters)
        return problems or self._map.unsuitable(job.parameters)

    # handing over ----------------------------------------------------------------------------

    def submit(self, job: Job) -> Receipt:
        """Start the job unless the device has it. Raises Refused, Busy or Unreachable.

        Sent once and never again without the device's word that it did not arrive.
        """
        if job.key in self._receipts:
            return self._same(job)
        problems = self.check(job)
        if problems:
            raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
        sent_at = self._unanswered.get(job.key)
        if sent_at is not None and self.find(job.key, sent_at) is Found.UNKNOWN:
            raise Unreachable(f"{job.key} was sent, and the device cannot tell what became of it")
        # converted here: the first conversion of a process takes longer than a connection may wait
        sent = arguments(self._map, self._work.ask(_ranges), job.parameters)
        run_id = self._work.ask(lambda device: self._prepare(device, job, sent))
        if not run_id:
            run_id = self._work.ask(lambda device: self._start(device, job, sent), once=True)
        self._unanswered.pop(job.key, None)
        self._met.setdefault(job.key, self._clock.now())
        self._receipts[job.key] = (job, Receipt(job.key, run_id))
        return self._receipts[job.key][1]

    def _same(self, job: Job) -> Receipt:
        """The receipt again. Raises Refused for another payload under the same key."""
        before, receipt = self._receipts[job.key]
        if _payload(before) != _payload(job):
            raise Refused(f"{job.key} was submitted with other settings")
        return receipt

    async def _prepare(self, device: Device, job: Job, sent: Mapping[str, Value]) -> str:
        """The run id that the device has for the job already; "" where it takes it now."""
        panel = await device.panel()
        record = await device.book.find(job.key)
        if record is not None:
            _demand_same(record, sent, self._seed(job), job.key)
            return record.run_id
        await self._demand_ready(device, panel)
        return ""

    async def _start(self, device: Device, job: Job, sent: Mapping[str, Value]) -> str:
        """Send the job; from here on it may be on its way until the device answers."""
        self._unanswered[job.key] = self._clock.now()
        try:
            return await device.start(sent, job.seed, job.key, job.sample)
        except (Refused, Busy):
            del self._unanswered[job.key]
            raise

    async def _demand_ready(self, device: Device, panel: Panel) -> None:
        """Raises Busy where the machine takes no job now."""
        tripped = await device.tripped()
        if tripped:
            raise Busy(f"interlock not given: {', '.join(tripped)}")
        if panel.standing is Standing.ABORTED and self._map.clear_aborted:
            await device.clear()
            panel = await device.settled(CLEARING_S, lambda now: now.standing in _CLEARED)
        if panel.standing is not Standing.READY:
            note = f": {panel.note}" if panel.note and panel.note != panel.word else ""
            raise Busy(f"the coater is {panel.word}{note}")

    def _seed(self, job: Job) -> dict[str, Value]:
        """What goes along with the settings on a simulator."""
        name = self._map.seed_property
        return {name: ",".join(str(part) for part in job.seed)} if name else {}

    # following -------------------------------------------------------------------------------

    def poll(self, key: str) -> Progress:
        """How far the job is. Raises Unreachable, KeyError for a key that it never had."""
        sight = self._look(key)
        if sight is None:
            return self._gone(key)
        panel, record = sight
        state, hours = _state(panel, record), self._hours(panel, record, key)
        if state is JobState.RUNNING:
            note = panel.note if panel.job_id == key else ""
            ask_at = self._clock.now() + self._poll
            return Progress(state, 0, ask_at, hours, None, record.run_id, note)
        over = self._local(record.stopped, panel) or self._clock.now()
        over = self._over_at.setdefault(key, over)  # told once, though the two clocks drift
        return Progress(state, 0, None, hours, over, record.run_id, record.reason)

    def fetch(self, key: str, since: int = 0) -> Result:
        """The measurement of a finished job; a coater has nothing to tell before."""

        async def question(device: Device) -> Result | None:
            sight = await _sight(device, key)
            if sight is None:
                return None
            panel, record = sight
            state = _state(panel, record)
            if state is JobState.FINISHED:
                return Result(state, await device.book.scalars(record))
            if state is JobState.FAILED:
                failure = record.failure or FailureKind.CHANNEL_FAULT
                return Result(state, failure=failure, reason=record.reason)
            return Result(state, reason=record.reason)

        result = self._work.ask(question)
        return Result(self._gone(key).state) if result is None else result

    def abort(self, key: str, reason: str) -> Status:
        """Abort the job if it is in the machine; safe is what the device itself says."""
        seconds = 0.6 * self._options.timeout_s

        async def question(device: Device) -> tuple[Panel, Record | None]:
            panel = await device.panel()
            if panel.holds(key):
                await device.abort()
                panel = await device.settled(seconds, lambda now: not now.holds(key))
            return panel, await device.book.find(key)

        panel, record = self._stop.ask(question)
        if panel.holds(key):
            return Status(JobState.RUNNING, safe=False)
        if record is None:
            return Status(self._gone(key).state, safe=False)
        state = _state(panel, record)
        return Status(state, safe=state not in (JobState.RUNNING, JobState.LOST))

    def find(self, key: str, since: datetime | None = None) -> Found:
        """Whether the device has the job. Raises Unreachable also while it is too early to tell."""
        sent_at = max(self._opened_at, self._unanswered.get(key, self._opened_at))
        asked_at = self._clock.now()
        sight, panel = self._work.ask(lambda device: _sight_and_panel(device, key))
        if sight is not None:
            state = _state(*sight)
            self._met.setdefault(key, since or asked_at)
            if state is JobState.LOST:
                return Found.UNKNOWN
            return Found.RUNNING if state is JobState.RUNNING else Found.FINISHED
        if key in self._receipts:
            return Found.UNKNOWN  # it had the job and has lost it
        if asked_at < sent_at + timedelta(seconds=self._map.delivery_s):
            raise Unreachable("too early to tell: the job may still be under way to the device")
        since = since or self._unanswered.get(key) or self._met.get(key)
        if since is not None and not self._reaches_back(panel, since):
            self._met.setdefault(key, since)
            return Found.UNKNOWN
        self._unanswered.pop(key, None)
        return Found.NEVER

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """None: a machine is measured, not known."""
        return None

    def close(self) -> None:
        """Close both connections; what runs goes on as its lease allows."""
        self._work.close()
        self._stop.close()

    # reading ---------------------------------------------------------------------------------

    def _look(self, key: str) -> tuple[Panel, Record] | None:
        return self._work.ask(lambda device: _sight(device, key))

    def _gone(self, key: str) -> Progress:
        """A job of which the device knows nothing. Raises KeyError where it never had it."""
        if key not in self._met and key not in self._unanswered:
            raise KeyError(key)
        now = self._clock.now()
        hours = (now - self._met.get(key, now)) / timedelta(hours=1)
        note = "the device has lost its memory of this job"
        return Progress(JobState.LOST, 0, None, hours, now, "", note)

    def _reaches_back(self, panel: Panel, since: datetime) -> bool:
        """Whether the device's memory is older than that moment, told by its own clock."""
        if panel.memory_since is None or panel.now is None:
            return False
        return self._clock.now() - (panel.now - panel.memory_since) <= since

    def _hours(self, panel: Panel, record: Record, key: str) -> float:
        """How long the machine has been held, by its own clock where it tells the time."""
        until = record.stopped or panel.now
        if record.started is not None and until is not None:
            return max(0.0, (until - record.started) / timedelta(hours=1))
        now = self._clock.now()
        return (now - self._met.get(key, now)) / timedelta(hours=1)

    def _local(self, moment: datetime | None, panel: Panel) -> datetime | None:
        """A moment of the device's clock on ours."""
        if moment is None or panel.now is None:
            return None
        return min(self._clock.now(), moment + (self._clock.now() - panel.now))

    def _line(self, *, heartbeat: bool) -> Line[Device]:
        return _line(self._map, self._endpoint, self._options.timeout_s, heartbeat)


def _line(node_map: NodeMap, endpoint: str, timeout_s: float, heartbeat: bool) -> Line[Device]:
    """A line that connects when it is first asked something."""
    from instruments.coater.opcua_device import FAILURES, Device
    from instruments.coater.opcua_line import Line

    def connect() -> Awaitable[Device]:
        return Device.connect(node_map, endpoint, timeout_s, heartbeat=heartbeat)

    return Line(endpoint, connect, FAILURES, timeout_s)


async def _ranges(device: Device) -> Mapping[str, Range]:
    return device.ranges


async def _sight(device: Device, key: str) -> tuple[Panel, Record] | None:
    """Panel and record of a job, looked at again while they do not fit together."""
    return (await _sight_and_panel(device, key))[0]


async def _sight_and_panel(device: Device, key: str) -> tuple[tuple[Panel, Record] | None, Panel]:
    """The panel is read first: a job that ends in between has its outcome in the record."""
    looks = 0
    while True:
        panel = await device.panel()
        record = await device.book.find(key)
        looks += 1
        if record is None:
            return None, panel
        if looks == LOOKS or _state(panel, record) is not JobState.LOST:
            return (panel, record), panel


def _state(panel: Panel, record: Record) -> JobState:
    """What became of a job; LOST where the record has no outcome and the machine not the job."""
    if record.state is not None:
        return record.state
    here = panel.working and panel.run_id in ("", record.run_id)
    return JobState.RUNNING if here else JobState.LOST


def _payload(job: Job) -> tuple[dict[str, Value], tuple[int, int, int], str]:
    return dict(job.parameters), job.seed, job.sample


def _demand_same(
    record: Record, sent: Mapping[str, Value], seed: Mapping[str, Value], key: str
) -> None:
    """Raises Refused where the device has run something else under this key."""
    if record.properties is not None and dict(record.properties) != {**sent, **seed}:
        raise Refused(f"{key} was submitted to the device with other settings")
