"""A coater whose control PC takes job files from a shared folder and writes result files back."""

import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from instruments.adapter import DeviceAdapter, Seen
from instruments.base import Busy, SettingCard, Unreachable

SETTINGS = (SettingCard("gap", "um", 50.0, 500.0), SettingCard("speed", "m/min", 0.1, 5.0))


@dataclass(frozen=True)
class FolderOptions:
    folder: str
    channels: int = 1


class FolderCoater(DeviceAdapter):
    Options = FolderOptions
    delivery_s = 0.5  # a share may show a file that late

    def describe(self):
        return self.card("folder.coater", SETTINGS, {"loading": "mg/cm^2"}, patience_s=5.0)

    def send(self, job, payload):
        taken = len(os.listdir(self.path("jobs"))) - len(os.listdir(self.path("over")))
        if taken >= self.options.channels:
            raise Busy("the coater is taken")
        self.write("jobs", job.key, {"payload": payload, **job.parameters})

    def look(self, key):
        job = self.read("jobs", key)
        told = self.read("over", key) or self.read("running", key) or {"state": "running"}
        self.memory()  # only now: while the PC is silent, a missing file says nothing
        return None if job is None else Seen.from_json(job["payload"], told)

    def stop(self, key, reason):
        self.write("stops", key, {"reason": reason})

    def memory(self):
        status = self.read("", "status")
        if self.clock.now() - datetime.fromisoformat(status["at"]) > timedelta(seconds=2):
            raise Unreachable("the coater PC is silent")
        return datetime.fromisoformat(status["since"])

    def path(self, folder, key=""):
        return Path(self.options.folder, folder, key and quote(key, safe="") + ".json")

    def read(self, folder, key):
        path = self.path(folder, key)
        return json.loads(path.read_text()) if path.exists() else None

    def write(self, folder, key, told):
        part = self.path(f"{os.getpid()}.part")  # moved when it is whole: nobody sees half a job
        part.write_text(json.dumps(told))
        os.replace(part, self.path(folder, key))
