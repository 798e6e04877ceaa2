"""A broken installation is one clear line, and the campaign can go on once it is mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from loop.store.store import Store
from tests.loop.laboratory import CAMPAIGN, TABLE, finish

ROOT = Path(__file__).resolve().parents[2]
HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ax", "botorch"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from loop.cli import main
main(sys.argv[1:])
"""


def test_a_missing_package_is_named_and_the_campaign_kept(tmp_path):
    budget = "trials = 8"
    text = CAMPAIGN.format(optimizer="bo", rounds="true", channels=5, hours="days", budget=budget)
    (tmp_path / "hill.toml").write_text(text)
    (tmp_path / "hill.csv").write_text(TABLE)
    command = [sys.executable, "-c", HIDING, "run", "hill.toml", "--store", "sqlite:///h.db"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "is missing; see leyden doctor" in done.stderr
    with Store.open(f"sqlite:///{tmp_path / 'h.db'}") as store:
        assert store.check() == []
        finish(store, "hill-1")
        assert store.campaigns()[0].status == "finished"
