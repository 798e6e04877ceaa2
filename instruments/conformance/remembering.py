"""Checks of memory: after the engine or the device was killed, did this job already run?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from instruments.base import Found, InstrumentError, Job, JobState, Refused
from instruments.conformance.rig import Rig
from instruments.conformance.sameness import difference
from instruments.conformance.verdict import CheckFailed, NotApplicable, demand

MID_SUBMIT_S = (0.0, 0.02, 0.1)  # after which an engine is killed that has begun to submit
SETTLING_S = 1.0  # in which a job that is still under way to the device would begin
OVER = (JobState.FINISHED, JobState.FAILED, JobState.ABORTED)


def find_tells_running_from_finished(rig: Rig) -> None:
    """Before, during and after a job the answer is never (or unknown, from a device without
    memory), running and finished."""
    job = rig.job()
    since = rig.clock.now()
    rig.not_begun(job.key, since)
    rig.start(job)
    found = rig.find(job.key, since)
    if rig.adapter.poll(job.key).state is JobState.RUNNING:
        demand(found is Found.RUNNING, f"while the job runs find says {found}")
    rig.to_the_end(job.key)
    found = rig.find(job.key, since)
    demand(found is Found.FINISHED, f"after its end find says {found}")


def new_engine_answers_for_old_jobs(rig: Rig) -> None:
    """An adapter opened anew answers for the keys of the old one, by the device's memory; one
    without memory says unknown and lost, and a repeatable job is simply run again."""
    job = rig.started()
    if rig.card.repeatable:
        _run_again(rig, job)
        return
    rig.new_engine()
    if _remembered(rig, job):
        progress, _ = rig.to_the_end(job.key)
        demand(progress.state is JobState.FINISHED, f"the job then ended {progress.state}")
        demand(rig.starts(job.key) in (None, 1), "the device began the job twice")


def new_engine_keeps_key_and_job_together(rig: Rig) -> None:
    """Also for a new engine a key stands for one job: submitted again it starts nothing, and with
    another setting it is refused. The payload is kept where the job is kept."""
    if rig.card.repeatable:
        raise NotApplicable("its jobs are simply run again")
    job = rig.started()
    rig.new_engine()
    if not _remembered(rig, job):
        raise NotApplicable("its device does not remember jobs")
    rig.adapter.submit(job)
    other = Job(job.key, rig.bench.settings[1], job.seed, job.started_at)
    try:
        rig.adapter.submit(other)
    except Refused:
        pass
    else:
        raise CheckFailed("a new engine's submit took an old key for another setting")
    rig.to_the_end(job.key)
    demand(rig.starts(job.key) in (None, 1), "the device began the job twice")


def engine_killed_mid_run(rig: Rig) -> None:
    """kill -9 of the engine while its job runs: a new one finds the job, never says `never`, and
    submitting the key again starts nothing."""
    job = rig.job()
    with rig.opening.engine([job]) as engine:
        engine.submit()
        engine.submitted()
        engine.kill()
    rig.fresh_engine()
    if rig.card.repeatable:
        _run_again(rig, job)
        return
    if not _remembered(rig, job):
        return
    rig.adapter.submit(job)
    progress, result = rig.to_the_end(job.key)
    demand(progress.state is JobState.FINISHED, f"it ended {progress.state}: {result.reason}")
    demand(rig.starts(job.key) in (None, 1), "the device began the job twice")


def engine_killed_mid_submit(rig: Rig) -> None:
    """kill -9 of the engine between sending a job and its answer: if a new one is told `never`,
    the job never begins by itself, and submitted again it begins once."""
    rig.real_time()
    for seconds in MID_SUBMIT_S:
        job = rig.job()
        demand(rig.starts(job.key) in (None, 0), "the device began a job that was not submitted")
        rig.device.starts(job.key)  # without this hook nothing could be said: not tested
        with rig.opening.engine([job]) as engine:
            engine.submit()
            rig.within(seconds, lambda: False)
            engine.kill()
        rig.fresh_engine()
        found = rig.find(job.key, job.started_at)
        if found is Found.NEVER:
            _never_means_never(rig, job)
        elif found is not Found.UNKNOWN:
            rig.to_the_end(job.key)
            demand(rig.starts(job.key) == 1, f"find says {found} of a job that did not begin once")


def _never_means_never(rig: Rig, job: Job) -> None:
    late = rig.within(SETTLING_S, lambda: rig.device.starts(job.key) > 0)
    demand(not late, "find said never, and then the job began")
    rig.start(job)
    rig.to_the_end(job.key)
    demand(rig.device.starts(job.key) == 1, "submitted after `never` it did not begin once")


def device_killed_and_restarted(rig: Rig) -> None:
    """After the device was killed and started again a job that had begun is known or unknown,
    never `never`; poll says lost, or how it stands."""
    rig.real_time()
    job = rig.under_way()
    rig.device.kill()
    _silent(rig, job)
    rig.device.restart()
    _accounted_for(rig, job)
    demand(rig.starts(job.key) in (None, 0, 1), "the device began the job twice")


def device_that_forgot_is_not_believed(rig: Rig) -> None:
    """A device whose memory begins after the intent to run a job cannot say that it never ran:
    find says unknown, poll says lost."""
    rig.real_time()
    job = rig.under_way()
    rig.device.forget()
    for _ in range(2):  # by the engine that knew the job, and by a new one
        found = rig.find(job.key, job.started_at)
        demand(found is Found.UNKNOWN, f"find says {found} of a forgotten job; unknown is needed")
        try:
            state = rig.eventually(lambda: rig.adapter.poll(job.key), InstrumentError).state
        except KeyError as error:
            told = "poll of a forgotten job raised KeyError; the state lost is needed"
            raise CheckFailed(told) from error
        demand(state is JobState.LOST, f"poll of a forgotten job says {state}; lost is needed")
        rig.new_engine()


def _silent(rig: Rig, job: Job) -> None:
    """A dead device gives no answers, and none may be made up."""
    found = _answered(lambda: rig.adapter.find(job.key, job.started_at))
    demand(found is not Found.NEVER, "find says never while the device is dead")
    _answered(lambda: rig.adapter.poll(job.key).state)


def _answered(call: Callable[[], object]) -> object:
    try:
        return call()
    except InstrumentError:
        return None


def _accounted_for(rig: Rig, job: Job) -> None:
    found = rig.find(job.key, job.started_at)
    demand(found is not Found.NEVER, "find says never of a job that had begun")
    try:
        state = rig.eventually(lambda: rig.adapter.poll(job.key), InstrumentError).state
    except KeyError as error:
        raise CheckFailed("poll of a job that had begun raised KeyError") from error
    if found is Found.UNKNOWN:
        demand(state is JobState.LOST, f"find says unknown, poll says {state}")


def _remembered(rig: Rig, job: Job, since: datetime | None = None) -> bool:
    """Whether the device knows a job that had begun; demands an honest answer where not."""
    found = rig.find(job.key, since or job.started_at)
    demand(found is not Found.NEVER, "find says never of a job that had begun")
    if found is Found.UNKNOWN:
        state = rig.adapter.poll(job.key).state
        demand(state is JobState.LOST, f"find says unknown, poll says {state}")
        return False
    state = rig.adapter.poll(job.key).state
    known = state in OVER or (state is JobState.RUNNING and found is Found.RUNNING)
    demand(known, f"find says {found}, poll says {state}")
    return True


def _run_again(rig: Rig, job: Job) -> None:
    """A repeatable job, submitted to two new adapters, gives the same data."""
    results = []
    for _ in range(2):
        if rig.card.simulated:
            rig.restart_clock()
        else:
            rig.new_engine()
        rig.start(job)
        results.append(rig.to_the_end(job.key)[1])
    differs = difference(*results)
    demand(not differs, f"the card says repeatable; run again it differs: {differs}")


CHECKS = (
    find_tells_running_from_finished,
    new_engine_answers_for_old_jobs,
    new_engine_keeps_key_and_job_together,
    engine_killed_mid_run,
    engine_killed_mid_submit,
    device_killed_and_restarted,
    device_that_forgot_is_not_believed,
)
