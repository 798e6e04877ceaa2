"""`/v1/work`: robots claim jobs, begin them, report, and bring them to their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBearer

from instruments.board import Standing, WorkState
from instruments.units import UnitError, converter
from loop.api.access import caller_of
from loop.api.bodies import (
    Claim,
    Complete,
    Fail,
    Fenced,
    Heartbeat,
    Job,
    Jobs,
    Measured,
    Part,
    Stopped,
    Told,
)
from loop.store.work_robots import Caller, WorkDesk

LOOK_S = 0.1  # between two looks for work while a robot waits

Who = Annotated[Caller, Depends(caller_of)]


def router(desk: WorkDesk, closing: Callable[[], bool]) -> APIRouter:
    """The routes of the board; `closing` tells when waiting robots are to be let go."""
    bearer = Security(HTTPBearer(auto_error=False, description="The token of a robot."))
    routes = APIRouter(prefix="/v1/work", tags=["work"], dependencies=[bearer])
    _taking(routes, desk, closing)
    _reporting(routes, desk)
    _ending(routes, desk)
    return routes


def _taking(routes: APIRouter, desk: WorkDesk, closing: Callable[[], bool]) -> None:
    """Claim, look, begin."""

    @routes.post("/claim", response_model=Job, responses={204: {"description": "No work."}})
    async def claim(body: Claim, who: Who, request: Request) -> Job | Response:
        """Take the oldest job that waits; wait for one up to `wait_s` seconds."""
        until = time.monotonic() + body.wait_s
        while True:
            # a robot that has hung up must not be given a job that it never hears of
            if await request.is_disconnected():
                return Response(status_code=204)
            standing = await run_in_threadpool(desk.claim, who, body.claim)
            if standing is not None:
                return Job.of(standing)
            left = until - time.monotonic()
            if left <= 0 or closing():
                return Response(status_code=204)
            await asyncio.sleep(min(LOOK_S, left))

    @routes.get("")
    def mine(who: Who) -> Jobs:
        """The jobs that this robot has; what to ask after a restart."""
        return Jobs(jobs=[Job.of(one) for one in desk.held(who)])

    @routes.get("/{work}")
    def show(work: int, who: Who) -> Job:
        """One job of this robot, or one that waits for any."""
        return Job.of(desk.show(who, work))

    @routes.post("/{work}/begin")
    def begin(work: int, body: Fenced, who: Who) -> Told:
        """Say that the job begins. Nothing may move before this is answered with 200."""
        return Told.of(desk.begin(who, work, body.fence))


def _reporting(routes: APIRouter, desk: WorkDesk) -> None:
    """Heartbeats and partial results."""

    @routes.post("/{work}/heartbeat")
    def heartbeat(work: int, body: Heartbeat, who: Who) -> Told:
        """Renew the lease; the answer tells whether the job is to be stopped."""
        return Told.of(desk.beat(who, work, body.fence, body.progress, body.note, body.run_id))

    @routes.post("/{work}/parts")
    def part(work: int, body: Part, who: Who) -> Told:
        """Hand in a partial result: scalars so far, or the cycles since the last part."""
        content = body.model_dump(mode="json", exclude={"fence", "part"}, exclude_none=True)
        cycle = body.series.cycles[-1] if body.series is not None else 0
        return Told.of(desk.part(who, work, body.fence, body.part, content, cycle))


def _ending(routes: APIRouter, desk: WorkDesk) -> None:
    """Complete, fail, stopped."""

    @routes.post("/{work}/complete")
    def complete(work: int, body: Complete, who: Who) -> Told:
        """The job is done; every metric is needed, in any unit that converts to the job's."""
        _suits(desk.show(who, work), body.scalars, complete=True)
        outcome = {"scalars": _plain(body.scalars), "files": [f.model_dump() for f in body.files]}
        return Told.of(desk.end(who, work, body.fence, WorkState.FINISHED, outcome, body.run_id))

    @routes.post("/{work}/fail")
    def fail(work: int, body: Fail, who: Who) -> Told:
        """The job gave no measurement; `lost` where the robot cannot tell what became of it."""
        _suits(desk.show(who, work), body.at_least, complete=False)
        state = WorkState.LOST if body.kind == "lost" else WorkState.FAILED
        scalars = _plain(body.at_least)
        outcome = {"kind": body.kind, "reason": body.reason, "scalars": scalars}
        return Told.of(desk.end(who, work, body.fence, state, outcome, body.run_id))

    @routes.post("/{work}/stopped")
    def stopped(work: int, body: Stopped, who: Who) -> Told:
        """The job is not running any more, as was asked: said only after reading that back."""
        outcome = {"reason": body.reason}
        return Told.of(desk.end(who, work, body.fence, WorkState.STOPPED, outcome, body.run_id))


def _plain(scalars: dict[str, Measured]) -> dict[str, Any]:
    return {name: one.model_dump() for name, one in scalars.items()}


def _suits(standing: Standing, scalars: dict[str, Measured], *, complete: bool) -> None:
    """Raises 422 naming every metric that is missing, unknown, or in a unit that does not fit."""
    wanted: dict[str, str] = standing.request["metrics"]
    problems = [f"{name} is missing" for name in wanted if complete and name not in scalars]
    for name, one in scalars.items():
        if name not in wanted:
            problems.append(f"{name} is not asked for; {', '.join(wanted)} are")
            continue
        try:
            converter(one.unit, wanted[name])
        except UnitError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise HTTPException(422, "body.scalars: " + "; ".join(problems))
