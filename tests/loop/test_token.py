"""`leyden token`: made once, listed without the secret, revoked at once."""

from __future__ import annotations

import json
import socket
import sqlite3
from pathlib import Path

import pytest

from loop.cli import answer
from loop.store.store import Store
from loop.store.work_robots import Caller
from loop.store.work_tokens import tokens_of


@pytest.fixture
def leyden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEYDEN_STORE", "sqlite:///w.db")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = answer(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def who(secret: str) -> Caller | None:
    with Store.open("sqlite:///w.db") as store:
        return tokens_of(store).who(secret, "work")


def test_a_token_is_told_once_and_kept_as_a_digest(leyden, tmp_path: Path):
    code, out, _ = leyden("token", "create", "arm", "--instrument", "coater")
    secret = out.strip()
    assert code == 0
    assert who(secret) == Caller("arm", "coater")
    assert who(secret + "x") is None
    code, out, _ = leyden("token", "list")
    assert "arm" in out
    assert secret not in out
    raw = sqlite3.connect(tmp_path / "w.db")
    assert secret not in "\n".join(raw.iterdump())
    raw.close()


def test_a_revoked_token_is_over(leyden):
    _, out, _ = leyden("token", "create", "arm", "--instrument", "coater", "--json")
    secret = json.loads(out)["token"]
    code, _, err = leyden("token", "create", "arm", "--instrument", "coater")
    assert (code, "revoke that one first" in err) == (2, True)
    assert leyden("token", "revoke", "arm")[0] == 0
    assert who(secret) is None
    assert leyden("token", "revoke", "arm")[0] == 2
    _, out, _ = leyden("token", "list", "--json")
    assert [one["state"] for one in json.loads(out)["tokens"]] == ["revoked"]
    assert leyden("token", "create", "arm", "--instrument", "coater")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("", "--instrument", "coater"), "name"),
        (("arm", "--instrument", " coater"), "instrument"),
        (("arm", "--instrument", "coater", "--days", "0"), "days"),
        (("arm", "--instrument", "coater", "--days", "-1"), "days"),
        (("arm", "--instrument", "coater", "--verbs", "admin"), "verbs"),
        (("arm",), "--instrument"),
    ],
)
def test_what_cannot_be_is_one_clear_line(leyden, arguments, told):
    code, _, err = leyden("token", "create", *arguments)
    assert code == 2
    assert told in err.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("serve", "--host", "0.0.0.0"), "--insecure"),
        (("serve", "--cert", "x.pem"), "--cert, --key"),
        (("robot", "run", "--server", "http://lab.example", "--token-file", "t", "--adapter",
          "coater.simulated"), "https"),
        (("robot", "run", "--server", "ftp://lab", "--token-file", "t", "--adapter",
          "coater.simulated"), "http://HOST:PORT"),
        (("robot", "run", "--server", "http://127.0.0.1:1", "--token-file", "none", "--adapter",
          "coater.simulated"), "--token-file none"),
        (("robot", "run", "--server", "http://127.0.0.1:1", "--token-file", "w.db", "--adapter",
          "coater.simulated"), "holds no token"),
        (("robot", "run", "--server", "http://127.0.0.1:1", "--token-file", "t", "--adapter",
          "nowhere:Coater"), "nowhere"),
        (("robot", "run", "--server", "http://127.0.0.1:1", "--token-file", "t", "--adapter",
          "coater.simulated", "--speed", "0"), "speed"),
    ],
)  # fmt: skip
def test_what_would_not_be_safe_is_refused(leyden, tmp_path: Path, arguments, told):
    (tmp_path / "t").write_text("leyden_x")
    leyden("token", "list")
    leyden("token", "create", "arm", "--instrument", "coater")
    code, _, err = leyden(*arguments)
    assert code == 2
    assert told in err


def test_a_port_that_is_taken_is_one_line(leyden):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = leyden("serve", "--port", str(port))
    assert code == 2
    (line,) = err.splitlines()
    assert f"--port {port}: 127.0.0.1 cannot be listened at there" in line


def test_a_token_file_that_others_can_read_is_told(leyden, tmp_path: Path):
    path = tmp_path / "t"
    path.write_text("leyden_x")
    path.chmod(0o644)
    arguments = ("robot", "run", "--server", "http://lab.example", "--adapter", "coater.simulated")
    _, _, err = leyden(*arguments, "--token-file", "t")
    assert "chmod 600" in err
