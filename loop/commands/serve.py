"""Serving the store over HTTP, for robots."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from loop.commands.console import DEFAULT_STORE, BadInput, StoreUrl, note, reading, writing

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8765,
    store: StoreUrl = DEFAULT_STORE,
    cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate (PEM), for https.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen without https beyond this computer.")
    ] = False,
) -> None:
    """Serve the board of work to robots until interrupted."""
    import uvicorn

    from loop.api.app import create_app

    _secure(host, cert, key, insecure)
    with writing(store, create=True) as opened, reading(store) as reader:
        config = uvicorn.Config(
            create_app(opened, reader, lambda: server.should_exit),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            ssl_certfile=cert,
            ssl_keyfile=key,
        )
        server = uvicorn.Server(config)
        with _bound(host, port) as listening:
            shown = f"[{host}]" if ":" in host else host
            scheme = "https" if cert else "http"
            note(f"serving {opened.url} at {scheme}://{shown}:{listening.getsockname()[1]}")
            server.run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    """A socket at an address. Raises BadInput where there can be none."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if os.name == "posix":  # elsewhere it would share the port with another program
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # a socket bound here lacks what asyncio sets otherwise: 40 ms an answer
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        why = error.strerror or str(error)
        raise BadInput(f"--port {port}: {host} cannot be listened at there: {why}") from error
    return made


def _secure(host: str, cert: Path | None, key: Path | None, insecure: bool) -> None:
    """Raises BadInput where tokens would travel readable, or half of a certificate is given."""
    if (cert is None) != (key is None):
        raise BadInput("--cert, --key: both or neither are needed")
    for option, path in (("--cert", cert), ("--key", key)):
        if path is not None and not path.is_file():
            raise BadInput(f"{option}: {path}: there is no such file")
    if host not in LOOPBACK and cert is None and not insecure:
        raise BadInput(
            f"--host {host}: tokens would travel readable; give --cert and --key, put a proxy "
            "with https in front, or accept it with --insecure"
        )
