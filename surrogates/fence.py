"""A fence around torch and Ax: seeded, one thread, quiet, all global state put back."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fenced(seed: int) -> Iterator[None]:
    """Run the block with every global generator seeded; put all global state back afterwards.

    Ax and BoTorch draw from the global generators of torch, NumPy and `random`. Inside the block
    these follow from `seed` alone, and torch uses one thread, so that sums are added in one order.
    Warnings and log lines of the libraries (retried fits, jitter added to a Cholesky factor) are
    kept from the user: a fit that fails for good still raises, a ValueError.
    """
    import numpy as np

    # recorded and dropped: BoTorch sets filters to "always" itself, which "ignore" does not outlast
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            import torch
            from botorch.acquisition.multi_objective import logei
            from botorch.exceptions.errors import ModelFittingError

            threads = torch.get_num_threads()
            with torch.random.fork_rng(devices=[]):
                torch.set_num_threads(1)
                # the CPU generator alone: torch.manual_seed would also reseed accelerators
                torch.default_generator.manual_seed(seed)
                random.seed(seed)
                np.random.seed(seed % 2**32)  # noqa: NPY002
                # BoTorch would compile a C++ kernel for this very processor on first use: other
                # bits on other machines, and a wait without end behind a lock left by a kill
                kernel = logei._C, logei._load_attempted
                logei._C, logei._load_attempted = None, True
                try:
                    yield
                except ModelFittingError as error:
                    raise ValueError(f"no model fits the data: {error}") from error
                finally:
                    logei._C, logei._load_attempted = kernel
                    torch.set_num_threads(threads)
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
            logging.disable(disabled)
