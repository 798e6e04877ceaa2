"""Robots: run one here, or simulate one."""

from __future__ import annotations

import re
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from loop.commands.console import (
    BadInput,
    Failed,
    Options,
    Resumable,
    as_bad_input,
    note,
    pairs,
)

if TYPE_CHECKING:
    from instruments.base import Clock, Instrument
    from loop.robot_worker import Robot

NEW_TOKEN = "write there what leyden token create prints (leyden token list shows all)"

app = typer.Typer(
    help="Run a robot that takes its work from a server, or simulate a device.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def run(
    server: Annotated[str, typer.Option(metavar="URL", help="Where leyden serve listens.")],
    token_file: Annotated[
        Path, typer.Option(metavar="FILE", help="Holds the secret of leyden token create.")
    ],
    adapter: Annotated[
        str, typer.Option(metavar="TARGET", help="mypkg:MyCoater, or a kind like coater.simulated.")
    ],
    options: Options = None,
    once: Annotated[bool, typer.Option("--once", help="End after one job.")] = False,
    speed: Annotated[
        float, typer.Option(help="Of the clock of a simulated device; 60: a minute a second.")
    ] = 1.0,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Send the token over http beyond this computer.")
    ] = False,
) -> None:
    """Take jobs from a server and have a device do them, until interrupted."""
    from loop.robot_link import Link, LinkError, Unauthorized
    from loop.robot_worker import Abandoned, Robot

    secret = _secret(token_file)
    with _device(adapter, pairs(options, "--option"), speed) as (device, clock):
        tell = _Teller()
        with as_bad_input():
            link = Link(server, secret, lambda s, why: robot.wait(s, why), insecure=insecure)
        robot = Robot(link, device, clock, tell, speed)
        note(f"{adapter} takes its work from {link.server}")
        try:
            with _signals(robot):
                robot.run(once=once)
        except Abandoned as error:
            raise Resumable("left; what runs at the device is met again at the next start") from (
                error
            )
        except Unauthorized as error:
            raise BadInput(
                f"--token-file {token_file}: {link.server} knows no such token, or it was revoked "
                f"or is over; {NEW_TOKEN}"
            ) from error
        except LinkError as error:
            raise Failed(str(error)) from error
        finally:
            link.close()


class _Teller:
    """Tells each thing once, however often it is said in a row."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, line: str) -> None:
        if line != self._last:
            self._last = line
            note(line)


def _secret(path: Path) -> str:
    """The token in a file. Raises BadInput; warns where others can read it."""
    try:
        secret = path.read_text(encoding="ascii").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "holds no token"
        raise BadInput(f"--token-file {path}: {reason}") from error
    if not re.fullmatch(r"[\w.~+/=-]+", secret, re.ASCII):
        raise BadInput(f"--token-file {path}: holds no token; {NEW_TOKEN}")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        note(f"leyden: {path} can be read by others; chmod 600 {path}")
    return secret


@contextmanager
def _device(
    adapter: str, given: dict[str, Any], speed: float
) -> Iterator[tuple[Instrument, Clock]]:
    """The adapter, open, with its clock. Raises BadInput, CampaignError."""
    from instruments.base import InstrumentError
    from instruments.clock import RealClock
    from instruments.conformance.target import adapter_of
    from instruments.patience import Patient
    from instruments.scaled_clock import ScaledClock
    from loop.commands.instrument import files_of, options_of

    with as_bad_input():
        found = adapter_of(adapter, Path.cwd())
        if speed != 1.0 and not found.simulated:
            raise BadInput(f"--speed {speed:g}: {adapter} is real; only simulated devices hurry")
        clock = RealClock() if speed == 1.0 else ScaledClock(speed)
        options = options_of(given)
        try:
            device = found.open(options, clock, files_of(options))
        except InstrumentError as error:
            raise Failed(f"{adapter}: {error}") from error
    # it is open already: all of the protocol but that
    guarded = device if found.simulated else cast("Instrument", Patient(device))
    try:
        yield guarded, clock
    finally:
        guarded.close()


@contextmanager
def _signals(robot: Robot) -> Iterator[None]:
    """The first SIGINT or SIGTERM lets the jobs under way end, a second one leaves at once.

    Where no job is under way the first one leaves at once too, also out of a request that the
    server does not answer: at most a claim is left, and nothing has moved for it.
    """
    from loop.robot_worker import Abandoned

    asked: list[int] = []

    def on(number: int, frame: FrameType | None) -> None:
        if asked:
            robot.leave()
            return
        asked.append(number)
        robot.finish()
        if robot.idle:
            raise Abandoned
        note("no new work; waits for the jobs under way (again: leave at once)")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, on) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


try:
    from loop.commands.robot_simulate import simulate
except ModuleNotFoundError:
    pass
else:
    app.command()(simulate)
