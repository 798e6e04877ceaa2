"""The segment of shared memory that MPICH makes at its start and leaves behind at a sudden end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

_FOLDER: Final = Path("/dev/shm")


def remove(process: int) -> None:
    """Take away the name of the segment of one process; harmless where there is none.

    A process that still uses the segment keeps it: only the name goes.
    """
    for segment in _FOLDER.glob(f"mpich_shm_{process:x}_*"):
        with suppress(FileNotFoundError, PermissionError):  # gone, or another user's
            segment.unlink()
