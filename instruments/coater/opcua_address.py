"""Finding and reading nodes of an OPC UA server: many in one request, by path or by id."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import Client, ua

from instruments.base import Garbled

AT_ONCE = 100  # nodes in one request: what small controllers allow
_NODE_ID = re.compile(r"^(ns=\d+;)?[isgb]=")
_OTHER_NAMESPACE = re.compile(r"^(\d+):(.+)$")


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as the server gave it; None where its status is not good."""

    value: Any
    good: bool
    at: datetime | None = None

    def text(self) -> str:
        """The value as text. Raises Garbled where it is none."""
        if not self.good or self.value is None:
            return ""
        value = self.value.Text if isinstance(self.value, ua.LocalizedText) else self.value
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Garbled(f"{value!r} stands where a text should be")
        return value

    def number(self) -> float | None:
        """The value as a number. Raises Garbled where it is none."""
        if not self.good or self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise Garbled(f"{self.value!r} stands where a number should be")
        return float(self.value)

    def moment(self) -> datetime | None:
        """The value as a moment in UTC; None for the null date. Raises Garbled for others."""
        if not self.good or self.value is None:
            return None
        if not isinstance(self.value, datetime):
            raise Garbled(f"{self.value!r} stands where a date should be")
        return None if self.value.year <= 1601 else aware(self.value)


def aware(moment: datetime) -> datetime:
    """OPC UA dates are UTC, whether they say so or not."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Addresses:
    """Translates what a node map calls a node into node ids, within one connection."""

    def __init__(self, client: Client, namespaces: Sequence[str], namespace: str) -> None:
        self._client = client
        self._namespaces = namespaces
        self._default = self._index(namespace) if namespace else 0

    @classmethod
    async def of(cls, client: Client, namespace: str) -> Addresses:
        """Raises Garbled where the server has no such namespace."""
        return cls(client, await client.get_namespace_array(), namespace)

    def _index(self, uri: str) -> int:
        if uri not in self._namespaces:
            raise Garbled(f"the server has no namespace {uri!r}; it has {list(self._namespaces)}")
        return self._namespaces.index(uri)

    async def find(self, start: ua.NodeId, paths: Iterable[str]) -> Mapping[str, ua.NodeId | None]:
        """Path or node id as written -> node id; None where the server has no such node."""
        wanted = list(dict.fromkeys(path for path in paths if path))
        found: dict[str, ua.NodeId | None] = {}
        for path in wanted:
            if _NODE_ID.match(path) or path.startswith("nsu="):
                found[path] = self._node_id(path)
        walked = [path for path in wanted if path not in found]
        targets = await self.walk([(start, path) for path in walked])
        return found | dict(zip(walked, targets, strict=True))

    async def demand(self, start: ua.NodeId, paths: Iterable[str]) -> dict[str, ua.NodeId]:
        """Like `find`. Raises Garbled naming what the server does not have."""
        found = await self.find(start, paths)
        missing = [path for path, node in found.items() if node is None]
        if missing:
            raise Garbled(f"the server has no node {', '.join(missing)} (below {start})")
        return {path: node for path, node in found.items() if node is not None}

    async def walk(self, steps: Sequence[tuple[ua.NodeId, str]]) -> list[ua.NodeId | None]:
        """The node at the end of each (start, path); None where there is none."""
        targets: list[ua.NodeId | None] = []
        for first in range(0, len(steps), AT_ONCE):
            asked = [self._path(start, path) for start, path in steps[first : first + AT_ONCE]]
            results = await self._client.uaclient.translate_browsepaths_to_nodeids(asked)
            if len(results) != len(asked):
                raise Garbled("the server translated another number of paths than it was asked")
            for result in results:
                there = result.StatusCode.is_good() and result.Targets
                targets.append(result.Targets[0].TargetId if there else None)
        return targets

    def _node_id(self, text: str) -> ua.NodeId:
        if text.startswith("nsu="):
            uri, _, rest = text[4:].rpartition(";")
            text = f"ns={self._index(uri)};{rest}"
        return ua.NodeId.from_string(text)

    def _path(self, start: ua.NodeId, path: str) -> ua.BrowsePath:
        relative = ua.RelativePath()
        for name in path.strip("/").split("/"):
            element = ua.RelativePathElement()
            element.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
            element.IsInverse = False
            element.IncludeSubtypes = True
            other = _OTHER_NAMESPACE.match(name)
            number, plain = (int(other[1]), other[2]) if other else (self._default, name)
            element.TargetName = ua.QualifiedName(plain, number)
            relative.Elements.append(element)
        whole = ua.BrowsePath()
        whole.StartingNode = start
        whole.RelativePath = relative
        return whole


def quieten() -> None:
    """Keep what asyncua logs off the terminal: the adapter tells lost connections to the engine.

    Whoever sets up logging still gets it.
    """
    logger = logging.getLogger("asyncua")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


async def read(client: Client, nodes: Sequence[ua.NodeId]) -> list[Reading]:
    """The values of nodes, in as few requests as the server allows."""
    readings: list[Reading] = []
    for first in range(0, len(nodes), AT_ONCE):
        asked = list(nodes[first : first + AT_ONCE])
        values = await client.uaclient.read_attributes(asked, ua.AttributeIds.Value)
        if len(values) != len(asked):
            raise Garbled("the server read another number of values than it was asked")
        for one in values:
            good = one.StatusCode is None or one.StatusCode.is_good()
            value = one.Value.Value if good and one.Value is not None else None
            at = None if one.ServerTimestamp is None else aware(one.ServerTimestamp)
            readings.append(Reading(value, good, at))
    return readings
