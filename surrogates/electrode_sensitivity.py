"""Which setting of an electrode design matters: Sobol indices of a surrogate, through SALib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from campaigns.problems import unknown
from surrogates.electrode import ElectrodeModel

FloatArray = NDArray[np.float64]

VALIDITY = "validity"  # the probability that a design is valid, as if it were a metric
LEVEL = 0.9
BASE = 2048  # base sample; a power of two keeps its balance
RESAMPLED = 100


@dataclass(frozen=True, slots=True)
class Share:
    """Of the variance, what a setting explains alone (first) and in all (total), each with the
    half width of its interval."""

    name: str
    first: float
    first_half: float
    total: float
    total_half: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The shares of all settings in the order of the box; `valid` of the sampled designs."""

    metric: str
    unit: str
    shares: tuple[Share, ...]
    valid: float
    sampled: int
    level: float

    def ranked(self) -> tuple[Share, ...]:
        """The largest total share first."""
        return tuple(sorted(self.shares, key=lambda share: -share.total))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"shares": [asdict(share) for share in self.shares]}


def sensitivity(model: ElectrodeModel, metric: str, seed: int = 0, base: int = BASE) -> Sensitivity:
    """Sobol indices of a metric over the box, settings independent and uniform on their scales.

    Saltelli et al. (2010, Comput. Phys. Commun. 181, 259): base (d + 2) designs, first-order and
    total estimators with bootstrap intervals. The indices need independent settings, and validity
    ties these to each other. So designs that are likely to be invalid stay in, with the mean of
    the valid ones in place of a value that they do not have. Where they lie depends on several
    settings at once, which counts as interaction; what makes designs invalid is told by the metric
    `validity`.

    Raises ValueError for an unknown metric, a base below 2, or a box without a valid design.
    """
    if metric not in (*model.metrics, VALIDITY):
        raise ValueError(
            f"--metric {metric}: {unknown('metric', metric, (*model.metrics, VALIDITY))}"
        )
    if base < 2 or base & (base - 1):
        raise ValueError(f"--n {base}: a power of two from 2 is needed")
    names = list(model.box.names)
    problem = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    with _own_generators():
        from SALib.analyze import sobol as analyze
        from SALib.sample import sobol as sample

        places = sample.sample(problem, base, calc_second_order=False, seed=seed)
        values, valid = _values(model, metric, model.box.decode(places))
        if (
            not values.std() > 1e-12 * np.abs(values).max()
        ):  # nothing to explain: SALib would divide by it
            nothing = tuple(Share(name, 0.0, 0.0, 0.0, 0.0) for name in names)
            return _told(model, metric, nothing, valid, len(places))
        found = analyze.analyze(
            problem,
            values,
            calc_second_order=False,
            num_resamples=RESAMPLED,
            conf_level=LEVEL,
            seed=seed + 1,  # SALib takes 0 for none
        )
    columns = [found[key].tolist() for key in ("S1", "S1_conf", "ST", "ST_conf")]
    shares = tuple(Share(*row) for row in zip(names, *columns, strict=True))
    return _told(model, metric, shares, valid, len(places))


def _values(model: ElectrodeModel, metric: str, designs: FloatArray) -> tuple[FloatArray, float]:
    """The metric of designs (n,), the mean where they are likely to be invalid; share valid."""
    probability, mean = model.means(designs)
    valid = probability >= 0.5
    if not valid.any():
        raise ValueError("no design of the box is likely to be valid")
    if metric == VALIDITY:
        return probability, float(valid.mean())
    values = mean[metric]
    return np.where(valid, values, values[valid].mean()), float(valid.mean())


def _told(
    model: ElectrodeModel, metric: str, shares: tuple[Share, ...], valid: float, sampled: int
) -> Sensitivity:
    unit = model.units.get(metric, "1")
    return Sensitivity(metric, unit, shares, valid, sampled, LEVEL)


@contextmanager
def _own_generators() -> Iterator[None]:
    """SALib may touch NumPy's global generator: put it back."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
