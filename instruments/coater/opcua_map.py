"""The node map: where on an OPC UA server a coater keeps what Leyden needs, read from TOML."""

from __future__ import annotations

import ipaddress
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from campaigns.expression import Expression, ExpressionError, Kind
from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting, Value
from instruments.base import JobState, Problem, Refused, SettingCard
from instruments.units import UnitError, converter

SIMULATOR = "simulator.toml"  # the shipped map: `leyden robot simulate coater --opcua`
APPROVALS = ("never", "first", "always", "outside-known-region")
POLICIES = ("None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")


class Standing(StrEnum):
    """What a state word of the device means to a campaign."""

    READY = "ready"  # takes a job
    RUNNING = "running"
    HELD = "held"  # a job is in the machine and waits
    STOPPING = "stopping"  # on its way to a safe state
    ABORTED = "aborted"  # safe; wants to be cleared before the next job
    OUT = "out"  # takes no job now: maintenance, set-up, clearing


class Answer(StrEnum):
    """What a status code of StartProgram means; all others mean that nobody knows."""

    BUSY = "busy"
    REFUSED = "refused"


class Encoding(StrEnum):
    """How StartProgram takes its settings."""

    PAIRS = "pairs"  # KeyValuePair[], values as Double or String
    TEXT = "text"  # String[], each "name=value"


@dataclass(frozen=True)
class Security:
    """How the connection is secured. Files are read when it is made and stored nowhere."""

    policy: str = "None"
    certificate: str = ""  # ours, .pem or .der
    private_key: str = ""
    server_certificate: str = ""  # "" trusts the one that the server shows first
    user: str = ""
    password_file: str = ""

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(f"policy: {self.policy!r} is not allowed; {', '.join(POLICIES)} are")
        if self.policy != "None" and not (self.certificate and self.private_key):
            raise ValueError(f"certificate: {self.policy} needs certificate and private_key")
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user: a user and a password_file are given together or not at all")


@dataclass(frozen=True)
class Nodes:
    """The variables of the functional unit; "" where the machine has none."""

    state: str
    substate: str = ""
    job_id: str = ""  # SupervisoryJobId of the program in the machine
    run_id: str = ""
    stage: str = ""
    progress: str = ""  # 0 to 1
    message: str = ""  # what a person should know
    memory_since: str = ""  # DateTime: the device knows every job since then
    heartbeat: str = ""  # UInt32 that the engine counts up


@dataclass(frozen=True)
class Methods:
    """The object that bears the methods, and their names."""

    object: str
    start: str = "StartProgram"
    abort: str = "Abort"
    clear: str = "Clear"
    encoding: Encoding = Encoding.PAIRS


@dataclass(frozen=True)
class Records:
    """Where the device keeps what it has run: a folder, and paths within each of its objects."""

    folder: str
    job_id: str = "SupervisoryJobId"
    run_id: str = "DeviceProgramRunId"
    started: str = "Started"
    stopped: str = "Stopped"
    outcome: str = "Outcome"
    failure: str = "FailureCode"
    reason: str = "Reason"
    properties: str = "Properties"


@dataclass(frozen=True)
class SettingNode:
    """One setting: its name for the program, its limits on the card, and its node.

    The node's EngineeringUnits and EURange, where it has them, are read at every connection:
    values are sent in the device's unit, and what lies beyond its range is refused.
    """

    unit: str = "1"
    node: str = ""
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()
    optional: bool = False
    device_unit: str = ""  # where the node does not tell, or tells nonsense
    property: str = ""  # name in StartProgram's properties; "" is the setting's own

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if not all(math.isfinite(bound) for bound in bounds) or bounds != sorted(bounds):
            raise ValueError("low: finite limits with low <= high are needed")


@dataclass(frozen=True)
class MetricNode:
    """One measured number: a path within each record, its unit, and that of its deviation."""

    node: str
    unit: str = "1"  # on the card; the device's own where the node's EngineeringUnits tell
    sd: str = ""  # path of the standard uncertainty, in the same unit


@dataclass(frozen=True)
class NodeMap:
    """A coater's OPC UA server as Leyden sees it; every key is told in docs/opcua.md."""

    endpoint: str
    root: str
    program: str
    nodes: Nodes
    methods: Methods
    records: Records
    states: Mapping[str, Standing]
    outcomes: Mapping[str, JobState]
    settings: Mapping[str, SettingNode]
    metrics: Mapping[str, MetricNode]
    namespace: str = ""
    failures: Mapping[str, FailureKind] = field(default_factory=lambda: NOTHING)
    answers: Mapping[str, Answer] = field(default_factory=lambda: NOTHING)
    interlocks: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    refuse: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    security: Security = field(default_factory=Security)
    needs_approval: str = "first"
    clear_aborted: bool = False
    seed_property: str = ""
    lease_s: float | None = None
    delivery_s: float = 10.0
    poll_s: float = 2.0

    def __post_init__(self) -> None:
        check_endpoint(self.endpoint, self.security)
        for name in ("delivery_s", "poll_s", "lease_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: {value!r} is not allowed; above 0 is")
        if self.needs_approval not in APPROVALS:
            raise ValueError(
                f"needs_approval: {self.needs_approval!r} is not allowed; "
                f"{', '.join(APPROVALS)} are"
            )
        for name, given in (("settings", self.settings), ("metrics", self.metrics)):
            if not given:
                raise ValueError(f"{name}: is empty; one is needed at least")
        if JobState.RUNNING in self.outcomes.values():
            raise ValueError("outcomes: running is no outcome")
        if (self.lease_s is None) != (not self.nodes.heartbeat):
            raise ValueError("lease_s: a lease needs nodes.heartbeat, and the other way round")

        _ = self.rules

    @cached_property
    def rules(self) -> Mapping[str, Expression]:
        """`refuse` ready to be asked: reason -> condition over the settings.

        Raises ValueError for what is no condition.
        """
        kinds: dict[str, Kind] = {
            name: "text" if one.options else "number" for name, one in self.settings.items()
        }
        rules = {}
        for reason, condition in self.refuse.items():
            try:
                rules[reason] = Expression.of(condition, kinds, "truth")
            except ExpressionError as error:
                raise ValueError(f"refuse: {reason}: {error}") from error
        return rules

    def unsuitable(self, parameters: Setting) -> list[Problem]:
        """The combinations that are refused; a rule over a setting left open is the device's."""
        return [
            Problem(", ".join(rule.names), reason)
            for reason, rule in self.rules.items()
            if all(name in parameters for name in rule.names) and rule.value(parameters)
        ]

    def cards(self) -> tuple[SettingCard, ...]:
        """The settings as the card shows them."""
        return tuple(
            SettingCard(name, one.unit, one.low, one.high, one.options, one.optional)
            for name, one in self.settings.items()
        )


@dataclass(frozen=True, slots=True)
class Range:
    """What the device itself says of one setting, read when the connection was made."""

    low: float | None
    high: float | None
    unit: str


def arguments(
    node_map: NodeMap, ranges: Mapping[str, Range], parameters: Setting
) -> dict[str, Value]:
    """The settings in the device's units. Raises Refused beyond the device's own limits."""
    sent: dict[str, Value] = {}
    for name, value in parameters.items():
        setting, its = node_map.settings[name], ranges[name]
        key = setting.property or name
        if isinstance(value, str | bool):
            sent[key] = value
            continue
        try:
            converted = converter(setting.unit, its.unit)(float(value))
        except UnitError as error:
            raise Refused(f"{name}: the device's unit is of no use: {error}") from error
        if its.low is not None and converted < its.low:
            raise Refused(f"{name}: {converted:g} {its.unit} is below the device's {its.low:g}")
        if its.high is not None and converted > its.high:
            raise Refused(f"{name}: {converted:g} {its.unit} is above the device's {its.high:g}")
        sent[key] = converted
    return sent


def check_endpoint(endpoint: str, security: Security) -> None:
    """Raises ValueError for what is no OPC UA address, or one that would be reached unsecured."""
    parts = urlsplit(endpoint)
    if parts.scheme != "opc.tcp" or not parts.hostname:
        raise ValueError(
            f"endpoint: {endpoint!r} is no address; write it like opc.tcp://HOST:4840/NAME/"
        )
    if security.policy == "None" and not is_loopback(parts.hostname):
        raise ValueError(
            f"endpoint: {parts.hostname} is another machine and security.policy is None; "
            "unsecured connections are made to this machine (loopback) only"
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_map(file: str, contents: Mapping[str, bytes]) -> NodeMap:
    """The node map of that name, the simulator's for "". Raises ValueError (CampaignError)."""
    if not file:
        content = files("instruments.coater").joinpath(SIMULATOR).read_bytes()
    elif file in contents:
        content = contents[file]
    else:
        raise ValueError(f"instrument.options.file: {file!r} was not read; it is not there")
    try:
        table: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file or SIMULATOR}: {error}") from error
    return build(NodeMap, table, file or SIMULATOR)
