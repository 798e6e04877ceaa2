"""The tables of a store: the journal and the data it digests, and what can be rebuilt from them.

Times named `time`, `…_s` and `hours` are campaign time; `recorded_at`, `created_at` are wall clock
(ISO 8601, UTC). Columns that hold JSON say so. SQLModel does not validate rows; only records that
were validated before come here, and rows never leave this package.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field

from loop.store import tables_board  # noqa: F401 - its tables belong to the same metadata
from loop.store.tables_base import CLUSTERED, StoreTable, sealed


def _trial_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["campaign", "trial"], ["trial.campaign", "trial.number"])


def _event_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["campaign", "seq"], ["event.campaign", "event.seq"])


# what is recorded ----------------------------------------------------------------------------


class CampaignTable(StoreTable, table=True):
    """One frozen campaign; status, reason and trials follow its events."""

    __tablename__ = "campaign"
    __table_args__ = (UniqueConstraint("name", "number"),)

    id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    number: int
    text: str = Field(sa_type=Text)  # verbatim
    digest: str = Field(sa_type=Text)  # of the text and the files it names
    created_at: str = Field(sa_type=Text)
    seed: int = Field(sa_type=BigInteger)
    epoch: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    environment: str = Field(sa_type=Text)  # JSON
    status: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    trials: int


class FileTable(StoreTable, table=True):
    """A file that the campaign names, by that name as written."""

    __tablename__ = "file"

    campaign: str = Field(primary_key=True, foreign_key="campaign.id", sa_type=Text)
    name: str = Field(primary_key=True, sa_type=Text)
    digest: str = Field(foreign_key="artifact.digest", sa_type=Text)


class EventTable(StoreTable, table=True):
    """One line of the journal; never changed, not even by a migration."""

    __tablename__ = "event"
    __table_args__ = CLUSTERED

    campaign: str = Field(primary_key=True, foreign_key="campaign.id", sa_type=Text)
    seq: int = Field(primary_key=True)
    version: int
    kind: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)  # canonical JSON
    recorded_at: str = Field(sa_type=Text)
    previous: str = Field(sa_type=Text)
    hash: str = Field(sa_type=Text)


class ArtifactTable(StoreTable, table=True):
    """Any content by its SHA-256: models, campaign files, voltage grids."""

    __tablename__ = "artifact"

    digest: str = Field(primary_key=True, sa_type=Text)
    content: bytes = Field(sa_type=LargeBinary)


class CycleTable(StoreTable, table=True):
    """The summary of one cycle of one attempt, written with the event `seq`."""

    __tablename__ = "cycle"
    __table_args__ = (_event_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    trial: int = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    cycle: int = Field(primary_key=True)
    seq: int
    summary: str = Field(sa_type=Text)  # JSON: name with unit -> number; null is not a number


class CurveTable(StoreTable, table=True):
    """The curves of some neighbouring cycles of one attempt, compressed; see `curves.py`."""

    __tablename__ = "curve"
    __table_args__ = (_event_key(),)

    campaign: str = Field(primary_key=True, sa_type=Text)
    trial: int = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    first_cycle: int = Field(primary_key=True)
    seq: int
    cycles: str = Field(sa_type=Text)  # JSON list
    voltage: str = Field(foreign_key="artifact.digest", sa_type=Text)  # float64, little-endian
    checksum: str = Field(sa_type=Text)  # SHA-256 of data
    data: bytes = Field(sa_type=LargeBinary)


class LeaseTable(StoreTable, table=True):
    """Who may append to a campaign; the only table that is neither recorded nor rebuilt."""

    __tablename__ = "lease"

    campaign: str = Field(primary_key=True, foreign_key="campaign.id", sa_type=Text)
    fence: int
    host: str = Field(sa_type=Text)
    boot: str = Field(sa_type=Text)
    pid: int
    started: str = Field(sa_type=Text)  # of the process, against pid reuse
    since: str = Field(sa_type=Text)
    expires_at: str = Field(sa_type=Text)
    released: bool


class RulingTable(StoreTable, table=True):
    """What a person ruled while an engine held the campaign; its events follow when it answers."""

    __tablename__ = "ruling"
    __table_args__ = (Index("ruling_open", "campaign", "state"),)

    id: int | None = Field(default=None, primary_key=True)
    campaign: str = Field(foreign_key="campaign.id", sa_type=Text)
    body: str = Field(sa_type=Text)  # JSON
    filed_at: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    answer: str = Field(sa_type=Text)
    seal: str = sealed()


# what follows from the events ----------------------------------------------------------------


class TrialTable(StoreTable, table=True):
    """One setting to be measured, as it stands now."""

    __tablename__ = "trial"
    __table_args__ = CLUSTERED

    campaign: str = Field(primary_key=True, foreign_key="campaign.id", sa_type=Text)
    number: int = Field(primary_key=True)
    proposed: int  # the event it came with
    parameters: str = Field(sa_type=Text)  # JSON
    author: str = Field(sa_type=Text)
    purpose: str = Field(sa_type=Text)
    meta: str = Field(sa_type=Text)  # JSON
    state: str = Field(sa_type=Text)
    attempt: int
    failure: str | None = Field(sa_type=Text)  # the kind
    failure_reason: str | None = Field(sa_type=Text)
    infeasible: bool
    excluded: bool
    fidelity: str = Field(sa_type=Text, sa_column_kwargs={"server_default": ""})


class AttemptTable(StoreTable, table=True):
    """One run of a trial on one instrument; `step` is "" where the campaign has only one."""

    __tablename__ = "attempt"
    __table_args__ = (_trial_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    trial: int = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    step: str = Field(primary_key=True, sa_type=Text)
    key: str = Field(sa_type=Text)
    run_id: str | None = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    submitted_s: float
    started_s: float | None
    ended_s: float | None
    hours: float | None
    failure: str | None = Field(sa_type=Text)
    failure_reason: str | None = Field(sa_type=Text)


class ApprovalTable(StoreTable, table=True):
    """What was asked of persons about a trial, and what they ruled."""

    __tablename__ = "approval"
    __table_args__ = (_trial_key(), _event_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    time: float
    trial: int
    verdict: str = Field(sa_type=Text)  # asked, approved, modified, rejected, or of a lost trial
    digest: str = Field(sa_type=Text)  # of the payload; "" for a lost trial
    who: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    parameters: str | None = Field(sa_type=Text)  # JSON: the setting a person put in its place


class ObservationTable(StoreTable, table=True):
    """A measured or corrected value; the current one is the latest of its trial and metric."""

    __tablename__ = "observation"
    __table_args__ = (_trial_key(), _event_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    time: float
    trial: int
    attempt: int | None  # None: a person's correction
    metric: str = Field(sa_type=Text)
    mean: float
    sem: float | None
    unit: str = Field(sa_type=Text)
    bound: str = Field(sa_type=Text)
    reason: str | None = Field(sa_type=Text)
    source: str = Field(sa_type=Text, sa_column_kwargs={"server_default": ""})


class PredictionTable(StoreTable, table=True):
    """An early stand-in for an observation."""

    __tablename__ = "prediction"
    __table_args__ = (_trial_key(), _event_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    time: float
    trial: int
    attempt: int
    metric: str = Field(sa_type=Text)
    mean: float
    sem: float
    unit: str = Field(sa_type=Text)
    lower: float
    upper: float
    level: float
    at_cycle: int
    model: str = Field(sa_type=Text)  # digest
    extrapolates: bool
    # JSON: before the bias was removed; "" where nothing was
    raw: str = Field(sa_type=Text, sa_column_kwargs={"server_default": ""})


class DecisionTable(StoreTable, table=True):
    """What a stopper decided, and what it weighed."""

    __tablename__ = "decision"
    __table_args__ = (_trial_key(), _event_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    time: float
    seen: int
    trial: int
    attempt: int
    stopper: str = Field(sa_type=Text)
    action: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    weighed: str = Field(sa_type=Text)  # JSON


class RecommendationTable(StoreTable, table=True):
    """What was recommended, knowing the events up to `seen`."""

    __tablename__ = "recommendation"
    __table_args__ = (_event_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    time: float
    seen: int
    optimizer: str = Field(sa_type=Text)
    parameters: str = Field(sa_type=Text)  # JSON
    objectives: str = Field(sa_type=Text)  # JSON
    front: str = Field(sa_type=Text)  # JSON
    trial: int | None


class ModelTable(StoreTable, table=True):
    """A fitted model; its text is the artifact `model`."""

    __tablename__ = "model"
    __table_args__ = (_event_key(), CLUSTERED)

    campaign: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    time: float
    seen: int
    surrogate: str = Field(sa_type=Text)
    model: str = Field(sa_type=Text)  # digest
    trials: str = Field(sa_type=Text)  # JSON list
    source: str = Field(sa_type=Text)
    bias_sd: float = Field(sa_column_kwargs={"server_default": "0"})


METADATA = StoreTable.metadata


def table(name: str) -> Table:
    """The table of that name. Raises KeyError."""
    return METADATA.tables[name]
