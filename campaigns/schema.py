"""The structure of a campaign file: every table, its keys, their types and defaults."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from campaigns.parameter import is_number
from campaigns.records import FailureKind

Action: TypeAlias = Literal["retry", "exclude", "infeasible", "censored"]
Approval: TypeAlias = Literal["never", "first", "always", "outside-known-region"]


class Table(BaseModel):
    """A table of the file: frozen, without unknown keys, types as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _scalar(value: object) -> object:
    if isinstance(value, (bool, str)) or is_number(value):
        return value
    raise ValueError(f"{value!r} is not allowed; a number, a text, true or false is needed")


def _at_cycle(value: object) -> object:
    if value == "adaptive" or (type(value) is int and value >= 2):
        return value
    raise ValueError(f'{value!r} is not allowed; a whole number >= 2 or "adaptive" is needed')


def _plain(value: Any) -> Any:
    """Options end up as JSON in the store: dates and endless numbers have no place in it."""
    if isinstance(value, (date, time)) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{value} is not allowed here; write finite numbers, and dates as texts")
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            _plain(inner)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and not is_number(value):
        raise ValueError("the number is too large")
    return value


Number: TypeAlias = Annotated[float, BeforeValidator(_number)]
Scalar: TypeAlias = Annotated[
    Any, PlainValidator(_scalar), WithJsonSchema({"type": ["boolean", "number", "string"]})
]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Options: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_plain)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Level: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=2**53)]
Amount: TypeAlias = Annotated[Number, Field(gt=0)]


class ParameterTable(Table):
    """`choices`, or `low` and `high`."""

    choices: Annotated[list[Scalar], Field(min_length=1)] | None = None
    ordered: bool = False
    low: Number | None = None
    high: Number | None = None
    scale: Literal["linear", "log"] = "linear"
    integer: bool = False
    unit: str = "1"


class DerivedTable(Table):
    """A value computed from the parameters, and the bounds it must keep."""

    expression: Text
    low: Number | None = None
    high: Number | None = None
    unit: str = "1"


class SumTable(Table):
    """Parameters that add up to a fixed total."""

    of: list[str]
    equals: Number


class CandidatesTable(Table):
    """Listed settings, one a line of a CSV file."""

    file: Text
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    units: dict[str, str] = {}


class SpaceTable(Table):
    """What may be varied."""

    parameters: dict[str, ParameterTable] | None = None
    candidates: CandidatesTable | None = None
    derived: dict[str, DerivedTable] = {}
    exclude: list[str] = []
    constraints: list[str] = []
    sums: list[SumTable] = []


class TargetTable(Table):
    """Target values in a CSV file."""

    file: Text
    weights: Number | dict[str, Number] = 1.0
    scales: Number | str | dict[str, Number | str] = 1.0
    sd: Number | str | dict[str, Number | str] = 0.0
    log: list[str] = []


class ObjectiveTable(Table):
    """One metric and what is wanted of it."""

    metric: Text
    goal: Literal["maximize", "minimize", "target"] = "maximize"
    unit: str = "1"
    target: Number | TargetTable | None = None


class ConstraintTable(Table):
    """A bound on an outcome."""

    metric: Text
    at_least: Number | None = None
    at_most: Number | None = None
    unit: str = "1"


class OptimizerSpec(Table):
    """Who proposes, and how often one setting may be asked for in all."""

    kind: Text
    rounds: bool = False
    replicates: Count = 1
    options: Options = {}


class RivalSpec(Table):
    """An optimiser with options, to be named in `leyden bench --optimizer`."""

    kind: Text
    options: Options = {}


class InstrumentSpec(Table):
    """What measures, on how many channels at once."""

    kind: Text
    channels: Annotated[int, Field(ge=1, le=100_000)] = 1
    needs_approval: Approval | None = None  # None: as the instrument's card says
    options: Options = {}


class CheckSpec(InstrumentSpec):
    """What measures the final recommendation again; beyond `tolerance` (relative) it is flagged.
    `most` settings of a front are measured, those that span it best; all of them by default."""

    tolerance: Amount = 0.02
    most: Count | None = None


class RecommendSpec(Table):
    """What is recommended in the end."""

    among: Literal["tried", "space"] = "tried"
    confirm: Annotated[int, Field(ge=0, le=10_000)] = 0
    level: Level = 0.9
    check: CheckSpec | None = None


def _step_name(text: str) -> str:
    """The name becomes part of job keys."""
    if not re.fullmatch(r"[A-Za-z]\w*", text, re.ASCII):
        raise ValueError(f"{text!r} is not allowed; a name has letters, digits and _ only")
    return text


StepName: TypeAlias = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_step_name)]


class StepSpec(InstrumentSpec):
    """One of the instruments that a trial passes in order. `inputs` are settings of the instrument
    that are computed from parameters and from what earlier steps measured."""

    name: StepName
    inputs: dict[str, Text] = {}


class FidelitySpec(InstrumentSpec):
    """A cheaper stand-in for the instrument; `cost` of one trial, in trials of the instrument."""

    name: StepName
    cost: Annotated[Number, Field(gt=0, lt=1)]


class TrainingSpec(Table):
    """Where the cells come from that train the predictor: exactly one of the three."""

    simulate: Count | None = None
    folder: Text | None = None
    splits: Annotated[list[str], Field(min_length=1)] | None = None
    campaign: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> TrainingSpec:
        sources = [self.simulate, self.folder, self.campaign]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("exactly one of simulate, folder, campaign is needed")
        if self.splits is not None and self.folder is None:
            raise ValueError("splits: belongs to folder")
        return self


class EarlyPredictionSpec(Table):
    """Stopping a test early on a predicted result."""

    kind: Text = "cycle_life"
    model: Text = "elastic_net"
    at_cycle: Annotated[
        Any,
        PlainValidator(_at_cycle),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 2}, {"const": "adaptive"}]}),
    ] = 100
    level: Level = 0.9
    checkpoints: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=2)] | None = None
    run_on: Share = 0.0
    bias_sd: Annotated[Number, Field(ge=0, le=1)] | None = None
    training: TrainingSpec
    options: Options = {}

    @model_validator(mode="after")
    def _ascending(self) -> EarlyPredictionSpec:
        if self.checkpoints is not None:
            if self.at_cycle != "adaptive":
                raise ValueError('checkpoints: belong to at_cycle = "adaptive"')
            if any(a >= b for a, b in itertools.pairwise(self.checkpoints)):
                raise ValueError(f"checkpoints: {self.checkpoints} must ascend")
        return self


@dataclass(frozen=True)
class FailureRule:
    """What follows a failure: `then` applies once the retries are used up."""

    action: Action
    retries: int = 0
    then: Literal["exclude", "infeasible", "censored"] = "exclude"

    @classmethod
    def read(cls, text: str) -> FailureRule:
        """The rule written as `exclude`, `infeasible`, `censored`, `retry:N` or
        `retry:N then exclude`. ValueError otherwise."""
        match = _RULE.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f"'{text}' is not allowed; allowed: exclude, infeasible, censored, retry:N "
                "(N from 1 to 99), also retry:N then exclude|infeasible|censored"
            )
        action, retries, then = match.group("action"), match.group("n"), match.group("then")
        if action:
            return cls(action)  # type: ignore[arg-type]
        return cls("retry", int(retries), then or "exclude")  # type: ignore[arg-type]


_RULE = re.compile(
    r"(?P<action>exclude|infeasible|censored)"
    r"|retry:(?P<n>[1-9][0-9]?)( +then +(?P<then>exclude|infeasible|censored))?"
)


def _rule(text: str) -> str:
    FailureRule.read(text)
    return text


Rule: TypeAlias = Annotated[str, BeforeValidator(lambda v: _rule(v) if isinstance(v, str) else v)]


class FailuresTable(Table):
    """A rule for each kind of failure."""

    assembly: Rule = "retry:1"
    early_death: Rule = "censored"
    channel_fault: Rule = "retry:2"
    data_gap: Rule = "retry:1"
    out_of_range: Rule = "infeasible"
    not_converged: Rule = "exclude"
    aborted: Rule = "exclude"

    def rules(self) -> Mapping[FailureKind, FailureRule]:
        """The rules, read."""
        given = {FailureKind(name): getattr(self, name) for name in type(self).model_fields}
        return {kind: FailureRule.read(rule) for kind, rule in given.items()}


class StartTable(Table):
    """What is known or wanted before the first proposal."""

    settings: list[dict[str, Scalar]] = []
    results: Text | None = None
    campaigns: list[str] = []


def _scheduler(address: str) -> str:
    found = re.fullmatch(r"(tcp|tls)://([\w.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})", address)
    if found is None or not 0 < int(found[3]) < 65_536:
        raise ValueError(f"{address!r} is not allowed; tcp://HOST:PORT or tls://… is needed")
    return address


class ExecutionSpec(Table):
    """Where simulated jobs are computed. It decides how soon an answer is there, never what."""

    kind: Literal["inline", "process", "dask"] = "process"
    workers: Annotated[int, Field(ge=1, le=1_000)] = 1
    address: Annotated[str, AfterValidator(_scheduler)] | None = None

    @model_validator(mode="after")
    def _address_for_dask(self) -> ExecutionSpec:
        if self.address is not None and self.kind != "dask":
            raise ValueError('address: belongs to kind = "dask"')
        return self


class Budget(Table):
    """What may be spent; the first limit that is reached ends the campaign."""

    trials: Count | None = None
    cost: Amount | None = None  # a trial of the instrument costs 1, one of a fidelity its `cost`
    rounds: Count | None = None
    instrument_hours: Amount | None = None
    lab_days: Amount | None = None
    wall_minutes: Amount | None = None
    stall: Count | None = None

    @model_validator(mode="after")
    def _some(self) -> Budget:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"at least one of {', '.join(type(self).model_fields)} is needed")
        return self


def _name(text: str) -> str:
    """The name becomes part of ids, printed and pasted into shells."""
    if not re.fullmatch(r"\w[\w .-]*", text):
        raise ValueError(
            f"{text!r} is not allowed; a name starts with a letter, digit or _, and holds letters, "
            "digits, blanks and any of _ . -"
        )
    return text


class CampaignFile(Table):
    """A whole campaign file."""

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_name)]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    space: SpaceTable
    objectives: Annotated[list[ObjectiveTable], Field(min_length=1)]
    constraints: list[ConstraintTable] = []
    optimizer: OptimizerSpec
    recommend: RecommendSpec = RecommendSpec()
    instrument: InstrumentSpec | None = None
    steps: Annotated[list[StepSpec], Field(min_length=1)] | None = None
    fidelities: list[FidelitySpec] = []
    early_prediction: EarlyPredictionSpec | None = None
    failures: FailuresTable = FailuresTable()
    start: StartTable = StartTable()
    execution: ExecutionSpec = ExecutionSpec()
    bench: dict[str, RivalSpec] = {}
    budget: Budget
