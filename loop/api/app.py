"""The application that `leyden serve` serves: the board of work, behind tokens."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from loop.api.access import PART_BYTES, Access, BodyLimit, ServerTiming
from loop.api.answers import install
from loop.api.bodies import Health
from loop.api.work import router
from loop.store.store import Store
from loop.store.work_robots import desk_of
from loop.store.work_tokens import tokens_of


def create_app(store: Store, reader: Store, closing: Callable[[], bool] = lambda: False) -> FastAPI:
    """All routes over one store; every one but /v1/health needs a token.

    reader: the same store, opened once more to read only.
    closing: tells when the server is about to end, so that waiting robots are let go.
    """
    app = FastAPI(
        title="Leyden",
        version=_version(),
        description="Work for robots: claim, begin, report, complete.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # they would load scripts from the internet, which a lab may not have
        redoc_url=None,
    )
    install(app)
    app.include_router(router(desk_of(store), closing))

    @app.get("/v1/health", tags=["health"])
    def health() -> Health:
        """Whether the server answers; needs no token and tells nothing of the lab."""
        return Health(status="ok", version=_version())

    # the last one added is met first
    app.add_middleware(BodyLimit, limits={"parts": PART_BYTES})
    app.add_middleware(Access, tokens=tokens_of(reader))
    app.add_middleware(ServerTiming)
    return app


def _version() -> str:
    try:
        return version("leyden")
    except PackageNotFoundError:
        return "unknown"
