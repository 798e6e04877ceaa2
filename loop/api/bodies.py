"""What robots send and what they are answered, in JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from instruments.board import Standing, WorkState

Line = Annotated[str, Field(max_length=500)]
Reason = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
LARGEST = 2**53 - 1  # that JSON carries safely (RFC 8259, section 6)
Fence = Annotated[int, Field(ge=1, le=LARGEST, description="As given with the job.")]
Cycle = Annotated[int, Field(ge=1, le=LARGEST)]
RunId = Annotated[str, Field(max_length=200, description="The device's own name for the run.")]
Kind = Literal[
    "assembly", "early_death", "channel_fault", "data_gap", "out_of_range", "not_converged",
    "aborted", "lost",
]  # fmt: skip


class Sent(BaseModel):
    """A request: every key known, every number a finite number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Claim(Sent):
    """A wish for work. The same claim again is answered with the same job."""

    claim: Annotated[str, Field(pattern=r"^[0-9a-fA-F-]{32,36}$", description="A new UUID.")]
    wait_s: Annotated[float, Field(ge=0, le=30, description="Wait so long for work.")] = 0.0


class Fenced(Sent):
    """What is said of a job names the fence under which it was claimed."""

    fence: Fence


class Heartbeat(Fenced):
    """A sign of life. `progress` from 0 to 1; `note` is shown to people."""

    progress: Annotated[float, Field(ge=0, le=1)] = 0.0
    note: Line = ""
    run_id: RunId = ""


class Measured(Sent):
    """One number with its unit; `sd` is the standard deviation of its noise, where known."""

    value: float
    unit: Annotated[str, Field(max_length=100)]
    sd: Annotated[float, Field(ge=0)] | None = None


class SeriesPart(Sent):
    """Per-cycle data: `summary` has a list as long as `cycles` under each name; null is no number.

    `curves` has a row of len(`voltage`) for each of `curve_cycles`: discharge capacity in Ah.
    """

    cycles: Annotated[list[Cycle], Field(min_length=1, max_length=100_000)]
    summary: Annotated[dict[Name, list[float | None]], Field(min_length=1)]
    voltage: list[float] = []
    curves: list[list[float]] = []
    curve_cycles: list[Cycle] = []

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(a >= b for a, b in zip(self.cycles, self.cycles[1:], strict=False)):
            raise ValueError("cycles must ascend")
        for name, values in self.summary.items():
            if len(values) != len(self.cycles):
                raise ValueError(f"summary.{name} must be as long as cycles")
        if len(self.curves) != len(self.curve_cycles):
            raise ValueError("curves must be as many as curve_cycles")
        if any(len(curve) != len(self.voltage) for curve in self.curves):
            raise ValueError("each curve must be as long as voltage")
        return self


class Part(Fenced):
    """A partial result; the same part again is harmless."""

    part: Annotated[int, Field(ge=1, le=1_000_000)]
    scalars: dict[Name, Measured] = {}
    series: SeriesPart | None = None


class RawFile(Sent):
    """A raw file that stays where it is: its name there, and how it is recognised."""

    name: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0, le=LARGEST)]


class Ending(Fenced):
    """The job is over, one way or another."""

    run_id: RunId = ""


class Complete(Ending):
    """The job is done: every metric of the job, with its unit."""

    scalars: dict[Name, Measured]
    files: list[RawFile] = []


class Fail(Ending):
    """The job gave no measurement. Kind `lost`: the robot itself no longer knows."""

    kind: Kind
    reason: Reason
    at_least: dict[Name, Measured] = {}


class Stopped(Ending):
    """The job is not running any more, as was asked; read back from the device."""

    reason: Line = ""


class Job(BaseModel):
    """A job as a robot gets it."""

    id: int
    key: str
    fence: int
    state: WorkState
    parameters: dict[str, dict[str, Any]]
    metrics: dict[str, str]
    sample: str
    seed: list[int]
    checkpoints: list[int]
    lease_s: float
    lost_after_s: float
    on_lease_loss: str
    begun_at: str | None
    heard_at: str | None
    progress: float
    cycle: int
    stop: bool
    reason: str

    @classmethod
    def of(cls, standing: Standing) -> Self:
        request = standing.request
        begun, heard = standing.begun_at, standing.seen_at
        return cls(
            id=standing.id,
            key=standing.key,
            fence=standing.fence,
            state=standing.state,
            parameters=request["parameters"],
            metrics=request["metrics"],
            sample=request["sample"],
            seed=request["seed"],
            checkpoints=request["checkpoints"],
            lease_s=standing.lease_s,
            lost_after_s=standing.lost_after_s,
            on_lease_loss=standing.on_lease_loss,
            begun_at=None if begun is None else begun.isoformat(),
            heard_at=None if heard is None else heard.isoformat(),
            progress=standing.progress,
            cycle=standing.cycle,
            stop=standing.stop is not None,
            reason=standing.stop or "",
        )


class Jobs(BaseModel):
    """The jobs that a robot has."""

    jobs: list[Job]


class Told(BaseModel):
    """The answer to a report. `stop`: stop the job, read back, then report it as stopped."""

    state: WorkState
    stop: bool
    reason: str
    lease_s: float

    @classmethod
    def of(cls, standing: Standing) -> Self:
        return cls(
            state=standing.state,
            stop=standing.stop is not None,
            reason=standing.stop or "",
            lease_s=standing.lease_s,
        )


class Health(BaseModel):
    """The server is there."""

    status: str
    version: str
