"""Which optimiser to trust: the same campaign run with each of them, over many seeds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.objective import Objective
from campaigns.problems import unknown
from campaigns.records import NOTHING, Setting
from instruments.base import InstrumentError
from loop import benchmark_front
from loop.derive import BadProposal
from loop.early import TrainingFailed
from loop.events import Event, Recommended
from loop.inspection import inspect
from loop.launch import create, engine
from loop.optimizers import registry as optimizers
from loop.state import CampaignState
from loop.station import Station, true_values
from loop.store.errors import StoreError
from loop.store.store import Store
from loop.threads import before_imports

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One campaign run of a bench: everything a worker process needs."""

    text: str
    files: Mapping[str, bytes]
    optimizer: str
    seed: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was recommended after so many trials, and what it had cost."""

    trials: int
    true_value: float
    instrument_hours: float
    front: benchmark_front.Points = ()  # of several objectives: of the settings measured by then


@dataclass(frozen=True, slots=True)
class Round:
    """One checkpoint over all seeds: mean noise-free value, its standard error, mean hours.

    true_value: of the recommended setting's first objective.
    """

    trials: int
    true_value: float
    sem: float
    instrument_hours: float


@dataclass(frozen=True, slots=True)
class Bench:
    """The outcome: per optimiser the checkpoints of every seed.

    reference: of several objectives the values that hypervolumes are measured from, one for all.
    """

    campaign: str
    seeds: int
    runs: Mapping[str, Sequence[Sequence[Checkpoint]]]
    objectives: Sequence[Objective] = ()
    reference: Mapping[str, float] = field(default_factory=lambda: NOTHING)

    @property
    def several(self) -> bool:
        """Whether there are several objectives."""
        return len(self.objectives) > 1

    def hypervolumes(self, optimizer: str) -> list[list[float]]:
        """What the settings measured by each checkpoint truly dominate, per seed and round."""
        return [
            [benchmark_front.volume(self.objectives, one.front, self.reference) for one in run]
            for run in self.runs[optimizer]
        ]

    def growth(self, optimizer: str) -> list[tuple[Round, float, float]]:
        """Rounds with the mean hypervolume over the seeds and its standard error."""
        columns = list(zip(*self.hypervolumes(optimizer), strict=False))
        told = (_mean(list(column)) for column in columns)
        return [(r, *one) for r, one in zip(self.rounds(optimizer), told, strict=True)]

    def rounds(self, optimizer: str) -> list[Round]:
        """Checkpoints averaged over the seeds, as far as every seed came."""
        columns = zip(*self.runs[optimizer], strict=False)
        return [_average(list(column)) for column in columns]

    def first_reaching(self, optimizer: str, level: float) -> Round | None:
        """The first checkpoint whose mean true value is at least `level`."""
        return next((r for r in self.rounds(optimizer) if r.true_value >= level), None)

    def rows(self) -> list[tuple[str, Round]]:
        """Every optimiser's checkpoints, for a table."""
        return [(name, round_) for name in self.runs for round_ in self.rounds(name)]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object that `leyden bench --json` prints."""
        told: dict[str, Any] = {
            "campaign": self.campaign,
            "seeds": self.seeds,
            "optimizers": {
                name: {
                    "rounds": [
                        {
                            "trials": r.trials,
                            "true_value": r.true_value,
                            "sem": r.sem,
                            "instrument_hours": r.instrument_hours,
                        }
                        for r in self.rounds(name)
                    ],
                    "values": [[point.true_value for point in run] for run in runs],
                }
                for name, runs in self.runs.items()
            },
        }
        if self.several:
            for name, one in told["optimizers"].items():
                one["hypervolume"] = self.hypervolumes(name)
            told["reference"] = dict(self.reference)
        return told


def bench(
    campaign: Campaign,
    names: Sequence[str],
    seeds: int,
    workers: int | None = None,
    progress: Progress | None = None,
    first_seed: int = 0,
    reference: Mapping[str, float] = NOTHING,
) -> Bench:
    """Run the campaign with each optimiser over `seeds` seeds, in worker processes.

    names are kinds of optimisers, or entries of the campaign's `[bench]` section. A kind that is
    the campaign's own keeps the campaign's options; another runs on its defaults.
    reference: of several objectives, values that hypervolumes are measured from; what is not given
    lies a little behind the worst of the final fronts of all runs (see `benchmark_front`).
    Raises CampaignError: unknown name, real hardware, an instrument without truth.
    """
    benchmark_front.check_reference(campaign, reference)
    texts = {name: variant(campaign, name) for name in dict.fromkeys(names)}
    _fit_for_bench(campaign)
    tasks = [
        Task(text, dict(campaign.files), name, first_seed + seed)
        for name, text in texts.items()
        for seed in range(seeds)
    ]
    results = _run_all(tasks, workers or os.cpu_count() or 1, progress)
    runs = {name: [results[(name, first_seed + seed)] for seed in range(seeds)] for name in texts}
    if len(campaign.objectives) == 1:
        return Bench(campaign.name, seeds, runs)
    fronts = [run[-1].front for found in runs.values() for run in found]
    corner = benchmark_front.reference(campaign.objectives, fronts, reference)
    return Bench(campaign.name, seeds, runs, campaign.objectives, corner)


def _run_all(
    tasks: Sequence[Task], workers: int, progress: Progress | None
) -> dict[tuple[str, int], list[Checkpoint]]:
    results = {}
    for done, (task, points) in enumerate(_results(tasks, workers), start=1):
        results[(task.optimizer, task.seed)] = points
        if progress is not None:
            progress(done, len(tasks))
    return results


def _results(tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, list[Checkpoint]]]:
    if workers == 1 or len(tasks) == 1:
        for task in tasks:
            yield task, _told(task, _attempted(task))
        return
    from multiprocessing import get_context

    context = get_context("spawn")  # a forked child would share locks and torch's threads
    with ProcessPoolExecutor(workers, context, before_imports) as pool:
        futures = {pool.submit(_attempted, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], _told(futures[future], future.result())


def _attempted(task: Task) -> list[Checkpoint] | str:
    """One run, or why it failed: text crosses between processes, some exceptions do not."""
    try:
        return run_one(task)
    except (BadProposal, TrainingFailed, InstrumentError, StoreError, ValueError) as error:
        return str(error)


def _told(task: Task, outcome: list[Checkpoint] | str) -> list[Checkpoint]:
    if isinstance(outcome, str):
        raise CampaignError([f"{task.optimizer}, seed {task.seed}: {outcome}"])
    return outcome


def run_one(task: Task) -> list[Checkpoint]:
    """One campaign on a store in memory: its recommendations at every multiple of its channels.

    Raises CampaignError where nothing was recommended or the instrument does not know the truth.
    """
    # a bench fills the processors with campaigns: each computes its jobs where it runs itself
    here = {"seed": task.seed, "execution.kind": "inline", "execution.address": None}
    campaign = parse(task.text, task.files, {**here, **_unattended(parse(task.text, task.files))})
    told: list[Told] = []
    several = len(campaign.objectives) > 1

    def listen(events: Sequence[Event], state: CampaignState) -> None:
        if any(isinstance(event.body, Recommended) for event in events):
            assert state.recommendation is not None
            setting = state.recommendation.parameters
            known = benchmark_front.measured(state) if several else ()
            told.append(Told(state.ended, setting, state.cost.instrument_hours, known))

    with Store.open("sqlite://") as store:
        campaign_id = create(store, campaign)
        with engine(store, campaign_id, listener=listen, growth=0.0) as runner:
            runner.run()
            line = runner.lab.line()
            truths = _truths(campaign, line, told)
            fronts = _fronts(campaign, line, told) if several else [()] * len(told)
            return _checkpoints(runner.state, told, truths, fronts)


def _unattended(campaign: Campaign) -> dict[str, str]:
    """Nobody approves anything in a bench."""
    if not campaign.steps[0].name:
        return {"instrument.needs_approval": "never"}
    return {f"steps.{i}.needs_approval": "never" for i in range(len(campaign.steps))}


@dataclass(frozen=True, slots=True)
class Told:
    """A recommendation: how many trials had ended, and the instrument-hours they had used.

    measured: of several objectives, the settings of which all were known.
    """

    ended: int
    setting: Setting
    instrument_hours: float
    measured: tuple[Setting, ...] = ()


def _checkpoints(
    state: CampaignState,
    told: Sequence[Told],
    truths: Sequence[float],
    fronts: Sequence[benchmark_front.Points],
) -> list[Checkpoint]:
    total, batch = len(state.history.trials), state.campaign.instrument.channels
    wanted = list(range(batch, total + 1, batch))
    if not wanted or wanted[-1] != total:
        wanted.append(total)
    points = []
    for trials in wanted:
        at = next((i for i, one in enumerate(told) if one.ended >= trials), len(told) - 1)
        points.append(Checkpoint(trials, truths[at], told[at].instrument_hours, fronts[at]))
    return points


def _truths(campaign: Campaign, line: Mapping[str, Station], told: Sequence[Told]) -> list[float]:
    if not told:
        raise CampaignError([f"{campaign.name}: no trial gave a result, nothing was recommended"])
    values = true_values(line, campaign.objectives[0], [one.setting for one in told])
    if values is None or None in values:
        raise CampaignError([_untrue(campaign)])
    return [value for value in values if value is not None]


def _fronts(
    campaign: Campaign, line: Mapping[str, Station], told: Sequence[Told]
) -> list[benchmark_front.Points]:
    fronts = benchmark_front.true_fronts(campaign, line, [one.measured for one in told])
    if fronts is None:
        raise CampaignError([_untrue(campaign)])
    return fronts


def _untrue(campaign: Campaign) -> str:
    return (
        f"instrument.kind: {campaign.instrument.kind} does not know the noise-free value of every "
        "setting, so that nothing can be compared on it"
    )


def _fit_for_bench(campaign: Campaign) -> None:
    """Whether a bench can end and be judged. Raises CampaignError."""
    for card in inspect(campaign):
        if card.simulated:
            continue
        raise CampaignError(
            [f"instrument.kind: {card.kind} is real hardware; a bench runs on simulated ones only"]
        )


def variant(campaign: Campaign, name: str) -> str:
    """The campaign's text with another optimiser. Raises CampaignError for an unknown name."""
    if name in campaign.bench:
        chosen = campaign.bench[name]
        kind, options = chosen.kind, dict(chosen.options)
    elif name == campaign.optimizer.kind:
        return campaign.text
    elif name in optimizers.known():
        kind, options = name, {}
    else:
        raise CampaignError(
            [f"--optimizer {name}: " + unknown("optimiser", name, _names(campaign))]
        )
    overrides = {"optimizer.kind": kind, "optimizer.options": options}
    changed = parse(campaign.text, campaign.files, overrides)
    optimizers.create(kind, options)
    return changed.text


def _names(campaign: Campaign) -> list[str]:
    return [*campaign.bench, *optimizers.known()]


def _average(column: Sequence[Checkpoint]) -> Round:
    mean, sem = _mean([point.true_value for point in column])
    hours = math.fsum(point.instrument_hours for point in column) / len(column)
    return Round(column[0].trials, mean, sem, hours)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    n = len(values)
    mean = math.fsum(values) / n
    spread = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(spread / (n - 1) / n) if n > 1 else 0.0
