"""The door of the server: who speaks, how much may be said, and how long an answer took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from fastapi import Request

from loop.api.answers import LOCKED, wrong
from loop.store.errors import StoreError
from loop.store.work_robots import Caller
from loop.store.work_tokens import Tokens

# an application and its two ends, as the ASGI specification (3.0) has them
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/v1/health",)  # all that is answered without a token
WORK = "work"  # the verb of a robot's token
BODY_BYTES = 1 << 20
PART_BYTES = 16 << 20  # partial results hold series
SLOWEST_S = 30.0  # for a request to arrive


class Access:
    """Lets nobody in without a valid token: 401 comes before anything is read of a request.

    tokens: over a connection of their own, which only reads: it never waits for a writer, so that
    one look-up, some 50 us, may be done in the loop of the server.
    """

    def __init__(self, app: Application, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("path") in OPEN:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            caller = self._caller(scope)
        except StoreError:
            await wrong(503, LOCKED, {"Retry-After": "1"})(scope, receive, send)
            return
        if caller is None:
            message = "a valid token is needed: Authorization: Bearer TOKEN"
            refusal = wrong(401, message, {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller | None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1 or not given[0].isascii():
            return None
        scheme, _, secret = given[0].decode("ascii").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            return None
        return self._tokens.who(secret.strip(), WORK)


class BodyLimit:
    """Reads a request whole before anything looks at it, up to a limit: 413 beyond, 408 if slow."""

    def __init__(
        self, app: Application, limits: Mapping[str, int], default: int = BODY_BYTES
    ) -> None:
        self._app = app
        self._limits = limits  # by the end of the path
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"].rpartition("/")[2], self._default)
        try:
            async with asyncio.timeout(SLOWEST_S):
                messages = await _read(receive, limit)
        except TimeoutError:
            await wrong(408, "the request did not arrive in time")(scope, receive, send)
            return
        if messages is None:
            await wrong(413, f"at most {limit} bytes are taken")(scope, receive, send)
            return

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, again, send)


class ServerTiming:
    """Tells in every answer how long the server took for it (header Server-Timing, in ms)."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = f"app;dur={1e3 * (time.perf_counter() - began):.2f}"
                message["headers"] = [*message["headers"], (b"server-timing", took.encode())]
            await send(message)

        await self._app(scope, receive, timed if scope["type"] == "http" else send)


async def _read(receive: Receive, limit: int) -> list[Message] | None:
    """All messages of a request; None where they hold more than `limit` bytes."""
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > limit:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return messages


async def caller_of(request: Request) -> Caller:
    """Who speaks, as the door let them in (async: a thread would only cost time)."""
    caller: Caller = request.state.caller
    return caller
