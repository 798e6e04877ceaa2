"""Signed, encrypted and with a password: the real thing, and what happens without it."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

import pytest

from instruments.base import Job, Unreachable
from instruments.clock import RealClock
from instruments.coater.opcua import OpcUaCoater
from tests.instruments.opcua_rig import SETTINGS, Server, node_map, until

URIS = {"server": "urn:leyden:coater:server", "client": "urn:leyden:engine"}


async def certificates(folder):
    from asyncua.crypto.cert_gen import setup_self_signed_certificate
    from cryptography.x509.oid import ExtendedKeyUsageOID

    uses = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    for name, uri in URIS.items():
        await setup_self_signed_certificate(
            folder / f"{name}.pem", folder / f"{name}.der", uri, socket.gethostname(),
            [uses[name]], {"commonName": name},
        )  # fmt: skip


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    asyncio.run(certificates(folder))
    (folder / "password").write_text("correct horse\n")
    (folder / "wrong").write_text("battery staple\n")
    server = Server(
        folder, "--user", "leyden", "--password-file", str(folder / "password"),
        "--certificate", str(folder / "server.der"), "--private-key", str(folder / "server.pem"),
    )  # fmt: skip
    server.start()
    yield server, folder
    server.kill()


def adapter(server, folder, password="password", policy="Basic256Sha256"):
    security = f"""
[security]
policy = "{policy}"
certificate = "{folder / "client.der"}"
private_key = "{folder / "client.pem"}"
user = "leyden"
password_file = "{folder / password}"
"""
    files = {"m.toml": node_map() + security.encode()}
    options = {"endpoint": server.endpoint, "file": "m.toml", "timeout_s": 5.0}
    return OpcUaCoater.open(options, RealClock(), files)


def test_an_encrypted_connection_with_a_password_runs_a_job(secured):
    server, folder = secured
    coater = adapter(server, folder)
    try:
        job = Job("s/1/1", SETTINGS[0], (1, 1, 1), datetime.now(UTC))
        coater.submit(job)
        assert until(lambda: coater.poll("s/1/1").ask_at is None)
        assert coater.fetch("s/1/1").scalars
    finally:
        coater.close()


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"policy": "None"}])
def test_without_them_nobody_is_let_in(secured, changes):
    server, folder = secured
    coater = adapter(server, folder, **changes)
    try:
        with pytest.raises(Unreachable):
            coater.find("s/1/1")
    finally:
        coater.close()


def test_a_password_file_that_is_not_there_is_told(secured):
    server, folder = secured
    coater = adapter(server, folder, password="lost")
    try:
        with pytest.raises(Unreachable, match="lost"):
            coater.find("s/1/1")
    finally:
        coater.close()
