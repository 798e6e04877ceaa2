"""The robot's end of the line: requests to the server, sent again until they are answered."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

SHORTEST_S = 0.2  # before a request is sent again; doubled each time
LONGEST_S = 10.0
TIMEOUT_S = 10.0  # for an answer, beside the time a claim waits for work
AGAIN = (408, 425, 429)  # and every 5xx: the same request may do better later


class LinkError(Exception):
    """A request did not do what it was sent for.

    LinkError
     ├─ Cut         no answer, or one that makes no sense; it may have arrived
     ├─ Denied      the token is not for this, or another program works with it
     │  └─ Unauthorized  the token is not valid, or not any more
     ├─ Superseded  the job is no longer this robot's, or over
     └─ Rejected    the server understood, and cannot take it
    """


class Cut(LinkError):
    """No answer came, or none that can be understood."""


class Denied(LinkError):
    """The token is bound to something else, or another program works with it."""


class Unauthorized(Denied):
    """The server knows no such token, or it was revoked, or is over."""


class Superseded(LinkError):
    """The job is no longer this robot's, or it is over."""


class Rejected(LinkError):
    """The server cannot take what was sent, and says why."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job as the server tells it; see docs/robots.md."""

    id: int
    key: str
    fence: int
    state: str
    parameters: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, str]
    sample: str
    seed: tuple[int, int, int]
    checkpoints: tuple[int, ...]
    lease_s: float
    on_lease_loss: str
    begun_at: str | None
    heard_at: str | None
    cycle: int

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Raises Cut for an answer that is no job."""
        try:
            a, b, c = told["seed"]
            return cls(
                id=int(told["id"]),
                key=str(told["key"]),
                fence=int(told["fence"]),
                state=str(told["state"]),
                parameters={name: dict(one) for name, one in told["parameters"].items()},
                metrics=dict(told["metrics"]),
                sample=str(told["sample"]),
                seed=(int(a), int(b), int(c)),
                checkpoints=tuple(told["checkpoints"]),
                lease_s=float(told["lease_s"]),
                on_lease_loss=str(told["on_lease_loss"]),
                begun_at=told["begun_at"],
                heard_at=told["heard_at"],
                cycle=int(told["cycle"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Cut(f"the answer is no job ({type(error).__name__}: {error})") from error


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to a report."""

    stop: bool
    reason: str
    lease_s: float

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Raises Cut for an answer that is none."""
        try:
            stop, reason, lease_s = told["stop"], str(told["reason"]), float(told["lease_s"])
        except (KeyError, TypeError, ValueError) as error:
            raise Cut(f"the answer makes no sense ({error})") from error
        if not isinstance(stop, bool):
            raise Cut(f"the answer makes no sense (stop is {stop!r})")
        return cls(stop, reason, lease_s)


class Link:
    """Speaks to one server with one token; may be used by several threads.

    wait: called before a request is sent again, with seconds and why; raises to give up.
    """

    def __init__(
        self, server: str, token: str, wait: Callable[[float, str], None], *, insecure: bool = False
    ) -> None:
        """Raises ValueError for an address to which a token must not be sent."""
        import httpx

        self.server = checked(server, insecure=insecure)
        self._wait = wait
        self._client = httpx.Client(
            base_url=self.server,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=not _loopback(self.server),  # no proxy stands before this very computer
        )

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def claim(self, claim: str, wait_s: float) -> Work | None:
        """A job, None where none came in that time. Raises LinkError; asks once."""
        body = {"claim": claim, "wait_s": wait_s}
        told = self._once("POST", "/v1/work/claim", body, wait_s)
        return None if told is None else Work.of(told)

    def held(self) -> list[Work]:
        """The jobs that this robot has. Raises LinkError, not Cut."""

        def ask() -> list[Work]:
            told = self._once("GET", "/v1/work") or {}
            jobs: Sequence[Mapping[str, Any]] = told.get("jobs", ())
            return [Work.of(one) for one in jobs]

        return self._patiently(ask)

    def show(self, work: int) -> Work:
        """One job of this robot, also when it is over. Raises LinkError, not Cut."""
        return self._patiently(lambda: Work.of(self._once("GET", f"/v1/work/{work}") or {}))

    def begin(self, work: Work) -> Told:
        """Only when this has returned, anything may move. Raises LinkError, not Cut."""
        return self._report(work, "begin", {})

    def beat(self, work: Work, note: str, run_id: str) -> Told:
        """A sign of life. Raises LinkError; asks once."""
        body = {"fence": work.fence, "note": note[:500], "run_id": run_id[:200]}
        return Told.of(self._once("POST", f"/v1/work/{work.id}/heartbeat", body) or {})

    def part(self, work: Work, number: int, series: Mapping[str, Any]) -> Told:
        """A partial result. Raises LinkError, not Cut."""
        return self._report(work, "parts", {"part": number, "series": series})

    def complete(self, work: Work, scalars: Mapping[str, Any], run_id: str) -> Told:
        """The job is done. Raises LinkError, not Cut."""
        return self._report(work, "complete", {"scalars": scalars, "run_id": run_id[:200]})

    def fail(
        self, work: Work, kind: str, reason: str, at_least: Mapping[str, Any], run_id: str
    ) -> Told:
        """The job gave nothing. Raises LinkError, not Cut."""
        body = {"kind": kind, "reason": reason[:2000] or "no reason given", "at_least": at_least}
        return self._report(work, "fail", {**body, "run_id": run_id[:200]})

    def stopped(self, work: Work, reason: str, run_id: str) -> Told:
        """The job was stopped, and that was read back. Raises LinkError, not Cut."""
        return self._report(work, "stopped", {"reason": reason[:500], "run_id": run_id[:200]})

    def _report(self, work: Work, what: str, body: Mapping[str, Any]) -> Told:
        path, sent = f"/v1/work/{work.id}/{what}", {"fence": work.fence, **body}
        return self._patiently(lambda: Told.of(self._once("POST", path, sent) or {}))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer, however long it takes to get it."""
        pause_s = SHORTEST_S
        while True:
            try:
                return ask()
            except Cut as error:
                self._wait(pause_s, str(error))
                pause_s = min(LONGEST_S, 2 * pause_s)

    def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, wait_s: float = 0.0
    ) -> dict[str, Any] | None:
        """One request; None for an empty answer. Raises LinkError."""
        import httpx

        timeout = httpx.Timeout(TIMEOUT_S, read=TIMEOUT_S + wait_s)
        try:
            answer = self._client.request(method, path, json=body, timeout=timeout)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Cut(f"{self.server}: {str(error) or type(error).__name__}") from error
        if answer.status_code == 204:
            return None
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        status = answer.status_code
        if status >= 500 or status in AGAIN:
            raise Cut(f"{self.server}: answers {status}")
        try:
            told = answer.json()
        except ValueError as error:
            raise Cut(f"{self.server}: the answer is no JSON") from error
        if not isinstance(told, dict):
            raise Cut(f"{self.server}: the answer is no JSON object")
        if status == 200:
            return told
        message = _message(told)
        match status:
            case 401:
                raise Unauthorized(f"{self.server}: {message}")
            case 403:
                raise Denied(f"{self.server}: {message}")
            case 409:
                raise Superseded(message)
            case _:
                raise Rejected(f"{self.server}: {message} ({status})")


def checked(server: str, *, insecure: bool) -> str:
    """The address of a server. Raises ValueError where a token would travel readable."""
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"--server {server}: http://HOST:PORT or https://HOST is needed")
    if parts.username or parts.password or parts.query:
        raise ValueError(f"--server {server}: no names, passwords or questions belong there")
    if parts.scheme == "http" and not _loopback(server) and not insecure:
        raise ValueError(
            f"--server {server}: the token would travel readable; use https, or accept it with "
            "--insecure"
        )
    return server.rstrip("/")


def _loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _message(told: Mapping[str, Any]) -> str:
    error = told.get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else "no reason given"
