"""Tokens of robots: made once, kept as a digest, bound to one robot and one instrument."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from loop.store.seals import seal
from loop.store.work_robots import Caller
from loop.store.work_rows import Now, utc_now

if TYPE_CHECKING:
    from loop.store.sqlite import Database
    from loop.store.store import Store

PREFIX = "leyden_"  # so that a secret that got somewhere is recognised as one
VERBS = ("work",)
COLUMNS = "name, instrument, verbs, created_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token; times are ISO 8601, UTC."""

    name: str
    instrument: str
    verbs: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and datetime.fromisoformat(self.expires_at) <= now
        return "expired" if expired else "valid"


class Tokens:
    """The tokens of one store."""

    def __init__(self, database: Database, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    def create(
        self, name: str, instrument: str, verbs: tuple[str, ...] = VERBS, days: float | None = None
    ) -> str:
        """Make a token; the secret, which is told here and never again.

        Raises ValueError for a bad name, verb or number of days, and for a robot that has a valid
        token already.
        """
        for what, word in (("name", name), ("instrument", instrument)):
            if not word or not word.isprintable() or word != word.strip():
                raise ValueError(f"{what}: {word!r} is not allowed; a printable word is needed")
        unknown = [verb for verb in verbs if verb not in VERBS]
        if unknown or not verbs:
            raise ValueError(f"verbs: {unknown or 'none'} is not allowed; {', '.join(VERBS)} is")
        if days is not None and not 0 < days <= 36500:
            raise ValueError(f"days: {days:g} is not allowed; above 0 is, up to 36500")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = self._now()
        expires = None if days is None else _text(now + timedelta(days=days))
        with self._database.writing():
            if any(one.name == name and one.state(now) == "valid" for one in self.list()):
                raise ValueError(f"name: {name} has a valid token; revoke that one first")
            self._database.run(
                "INSERT INTO robot_token (digest, name, instrument, verbs, created_at, expires_at)"
                " VALUES (:digest, :name, :instrument, :verbs, :created_at, :expires_at)",
                {
                    "digest": _digest(secret),
                    "name": name,
                    "instrument": instrument,
                    "verbs": json.dumps(verbs),
                    "created_at": _text(now),
                    "expires_at": expires,
                },
            )
            seal(self._database, "robot_token", {"digest": _digest(secret)})
        return secret

    def list(self) -> list[Token]:
        """Every token that was ever made, oldest first."""
        rows = self._database.rows(f"SELECT {COLUMNS} FROM robot_token ORDER BY created_at, name")
        return [_token(row) for row in rows]

    def revoke(self, name: str) -> int:
        """End the tokens of a robot at once; how many were valid until now."""
        now = self._now()
        with self._database.writing():
            valid = sum(one.name == name and one.state(now) == "valid" for one in self.list())
            self._database.run(
                "UPDATE robot_token SET revoked_at = :now WHERE name = :name "
                "AND revoked_at IS NULL",
                {"now": _text(now), "name": name},
            )
            self._seal(name)
        return valid

    def _seal(self, name: str) -> None:
        query = "SELECT digest FROM robot_token WHERE name = :name"
        for (digest,) in self._database.rows(query, {"name": name}):
            seal(self._database, "robot_token", {"digest": digest})

    def who(self, secret: str, verb: str) -> Caller | None:
        """The robot that a secret stands for; None for one that is unknown, or over."""
        rows = self._database.rows(
            f"SELECT {COLUMNS} FROM robot_token WHERE digest = :digest",
            {"digest": _digest(secret)},
        )
        if not rows:
            return None
        token = _token(rows[0])
        valid = token.state(self._now()) == "valid" and verb in token.verbs
        return Caller(token.name, token.instrument) if valid else None


def tokens_of(store: Store) -> Tokens:
    """The tokens that a store knows."""
    return Tokens(store._database)


def _token(row: tuple[str, str, str, str, str | None, str | None]) -> Token:
    name, instrument, verbs, created, expires, revoked = row
    return Token(name, instrument, tuple(json.loads(verbs)), created, expires, revoked)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
