"""The simulated coater as a real OPC UA server, for commissioning and for tests."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asyncua import Server

from instruments.coater.opcua_address import quieten
from instruments.coater.opcua_map import read_map
from instruments.coater.options import CoaterOptions
from instruments.coater.process import run
from instruments.coater.server_access import Access
from instruments.coater.server_machine import Denied, Machine
from instruments.coater.server_memory import Diary, JobMemory
from instruments.coater.server_nodes import NAMESPACE, AddressSpace

TICK_S = 0.02
HELP = "cover open|closed, estop pressed|released, hold, unhold, clear, state"


@dataclass(frozen=True)
class Serving:
    """What is served and how. Raises ValueError for a value that is not allowed.

    speed:   process seconds in a real second
    lease_s: seconds without a heartbeat after which the machine holds
    log:     file of the machine's job memory; None: it forgets at the end of the process
    audit:   file that gets one line for everything that physically happens; None: none
    console: whether lines on standard input work the machine's panel
    """

    access: Access
    options: CoaterOptions
    speed: float = 3600.0
    lease_s: float = 10.0
    log: Path | None = None
    audit: Path | None = None
    console: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.speed < 1e9:
            raise ValueError(f"--speed {self.speed:g}: above 0 is needed")
        if not 0.1 <= self.lease_s < 1e6:
            raise ValueError(f"--lease {self.lease_s:g}: 0.1 seconds or more are needed")


def serve(serving: Serving, told: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. `told` gets lines for a person.

    Raises OSError; FileUnusable for what stands at `log` or `audit`, before it listens.
    """
    quieten()
    asyncio.run(_serve(serving, told))


async def _serve(serving: Serving, told: Callable[[str], None]) -> None:
    with (
        closing(Diary(serving.audit, _now)) as diary,
        closing(JobMemory(serving.log, _now())) as memory,
    ):
        await _run(serving, _machine(serving, memory, diary), told)


async def _run(serving: Serving, machine: Machine, told: Callable[[str], None]) -> None:
    server = Server(user_manager=serving.access.users())
    server.name = "Leyden simulated coater"
    await server.init()
    await server.set_application_uri(f"{NAMESPACE}:server")
    await serving.access.apply(server)
    space = await AddressSpace.build(server, machine)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if serving.console:
        _listen(loop, machine, told)
    async with server:
        told(f"coater at {serving.access.endpoint}")
        told(f"attach: {_attach(serving.access.endpoint)}")
        while not over.is_set():
            await space.listen()
            machine.tick()
            await space.publish()
            await asyncio.sleep(TICK_S)


def _attach(endpoint: str) -> str:
    """The command that runs a campaign on this very server."""
    command = "leyden run electrode-coating --set instrument.kind=coater.opcua"
    elsewhere = endpoint != read_map("", {}).endpoint
    return f"{command} --set instrument.options.endpoint={endpoint}" if elsewhere else command


def _machine(serving: Serving, memory: JobMemory, diary: Diary) -> Machine:
    return Machine(
        lambda parameters, seed: run(parameters, seed, serving.options),
        memory,
        diary,
        _now,
        speed=serving.speed,
        lease_s=serving.lease_s,
        entropy=secrets.randbits(64),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _listen(loop: asyncio.AbstractEventLoop, machine: Machine, told: Callable[[str], None]) -> None:
    """Read the panel's commands in a thread; carry them out in the loop."""

    def obey(command: str) -> None:
        told(_obey(machine, command))

    def lines() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(obey, line.strip())

    threading.Thread(target=lines, daemon=True).start()


def _obey(machine: Machine, command: str) -> str:
    """One command at the machine's panel; what it answers."""
    interlocks = machine.interlocks
    try:
        match command.split():
            case ["cover", ("open" | "closed") as state]:
                interlocks.cover_closed = state == "closed"
            case ["estop", ("pressed" | "released") as state]:
                interlocks.emergency_stop_released = state == "released"
            case ["hold"]:
                machine.hold("held at the panel")
            case ["unhold"]:
                machine.unhold()
            case ["clear"]:
                machine.clear()
            case ["state"]:
                pass
            case _:
                return f"panel: {command!r} is no command; {HELP} are"
    except Denied as denial:
        return f"panel: {denial}"
    return f"panel: {machine.phase} {machine.step}".rstrip()
