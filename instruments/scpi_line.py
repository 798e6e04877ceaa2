"""SCPI commands over VISA: one session for one call, the error queue read after every order."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instruments.base import Garbled, Refused, Unreachable
from instruments.scpi_command import Command
from instruments.setpoint_line import Raw

if TYPE_CHECKING:
    from pyvisa.resources import MessageBasedResource, Resource

_LONGEST_QUEUE = 32  # SCPI devices keep some ten errors; more means that it never empties
_ERROR = re.compile(r"\s*([+-]?\d+)\s*(?:,\s*(.*))?")


@dataclass(frozen=True)
class ScpiConnection:
    """Table `connection` of a SCPI map.

    backend:  of pyvisa: "@py" needs no vendor library
    identity: has to be part of the answer to *IDN?; "" does not ask
    error_query: reads one entry of the error queue; "" for a device without one
    """

    resource: str
    identity: str = ""
    backend: str = "@py"
    error_query: str = "SYST:ERR?"
    write_termination: str = "\n"
    read_termination: str = "\n"

    def __post_init__(self) -> None:
        if "::" not in self.resource:
            raise ValueError(
                f"resource: {self.resource!r} is not allowed; "
                "a VISA name such as TCPIP::10.0.0.5::5025::SOCKET is"
            )


@contextmanager
def scpi_line(connection: ScpiConnection, timeout_s: float, until: float) -> Iterator[ScpiLine]:
    """An open session, good until a moment of time.monotonic(). Raises Unreachable."""
    import pyvisa

    session = _session(connection, round(timeout_s * 1000))
    try:
        if not isinstance(session, pyvisa.resources.MessageBasedResource):
            raise Unreachable(f"{connection.resource} takes no messages")
        line = ScpiLine(session, connection, until)
        line.greet()
        yield line
    finally:
        session.close()


def _session(connection: ScpiConnection, timeout_ms: int) -> Resource:
    import pyvisa

    manager = pyvisa.ResourceManager(connection.backend)
    try:
        return manager.open_resource(
            connection.resource,
            open_timeout=timeout_ms,
            timeout=timeout_ms,
            write_termination=connection.write_termination,
            read_termination=connection.read_termination,
        )
    except Exception as error:
        raise Unreachable(f"no session with {connection.resource}: {error}") from error


class ScpiLine:
    """Asks and orders; a device that reports an error after an order has refused it."""

    def __init__(
        self, session: MessageBasedResource, connection: ScpiConnection, until: float
    ) -> None:
        self._session = session
        self._connection = connection
        self._until = until

    def greet(self) -> None:
        """Is it the right device? Old errors are taken out of its queue."""
        expected = self._connection.identity
        if expected:
            told = self._ask("*IDN?")
            if expected not in told:
                raise Garbled(f"*IDN? answered {told!r}; it has to contain {expected!r}")
        self._errors()

    def read(self, point: Command) -> Raw:
        return point.parsed(self._ask(point.query))

    def write(self, point: Command, value: Raw) -> None:
        spelt = point.spelt(value)
        self._in_time()
        with _answered(spelt):
            self._session.write(spelt)
            told = self._session.read().strip() if point.reply else ""
        if told != point.reply:
            raise Refused(f"the device answered {told!r} to {spelt}")
        errors = self._errors()
        if errors:
            raise Refused(f"the device refused {spelt}: {'; '.join(errors)}")

    def _errors(self) -> list[str]:
        """All entries of the error queue, which is empty then."""
        query, found = self._connection.error_query, list[str]()
        while query:
            told = self._ask(query)
            entry = _ERROR.fullmatch(told)
            if entry is None:
                raise Garbled(f"{query} answered {told!r}; a number and a text are needed")
            if int(entry[1]) == 0:
                break
            found.append(told)
            if len(found) > _LONGEST_QUEUE:
                raise Garbled(f"{query} reports errors without end")
        return found

    def _ask(self, query: str) -> str:
        self._in_time()
        with _answered(query):
            return str(self._session.query(query)).strip()

    def _in_time(self) -> None:
        if time.monotonic() > self._until:
            raise Unreachable("the device answers too slowly")


@contextmanager
def _answered(what: str) -> Iterator[None]:
    """What pyvisa and its back ends raise where no answer came, or none that can be read."""
    from pyvisa.errors import VisaIOError

    try:
        yield
    except UnicodeDecodeError as error:
        raise Garbled(f"an unreadable answer to {what}: {error}") from error
    except (VisaIOError, OSError) as error:
        raise Unreachable(f"no answer to {what}: {error}") from error
