"""Checks of a job's life: submitted once, followed, measured, fetched whole and in pieces."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

from instruments.base import Busy, Found, JobState, Refused, Result
from instruments.conformance.bench import NotTested
from instruments.conformance.rig import Rig
from instruments.conformance.sameness import difference
from instruments.conformance.verdict import CheckFailed, NotApplicable, demand
from instruments.units import UnitError, converter

MOST_CHANNELS = 16  # jobs that the suite is willing to start side by side
CHECKPOINT = 40  # cycles


def job_is_measured_to_the_end(rig: Rig) -> None:
    """A job within the limits ends, and gives every metric of the card as a finite number in a
    unit that fits: what is missing or NaN teaches the optimiser nothing."""
    job = rig.started()
    progress, result = rig.to_the_end(job.key)
    demand(progress.state is JobState.FINISHED, f"it ended {progress.state}: {result.reason}")
    demand(result.state is progress.state, f"poll says {progress.state}, fetch {result.state}")
    demand(progress.ask_at is None, "a job that is over is to be asked again")
    if progress.over_at is None:
        raise CheckFailed("a job that is over has no moment over_at")
    lasted = (progress.over_at - job.started_at) / timedelta(hours=1)
    demand(math.isfinite(progress.hours) and progress.hours >= 0, f"{progress.hours} hours")
    kept = not rig.card.simulated or math.isclose(progress.hours, lasted, abs_tol=1e-6)
    demand(kept, f"{progress.hours} h were held; from start to end it took {lasted} h")
    _complete(rig, result)


def _complete(rig: Rig, result: Result) -> None:
    told, promised = set(result.scalars), set(rig.card.metrics)
    demand(told == promised, f"measured {sorted(told)}; the card says {sorted(promised)}")
    for metric, scalar in result.scalars.items():
        demand(_finite(scalar.value), f"{metric} = {scalar.value!r}")
        if scalar.sd is not None:
            demand(_finite(scalar.sd) and scalar.sd >= 0, f"{metric}: sd = {scalar.sd!r}")
        try:
            converter(scalar.unit, rig.card.metrics[metric])
        except UnitError as error:
            raise CheckFailed(f"{metric}: {error}") from error


def _finite(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(float(value))  # type: ignore[arg-type]


def job_is_seen_running(rig: Rig) -> None:
    """submit returns at once: the job runs while the engine does other things, and has no scalars
    yet."""
    job = rig.started()
    state = rig.adapter.poll(job.key).state
    demand(state is JobState.RUNNING, f"right after submit the job is {state}; running is needed")
    result = rig.adapter.fetch(job.key)
    if rig.adapter.poll(job.key).state is JobState.RUNNING:
        demand(not result.scalars, f"a running job gives {sorted(result.scalars)} already")


def second_submit_changes_nothing(rig: Rig) -> None:
    """The same key again, while it runs and after its end, gives the same receipt and starts
    nothing: an engine that got no answer asks again."""
    job = rig.job()
    first = rig.start(job)
    demand(rig.adapter.submit(job) == first, "the second submit gave another receipt")
    rig.to_the_end(job.key)
    demand(rig.adapter.submit(job) == first, "submitted after its end it gave another receipt")
    state = rig.adapter.poll(job.key).state
    demand(state is not JobState.RUNNING, "submitted after its end the job runs again")
    starts = rig.starts(job.key)
    demand(starts in (None, 1), f"the device began the job {starts} times")


def same_key_with_another_setting_is_refused(rig: Rig) -> None:
    """A key stands for one job: another setting under it is refused, not run and not taken for
    the first one."""
    job = rig.started()
    other = replace(job, parameters=rig.bench.settings[1])
    try:
        rig.adapter.submit(other)
    except Refused:
        pass
    else:
        raise CheckFailed("a key was accepted again with another setting; Refused is needed")
    progress, _ = rig.to_the_end(job.key)
    demand(progress.state is JobState.FINISHED, f"the first job ended {progress.state}")
    demand(rig.starts(job.key) in (None, 1), "the device began the job twice")


def full_channels_are_busy(rig: Rig) -> None:
    """One job more than there are channels is Busy, leaves no trace, and is accepted once a
    channel is free: nothing queues where nobody sees it."""
    if rig.card.channels > MOST_CHANNELS:
        raise NotTested(f"the bench opens it with {rig.card.channels} channels; 2 are enough")
    jobs = [rig.started() for _ in range(rig.card.channels)]
    since = rig.clock.now()
    extra = rig.job()
    try:
        rig.adapter.submit(extra)
    except Busy:
        rig.not_begun(extra.key, since)
    else:
        states = [rig.adapter.poll(job.key).state for job in jobs]
        if any(state is not JobState.RUNNING for state in states):
            raise NotTested("the bench's jobs end before every channel is taken")
        raise CheckFailed(f"{len(jobs)} channels took {len(jobs) + 1} jobs; Busy is needed")
    rig.to_the_end(jobs[0].key)
    rig.start(extra)


def progress_only_grows(rig: Rig) -> None:
    """Hours and cycles never go back, and the next moment to ask lies ahead, until the end; after
    it they stand still."""
    job = rig.started()
    progress, _ = rig.to_the_end(job.key)
    again = rig.adapter.poll(job.key)
    demand(again == progress, f"after the end poll changes from {progress} to {again}")


def unknown_key_is_an_error(rig: Rig) -> None:
    """A key that nobody ever submitted is a KeyError (lost, where the device cannot tell), never
    the state of some other job."""
    key = rig.job().key
    try:
        state = rig.adapter.poll(key).state
    except KeyError:
        return
    told = f"poll of a key that nobody submitted says {state}; KeyError is needed"
    demand(state is JobState.LOST and rig.find(key) is Found.UNKNOWN, told)


def second_fetch_is_identical(rig: Rig) -> None:
    """Fetched again, and by another engine, a finished job gives the same data: what was measured
    does not change."""
    job = rig.started()
    _, result = rig.to_the_end(job.key)
    _alike(result, rig.adapter.fetch(job.key), "a second fetch")
    if rig.card.repeatable:
        return
    rig.new_engine()
    if rig.find(job.key, job.started_at) is Found.FINISHED:
        _alike(result, rig.adapter.fetch(job.key), "a fetch by a new engine")


def job_is_the_same_in_company(rig: Rig) -> None:
    """A repeatable job gives the same data alone and beside others, bit for bit."""
    if not (rig.card.repeatable and rig.card.simulated):
        raise NotApplicable("its jobs are not repeatable")
    settings = rig.bench.settings[: rig.card.channels]
    jobs = [replace(rig.job(setting), checkpoints=(CHECKPOINT,)) for setting in settings]
    for job in jobs:
        rig.adapter.submit(job)
    together = [rig.to_the_end(job.key)[1] for job in jobs]
    for job, result in zip(jobs, together, strict=True):
        rig.restart_clock()
        rig.adapter.submit(job)
        _alike(result, rig.to_the_end(job.key)[1], f"{dict(job.parameters)} alone")


def series_come_in_pieces_that_fit(rig: Rig) -> None:
    """What is fetched since a cycle begins right behind it, and the pieces make the whole: early
    prediction reads a test while it runs."""
    if not rig.card.series:
        raise NotApplicable("it gives no series")
    job = replace(rig.job(), checkpoints=(CHECKPOINT,))
    rig.start(job)
    early = rig.partial(job.key)
    first = early.series
    if first is None or not len(first.cycles):
        raise CheckFailed("while the job runs there is no series")
    shape = (len(first.curve_cycles), len(first.voltage))
    demand(first.curves.shape == shape, f"curves of shape {first.curves.shape}; {shape} is needed")
    last = int(first.cycles[-1])
    rig.to_the_end(job.key)
    rest, whole = rig.adapter.fetch(job.key, last).series, rig.adapter.fetch(job.key).series
    if rest is None or whole is None:
        raise CheckFailed("after the end there is no series")
    pieces = [*first.cycles.tolist(), *rest.cycles.tolist()]
    demand(pieces == whole.cycles.tolist(), f"the pieces do not fit together at cycle {last}")
    for name, values in whole.summary.items():
        joined = [*first.summary[name].tolist(), *rest.summary[name].tolist()]
        demand(joined == values.tolist(), f"{name}: the pieces differ from the whole")


def _alike(one: Result, other: Result, what: str) -> None:
    differs = difference(one, other)
    demand(not differs, f"{what} differs: {differs}")


CHECKS = (
    job_is_measured_to_the_end,
    job_is_seen_running,
    progress_only_grows,
    second_submit_changes_nothing,
    same_key_with_another_setting_is_refused,
    full_channels_are_busy,
    unknown_key_is_an_error,
    second_fetch_is_identical,
    series_come_in_pieces_that_fit,
    job_is_the_same_in_company,
)
