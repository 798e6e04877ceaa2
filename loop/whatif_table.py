"""The outcome of a what-if: one row a choice, means and standard errors over the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loop.whatif_judge import Judge, Verdict
from loop.whatif_run import Case, Run

MOSTLY = 0.5  # share of the tests covered below which a reader is warned


@dataclass(frozen=True)
class Mean:
    """A mean over seeds and its standard error; None where there is none."""

    mean: float | None
    sem: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        n = len(values)
        if not n:
            return cls(None, None)
        mean = math.fsum(values) / n
        spread = math.fsum((value - mean) ** 2 for value in values)
        return cls(mean, math.sqrt(spread / (n - 1) / n) if n > 1 else None)


@dataclass(frozen=True)
class Row:
    """What came of one choice.

    value, regret: of the recommended settings that the record knows, in `known` of `seeds` runs;
    channel_days, lab_days: mean of all runs; asked: tests in all runs, covered: the share of them
    that is in the record; lost: share of them that gave no result.
    """

    case: Case
    seeds: int
    known: int
    value: Mean
    regret: Mean
    record_mean: Mean
    channel_days: float
    lab_days: float
    asked: int
    covered: float
    lost: float

    @classmethod
    def of(cls, judge: Judge, case: Case, runs: Sequence[Run]) -> Row:
        told = [judge.verdict(run.recommended) for run in runs if run.recommended is not None]
        known: list[Verdict] = [one for one in told if one.known]
        sign = judge.record.objective.sign
        tests = [setting for run in runs for setting in run.asked]
        return cls(
            case=case,
            seeds=len(runs),
            known=len(known),
            value=Mean.of([one.value for one in known]),
            regret=Mean.of([max(0.0, sign * (judge.best - one.value)) for one in known]),
            record_mean=Mean.of([m for one in known if (m := one.record_mean) is not None]),
            channel_days=math.fsum(run.channel_hours for run in runs) / 24.0 / len(runs),
            lab_days=math.fsum(run.lab_days for run in runs) / len(runs),
            asked=len(tests),
            covered=judge.covered(tests) / len(tests) if tests else 0.0,
            lost=sum(run.without_result for run in runs) / len(tests) if tests else 0.0,
        )

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it; None where nothing is known."""
        return {
            "optimizer": self.case.optimizer,
            "channels": self.case.channels,
            "early": self.case.early,
            "seeds": self.seeds,
            "known": self.known,
            "value": self.value.mean,
            "sem": self.value.sem,
            "regret": self.regret.mean,
            "regret_sem": self.regret.sem,
            "record_mean": self.record_mean.mean,
            "channel_days": self.channel_days,
            "lab_days": self.lab_days,
            "tests": self.asked,
            "coverage": self.covered,
            "without_result": self.lost,
        }


@dataclass(frozen=True)
class Table:
    """All rows that have a run by now, and what a reader must know."""

    judge: Judge
    trials: int
    faults: bool
    notes: tuple[str, ...]
    runs: Mapping[Case, Sequence[Run]]

    def rows(self) -> list[Row]:
        """One row a choice that has been run."""
        return [Row.of(self.judge, case, runs) for case, runs in self.runs.items() if runs]

    def told(self) -> list[str]:
        """What a reader must know of the figures, a sentence each."""
        record = self.judge.record
        tests = sum(len(run.asked) for runs in self.runs.values() for run in runs)
        inside = sum(row.covered * row.asked for row in self.rows())
        share = inside / tests if tests else 0.0
        place = "in the record" if self.judge.look_up else "within the recorded region"
        lines = [
            f"{share:.0%} of the cells it would have asked for are {place}; regret is known only "
            "there (known: of how many recommendations).",
            "Values are plain means of the recorded tests: the best is partly luck."
            if self.judge.emulator is None
            else "Values are the emulator's noise-free means given all recorded tests.",
        ]
        if share < MOSTLY:
            lines.append(f"Warning: most of what was asked for is not {place}.")
        if share < 1.0 and self.judge.look_up:
            lines.append("All other cells are answered by the emulator.")
        if record.faults:
            lost = f"{len(record.faults)} of {record.attempts}"
            rate = "and loses tests here at that rate" if self.faults else "and loses none here"
            lines.append(f"The lab lost {lost} recorded attempts, {rate}.")
        if not record.usual_hours:
            lines.append("The record has no hours of tests; --test-hours gives them.")
        return [*self.notes, *lines]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object that `leyden replay --optimizer … --json` prints, but for the id."""
        validation = None if self.judge.emulator is None else self.judge.emulator.validation
        return {
            "trials": self.trials,
            "metric": self.judge.record.objective.metric,
            "best": self.judge.best,
            "emulator": None if validation is None else asdict(validation),
            "fault_rate": self.judge.record.fault_rate,
            "rows": [row.as_dict() for row in self.rows()],
            "notes": self.told(),
        }
