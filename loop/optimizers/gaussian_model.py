"""The Gaussian-process options that optimisers share, applied to a campaign's outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from campaigns.problems import CampaignError
from campaigns.records import Setting
from loop.optimizers.evidence import Evidence
from loop.optimizers.gaussian_bounds import Bounds, with_sites
from loop.optimizers.gaussian_process import Array, Data, Kernel, Posterior, Prior
from loop.optimizers.hyperparameters import Fixed, fitted

if TYPE_CHECKING:
    from campaigns.space import Space


@dataclass(frozen=True)
class GaussianModel:
    """Options of the Gaussian process; whatever is not given is worked out from the data.

    prior_mean, prior_sd: belief about the objective before any outcome, in its unit.
    noise_sd: noise of every outcome, replacing their own sem; without it an outcome's variance is
    sem² plus a spread that is worked out.
    length_scale: of the kernel, in the coordinates named by `coordinates`: "unit", each parameter
    scaled to 0..1 over its range, or "raw", the numbers as they stand in the campaign.
    kernel: "matern52" or "gaussian", exp(-|x - x'|² / (2 length_scale²)).
    """

    prior_mean: float | None = None
    prior_sd: float | None = None
    noise_sd: float | None = None
    length_scale: float | None = None
    kernel: Kernel = "matern52"
    coordinates: Literal["unit", "raw"] = "unit"

    def __post_init__(self) -> None:
        for name in ("prior_sd", "length_scale"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: must be above 0, not {value:g}")
        if self.noise_sd is not None and not self.noise_sd >= 0:
            raise ValueError(f"noise_sd: must be 0 or more, not {self.noise_sd:g}")
        if self.coordinates == "raw" and self.length_scale is None:
            raise ValueError("length_scale: must be given where coordinates = 'raw'")

    def coordinates_of(self, space: Space, settings: Sequence[Setting]) -> Array:
        """Where the settings lie (n x d). Raises CampaignError for raw text parameters."""
        if self.coordinates == "unit":
            return space.encode(settings)
        texts = [p.name for p in space.parameters if p.kind != "number"]
        if texts:
            raise CampaignError(
                [f"optimizer.options.coordinates: 'raw' needs numeric parameters, but "
                 f"'{texts[0]}' is not; allowed: 'unit'"]
            )  # fmt: skip
        rows = [[float(setting[name]) for name in space.names] for setting in settings]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(space.names))

    def learnt(self, space: Space, evidence: Evidence) -> tuple[Prior, Data]:
        """The prior, and the outcomes at their coordinates: those that only bound a value as what
        they say under it (`gaussian_bounds.sites`). All is about the objective times its sign."""
        points = self.coordinates_of(space, evidence.settings)
        data = Data(points, evidence.place, evidence.y, evidence.sem)
        limits = evidence.limits
        bounds = Bounds(
            self.coordinates_of(space, limits.settings), limits.value, limits.side, limits.sem
        )
        mean = None if self.prior_mean is None else self.prior_mean * evidence.objective.sign
        given = Fixed(mean, self.prior_sd, self.noise_sd, self.length_scale, self.kernel)
        prior = fitted(data, given, bounds)
        return prior, with_sites(prior, data, bounds)

    def posterior(self, space: Space, evidence: Evidence, settings: Sequence[Setting]) -> Posterior:
        """Belief about the objective (times its sign) at the settings."""
        prior, data = self.learnt(space, evidence)
        return Posterior(prior, data, self.coordinates_of(space, settings))
