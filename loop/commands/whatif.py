"""The what-if of `leyden replay`: reading its options and showing its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from loop.commands.console import (
    BadInput,
    Resumable,
    as_bad_input,
    emit_json,
    page,
    reading,
    table,
)
from loop.commands.meter import meter

if TYPE_CHECKING:
    from loop.whatif_stage import Question
    from loop.whatif_table import Row, Table

UNRECORDED = ("emulate", "exclude")


@dataclass(frozen=True)
class Asked:
    """The options as they were given; None where one was not."""

    optimizer: list[str] | None
    channels: str | None
    early: str | None
    seeds: int | None
    first_seed: int | None
    trials: int | None
    unrecorded: str | None
    assembly_hours: float | None
    test_hours: float | None
    faults: bool | None
    workers: int | None

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are written."""
        names = [name for name in self.__dataclass_fields__ if getattr(self, name) is not None]
        return ["--" + name.replace("_", "-") for name in names]


def what_if(store: str, campaign_id: str, asked: Asked, *, as_json: bool) -> None:
    """Run the choices on the recorded world and print what came of each."""
    from loop import whatif
    from loop.whatif_stage import stage

    question = _question(asked)
    workers = _count("--workers", asked.workers, 2)
    with reading(store) as opened, as_bad_input():
        world = stage(opened, campaign_id, question)
    with meter("what if", "runs") as progress, as_bad_input():
        found, whole = _last(whatif.compare(world, question, workers, progress))
    if found is None:
        raise Resumable("interrupted before the first run was over")
    if as_json:
        emit_json({"campaign": campaign_id, "complete": whole, **found.as_dict()})
    else:
        _tell(campaign_id, found)
    if not whole:
        raise Resumable("interrupted: the table holds the runs done by then")


def _last(tables: Iterator[Table]) -> tuple[Table | None, bool]:
    """The latest table, and whether it holds all runs: Ctrl-C keeps what is done."""
    found = None
    try:
        for table_now in tables:
            found = table_now
    except KeyboardInterrupt:
        return found, False
    return found, True


def _question(asked: Asked) -> Question:
    """Raises BadInput naming the option and what is allowed."""
    from loop.whatif_stage import Question

    if not asked.optimizer:
        raise BadInput("replay: --verify is needed, or --optimizer for a what-if")
    unrecorded = asked.unrecorded or ""
    if asked.unrecorded is not None and unrecorded not in UNRECORDED:
        raise BadInput(f"--unrecorded {unrecorded}: allowed: {', '.join(UNRECORDED)}")
    return Question(
        optimizers=tuple(dict.fromkeys(asked.optimizer)),
        channels=_listed("--channels", asked.channels, _channels),
        early=_listed("--early", asked.early, _early),
        seeds=_count("--seeds", asked.seeds, 20),
        first_seed=_count("--first-seed", asked.first_seed, 0, least=0),
        trials=None if asked.trials is None else _count("--trials", asked.trials, 1),
        unrecorded=unrecorded,
        assembly_hours=_hours("--assembly-hours", asked.assembly_hours) or 0.0,
        test_hours=_hours("--test-hours", asked.test_hours),
        faults=asked.faults is not False,
    )


def _listed(option: str, text: str | None, read: Callable[[str, str], Any]) -> tuple[Any, ...]:
    """The values of a list with commas; none where the option was not given."""
    if text is None:
        return ()
    return tuple(dict.fromkeys(read(option, item.strip()) for item in text.split(",")))


def _channels(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100_000):
        raise BadInput(f"{option} {text}: whole numbers from 1 to 100000 are needed, as in 8,48")
    return int(text)


def _early(option: str, text: str) -> str:
    if text in ("none", "adaptive") or (text.isascii() and text.isdigit() and int(text) >= 2):
        return text
    raise BadInput(f"{option} {text}: allowed: cycles from 2, adaptive, none, as in 50,100,none")


def _count(option: str, value: int | None, default: int, least: int = 1) -> int:
    if value is not None and value < least:
        raise BadInput(f"{option} {value}: at least {least} is needed")
    return default if value is None else value


def _hours(option: str, value: float | None) -> float | None:
    if value is not None and not (isfinite(value) and 0 <= value <= 1e6):
        raise BadInput(f"{option} {value:g}: hours from 0 to 1000000 are needed")
    return value


def _tell(campaign_id: str, found: Table) -> None:
    objective, rows = found.judge.record.objective, found.rows()
    seeds = max(row.seeds for row in rows)
    title = f"{campaign_id}: what if, {found.trials} tests a run, mean of {seeds} seeds"
    columns = (
        "optimiser", ">channels", "early", f">{objective.metric}", ">± s.e.", ">regret",
        ">channel-days", ">lab-days", ">lost", ">covered", ">known",
    )  # fmt: skip
    lines = [f"The best {objective.metric} that the record knows is {_number(found.judge.best)}."]
    page(table(title, columns, map(_cells, rows)), *lines, *found.told())


def _cells(row: Row) -> Sequence[str]:
    return (
        row.case.optimizer, str(row.case.channels), row.case.early, _number(row.value.mean),
        _number(row.value.sem), _number(row.regret.mean), _number(row.channel_days),
        _number(row.lab_days), f"{row.lost:.1%}", f"{row.covered:.0%}", f"{row.known}/{row.seeds}",
    )  # fmt: skip


def _number(value: float | None) -> str:
    from loop.summary import number

    return number(value)
