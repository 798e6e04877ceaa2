"""Checks of a connection that fails: cut, hanging, garbled, doubled, late, and a silent engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from instruments.base import Found, InstrumentError, JobState, Unreachable
from instruments.conformance.bench import NotTested
from instruments.conformance.rig import Rig
from instruments.conformance.verdict import CheckFailed, NotApplicable, demand

T = TypeVar("T")

LONGEST_LEASE_S = 10.0  # that the suite is willing to wait for
LATE_S = 1.0  # by which requests are delivered late
AFTER_LATE_S = 1.0  # in which a late request would take effect
NOTICED_S = 3.0  # in which an adapter that reads what the device told before may notice


def cut_connection_is_unreachable(rig: Rig) -> None:
    """While the connection is cut every call comes back in time, with Unreachable or a true
    answer; afterwards the same adapter goes on, and the job has run once."""
    _disturbed(rig, rig.device.cut)


def hanging_device_is_unreachable(rig: Rig) -> None:
    """A device that accepts requests and never answers does not hang the engine: each call comes
    back within patience_s."""
    _disturbed(rig, rig.device.hang)


def garbage_is_no_answer(rig: Rig) -> None:
    """Nonsense from the device is Garbled or Unreachable (or a failed result), never another
    exception and never a number."""
    rig.real_time()
    done = rig.started()
    _, truth = rig.to_the_end(done.key)
    rig.device.garble()
    for fresh in (False, True):  # an adapter that had answers before, and one that never had
        if fresh and not _opens(rig):
            break
        found = _answer(lambda: rig.adapter.find(done.key, done.started_at))
        demand(found in (None, Found.FINISHED, Found.UNKNOWN), f"find says {found}")
        progress = _known(lambda: rig.adapter.poll(done.key))
        demand(progress is None or progress.state in (JobState.FINISHED, JobState.LOST),
               f"poll says {progress}")  # fmt: skip
        result = _known(lambda: rig.adapter.fetch(done.key))
        if result is not None and result.state is not JobState.FAILED:
            made_up = dict(result.scalars) not in ({}, dict(truth.scalars))
            demand(not made_up, f"fetch made up {dict(result.scalars)}")
        numbers = () if result is None else (*result.scalars.values(), *result.at_least.values())
        finite = all(math.isfinite(number.value) for number in numbers)
        demand(finite, f"fetch gives {numbers}")
    rig.device.restore()
    again = rig.eventually(lambda: rig.adapter.fetch(done.key), Unreachable)
    demand(dict(again.scalars) == dict(truth.scalars), "after the garbage the result has changed")


def garbage_to_a_submit(rig: Rig) -> None:
    """A submit that is answered with nonsense may have arrived: find settles it, and the job runs
    at most once."""
    _unanswered_submit(rig, rig.device.garble)


def cut_before_a_submit(rig: Rig) -> None:
    """A submit while the connection is cut is Unreachable; find settles whether it arrived, and
    the job runs at most once."""
    _unanswered_submit(rig, rig.device.cut)


def hang_during_a_submit(rig: Rig) -> None:
    """A submit that gets no answer may have arrived: find settles it, and the job runs at most
    once."""
    _unanswered_submit(rig, rig.device.hang)


def double_delivery_runs_once(rig: Rig) -> None:
    """A request that the network delivers twice starts the job once: the key is on the device."""
    rig.real_time()
    job = rig.job()
    rig.device.starts(job.key)
    rig.device.double()
    try:
        rig.start(job)
    except Unreachable:
        demand(rig.find(job.key, job.started_at) is not Found.NEVER, "find says never")
    rig.device.restore()
    progress, result = rig.to_the_end(job.key)
    demand(progress.state is JobState.FINISHED, f"it ended {progress.state}: {result.reason}")
    starts = rig.device.starts(job.key)
    demand(starts == 1, f"the device began the job {starts} times")


def late_delivery_is_not_never(rig: Rig) -> None:
    """While a submit may still be under way to the device, `never` may not be said: the job would
    be sent again, and run twice."""
    rig.real_time()
    job = rig.job()
    rig.device.starts(job.key)
    rig.device.delay(LATE_S)
    _answer(lambda: rig.adapter.submit(job))
    found = rig.find(job.key, job.started_at)
    if found is Found.NEVER:
        late = rig.within(LATE_S + AFTER_LATE_S, lambda: rig.device.starts(job.key) > 0)
        demand(not late, "find said never, and then the job began")
    rig.device.restore()
    rig.within(LATE_S + AFTER_LATE_S, lambda: rig.device.starts(job.key) > 0)
    demand(rig.device.starts(job.key) <= 1, "the device began the job more than once")


def silent_engine_is_handled_as_the_card_says(rig: Rig) -> None:
    """When the engine is dead for longer than lease_s the device holds, continues or stops as the
    card says; a new engine still knows the job."""
    lease_s, policy = rig.card.lease_s, rig.card.on_lease_loss
    if lease_s is None:
        raise NotApplicable("the card has no lease_s: the device never notices")
    if lease_s > LONGEST_LEASE_S:
        raise NotTested(f"lease_s is {lease_s:g}; give the bench one below {LONGEST_LEASE_S:g}")
    job = rig.job()
    rig.adapter.close()
    with rig.opening.engine([job]) as engine:
        engine.submit()
        engine.submitted()
        engine.kill()
    rig.within(1.5 * lease_s + 0.2, lambda: False)
    working = rig.at_work(job.key)
    rig.fresh_engine()
    progress = rig.eventually(lambda: rig.adapter.poll(job.key), Unreachable)
    allowed = {
        "hold": (JobState.RUNNING, JobState.FINISHED),
        "continue": (JobState.RUNNING, JobState.FINISHED),
        "stop": (JobState.ABORTED, JobState.FAILED),
    }[policy]
    demand(progress.state in allowed, f"the card says {policy}; the job is {progress.state}")
    demand(not (policy != "continue" and working), f"the card says {policy}; the device works on")
    if policy == "continue":
        rig.to_the_end(job.key)
    demand(rig.starts(job.key) in (None, 1), "the device began the job more than once")


def _disturbed(rig: Rig, disturb: Callable[[], None]) -> None:
    """Each call while the device is disturbed, and the recovery afterwards."""
    rig.real_time()
    job = rig.under_way()
    disturb()
    rig.within(NOTICED_S, lambda: _known(lambda: rig.adapter.poll(job.key)) is None)
    found = _answer(lambda: rig.adapter.find(job.key, job.started_at))
    demand(found is not Found.NEVER, "find says never of a job that had begun")
    _known(lambda: rig.adapter.fetch(job.key))
    if rig.card.abortable:
        status = _known(lambda: rig.adapter.abort(job.key, "conformance"))
        lies = status is not None and status.safe and rig.at_work(job.key)
        demand(not lies, "abort says safe while the device still works on the job")
    rig.device.restore()
    progress = rig.eventually(lambda: rig.to_the_end(job.key)[0], Unreachable)
    over = (JobState.FINISHED, JobState.ABORTED)
    demand(progress.state in over, f"afterwards the job is {progress.state}")
    demand(rig.starts(job.key) in (None, 1), "the device began the job more than once")


def _unanswered_submit(rig: Rig, disturb: Callable[[], None]) -> None:
    rig.real_time()
    job = rig.job()
    disturb()
    _answer(lambda: rig.adapter.submit(job))
    found = _answer(lambda: rig.adapter.find(job.key, job.started_at))
    rig.device.restore()
    if found is None:
        found = rig.find(job.key, job.started_at)
    if found is Found.NEVER:
        begun = rig.within(AFTER_LATE_S, lambda: bool(rig.starts(job.key)))
        demand(not begun, "find said never, and the job had begun")
        rig.eventually(lambda: rig.start(job), Unreachable)
    if found is not Found.UNKNOWN:
        rig.eventually(lambda: rig.to_the_end(job.key), Unreachable)
        demand(rig.starts(job.key) in (None, 1), "the device did not begin the job once")
    else:
        demand(rig.starts(job.key) in (None, 0, 1), "the device began the job more than once")


def _answer(call: Callable[[], T]) -> T | None:
    """What the call answers; None where it is Unreachable."""
    try:
        return call()
    except Unreachable:
        return None


def _known(call: Callable[[], T]) -> T | None:
    """Like `_answer`, for a job that had begun: KeyError would say that nobody submitted it."""
    try:
        return _answer(call)
    except KeyError as error:
        raise CheckFailed("a job that had begun is a KeyError: an unknown key") from error


def _opens(rig: Rig) -> bool:
    """Whether a new adapter can be opened now; one that looks at the device first cannot."""
    try:
        rig.fresh_engine()
    except CheckFailed as error:
        if isinstance(error.__cause__, InstrumentError):
            return False
        raise
    return True


CHECKS = (
    cut_connection_is_unreachable,
    hanging_device_is_unreachable,
    garbage_is_no_answer,
    cut_before_a_submit,
    hang_during_a_submit,
    garbage_to_a_submit,
    double_delivery_runs_once,
    late_delivery_is_not_never,
    silent_engine_is_handled_as_the_card_says,
)
