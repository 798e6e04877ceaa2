"""`leyden robot simulate`: a device that is not there, as the network sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.commands.console import BadInput, Failed, Options, as_bad_input, emit, pairs

ENDPOINT = "opc.tcp://127.0.0.1:4840/leyden/coater/"


def simulate(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="What to simulate: coater.")],
    opcua: Annotated[bool, typer.Option("--opcua", help="Serve it over OPC UA.")] = False,
    endpoint: Annotated[str, typer.Option(metavar="URL", help="Where to listen.")] = ENDPOINT,
    speed: Annotated[float, typer.Option(help="Process seconds in a real second.")] = 3600.0,
    lease: Annotated[
        float, typer.Option(help="Seconds without a heartbeat after which it holds.")
    ] = 10.0,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its job memory; without one it forgets at its end."),
    ] = None,
    audit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One line for everything it does.")
    ] = None,
    option: Options = None,
    user: Annotated[str, typer.Option(help="Ask clients for this user.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds that user's password.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The server's own: sign and encrypt.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The key of that certificate.")
    ] = None,
    panel: Annotated[
        bool, typer.Option("--panel", help="Work its panel by lines on standard input.")
    ] = False,
) -> None:
    """Serve a simulated device until Ctrl-C."""
    if device != "coater" or not opcua:
        raise BadInput(f"{device}: leyden robot simulate coater --opcua is what there is")
    from importlib.util import find_spec

    if find_spec("asyncua") is None:
        raise BadInput("--opcua needs the package asyncua: pip install 'leyden[opcua]'")
    from campaigns.options import build
    from instruments.coater.options import CoaterOptions
    from instruments.coater.server import Serving, serve
    from instruments.coater.server_access import Access
    from instruments.coater.server_memory import FileUnusable

    with as_bad_input():
        options = build(CoaterOptions, pairs(option, "--option"), "--option")
        access = Access(endpoint, user, password_file, certificate, private_key)
        serving = Serving(access, options, speed, lease, log, audit, panel)
    try:
        serve(serving, emit)
    except FileUnusable as error:
        raise BadInput(str(error)) from error
    except OSError as error:
        raise Failed(f"{endpoint}: {error}") from error
