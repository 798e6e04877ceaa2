"""A coater behind OPC UA as one connection sees it: its panel, its methods, its heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.crypto import security_policies

from campaigns.records import Value
from instruments.base import Busy, Garbled, Refused, Unreachable
from instruments.coater.opcua_address import Addresses, Reading, quieten, read
from instruments.coater.opcua_map import (
    Answer,
    Encoding,
    NodeMap,
    Range,
    SettingNode,
    Standing,
)
from instruments.coater.opcua_records import RecordBook

FAILURES: tuple[type[Exception], ...] = (ua.UaError, ConnectionError, OSError)
APPLICATION = "urn:leyden:engine"
SESSION_MS = 60_000  # after which a server forgets a client that has died
BEATS_A_LEASE = 4.0  # so that one lost beat, and a late one, do no harm
POLITE_S = 0.5  # to say goodbye
LOOKS_A_SECOND = 20.0  # while an abort is read back


@dataclass(frozen=True, slots=True)
class Panel:
    """What the device shows at one moment; `now` is its own clock, None where it tells none."""

    standing: Standing
    word: str
    job_id: str
    run_id: str
    note: str
    now: datetime | None
    memory_since: datetime | None

    @property
    def working(self) -> bool:
        """True while a job is in the machine."""
        return self.standing in (Standing.RUNNING, Standing.HELD, Standing.STOPPING)

    def holds(self, key: str) -> bool:
        """True while that job is in the machine."""
        return self.working and self.job_id == key


class Device:
    """One connection. All methods but `connect` raise asyncua's errors when it is lost."""

    def __init__(
        self,
        client: Client,
        node_map: NodeMap,
        nodes: Mapping[str, ua.NodeId],
        ranges: Mapping[str, Range],
        book: RecordBook,
    ) -> None:
        self._client = client
        self._map = node_map
        self._nodes = nodes
        self.ranges = ranges
        self.book = book
        self._heart: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls, node_map: NodeMap, endpoint: str, timeout_s: float, *, heartbeat: bool
    ) -> Device:
        """A new connection. Raises Garbled where the server does not fit the node map."""
        client = await _client(node_map, endpoint, timeout_s)
        there = False
        try:
            await client.connect()
            device = await cls._explore(client, node_map)
            there = True
        finally:
            if not there:
                await asyncio.shield(_let_go(client))
        if heartbeat and node_map.lease_s is not None:
            period_s = node_map.lease_s / BEATS_A_LEASE
            device._heart = asyncio.create_task(device._beat(period_s))
        return device

    @classmethod
    async def _explore(cls, client: Client, node_map: NodeMap) -> Device:
        addresses = await Addresses.of(client, node_map.namespace)
        objects = ua.NodeId(ua.ObjectIds.ObjectsFolder)
        root = (await addresses.demand(objects, [node_map.root]))[node_map.root]
        nodes, methods = node_map.nodes, node_map.methods
        paths = [
            nodes.state, nodes.substate, nodes.job_id, nodes.run_id, nodes.stage, nodes.progress,
            nodes.message, nodes.memory_since, nodes.heartbeat,
            methods.object, node_map.records.folder,
            *node_map.interlocks.values(),
            *(setting.node for setting in node_map.settings.values()),
        ]  # fmt: skip
        found = await addresses.demand(root, paths)
        names = [methods.start, methods.abort, methods.clear]
        found |= await addresses.demand(found[methods.object], names)
        ranges = await _ranges(client, addresses, node_map.settings, found)
        folder = found[node_map.records.folder]
        book = RecordBook(client, addresses, node_map, folder)
        return cls(client, node_map, found, ranges, book)

    async def leave(self) -> None:
        """Close the connection, as far as the server lets us."""
        if self._heart is not None:
            self._heart.cancel()
        await _let_go(self._client)

    # looking ---------------------------------------------------------------------------------

    async def panel(self) -> Panel:
        """What the device shows now. Raises Garbled for a state word that the map does not know."""
        nodes = self._map.nodes
        paths = [
            nodes.state, nodes.substate, nodes.job_id, nodes.run_id, nodes.stage, nodes.progress,
            nodes.message, nodes.memory_since,
        ]  # fmt: skip
        given = [path for path in paths if path]
        clock = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
        readings = await read(self._client, [clock, *(self._nodes[path] for path in given)])
        nothing = Reading(None, good=False)
        told = dict(zip(given, readings[1:], strict=True))
        state, substate, job, run, stage, progress, message, memory = (
            told.get(path, nothing) for path in paths
        )
        standing, word = self._standing(state.text(), substate.text())
        note = _note(standing, word, stage.text(), progress.number(), message.text())
        now, since = _now(readings[0]), memory.moment()
        return Panel(standing, word, job.text(), run.text(), note, now, since)

    def _standing(self, state: str, substate: str) -> tuple[Standing, str]:
        whole = f"{state}/{substate}"
        for word in (whole, state):
            if word in self._map.states:
                return self._map.states[word], whole if substate else state
        raise Garbled(f"the device is in a state that the node map does not know: {whole!r}")

    async def tripped(self) -> list[str]:
        """The interlocks that are not given; one that cannot be read counts as tripped."""
        interlocks = self._map.interlocks
        readings = await read(self._client, [self._nodes[path] for path in interlocks.values()])
        pairs = zip(interlocks, readings, strict=True)
        return [name for name, reading in pairs if not (reading.good and reading.value is True)]

    # acting ----------------------------------------------------------------------------------

    async def start(
        self, settings: Mapping[str, Value], seed: Sequence[int], key: str, sample: str
    ) -> str:
        """Call StartProgram; the device's run id. Raises Refused or Busy where the map says so."""
        properties = dict[str, Any](settings)
        if self._map.seed_property:
            properties[self._map.seed_property] = ",".join(str(part) for part in seed)
        arguments = [
            ua.Variant(self._map.program, ua.VariantType.String),
            self._encoded(properties),
            ua.Variant(key, ua.VariantType.String),
            ua.Variant(key, ua.VariantType.String),
            ua.Variant([sample] if sample else [], ua.VariantType.String, is_array=True),
        ]
        try:
            answer = await self._call(self._map.methods.start, arguments)
        except ua.UaStatusCodeError as error:
            raise await self._refusal(error) from error
        run_id = answer[0].Value if answer else None
        if not isinstance(run_id, str) or not run_id:
            raise Garbled(f"StartProgram answered {run_id!r} instead of a run id")
        return run_id

    def _encoded(self, properties: Mapping[str, Any]) -> ua.Variant:
        if self._map.methods.encoding is Encoding.TEXT:
            lines = [f"{name}={value}" for name, value in properties.items()]
            return ua.Variant(lines, ua.VariantType.String, is_array=True)
        pairs = []
        for name, value in properties.items():
            pair = ua.KeyValuePair()
            pair.Key = ua.QualifiedName(name, 0)
            kind = ua.VariantType.String if isinstance(value, str) else ua.VariantType.Double
            pair.Value = ua.Variant(value if isinstance(value, str) else float(value), kind)
            pairs.append(pair)
        return ua.Variant(pairs, ua.VariantType.ExtensionObject, is_array=True)

    async def _refusal(self, error: ua.UaStatusCodeError) -> Exception:
        """What a status code of StartProgram means, with what the device says of it."""
        name = ua.status_codes.get_name_and_doc(error.code)[0]
        meaning = self._map.answers.get(name)
        if meaning is None:
            return Unreachable(f"StartProgram answered {name}; whether it started is not known")
        said = ""
        with contextlib.suppress(*FAILURES, Garbled, TimeoutError):
            said = await self._message()
        text = f"the device answered {name}{': ' + said if said else ''}"
        return Busy(text) if meaning is Answer.BUSY else Refused(text)

    async def _message(self) -> str:
        path = self._map.nodes.message
        return (await read(self._client, [self._nodes[path]]))[0].text() if path else ""

    async def abort(self) -> None:
        """Call Abort; a device that says there is nothing to abort is right."""
        with contextlib.suppress(ua.uaerrors.BadInvalidState, ua.uaerrors.BadNothingToDo):
            await self._call(self._map.methods.abort, [])

    async def clear(self) -> None:
        """Call Clear after an abort."""
        with contextlib.suppress(ua.uaerrors.BadInvalidState, ua.uaerrors.BadNothingToDo):
            await self._call(self._map.methods.clear, [])

    async def settled(self, seconds: float, settled: Callable[[Panel], bool]) -> Panel:
        """The panel once it shows what is waited for, or when the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            panel = await self.panel()
            if settled(panel) or loop.time() >= until:
                return panel
            await asyncio.sleep(1.0 / LOOKS_A_SECOND)

    async def _call(self, method: str, arguments: list[ua.Variant]) -> list[ua.Variant]:
        request = ua.CallMethodRequest()
        request.ObjectId = self._nodes[self._map.methods.object]
        request.MethodId = self._nodes[method]
        request.InputArguments = arguments
        (result,) = await self._client.uaclient.call([request])
        result.StatusCode.check()
        return result.OutputArguments or []

    async def _beat(self, period_s: float) -> None:
        """Count the heartbeat up; silence is for the next question to notice."""
        node, count = self._client.get_node(self._nodes[self._map.nodes.heartbeat]), 0
        while True:
            count = (count + 1) % 2**32
            with contextlib.suppress(*FAILURES, TimeoutError):
                await node.write_value(ua.Variant(count, ua.VariantType.UInt32))
            await asyncio.sleep(period_s)


async def _client(node_map: NodeMap, endpoint: str, timeout_s: float) -> Client:
    """A client that is not yet connected. Raises Unreachable for a file that is not there."""
    quieten()
    client = Client(endpoint, timeout=timeout_s)
    client.session_timeout = SESSION_MS
    client.name = client.description = "leyden"
    client.application_uri = APPLICATION
    security = node_map.security
    try:
        if security.user:
            client.set_user(security.user)
            client.set_password(Path(security.password_file).read_text("utf-8").strip())
        if security.policy != "None":
            await client.set_security(
                getattr(security_policies, f"SecurityPolicy{security.policy}"),
                security.certificate,
                security.private_key,
                server_certificate=security.server_certificate or None,
            )
    except FileNotFoundError as error:
        raise Unreachable(f"{error.filename} is not there") from error
    return client


async def _let_go(client: Client) -> None:
    """Close a connection politely where the server answers, and at any rate for good: what was
    written and not sent must not arrive one day."""
    protocol = client.uaclient.protocol
    try:
        with contextlib.suppress(*FAILURES, TimeoutError):
            await asyncio.wait_for(client.disconnect(), POLITE_S)
    finally:
        client.disconnect_socket()
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()


async def _ranges(
    client: Client,
    addresses: Addresses,
    settings: Mapping[str, SettingNode],
    found: Mapping[str, ua.NodeId],
) -> dict[str, Range]:
    """EURange and EngineeringUnits of every setting that has a node."""
    ranges = {
        name: Range(None, None, setting.device_unit or setting.unit)
        for name, setting in settings.items()
    }
    told = [name for name, setting in settings.items() if setting.node]
    steps = [(found[settings[name].node], part) for name in told for part in _PARTS]
    targets = await addresses.walk(steps)
    owners = [(name, part) for name in told for part in _PARTS]
    there = [(owner, node) for owner, node in zip(owners, targets, strict=True) if node is not None]
    readings = await read(client, [node for _, node in there])
    for ((name, _), _), reading in zip(there, readings, strict=True):
        value = reading.value
        if isinstance(value, ua.Range) and value.Low < value.High:
            ranges[name] = replace(ranges[name], low=float(value.Low), high=float(value.High))
        if isinstance(value, ua.EUInformation) and not settings[name].device_unit:
            unit = value.DisplayName.Text
            ranges[name] = replace(ranges[name], unit=unit or settings[name].unit)
    return ranges


_PARTS = ("0:EURange", "0:EngineeringUnits")


def _now(clock: Reading) -> datetime | None:
    """The device's time: servers write it now and then, but stamp every answer."""
    moments = [moment for moment in (clock.moment(), clock.at) if moment is not None]
    return max(moments, default=None)


def _note(standing: Standing, word: str, stage: str, progress: float | None, message: str) -> str:
    """What a person should know: `held at the machine: cover open`, `coating, 43 %`."""
    if standing is Standing.HELD:
        return f"held at the machine{': ' + message if message else ''}"
    if standing is not Standing.RUNNING:
        return message or word
    share = "" if progress is None else f"{100 * progress:.0f} %"
    return ", ".join(part for part in (stage, share) if part)
