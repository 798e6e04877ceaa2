"""An event loop in a thread of its own, so that async devices can be asked from anywhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, TypeVar

from instruments.base import Unreachable

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines one beside the other until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def ask(self, question: Coroutine[Any, Any, T], seconds: float) -> T:
        """The coroutine's answer. Raises Unreachable, and cancels it, where it takes longer."""
        future = self.begin(question)
        try:
            return future.result(seconds)
        except NotInTime as error:
            future.cancel()
            raise Unreachable(f"no answer within {seconds:g} s") from error

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine and return at once."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancel what is under way and end the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._cancelled(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()

    async def _cancelled(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
