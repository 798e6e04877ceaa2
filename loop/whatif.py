"""What if: other optimisers and channels on the world that a campaign recorded, over seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from campaigns.campaign import CampaignError, parse
from instruments.base import InstrumentError
from loop.benchmark import variant
from loop.derive import BadProposal
from loop.store.errors import StoreError
from loop.whatif_run import Case, Run, Task, run_one
from loop.whatif_stage import Question, Stage
from loop.whatif_table import Table

Progress = Callable[[int, int], None]


def tasks(stage: Stage, question: Question) -> list[Task]:
    """Every run, seed by seed, so that what is done when somebody interrupts is even.

    Raises CampaignError for an unknown optimiser or options it does not take."""
    made = []
    files = dict(stage.campaign.files)
    own = stage.campaign.instrument.channels
    for name in question.optimizers:
        text = variant(stage.campaign, name)
        for channels in question.channels or (own,):
            for early, world in stage.worlds.items():
                horizon = world.horizon
                changes = {
                    "instrument.channels": channels,
                    "budget.trials": stage.trials,
                    **({"early_prediction": None} if horizon is None else horizon.changes),
                }
                changed = parse(text, files, changes)
                made.append((Case(name, channels, early), changed.text, world))
    return [
        Task(case, text, files, question.first_seed + seed, world)
        for seed in range(question.seeds)
        for case, text, world in made
    ]


def compare(
    stage: Stage, question: Question, workers: int | None = None, progress: Progress | None = None
) -> Iterator[Table]:
    """The table, again after every run; each holds what is done by then."""
    todo = tasks(stage, question)
    found: dict[Case, list[Run]] = {task.case: [] for task in todo}
    for done, (task, outcome) in enumerate(_results(todo, workers or os.cpu_count() or 1), 1):
        if isinstance(outcome, str):
            raise CampaignError([f"{task.case}, seed {task.seed}: {outcome}"])
        found[task.case].append(outcome)
        if progress is not None:
            progress(done, len(todo))
        runs = {case: tuple(some) for case, some in found.items()}
        yield Table(stage.judge, stage.trials, question.faults, stage.notes, runs)


def _results(todo: Sequence[Task], workers: int) -> Iterator[tuple[Task, Run | str]]:
    if workers == 1 or len(todo) == 1:
        for task in todo:
            yield task, _attempted(task)
        return
    from multiprocessing import get_context

    context = get_context("spawn")  # a forked child would share locks and torch's threads
    with ProcessPoolExecutor(workers, context, quiet) as pool:
        try:
            futures = {pool.submit(_attempted, task): task for task in todo}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def quiet() -> None:
    """A worker computes on one thread and leaves Ctrl-C to its parent."""
    import signal

    from loop.threads import before_imports

    before_imports()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _attempted(task: Task) -> Run | str:
    """One run, or why it failed: text crosses between processes, some exceptions do not."""
    try:
        return run_one(task)
    except (BadProposal, InstrumentError, StoreError, ValueError) as error:
        return "; ".join(str(error).splitlines())
