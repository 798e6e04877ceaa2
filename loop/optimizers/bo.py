"""Bayesian optimisation: Gaussian processes and acquisition functions of Ax and BoTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from campaigns.records import Proposal
from loop.optimizers.base import Exhausted

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from campaigns.records import Recommendation, Setting
    from loop.history import History
    from loop.optimizers.bo_model import Model
    from loop.optimizers.bo_openings import Openings

AUTHOR = "bo"
ROUNDS = 4  # of random variation after the gradient ascent, in spaces with rules or levels


@dataclass(frozen=True)
class BayesianOptimizer:
    """Ask where the model expects the largest improvement; recommend by its posterior mean.

    Space-filling settings come first, until every objective has `initial` outcomes. Then a batch
    is put together one setting at a time, each knowing those pending and those before it. Where the
    campaign has fidelities, each is measured by the one that teaches most for its cost; without,
    no unordered option is asked five times in a row where there are others (`bo_options`).

    Attributes:
        acquisition: "auto" is "log_nei" for one objective (Letham et al. 2019; Ament et al. 2023),
            "log_nehvi" for two to four (Daulton et al. 2021), "log_nparego" for more. "log_ei"
            takes the best posterior mean as the incumbent and suits measurements without noise.
        initial: outcomes to wait for before the model is trusted; default max(5, twice the number
            of parameters), or max(5, their number) where options have no order: evenly spread
            settings tell little of every option, those that the model asks tell more.
        noise: "observed" takes each outcome's sem, and infers the noise of metrics of which an
            outcome has none; "inferred" infers it always.
        pool: feasible settings drawn at random to start the search of the acquisition function.
        starts: settings refined from there, by gradient and by random variation.
        iterations: most iterations of the gradient ascent.
    """

    acquisition: Literal["auto", "log_nei", "log_ei", "log_nehvi", "log_nparego"] = "auto"
    initial: int | None = None
    noise: Literal["observed", "inferred"] = "observed"
    pool: int = 512
    starts: int = 4
    iterations: int = 30
    uses_fidelities: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("initial", "pool", "starts", "iterations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: must be at least 1, not {value}")

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Exactly n settings to try next; see `Optimizer.propose`.

        Raises Exhausted where fewer than n may be asked, and ValueError where `acquisition` does
        not suit the number of objectives.
        """
        from loop.optimizers.bo_censored import outcomes_told
        from loop.optimizers.bo_openings import Openings
        from loop.optimizers.bo_start import spread

        if campaign.fidelities:
            from loop.optimizers import bo_fidelity

            return bo_fidelity.propose(self, campaign, history, n, rng)
        openings = Openings(campaign, history)
        proposals: list[Proposal] = []
        if outcomes_told(campaign, history) >= self.outcomes_needed(campaign):
            picked = self._by_model(openings, n, rng)
            proposals = [Proposal(dict(setting), AUTHOR, {"by": by}) for setting, by in picked]
        missing = n - len(proposals)
        proposals += [
            Proposal(dict(setting), AUTHOR, {"by": "spread"})
            for setting in spread(openings, missing, rng)
        ]
        if len(proposals) < n:
            raise Exhausted(why_short(campaign, len(proposals), n), proposals)
        return proposals

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The best setting by posterior mean; see `Optimizer.recommend`.

        Raises NothingToRecommend until every objective has an exact outcome.
        """
        from loop.optimizers.bo_recommend import recommend

        if campaign.fidelities:
            from loop.optimizers import bo_fidelity

            return bo_fidelity.recommend(self, campaign, history)
        return recommend(campaign, history, noise=self.noise, pool=self.pool, parents=self.starts)

    def outcomes_needed(self, campaign: Campaign) -> int:
        """How many outcomes of every objective the model waits for."""
        parameters = campaign.space.parameters
        unordered = any(parameter.columns > 1 for parameter in parameters)
        return self.initial or max(5, len(parameters) * (1 if unordered else 2))

    def _by_model(
        self, openings: Openings, n: int, rng: np.random.Generator
    ) -> list[tuple[Setting, str]]:
        """Up to n settings with what chose them; marks them taken."""
        from loop.optimizers.bo_censored import with_bounds
        from loop.optimizers.bo_data import gather, with_failures
        from loop.optimizers.bo_model import fit
        from surrogates.fence import fenced

        campaign, history = openings.campaign, openings.history
        with fenced(int(rng.integers(2**63))):
            evidence = with_bounds(gather(campaign, history, self.noise), campaign, history)
            model = fit(with_failures(evidence, campaign, history))
            return list(self._picked(model, openings, n, rng))

    def _picked(
        self, model: Model, openings: Openings, n: int, rng: np.random.Generator
    ) -> Iterator[tuple[Setting, str]]:
        from loop.optimizers.bo_data import encoded
        from loop.optimizers.bo_model import acquire
        from loop.optimizers.bo_openings import listing
        from loop.optimizers.bo_options import habit, sought
        from loop.optimizers.bo_recommend import ranked
        from loop.optimizers.bo_search import Search, gradient_ascent, is_box, widened

        campaign = openings.campaign
        pool = listing(campaign.space)
        climbs = pool is None
        rounds = ROUNDS if climbs and not is_box(campaign.space) else 0
        search = Search(openings, rng, self.starts, rounds)
        if pool is None:
            anchors = ranked(model, campaign, openings.history)[: self.starts]
            pool = widened(search, anchors, self.pool)
        expected = [trial.parameters for trial in openings.history.pending()]
        asked = [trial.parameters for trial in openings.history.trials.values()]
        for _ in range(n):
            # anew for each: fresh samples, and for many objectives another scalarisation
            acquisition = acquire(model, self.acquisition, encoded(campaign, expected))
            function = acquisition.function
            ascend = gradient_ascent(campaign.space, function, self.iterations) if climbs else None
            barred = habit(campaign.space, asked)
            setting = sought(search, barred, pool, acquisition.score, ascend)
            if setting is None:
                return
            openings.take(setting)
            yield setting, acquisition.name
            expected.append(setting)
            asked.append(setting)


def why_short(campaign: Campaign, found: int, n: int) -> str:
    """Why no more settings can be asked for."""
    replicates = campaign.optimizer.replicates
    times = "once" if replicates == 1 else f"{replicates} times"
    return (
        f"only {found} of {n} settings are left: each feasible setting may be asked {times}, "
        "and those that failed as infeasible not again"
    )
