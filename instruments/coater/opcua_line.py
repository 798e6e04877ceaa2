"""One connection to a device: a thread of its own, every wait bounded, made anew after an error."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import struct
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from instruments.base import Garbled, Unreachable

# What the OPC UA package raises for bytes that are no answer, beside its own errors
NONSENSE: tuple[type[Exception], ...] = (
    struct.error, ValueError, TypeError, LookupError, AttributeError, AssertionError,
    OverflowError, RuntimeError,
)  # fmt: skip
GRACE_S = 0.5  # for the loop's own time-out to be told before the caller's
FAREWELL_S = 1.0  # for a connection to be closed properly


class Session(Protocol):
    """What a line keeps open."""

    async def leave(self) -> None:
        """Let go of the connection; may hang, the line bounds it."""


S = TypeVar("S", bound=Session)
T = TypeVar("T")


class Line(Generic[S]):
    """Asks one device questions, one at a time.

    connect: makes a session; called again after every failure, since a client that has lost its
        connection stays dead
    failures: the exceptions of the package that mean silence
    where:    the address, for messages
    """

    def __init__(
        self,
        where: str,
        connect: Callable[[], Awaitable[S]],
        failures: tuple[type[Exception], ...],
        within_s: float,
    ) -> None:
        self._where = where
        self._connect = connect
        self._silent: tuple[type[Exception], ...] = (OSError, *failures)
        self._broken: tuple[type[BaseException], ...] = (
            asyncio.CancelledError, *self._silent, *NONSENSE,
        )  # fmt: skip
        self._within_s = within_s
        self._session: S | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._turn = asyncio.Lock()
        self._farewells: set[asyncio.Task[None]] = set()
        self._starting = threading.Lock()

    def ask(self, question: Callable[[S], Awaitable[T]], *, once: bool = False) -> T:
        """The answer to a question. Raises Unreachable or Garbled within the time-out.

        A connection that was kept and turns out to be dead is made anew and asked again, within the
        same time; with `once` it is not, for questions that change something.
        """
        answered = self._answered(question, once)
        future = asyncio.run_coroutine_threadsafe(answered, self._running())
        try:
            return future.result(self._within_s + GRACE_S)
        except concurrent.futures.CancelledError as error:
            raise Unreachable(f"{self._where}: the connection was closed") from error
        except TimeoutError as error:
            future.cancel()
            raise Unreachable(self._silence()) from error

    def close(self) -> None:
        """Close the connection and end the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._loop = self._thread = None
        future = asyncio.run_coroutine_threadsafe(self._farewell(), loop)
        with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
            future.result(2 * FAREWELL_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(FAREWELL_S)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_turn, args=(self._loop,), name=f"opcua {self._where}", daemon=True
                )
                self._thread.start()
            return self._loop

    async def _answered(self, question: Callable[[S], Awaitable[T]], once: bool) -> T:
        """Wait for the turn, then ask; errors of the package become the contract's."""
        try:
            async with asyncio.timeout(self._within_s), self._turn:
                kept = self._session is not None
                try:
                    return await self._asked(question)
                except self._silent:
                    if once or not kept:
                        raise
                return await self._asked(question)
        except TimeoutError as error:
            raise Unreachable(self._silence()) from error
        except self._silent as error:
            raise Unreachable(f"{self._where}: {_said(error)}") from error
        except NONSENSE as error:
            raise Garbled(f"{self._where}: an answer makes no sense: {_said(error)}") from error

    async def _asked(self, question: Callable[[S], Awaitable[T]]) -> T:
        """Connect where there is no session, ask, and forget a session that failed."""
        try:
            if self._session is None:
                self._session = await self._connect()
            return await question(self._session)
        except self._broken:
            self._drop()
            raise

    def _silence(self) -> str:
        return f"{self._where}: no answer within {self._within_s:g} s"

    def _drop(self) -> None:
        """Forget the session at once; its connection is closed on the side."""
        session, self._session = self._session, None
        if session is not None:
            task = asyncio.get_running_loop().create_task(self._leave(session))
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)

    async def _leave(self, session: S) -> None:
        with contextlib.suppress(TimeoutError, *self._silent, *NONSENSE):
            await asyncio.wait_for(session.leave(), FAREWELL_S)

    async def _farewell(self) -> None:
        self._drop()
        if self._farewells:
            await asyncio.wait(self._farewells, timeout=FAREWELL_S)
        me = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not me:
                task.cancel()
        await asyncio.sleep(0)


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """What the thread does: the loop until it is stopped."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _said(error: BaseException) -> str:
    """An error in one line, also where it says nothing of itself."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
