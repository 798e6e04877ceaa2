"""What every test may count on: one thread, reproducible examples, the recorded data."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Thread pools are sized when numpy or torch is first imported, which is after this file.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# No deadlines: a loaded machine is not a failure. In CI the same examples every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def _recorded_data_folder() -> Path:
    """The folder of recorded data: LEYDEN_DATA, else shared/data beside the repository."""
    named = os.environ.get("LEYDEN_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def pytest_report_header() -> str:
    """Say at the top of every run whether the recorded data take part in it."""
    folder = _recorded_data_folder()
    return f"recorded data: {folder}{'' if folder.is_dir() else ' (ABSENT: their tests skip)'}"


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder of recorded data; a test that needs it skips, with the reason, without it."""
    folder = _recorded_data_folder()
    if folder.is_dir():
        return folder
    if os.environ.get("LEYDEN_DATA"):
        pytest.fail(f"LEYDEN_DATA names {folder}, which is not a folder")
    pytest.skip(f"no recorded data: set LEYDEN_DATA to their folder (looked in {folder})")
