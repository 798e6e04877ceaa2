"""A robot at work: any adapter, fed from the board of work of a server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

from instruments.base import Clock, Instrument, InstrumentError
from loop.robot_job import JobAtDevice
from loop.robot_link import Cut, Denied, Link, LinkError, Rejected, Superseded, Work

BEATS_PER_LEASE = 4.0
LONGEST_BEAT_S = 2.0  # a stop is heard of in the answer to a heartbeat
LISTEN_BEATS = 2.5  # in which another program with the same token would be heard
IDLE_S = 0.2  # between two looks whether there is a job to send heartbeats for
WAIT_S = 2.0  # for work, in one claim: a wish to end is noticed at least as often
LOOK_S = 0.05  # shortest time between two looks at the device
RETRY_S = 1.0  # before a device that was busy or silent is asked again
ENDED = ("finished", "failed", "stopped")  # states into which only a robot brings a job

Tell = Callable[[str], None]


class Abandoned(Exception):
    """The robot was told to leave at once."""


class Robot:
    """Claims work while the device has room, and brings every job to its end.

    One thread speaks with the device; another one sends the heartbeats, hears of stops in their
    answers, and aborts, so that a device that hangs keeps neither from happening.
    speed: seconds of the device's clock a second (a simulated device may run faster).
    """

    def __init__(
        self, link: Link, device: Instrument, clock: Clock, tell: Tell, speed: float = 1.0
    ) -> None:
        self._link = link
        self._device = device
        self._clock = clock
        self._tell = tell
        self._speed = speed
        self._room = device.describe().channels
        self._jobs: list[JobAtDevice] = []
        self._due: dict[int, float] = {}  # job -> monotonic time of the next look
        self._heard: dict[int, float] = {}  # job -> monotonic time of the server's last answer
        self._claim = str(uuid4())
        self._denied: Denied | None = None
        self._ending = threading.Event()
        self._leaving = threading.Event()

    def finish(self) -> None:
        """Take no new work; end when the jobs under way are over."""
        self._ending.set()

    def leave(self) -> None:
        """End now. What runs at the device runs on, and is met again at the next start."""
        self._ending.set()
        self._leaving.set()

    @property
    def idle(self) -> bool:
        """Whether no job is under way here: whoever leaves now leaves nothing behind."""
        return not self._jobs

    def wait(self, seconds: float, why: str) -> None:
        """Let time pass before a request is sent again. Raises Abandoned."""
        self._tell(why)
        told = self._ending if self.idle else self._leaving
        if told.wait(seconds):
            raise Abandoned

    def run(self, *, once: bool = False) -> None:
        """Work until told to finish, or until one job is done.

        Raises Abandoned where it was told to leave with a job under way, Denied.
        """
        try:
            self._work(once=once)
        except Abandoned:
            if not self.idle:
                raise

    def _work(self, *, once: bool) -> None:
        beating = threading.Thread(target=self._beat, name="heartbeats", daemon=True)
        for work in self._left_over():
            self._tell(f"taken up again: {work.key}")
            self._take(work)
        beating.start()
        try:
            while self._jobs or not self._ending.is_set():
                if self._denied is not None:
                    raise self._denied
                self._take_more()
                if once and self._jobs:
                    self.finish()
                self._attend()
        finally:
            self._leaving.set()
            beating.join(timeout=1.0)

    def _left_over(self) -> list[Work]:
        """The jobs of an earlier life of this robot. Raises Denied, Abandoned.

        Two programs with one token would both believe that a job is theirs, and two devices might
        do it: so this one listens first whether somebody else speaks of any job.
        """
        held = self._link.held()
        if not held:
            return held
        if self._ending.wait(LISTEN_BEATS * max(_beat_s(work.lease_s) for work in held)):
            self._tell("left; its jobs are taken up at the next start")
            raise Abandoned
        later = self._link.held()
        alive = self._spoken_of(held, later)
        if alive:
            raise Denied(
                f"another program works with this token, on {', '.join(alive)}; end that one, or "
                "make this one a token of its own (leyden token create)"
            )
        return later

    def _spoken_of(self, held: list[Work], later: list[Work]) -> list[str]:
        """The jobs of which somebody has said something between two looks; we have not."""
        before = {work.id: work.heard_at for work in held}
        spoken = [w.key for w in later if w.id not in before or before[w.id] != w.heard_at]
        ended = {work.id for work in held} - {work.id for work in later}
        return spoken + [w.key for w in held if w.id in ended and self._was_ended(w)]

    def _was_ended(self, work: Work) -> bool:
        """Whether a job that we no longer have was brought to its end in our name."""
        try:
            return self._link.show(work.id).state in ENDED
        except (Denied, Rejected):  # another robot's now, or off the board
            return False

    def _take_more(self) -> None:
        """Ask for a job where there is room for one."""
        if self._ending.is_set() or len(self._jobs) >= self._room:
            return
        try:
            work = self._link.claim(self._claim, 0.0 if self._jobs else WAIT_S)
        except Cut as error:  # the same claim again: had it arrived, it gives the same job
            self._pause(error)
            return
        except Superseded:
            work = None
        self._claim = str(uuid4())
        if work is not None:
            self._tell(f"claimed: {work.key}")
            self._take(work)

    def _pause(self, error: Cut) -> None:
        self._tell(str(error))
        if self.idle:
            self._ending.wait(RETRY_S)

    def _take(self, work: Work) -> None:
        if any(job.work.id == work.id for job in self._jobs):
            return
        self._heard[work.id] = time.monotonic()
        self._jobs.append(JobAtDevice(work, self._link, self._device, self._clock))

    # the device ------------------------------------------------------------------------------

    def _attend(self) -> None:
        """One look at every job that is due, then time passes until the next is."""
        for job in list(self._jobs):
            if self._due.get(job.work.id, 0.0) <= time.monotonic() and not job.over:
                self._due[job.work.id] = time.monotonic() + self._step(job)
            if job.over:
                self._drop(job)
        if self._leaving.is_set():
            raise Abandoned
        if self._jobs:
            soonest = min(self._due.get(job.work.id, 0.0) for job in self._jobs)
            self._leaving.wait(min(RETRY_S, max(0.0, soonest - time.monotonic())))

    def _step(self, job: JobAtDevice) -> float:
        """One step of a job; seconds until the next."""
        try:
            moment = job.step()
        except InstrumentError as error:
            job.note = str(error)
            return RETRY_S
        except Superseded as error:
            self._tell(f"{job.work.key}: {error}")
            job.over = True
            return 0.0
        except Rejected as error:
            self._tell(f"{job.work.key}: {error}")
            job.give_up(str(error))
            return 0.0
        if moment is None:
            return 0.0
        left = (moment - self._clock.now()) / timedelta(seconds=1) / self._speed
        return max(LOOK_S, left)

    def _drop(self, job: JobAtDevice) -> None:
        self._tell(f"done: {job.work.key}")
        self._jobs.remove(job)
        self._due.pop(job.work.id, None)

    # the server ------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Heartbeats for all jobs, as often as the shortest lease needs it."""
        while True:
            jobs = [job for job in list(self._jobs) if not job.over]
            pause_s = min((_beat_s(job.work.lease_s) for job in jobs), default=IDLE_S)
            if self._leaving.wait(pause_s):
                return
            for job in jobs:
                try:
                    self._beat_for(job)
                except Abandoned:
                    return

    def _beat_for(self, job: JobAtDevice) -> None:
        """Tell that we live, hear whether to stop; without an answer, keep to what was agreed."""
        try:
            told = self._link.beat(job.work, job.note, job.run_id)
        except Denied as error:
            self._denied = error
            return
        except Superseded as error:
            self._taken_away(job, str(error))
            return
        except LinkError as error:
            self._cut_off(job, str(error))
            return
        self._heard[job.work.id] = time.monotonic()
        if told.stop:
            job.stop = told.reason or "a stop was asked for"
            self._halt(job, job.stop)

    def _taken_away(self, job: JobAtDevice, why: str) -> None:
        """The job is another robot's now, or off the board; ours has no use any more."""
        try:
            if job.drop(why):
                self._tell(f"{job.work.key}: {why}")
        except (InstrumentError, KeyError) as error:
            self._tell(f"{job.work.key}: {why}; the stop is not confirmed: {error}")

    def _cut_off(self, job: JobAtDevice, why: str) -> None:
        """A robot that is to stop when nobody hears of it does so once its lease is over."""
        silent = time.monotonic() - self._heard.get(job.work.id, 0.0)
        if job.work.on_lease_loss == "stop" and silent > job.work.lease_s:
            self._halt(job, f"cut off from the server: {why}")

    def _halt(self, job: JobAtDevice, reason: str) -> None:
        try:
            job.halt(reason)
        except (InstrumentError, KeyError) as error:
            job.note = f"the stop is not confirmed: {error}"
        except LinkError as error:
            self._tell(f"{job.work.key}: {error}")


def _beat_s(lease_s: float) -> float:
    """Seconds between two heartbeats of a job."""
    return min(LONGEST_BEAT_S, lease_s / BEATS_PER_LEASE)
