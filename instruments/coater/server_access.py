"""Who may talk to the simulated coater: nobody from outside without encryption and a password."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole

from instruments.coater.opcua_map import is_loopback


@dataclass(frozen=True)
class Access:
    """How the server may be reached. Raises ValueError for what would leave it open.

    user, password:            asked of every client where they are given
    certificate, private_key:  the server's own; with them connections are signed and encrypted
    """

    endpoint: str
    user: str = ""
    password_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme != "opc.tcp" or not parts.hostname or not parts.port:
            raise ValueError(
                f"--endpoint {self.endpoint}: write it like opc.tcp://127.0.0.1:4840/leyden/coater/"
            )
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("--user and --password-file are given together or not at all")
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("--certificate and --private-key are given together or not at all")
        open_to_others = not is_loopback(parts.hostname)
        if open_to_others and not (self.user and self.certificate is not None):
            raise ValueError(
                f"--endpoint {self.endpoint}: other machines reach {parts.hostname}; that needs "
                "--user and --password-file, --certificate and --private-key"
            )

    async def apply(self, server: Server) -> None:
        """Make the server ask for all this. Raises ValueError for files that are not there."""
        server.set_endpoint(self.endpoint)
        if self.certificate is not None and self.private_key is not None:
            await server.load_certificate(self.certificate)
            await server.load_private_key(self.private_key)
            secured = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
            server.set_security_policy([secured])
        else:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        tokens: list[type] = (
            [ua.UserNameIdentityToken] if self.user else [ua.AnonymousIdentityToken]
        )
        server.set_identity_tokens(tokens)

    def users(self) -> Users:
        """Who is let in."""
        password = "" if self.password_file is None else self.password_file.read_text().strip()
        return Users(self.user, password)


@dataclass(frozen=True)
class Users:
    """One user, or everybody who reaches the server where there is none."""

    name: str
    password: str

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """The server's question who somebody is; None is nobody."""
        if not self.name:
            return User(role=UserRole.User)
        given = (username or "", password or "")
        wanted = (self.name, self.password)
        same = [
            hmac.compare_digest(one.encode(), other.encode())
            for one, other in zip(given, wanted, strict=True)
        ]
        return User(role=UserRole.User, name=self.name) if all(same) else None
