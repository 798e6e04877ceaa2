"""The address space of the simulated coater: LADS names over the machine's states and records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.common.node import Node

from campaigns.records import Value
from instruments.base import SettingCard
from instruments.coater.server_machine import PROGRAM, Denial, Denied, Machine
from instruments.coater.server_memory import JobRecord
from instruments.coater.settings import SETTINGS

NAMESPACE = "urn:leyden:coater"
ANSWERS: Mapping[Denial, int] = {
    Denial.BUSY: ua.StatusCodes.BadResourceUnavailable,
    Denial.STATE: ua.StatusCodes.BadInvalidState,
    Denial.LIMITS: ua.StatusCodes.BadOutOfRange,
    Denial.ARGUMENT: ua.StatusCodes.BadInvalidArgument,
    Denial.CONFLICT: ua.StatusCodes.BadEntryExists,
}
NEVER = datetime(1601, 1, 1, tzinfo=UTC)  # the null date of OPC UA

Method = Callable[..., Awaitable[Any]]
_STRING, _DOUBLE = ua.VariantType.String, ua.VariantType.Double


class AddressSpace:
    """The nodes of one machine. `publish` writes what has changed since it was last called."""

    def __init__(self, machine: Machine, index: int, clock: Node) -> None:
        self._machine = machine
        self._clock = clock
        self._index = index
        self._variables: dict[str, Node] = {}
        self._written: dict[str, ua.Variant] = {}
        self._records: dict[str, JobRecord] = {}
        self._results: Node | None = None
        self._beat = 0

    @classmethod
    async def build(cls, server: Server, machine: Machine) -> AddressSpace:
        """Add all nodes to the server."""
        index = await server.register_namespace(NAMESPACE)
        clock = server.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime))
        space = cls(machine, index, clock)
        device = await space._object(server.nodes.objects, "Coater")
        units = await space._object(device, "FunctionalUnitSet")
        unit = await space._object(units, "CoatingLine")
        await space._add_state(unit)
        await space._add_functions(unit)
        await space._add_programs(unit)
        await space._add_supervision(unit)
        await space.publish()
        return space

    # building --------------------------------------------------------------------------------

    async def _add_state(self, unit: Node) -> None:
        state = await self._object(unit, "FunctionalUnitState")
        await self._variable(state, "CurrentState", _text(""))
        running = await self._object(state, "RunningStateMachine")
        await self._variable(running, "CurrentState", _text(""), "RunningState")
        await state.add_method(
            self._id("StartProgram"),
            self._name("StartProgram"),
            self._start,
            [
                _argument("ProgramTemplateId"),
                _argument("Properties", ua.ObjectIds.KeyValuePair, array=True),
                _argument("SupervisoryJobId"),
                _argument("SupervisoryTaskId"),
                _argument("Samples", array=True),
            ],
            [_argument("DeviceProgramRunId")],
        )
        machine = self._machine
        for name, act in (
            ("Stop", machine.stop),
            ("Abort", machine.abort),
            ("Clear", machine.clear),
            ("Hold", machine.hold),
            ("Unhold", machine.unhold),
        ):
            await state.add_method(self._id(name), self._name(name), self._method(act), [], [])

    async def _add_functions(self, unit: Node) -> None:
        functions = await self._object(unit, "FunctionSet")
        for card in SETTINGS:
            function = await self._object(functions, card.name)
            target = await self._variable(
                function, "TargetValue", ua.Variant(0.0, _DOUBLE), f"{card.name}.TargetValue"
            )
            await self._add_limits(target, card)

    async def _add_limits(self, node: Node, card: SettingCard) -> None:
        """EURange, InstrumentRange and EngineeringUnits of one setting."""
        if card.low is not None and card.high is not None:
            limits = ua.Range(Low=card.low, High=card.high)
            await self._standard(node, card.name, "EURange", limits)
            await self._standard(node, card.name, "InstrumentRange", limits)
        await self._standard(node, card.name, "EngineeringUnits", _unit(card.unit))

    async def _standard(self, node: Node, owner: str, name: str, value: Any) -> None:
        """A property that OPC UA itself names."""
        await node.add_property(self._id(f"{owner}.{name}"), ua.QualifiedName(name, 0), value)

    async def _add_programs(self, unit: Node) -> None:
        manager = await self._object(unit, "ProgramManager")
        active = await self._object(manager, "ActiveProgram")
        for name in ("CurrentProgramTemplate", "SupervisoryJobId", "DeviceProgramRunId"):
            await self._variable(active, name, ua.Variant("", _STRING))
        await self._variable(active, "CurrentStepName", _text(""))
        for name in ("CurrentRuntime", "EstimatedRuntime", "Progress"):
            await self._variable(active, name, ua.Variant(0.0, _DOUBLE))
        templates = await self._object(manager, "ProgramTemplateSet")
        await self._object(templates, PROGRAM)
        self._results = await self._object(manager, "ResultSet")

    async def _add_supervision(self, unit: Node) -> None:
        supervision = await self._object(unit, "Supervision")
        heartbeat = await self._variable(
            supervision, "Heartbeat", ua.Variant(0, ua.VariantType.UInt32)
        )
        await heartbeat.set_writable()
        lease = ua.Variant(self._machine.lease_s, _DOUBLE)
        await self._variable(supervision, "LeaseSeconds", lease)
        await self._variable(supervision, "MemorySince", _date(NEVER))
        await self._variable(supervision, "Message", ua.Variant("", _STRING))
        interlocks = await self._object(unit, "Interlocks")
        for name in ("CoverClosed", "EmergencyStopReleased"):
            await self._variable(interlocks, name, ua.Variant(True, ua.VariantType.Boolean))

    async def _object(self, parent: Node, name: str, id_: str = "") -> Node:
        return await parent.add_object(self._id(id_ or name), self._name(name))

    async def _variable(self, parent: Node, name: str, first: ua.Variant, id_: str = "") -> Node:
        node = await parent.add_variable(self._id(id_ or name), self._name(name), first)
        self._variables[id_ or name] = node
        return node

    def _id(self, text: str) -> ua.NodeId:
        return ua.NodeId(text, self._index)

    def _name(self, text: str) -> ua.QualifiedName:
        return ua.QualifiedName(text, self._index)

    # methods ---------------------------------------------------------------------------------

    async def _start(self, parent: ua.NodeId, *arguments: ua.Variant) -> Any:
        if len(arguments) != 5:
            return ua.StatusCode(ua.StatusCodes.BadArgumentsMissing)
        program, properties, job_id, task_id, samples = (one.Value for one in arguments)
        try:
            settings = _settings(properties)
        except ValueError:
            return ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
        names = tuple(str(sample) for sample in samples or ())
        run_id = self._do(
            lambda: self._machine.start(
                str(program or ""), settings, str(job_id or ""), str(task_id or ""), names
            )
        )
        await self.publish()
        return run_id if isinstance(run_id, ua.StatusCode) else [ua.Variant(run_id, _STRING)]

    def _method(self, act: Callable[[], None]) -> Method:
        async def method(parent: ua.NodeId) -> Any:
            answer = self._do(act)
            await self.publish()
            return answer if isinstance(answer, ua.StatusCode) else []

        return method

    def _do(self, act: Callable[[], Any]) -> Any:
        """What the machine answers, or the status code of its denial."""
        try:
            return act()
        except Denied as denial:
            self._machine.message = str(denial)
            return ua.StatusCode(ANSWERS[denial.why])

    # publishing ------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Take the heartbeat over where somebody has written it."""
        beat = await self._variables["Heartbeat"].read_value()
        if beat != self._beat:
            self._beat = beat
            self._machine.beat()

    async def publish(self) -> None:
        """Write what has changed: records first, so that an end is there before its state."""
        machine = self._machine
        # the package itself writes the time once a second only
        await self._clock.write_value(_date(datetime.now(UTC)))
        for job in list(machine.memory.jobs.values()):
            if self._records.get(job.run_id) is not job:
                await self._record(job)
        for run_id in [one for one, job in self._records.items() if job.job_id not in
                       machine.memory.jobs]:  # fmt: skip
            await self._forget(run_id)
        await self._publish_job(machine.current)
        await self._write("CurrentStepName", _text(machine.stage))
        milliseconds = ua.Variant(1000.0 * machine.done_s, _DOUBLE)
        await self._write("CurrentRuntime", milliseconds)
        await self._write("EstimatedRuntime", ua.Variant(1000.0 * machine.nominal_s, _DOUBLE))
        await self._write("Progress", ua.Variant(machine.progress, _DOUBLE))
        await self._write("Message", ua.Variant(machine.message, _STRING))
        await self._write("MemorySince", _date(machine.memory.since))
        interlocks = machine.interlocks
        await self._write("CoverClosed", _flag(interlocks.cover_closed))
        await self._write("EmergencyStopReleased", _flag(interlocks.emergency_stop_released))
        await self._write("RunningState", _text(machine.step))
        await self._write("CurrentState", _text(machine.phase))

    async def _publish_job(self, job: JobRecord | None) -> None:
        texts = ("", "", "") if job is None else (job.job_id, job.run_id, PROGRAM)
        names = ("SupervisoryJobId", "DeviceProgramRunId", "CurrentProgramTemplate")
        for name, text in zip(names, texts, strict=True):
            await self._write(name, ua.Variant(text, _STRING))

    async def _write(self, name: str, value: ua.Variant) -> None:
        if self._written.get(name) != value:
            self._written[name] = value
            await self._variables[name].write_value(value)

    async def _record(self, job: JobRecord) -> None:
        """Add a job's record, or what it has become."""
        first = job.run_id not in self._records
        self._records[job.run_id] = job
        assert self._results is not None
        if first:
            await self._add_record(self._results, job)
        place = f"result.{job.run_id}"
        if job.outcome:
            values = await self._object_below(place, "VariableSet")
            for name, (value, sd, unit) in job.metrics.items():
                id_ = f"{place}.{name}"
                node = await values.add_variable(
                    self._id(id_), self._name(name), ua.Variant(float(value), _DOUBLE)
                )
                await self._standard(node, id_, "EngineeringUnits", _unit(unit))
                if sd is not None:
                    await node.add_property(
                        self._id(f"{id_}.sd"), self._name("StandardUncertainty"), float(sd)
                    )
        stopped = _date(job.stopped or NEVER)
        for name, variant in (
            ("Stopped", stopped),
            ("FailureCode", ua.Variant(job.failure, _STRING)),
            ("Reason", ua.Variant(job.reason, _STRING)),
            ("Outcome", ua.Variant(job.outcome, _STRING)),
        ):
            await self._variables[f"{place}.{name}"].write_value(variant)

    async def _add_record(self, results: Node, job: JobRecord) -> None:
        place = f"result.{job.run_id}"
        node = await self._object(results, job.run_id, place)
        self._variables[place] = node
        values = await self._object(node, "VariableSet", f"{place}.VariableSet")
        self._variables[f"{place}.VariableSet"] = values
        samples = ua.Variant(list(job.samples), _STRING, is_array=True)
        for name, variant in (
            ("DeviceProgramRunId", ua.Variant(job.run_id, _STRING)),
            ("SupervisoryTaskId", ua.Variant(job.task_id, _STRING)),
            ("Samples", samples),
            ("Properties", _pairs(job.properties)),
            ("Started", _date(job.started)),
            ("Stopped", _date(NEVER)),
            ("Outcome", ua.Variant("", _STRING)),
            ("FailureCode", ua.Variant("", _STRING)),
            ("Reason", ua.Variant("", _STRING)),
            ("SupervisoryJobId", ua.Variant(job.job_id, _STRING)),
        ):
            await self._variable(node, name, variant, f"{place}.{name}")

    async def _object_below(self, place: str, name: str) -> Node:
        return self._variables[f"{place}.{name}"]

    async def _forget(self, run_id: str) -> None:
        place = f"result.{run_id}"
        await self._variables[place].delete(recursive=True)
        self._variables = {
            name: node
            for name, node in self._variables.items()
            if name != place and not name.startswith(f"{place}.")
        }
        del self._records[run_id]


def _settings(properties: Any) -> dict[str, Value]:
    """KeyValuePair[] or `name=value` texts as settings. Raises ValueError for anything else."""
    settings: dict[str, Value] = {}
    for one in properties or ():
        if isinstance(one, ua.KeyValuePair):
            name, value = str(one.Key.Name), one.Value.Value
        elif isinstance(one, str) and "=" in one:
            name, _, text = one.partition("=")
            value = text if "," in text else float(text)
        else:
            raise ValueError(f"{one!r} is no property")
        if not isinstance(value, str | int | float) or name in settings:
            raise ValueError(f"{name} is given twice or is no number")
        settings[name] = value
    return settings


def _pairs(properties: Mapping[str, Value]) -> ua.Variant:
    pairs = []
    for name, value in properties.items():
        pair = ua.KeyValuePair()
        pair.Key = ua.QualifiedName(name, 0)
        pair.Value = ua.Variant(value, _STRING if isinstance(value, str) else _DOUBLE)
        pairs.append(pair)
    return ua.Variant(pairs, ua.VariantType.ExtensionObject, is_array=True)


def _unit(unit: str) -> ua.EUInformation:
    information = ua.EUInformation()
    information.NamespaceUri = "http://www.opcfoundation.org/UA/units/un/cefact"
    information.UnitId = -1  # no common code is given: the name tells
    information.DisplayName = ua.LocalizedText(unit)
    information.Description = ua.LocalizedText(unit)
    return information


def _argument(name: str, kind: int = ua.ObjectIds.String, *, array: bool = False) -> ua.Argument:
    argument = ua.Argument()
    argument.Name = name
    argument.DataType = ua.NodeId(kind)
    argument.ValueRank = 1 if array else -1
    argument.ArrayDimensions = [0] if array else []
    return argument


def _text(text: str) -> ua.Variant:
    return ua.Variant(ua.LocalizedText(str(text)), ua.VariantType.LocalizedText)


def _flag(value: bool) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.Boolean)


def _date(moment: datetime) -> ua.Variant:
    return ua.Variant(moment, ua.VariantType.DateTime)
