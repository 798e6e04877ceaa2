"""The oven as a SCPI device on a TCP socket, with an error queue and a display for its memory.

Run as `scpi_oven.py PORT JOURNAL`.
"""

from __future__ import annotations

import re
import socketserver
import sys
import threading
from pathlib import Path

from simulated_oven import Oven

WORDS = ("IDLE", "RUN", "HOLD", "DONE", "FAIL", "ABOR")


class ScpiOven:
    """One oven, whoever is connected."""

    def __init__(self, journal: Path) -> None:
        self._oven = Oven(journal)
        self._display = ""
        self._errors: list[str] = []
        self._lock = threading.Lock()

    def answer(self, line: str) -> str | None:
        """The answer to a line; None for an order."""
        with self._lock:
            self._oven.tick()
            return self._asked(line) if line.endswith("?") else self._ordered(line)

    def _asked(self, line: str) -> str | None:
        oven = self._oven
        if line == "SYST:ERR?":
            return self._errors.pop(0) if self._errors else '0,"No error"'
        answers = {
            "*IDN?": "LEYDEN,OVEN,17,1.0",
            "TEMP?": f"{oven.temperature_c:.3f} C",
            "TIME?": f"{oven.duration_s:+.6E}",
            "OVEN:STAT?": WORDS[oven.state],
            "OVEN:COUN?": str(oven.runs),
            "OVEN:ALAR?": str(int(oven.alarm)),
            "MEAS:MOIS?": f"{oven.moisture_ppm:.4E}",
            "DISP:TEXT?": f'"{self._display}"',
        }
        if line in answers:
            return answers[line]
        self._errors.append('-113,"Undefined header"')
        return None

    def _ordered(self, line: str) -> None:
        header, _, value = line.partition(" ")
        orders = {
            "TEMP": lambda: self._heat(float(value)),
            "TIME": lambda: setattr(self._oven, "duration_s", float(value)),
            "OVEN:STAR": lambda: self._oven.start(self._display[:8]),
            "OVEN:ABOR": self._oven.abort,
            "OVEN:DEAF": lambda: setattr(self._oven, "deaf", value == "1"),
            "OVEN:ALAR": lambda: setattr(self._oven, "alarm", value == "1"),
            "DISP:TEXT": lambda: setattr(self, "_display", value.strip('"')),
        }
        if header not in orders:
            self._errors.append('-113,"Undefined header"')
            return
        orders[header]()

    def _heat(self, temperature_c: float) -> None:
        if temperature_c > 180.0:
            self._errors.append('-222,"Data out of range"')
        else:
            self._oven.temperature_c = min(temperature_c, 150.0)


def serve(port: int, journal: Path) -> None:
    oven = ScpiOven(journal)

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                text = re.sub(r"\s+", " ", line.decode("ascii", "replace")).strip()
                told = oven.answer(text) if text else None
                if told is not None:
                    self.wfile.write(told.encode() + b"\n")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request, client_address):
            """A connection that was cut is nothing to report."""

    Server(("127.0.0.1", port), Session).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
