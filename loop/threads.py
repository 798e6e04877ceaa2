"""One thread for numerical libraries: the same bits on every machine, and no fight over cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def before_imports() -> None:
    """Tell libraries not loaded yet; children inherit it."""
    os.environ.update(dict.fromkeys(VARIABLES, "1"))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Hold libraries already loaded to one thread while the block lasts."""
    import numpy  # noqa: F401 - loaded first, so that its library is seen
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
