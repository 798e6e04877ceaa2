"""Who may run a campaign: one process at a time, told from its predecessors by a fence number."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loop.store.errors import LeaseHeld, LeaseLost

if TYPE_CHECKING:
    from loop.store.sqlite import Database
    from loop.store.statements import Statements

LEASE_S = 120.0  # how long a lease lives unrenewed where its holder cannot be looked at


@dataclass(frozen=True, slots=True)
class Process:
    """One process, such that no other one, later or elsewhere, is taken for it."""

    host: str
    boot: str  # boot id and, as pids are counted apart in them, the pid namespace
    pid: int
    started: str  # in clock ticks since boot, against reuse of the pid; "" where not known

    @classmethod
    def own(cls) -> Process:
        """The calling process."""
        return cls(socket.gethostname(), _boot(), os.getpid(), _started(os.getpid()) or "")

    def alive(self) -> bool | None:
        """Whether it runs; None where that cannot be seen from here."""
        if (self.host, self.boot) != (socket.gethostname(), _boot()):
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it runs as another user
        started = _started(self.pid)
        return started is None or not self.started or started == self.started


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to append to a campaign; `fence` grows with every holder."""

    campaign: str
    fence: int
    holder: Process
    since: str  # ISO 8601, UTC
    lease_s: float


@dataclass(frozen=True, slots=True)
class Held:
    """A row of table `lease`."""

    fence: int
    holder: Process
    since: str
    expires_at: str
    released: bool

    def live(self, now: datetime) -> bool:
        """True while nobody else may take the campaign: the process runs, or may still run."""
        if self.released:
            return False
        alive = self.holder.alive()
        return now < self._expiry() if alive is None else alive

    def _expiry(self) -> datetime:
        try:
            return datetime.fromisoformat(self.expires_at)
        except ValueError:  # damaged: the lease says nothing any more
            return datetime.min.replace(tzinfo=UTC)


def held(database: Database, campaign: str) -> Held | None:
    """The last lease of a campaign, if it ever had one."""
    rows = database.rows(
        "SELECT fence, host, boot, pid, started, since, expires_at, released FROM lease "
        "WHERE campaign = :campaign",
        {"campaign": campaign},
    )
    if not rows:
        return None
    fence, host, boot, pid, started, since, expires_at, released = rows[0]
    return Held(fence, Process(host, boot, pid, started), since, expires_at, bool(released))


def acquire(statements: Statements, campaign: str, lease_s: float = LEASE_S) -> Lease:
    """Take a campaign, from a dead process at once, from another host once its lease is over.

    Raises LeaseHeld while its holder lives.
    """
    own, database = Process.own(), statements.database
    with database.writing():
        last, now = held(database, campaign), datetime.now(UTC)
        if last is not None and last.live(now):
            raise LeaseHeld(campaign, last.holder.host, last.holder.pid, last.since)
        since = now.isoformat(timespec="seconds")
        lease = Lease(campaign, 1 if last is None else last.fence + 1, own, since, lease_s)
        row: dict[str, Any] = {
            "fence": lease.fence,
            "host": own.host,
            "boot": own.boot,
            "pid": own.pid,
            "started": own.started,
            "since": since,
            "expires_at": _expiry(now, lease_s),
            "released": False,
        }
        if last is None:
            statements.insert("lease", [{"campaign": campaign, **row}])
        else:
            statements.update("lease", {"campaign": campaign}, row)
    return lease


def renew(statements: Statements, lease: Lease) -> None:
    """Keep a lease for another `lease_s` seconds. Raises LeaseLost."""
    expires_at = _expiry(datetime.now(UTC), lease.lease_s)
    with statements.database.writing():
        if not _change(statements, lease, {"expires_at": expires_at}):
            last = held(statements.database, lease.campaign)
            raise LeaseLost(lease.campaign, lease.fence, last.fence if last else 0)


def release(statements: Statements, lease: Lease) -> None:
    """Give a lease back; one that is lost already stays with its new holder."""
    with statements.database.writing():
        _change(statements, lease, {"released": True})


def _change(statements: Statements, lease: Lease, values: dict[str, Any]) -> int:
    key = {"campaign": lease.campaign, "fence": lease.fence, "released": False}
    return statements.update("lease", key, values)


def _expiry(now: datetime, lease_s: float) -> str:
    return (now + timedelta(seconds=lease_s)).isoformat(timespec="milliseconds")


def _boot() -> str:
    """The boot id with the pid namespace; "" where the system tells neither (not Linux)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None where that cannot be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name may hold blanks and brackets
    return "" if fields[0] in "ZX" else fields[19]
