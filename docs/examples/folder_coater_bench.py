"""The bench of the folder coater: its control PC as a small program that can be killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from instruments.conformance.bench import Bench, Device

FOLDERS = ("jobs", "running", "over", "stops")
NONSENSE = ("}{", "[1, 2]", '{"state": "finished", "at": 1, "values": {"loading": NaN}}')
COATING_S = 1.0


def conformance():
    """What `leyden check-adapter folder_coater:FolderCoater` needs to know."""
    return Bench(
        options={"channels": 2},
        settings=[{"gap": 200.0, "speed": 0.5}, {"gap": 300.0, "speed": 1.0}],
        device=coater_pc,
    )


@contextmanager
def coater_pc(coating_s=COATING_S, kind=None):
    """A running coater PC; the connection to it is the shared folder."""
    with tempfile.TemporaryDirectory() as home:
        pc = (kind or CoaterPc)(Path(home), coating_s)
        try:
            yield pc
        finally:
            pc.restore()
            pc.kill()


class CoaterPc(Device):
    """The hooks: what happens to the folder and to the process, and what the coater really did."""

    def __init__(self, home, coating_s):
        self.home, self.share, self.coating_s = home, home / "share", coating_s
        self.options = {"folder": str(self.share)}
        self.hidden, self.kept = home / "away", home / "kept"
        self.copier = None
        self.restart()

    def cut(self):
        self.share.rename(self.hidden)  # the PC works on: it is inside

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def garble(self):
        self.hang()
        shutil.copytree(self.share, self.kept)
        files = [
            self.share / "status.json",
            *self.share.glob("running/*"),
            *self.share.glob("over/*"),
        ]
        for number, file in enumerate(files):
            file.write_text(NONSENSE[number % len(NONSENSE)])

    def double(self):
        self.copier = Copier(self.share / "jobs")
        self.copier.start()

    def restore(self):
        if self.hidden.exists():
            self.hidden.rename(self.share)
        if self.kept.exists():
            shutil.copytree(self.kept, self.share, dirs_exist_ok=True)
            shutil.rmtree(self.kept)
        if self.copier is not None:
            self.copier.over.set()
            self.copier = None
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.share), str(self.coating_s)]
        )
        began = time.time()
        status = self.share / "status.json"
        while not status.exists() or status.stat().st_mtime < began:
            time.sleep(0.02)

    def forget(self):
        self.kill()
        shutil.rmtree(self.share)
        self.restart()

    def starts(self, key):
        return self._diary().count(["begin", quote(key, safe="")])

    def is_running(self, key):
        name = quote(key, safe="")
        return self.starts(key) > 0 and ["end", name] not in self._diary()

    def _diary(self):
        diary = self.home / "diary.txt"
        return [line.split() for line in diary.read_text().splitlines()] if diary.exists() else []


class Copier(threading.Thread):
    """Writes every job file a second time, as a share does that synchronises twice."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.over = folder, threading.Event()

    def run(self):
        seen = set(self.folder.iterdir())
        while not self.over.wait(0.02):
            for file in set(self.folder.iterdir()) - seen:
                copy = self.folder.parent / "again.part"
                shutil.copy(file, copy)
                os.replace(copy, file)
                seen.add(file)


class Coater:
    """The program on the coater's PC: takes each job of the folder once, by its name."""

    def __init__(self, folder, coating_s):
        self.coating_s = coating_s
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        self.diary = Path("..", "diary.txt").resolve()
        since = Path("since.txt")
        if not since.exists():
            write(since, now())
        self.since = since.read_text()
        self.ends = {}
        for name in {file.name for file in Path("running").iterdir()} - names("over"):
            self.end(name, "failed", reason="the coater lost its power")

    def work(self):
        while True:
            for name in sorted(names("jobs") - names("running")):
                self.begin(name)
            for name, moment in list(self.ends.items()):
                if (Path("stops") / name).exists():
                    self.end(name, "aborted")
                elif time.monotonic() > moment:
                    job = json.loads((Path("jobs") / name).read_text())
                    self.end(name, "finished", {"loading": loading(job["gap"], job["speed"])})
            write(Path("status.json"), json.dumps({"at": now(), "since": self.since}))
            time.sleep(0.02)

    def begin(self, name):
        write(Path("running") / name, json.dumps({"state": "running", "began_at": now()}))
        self.note("begin", name)
        self.ends[name] = time.monotonic() + self.coating_s

    def end(self, name, state, values=None, reason=""):
        began = json.loads((Path("running") / name).read_text())["began_at"]
        told = {"state": state, "began_at": began, "over_at": now(), "reason": reason}
        self.ends.pop(name, None)
        self.note("end", name)
        write(Path("over") / name, json.dumps({**told, "values": values or {}}))

    def note(self, what, name):
        with self.diary.open("a") as diary:
            diary.write(f"{what} {name.removesuffix('.json')}\n")


def loading(gap, speed):
    """Dry mass per area in mg/cm^2: half the gap as wet film of 2 g/cm^3 with half solids, thinner
    where the web runs fast."""
    return 0.5 * gap * 1e-4 * 2e3 * 0.5 / (1 + 0.05 * speed)


def names(folder):
    """Files of a folder of the share."""
    return {file.name for file in Path(folder).iterdir()}


def now():
    """ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat()


def write(path, text):
    """Whole or not at all."""
    part = Path("pc.part")
    part.write_text(text)
    os.replace(part, path)


if __name__ == "__main__":
    Coater(Path(sys.argv[1]), float(sys.argv[2])).work()
