"""A TCP line on loopback that can be cut, hang, lose answers, double or delay what it carries."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

LATE_S = 2.0


class FaultyLine:
    """Listens at `port` and passes everything on to `target`; `mode` says how well.

    pass, cut (nobody gets through), hang (connections, but no answers), lose (requests arrive,
    answers do not), late (answers come LATE_S later), double (each request arrives twice), echo
    (the second one LATE_S later).
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.mode = "pass"
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @staticmethod
    def free_port() -> int:
        """A port that nobody listens at now."""
        with socket.create_server(("127.0.0.1", 0)) as one:
            return int(one.getsockname()[1])

    def drop(self) -> None:
        """Break every connection."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            self._open.discard(one)

    def close(self) -> None:
        self._listener.close()
        self.drop()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.mode == "cut":
                client.close()
                continue
            self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection: a server's end for the robot, and another for what is doubled."""
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        twins: list[socket.socket] = []
        threading.Thread(target=self._back, args=(server, client), daemon=True).start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                mode = self.mode
                if mode == "cut":
                    break
                if mode == "hang":
                    continue
                if mode in ("double", "echo"):
                    self._again(data, twins, LATE_S if mode == "echo" else 0.0)
                server.sendall(data)
        for one in (client, server):
            one.close()

    def _connect(self) -> socket.socket:
        server = socket.create_connection(("127.0.0.1", self._target), timeout=5.0)
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(server)
        return server

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                mode = self.mode
                if mode == "late":
                    time.sleep(LATE_S)
                if mode in ("lose", "hang", "cut"):
                    break
                client.sendall(data)
        for one in (client, server):
            one.close()

    def _again(self, data: bytes, twins: list[socket.socket], late_s: float) -> None:
        """The same bytes once more, over a connection whose answers nobody reads."""
        with suppress(OSError):
            if not twins:
                twins.append(self._connect())
                threading.Thread(target=_swallow, args=(twins[0],), daemon=True).start()
            if late_s:
                threading.Timer(late_s, _send, (twins[0], data)).start()
            else:
                twins[0].sendall(data)


def _send(to: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        to.sendall(data)


def _swallow(answers: socket.socket) -> None:
    with suppress(OSError):
        while answers.recv(1 << 16):
            pass
