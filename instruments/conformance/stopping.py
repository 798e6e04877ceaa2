"""Checks of the abort: the device stops, says so itself, and twice is harmless."""

from __future__ import annotations

from datetime import timedelta

from instruments.base import Found, Job, JobState, Status
from instruments.conformance.bench import NotTested
from instruments.conformance.rig import Rig
from instruments.conformance.sameness import difference
from instruments.conformance.verdict import NotApplicable, demand

LATER_S = 0.2  # in which a device that was not stopped at all would show it
EARLY = 0.75  # of the time that an undisturbed job takes: a job that ends later was not stopped


def abort_is_read_back(rig: Rig) -> None:
    """After an abort the adapter says safe only when the device itself no longer runs, well before
    the job would have been over; the job is aborted, gives no scalars, and its channel is free."""
    job = _running(rig)
    status = _stop(rig, job.key)
    took = rig.since_submit(job.key)
    demand(status.state is JobState.ABORTED, f"abort says safe and {status.state}")
    progress = rig.adapter.poll(job.key)
    demand(progress.state is JobState.ABORTED, f"after the abort poll says {progress.state}")
    demand(progress.over_at is not None, "an aborted job has no moment over_at")
    demand(not rig.adapter.fetch(job.key).scalars, "an aborted job gives scalars")
    later = rig.within(LATER_S, lambda: rig.at_work(job.key))
    demand(not later, "abort said safe, and then the device worked on the job")
    whole = _undisturbed(rig)
    demand(took < EARLY * whole, f"abort changed nothing: the job was over after {_seconds(took)}; "
           f"one that nobody stops is after {_seconds(whole)}")  # fmt: skip
    for _ in range(min(rig.card.channels, 16)):
        rig.started()  # every channel is free: rig.start fails otherwise


def abort_ends_the_hours(rig: Rig) -> None:
    """An aborted job holds its channel up to the abort and no longer: lab hours are counted."""
    job = _running(rig)
    if rig.card.simulated:
        due = rig.adapter.poll(job.key).ask_at or job.started_at
        rig.clock.wait_until(job.started_at + min((due - job.started_at) / 2, timedelta(hours=1)))
    _stop(rig, job.key)
    hours = rig.adapter.poll(job.key).hours
    held = (rig.clock.now() - job.started_at) / timedelta(hours=1)
    demand(0 <= hours <= held + 1e-9, f"{hours} h; from start to abort it was {held} h")
    rig.clock.wait_until(rig.clock.now() + timedelta(seconds=0.2))
    later = rig.adapter.poll(job.key).hours
    demand(later == hours, f"the hours of an aborted job went from {hours} to {later}")


def abort_twice_is_harmless(rig: Rig) -> None:
    """A second abort, as an operator in doubt gives it, answers like the first."""
    job = _running(rig)
    first = _stop(rig, job.key)
    second = rig.adapter.abort(job.key, "conformance, twice")
    demand(second == first, f"the first abort says {first}, the second {second}")


def abort_of_a_finished_job_changes_nothing(rig: Rig) -> None:
    """What was measured stays measured: an abort that comes too late leaves the result alone."""
    job = rig.started()
    progress, result = rig.to_the_end(job.key)
    status = rig.adapter.abort(job.key, "conformance, too late")
    demand(status == Status(progress.state, safe=True), f"abort says {status}")
    differs = difference(result, rig.adapter.fetch(job.key))
    demand(not differs, f"the result changed: {differs}")


def abort_by_a_new_engine(rig: Rig) -> None:
    """An engine that was started again can stop what the old one began."""
    if rig.card.repeatable:
        raise NotApplicable("its jobs are simply run again")
    job = _running(rig)
    rig.new_engine()
    if rig.find(job.key, job.started_at) is Found.UNKNOWN:
        raise NotApplicable("its device does not remember jobs")
    _stop(rig, job.key)


def not_abortable_is_said(rig: Rig) -> None:
    """An instrument that cannot stop a job never calls a running one safe."""
    if rig.card.abortable:
        raise NotApplicable("its jobs can be stopped")
    job = rig.started()
    status = rig.adapter.abort(job.key, "conformance")
    running = rig.adapter.poll(job.key).state is JobState.RUNNING
    demand(not (status.safe and running), "abort says safe, and the job runs on")


def _running(rig: Rig) -> Job:
    if not rig.card.abortable:
        raise NotApplicable("its jobs cannot be stopped")
    return rig.under_way()


def _stop(rig: Rig, key: str) -> Status:
    """Abort until the device is safe, as the engine does. Every answer is held against what the
    device itself says; a job that runs to its end all the same was not stopped.

    Raises NotTested where the job was over before the first abort, or so soon after it that a
    device which does stop would have needed as long.
    """
    if rig.adapter.poll(key).state is JobState.FINISHED:
        raise NotTested("the bench's jobs end before they can be aborted")
    asked = rig.since_submit(key)
    answers: list[Status] = []

    def safe() -> bool:
        answers.append(rig.adapter.abort(key, "conformance"))
        lies = answers[-1].safe and rig.at_work(key)
        demand(not lies, "abort says safe while the device still works on the job")
        return answers[-1].safe

    stopped = rig.within(rig.bench.longest_s, safe)
    demand(stopped, f"abort has not become safe: {answers[-1]}")
    if answers[-1].state is JobState.FINISHED:
        if not rig.clock.simulated and asked > EARLY * _undisturbed(rig):
            raise NotTested("the bench's jobs end before they can be aborted")
        demand(False, "abort changed nothing: the job ran to its end")
    return answers[-1]


def _undisturbed(rig: Rig) -> timedelta:
    """How long a job of the same setting lasts, from its submit, when nobody stops it."""
    job = rig.started()
    rig.to_the_end(job.key)
    return rig.since_submit(job.key)


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.3g} s"


CHECKS = (
    abort_is_read_back,
    abort_ends_the_hours,
    abort_twice_is_harmless,
    abort_of_a_finished_job_changes_nothing,
    abort_by_a_new_engine,
    not_abortable_is_said,
)
