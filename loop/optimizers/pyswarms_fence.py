"""A fence around pyswarms: no log file, no root handlers, its draws seeded, all state put back."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOGGING = "version: 1\nincremental: true\n"  # a configuration that changes nothing
VARIABLE = "LOG_CFG"  # where pyswarms looks for the name of its logging configuration


@contextmanager
def fenced(seed: int) -> Iterator[None]:
    """Run the block with NumPy's global generator seeded; put all global state back afterwards.

    pyswarms draws from that generator. It also configures logging whenever one of its classes is
    created, at import first of all: without a configuration of its own it would open `report.log`
    in the working folder and replace the handlers of the root logger.
    """
    import numpy as np

    with warnings.catch_warnings(), _quiet_logging():
        warnings.simplefilter("ignore")
        state = np.random.get_state()  # noqa: NPY002
        try:
            import pyswarms.backend  # noqa: F401  # before the seed: a first call equals a second

            np.random.seed(seed)  # noqa: NPY002
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


@contextmanager
def _quiet_logging() -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    with tempfile.TemporaryDirectory(prefix="leyden-") as folder:
        path = Path(folder) / "logging.yaml"
        path.write_text(LOGGING, encoding="ascii")
        os.environ[VARIABLE] = str(path)
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
