"""What cells that were predicted, and later measured, say of a predictor's bias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# The model's own doubt counts like so many measured cells: few cells tell a scatter badly.
DOUBT_WORTH_CELLS = 8.0


@dataclass(frozen=True)
class OnlineBias:
    """Belief about the mean error of a predictor, in natural logs of life.

    shift: what to add to the log of a prediction; sd: how well the shift is known; scatter: what
    errors about it scatter by, as a multiple of the model's own standard deviation.

    Errors e_i of cells with standard deviations s_i are taken as e_i ~ N(b, k^2 s_i^2), the bias
    as b ~ N(0, prior_sd^2): its posterior is normal (Gelman et al., Bayesian Data Analysis, 3rd
    ed. 2013, section 2.5). k^2 is the mean of (e_i - b)^2 / s_i^2, with 1 counted
    `DOUBT_WORTH_CELLS` times.
    """

    shift: float
    sd: float
    scatter: float

    @classmethod
    def of(cls, errors: Sequence[float], sds: Sequence[float], prior_sd: float) -> OnlineBias:
        """errors: log of measured over predicted life, one a cell; sds: the model's own (> 0).

        Raises ValueError where they are not of one length, or an sd is not above 0.
        """
        if len(errors) != len(sds) or not all(sd > 0.0 for sd in sds) or not prior_sd > 0.0:
            raise ValueError("one error and one standard deviation above 0 a cell are needed")
        scatter = 1.0
        shift, sd = _posterior(errors, sds, prior_sd, scatter)
        for _ in range(20):  # k and b depend on each other, weakly: this has long settled
            squares = (((e - shift) / s) ** 2 for e, s in zip(errors, sds, strict=True))
            total = DOUBT_WORTH_CELLS + math.fsum(squares)
            scatter = math.sqrt(total / (DOUBT_WORTH_CELLS + len(errors)))
            shift, sd = _posterior(errors, sds, prior_sd, scatter)
        return cls(shift, sd, scatter)

    def spread(self, log_sd: float) -> float:
        """Standard deviation of a corrected prediction that the model gives `log_sd`."""
        return math.hypot(self.scatter * log_sd, self.sd)


def _posterior(
    errors: Sequence[float], sds: Sequence[float], prior_sd: float, scatter: float
) -> tuple[float, float]:
    precision = prior_sd**-2 + math.fsum((scatter * sd) ** -2 for sd in sds)
    weighted = math.fsum(e * (scatter * s) ** -2 for e, s in zip(errors, sds, strict=True))
    return weighted / precision, precision**-0.5
