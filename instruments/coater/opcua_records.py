"""The device's memory: the record of every program run, found by the supervisory job id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncua import Client, ua

from campaigns.records import FailureKind
from instruments.base import Garbled, JobState, Scalar
from instruments.coater.opcua_address import Addresses, Reading, read
from instruments.coater.opcua_map import NodeMap

_HIERARCHICAL = ua.NodeId(ua.ObjectIds.HierarchicalReferences)


@dataclass(frozen=True, slots=True)
class Record:
    """What the device remembers of one job; `state` is None while no outcome is written."""

    node: ua.NodeId
    run_id: str
    state: JobState | None
    failure: FailureKind | None
    reason: str
    started: datetime | None
    stopped: datetime | None
    properties: Mapping[str, Any] | None


class RecordBook:
    """The result set of a program manager, as one connection knows it."""

    def __init__(
        self, client: Client, addresses: Addresses, node_map: NodeMap, folder: ua.NodeId
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._map = node_map
        self._folder = folder
        self._by_key: dict[str, ua.NodeId] = {}
        self._known: set[ua.NodeId] = set()
        self._parts: dict[ua.NodeId, Sequence[ua.NodeId | None]] = {}

    async def find(self, key: str) -> Record | None:
        """The record of a job; None where the device has none."""
        if key not in self._by_key:
            await self._look_through()
        if key not in self._by_key:
            return None
        return await self._record(self._by_key[key])

    async def _look_through(self) -> None:
        """Read the job ids of the records that are new since the last look."""
        folder = self._client.get_node(self._folder)
        children = await folder.get_referenced_nodes(
            _HIERARCHICAL, ua.BrowseDirection.Forward, ua.NodeClass.Object
        )
        new = [child.nodeid for child in children if child.nodeid not in self._known]
        ids = await self._addresses.walk([(node, self._map.records.job_id) for node in new])
        readable = [(node, part) for node, part in zip(new, ids, strict=True) if part is not None]
        readings = await read(self._client, [part for _, part in readable])
        for (node, _), reading in zip(readable, readings, strict=True):
            key = reading.text()
            if key:  # one that bears no id yet is looked at again
                self._known.add(node)
                self._by_key[key] = node

    async def _record(self, node: ua.NodeId) -> Record:
        records = self._map.records
        paths = (
            records.run_id, records.outcome, records.failure, records.reason, records.started,
            records.stopped, records.properties,
        )  # fmt: skip
        run, outcome, failure, reason, started, stopped, properties = await self._read(node, paths)
        return Record(
            node=node,
            run_id=run.text(),
            state=self._state(outcome.text()),
            failure=self._failure(failure.text()),
            reason=reason.text(),
            started=started.moment(),
            stopped=stopped.moment(),
            properties=_pairs(properties.value),
        )

    async def _read(self, node: ua.NodeId, paths: Sequence[str]) -> list[Reading]:
        """The values at those paths of a record; a path that is not there reads as bad."""
        if node not in self._parts:
            targets = await self._addresses.walk([(node, path) for path in paths if path])
            walked = iter(targets)
            self._parts[node] = [next(walked) if path else None for path in paths]
        parts = self._parts[node]
        if all(part is None for part in parts):  # the device has forgotten it meanwhile
            raise Garbled("the record of a job is gone while it was being read")
        readings = iter(await read(self._client, [part for part in parts if part is not None]))
        return [Reading(None, good=False) if p is None else next(readings) for p in parts]

    async def scalars(self, record: Record) -> dict[str, Scalar]:
        """The metrics that the device has measured, in its own units or those of the map."""
        metrics = self._map.metrics
        paths = [(one.node, f"{one.node}/0:EngineeringUnits", one.sd) for one in metrics.values()]
        steps = [(record.node, path) for three in paths for path in three if path]
        targets = dict(zip((path for _, path in steps), await self._walk(steps), strict=True))
        there = {path: node for path, node in targets.items() if node is not None}
        values = await read(self._client, list(there.values()))
        told = dict(zip(there, values, strict=True))
        found: dict[str, Scalar] = {}
        for (name, metric), (value_path, unit_path, sd_path) in zip(
            metrics.items(), paths, strict=True
        ):
            value = told[value_path].number() if value_path in told else None
            if value is None:
                continue
            unit = _unit(told.get(unit_path)) or metric.unit
            sd = told[sd_path].number() if sd_path in told else None
            found[name] = Scalar(value, unit, sd)
        return found

    async def _walk(self, steps: Sequence[tuple[ua.NodeId, str]]) -> list[ua.NodeId | None]:
        return await self._addresses.walk(steps)

    def _state(self, outcome: str) -> JobState | None:
        if not outcome:
            return None
        if outcome not in self._map.outcomes:
            raise Garbled(f"a job ended in a way that the node map does not know: {outcome!r}")
        return self._map.outcomes[outcome]

    def _failure(self, code: str) -> FailureKind | None:
        return self._map.failures.get(code, FailureKind.CHANNEL_FAULT) if code else None


def _unit(reading: Reading | None) -> str:
    value = None if reading is None else reading.value
    return (value.DisplayName.Text or "") if isinstance(value, ua.EUInformation) else ""


def _pairs(value: Any) -> dict[str, Any] | None:
    """KeyValuePair[] or `name=value` texts as a mapping; None where the record keeps none."""
    if not isinstance(value, list):
        return None
    pairs: dict[str, Any] = {}
    for one in value:
        if isinstance(one, ua.KeyValuePair):
            pairs[str(one.Key.Name)] = one.Value.Value
        elif isinstance(one, str) and "=" in one:
            name, _, text = one.partition("=")
            pairs[name] = text
    return pairs
