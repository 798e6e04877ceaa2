"""The one form of an answer that something is wrong: `{"error": {"code", "message"}}`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from loop.store.errors import StoreError
from loop.store.work_robots import NoSuchWork, NotYours, Superseded, WorkError

CODES = {
    400: "no_json",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "superseded",
    413: "too_large",
    422: "invalid",
    503: "try_again",
}
STATUS: tuple[tuple[type[WorkError], int], ...] = (
    (NoSuchWork, 404),
    (NotYours, 403),
    (Superseded, 409),
)
NO_JSON = "the body is no JSON in UTF-8"
LOCKED = "the store cannot be used now; the same request again is harmless"


def wrong(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer that says what is wrong, in one line."""
    code = CODES.get(status, "error")
    sound = message.encode(errors="replace").decode()  # a name that was sent may be no text
    told = {"error": {"code": code, "message": sound}}
    return JSONResponse(told, status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Give every error of an application that form."""
    app.add_exception_handler(WorkError, _work)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)  # also what the router itself raises
    app.add_exception_handler(StoreError, _store)


def _work(request: Request, error: Exception) -> JSONResponse:
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    return wrong(status, str(error))


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["loc"][0] == "path":
        return wrong(404, "there is no such job: its id is a whole number")
    if first["type"] == "json_invalid":
        return wrong(400, NO_JSON)
    where = ".".join(str(part) for part in first["loc"])
    more = len(error.errors()) - 1
    return wrong(422, f"{where}: {first['msg']}" + (f" (and {more} more)" if more else ""))


def _http(request: Request, error: Exception) -> JSONResponse:
    status, detail = getattr(error, "status_code", 500), getattr(error, "detail", str(error))
    if status == 400:  # the only one is of a body that cannot be read
        detail = NO_JSON
    return wrong(status, str(detail), dict(getattr(error, "headers", None) or {}))


def _store(request: Request, error: Exception) -> JSONResponse:
    return wrong(503, LOCKED, {"Retry-After": "1"})
