"""What a person may rule in a campaign, as values that can be filed for whoever runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from campaigns.records import Value
from loop.events import Verdict


@dataclass(frozen=True, slots=True)
class Approve:
    """Let a trial run as it is; with `digest` only if that is still what would run."""

    trial: int
    who: str
    reason: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Modify:
    """Run another setting in a trial's place: `changes` by parameter, the others stay.

    What was approved before is void; with `approve` the new setting is approved at once.
    """

    trial: int
    who: str
    changes: Mapping[str, Value]
    reason: str = ""
    approve: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """Do not run a trial, nor ask for its setting again."""

    trial: int
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """What became of a lost trial; `results` are means in the campaign's units."""

    trial: int
    who: str
    verdict: Verdict
    reason: str = ""
    results: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Add:
    """A setting to be run, or one whose `results` are known already."""

    setting: Mapping[str, Value]
    results: Mapping[str, float] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Correct:
    """Another value for what was recorded."""

    trial: int
    metric: str
    value: float
    sem: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Exclude:
    """Out of the learning data, or with `excluded` false back in."""

    trial: int
    excluded: bool = True
    reason: str = ""


Ruling: TypeAlias = Approve | Modify | Reject | Resolve | Add | Correct | Exclude

KINDS: Mapping[str, type[Any]] = {
    cls.__name__.lower(): cls for cls in (Approve, Modify, Reject, Resolve, Add, Correct, Exclude)
}


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])


def encode(ruling: Ruling) -> str:
    """The ruling as JSON."""
    kind = type(ruling).__name__.lower()
    return json.dumps({"kind": kind, **_adapter(kind).dump_python(ruling, mode="json")})


def decode(text: str) -> Ruling:
    """The ruling that a JSON text holds. Raises ValueError where it holds none."""
    said = json.loads(text)
    kind = said.pop("kind", None) if isinstance(said, dict) else None
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no ruling that this release knows")
    ruling: Ruling = _adapter(kind).validate_python(said)
    return ruling
