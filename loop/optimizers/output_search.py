"""Where a surrogate of the outputs would look next, and what it believes best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from campaigns.records import Setting
from loop.optimizers.candidates import Answer, pool
from loop.optimizers.gaussian_process import Places
from loop.optimizers.output_evidence import OutputEvidence
from surrogates.outputs import Array, OutputModel

if TYPE_CHECKING:
    from campaigns.space import Space

SURROGATE = "surrogate"  # on a trial's meta: who asked for it
BEST = 5  # settings around which the pool is denser
STEPS = (0.1, 0.05, 0.025, 0.0125)  # sd of the steps in the unit cube, one round of search each
TRIES = 256  # settings looked at in a round


class OutputSearch:
    """Settings looked at through one fitted model; smaller losses are better."""

    def __init__(
        self,
        space: Space,
        evidence: OutputEvidence,
        model: OutputModel,
        candidates: int,
        rng: np.random.Generator,
    ) -> None:
        self._space, self._evidence, self._model, self._rng = space, evidence, model, rng
        score = evidence.score
        order = np.argsort(score.loss(model.moments(evidence.data.x)[0]), kind="stable")
        near = [evidence.settings[i] for i in order[:BEST]]
        self._pool = [s for s in pool(space, candidates, near, rng) if self._open(s)]
        self._points = space.encode(self._pool)

    def draw_into(self, answer: Answer, count: int) -> None:
        """Add up to `count` settings, each the best one of a function that the data allow
        (Thompson sampling), the model's failures passed over."""
        if not self._pool or count < 1:
            return
        hopeful = self._evidence.hopeful(self._points)
        losses = self._evidence.score.loss(self._model.draws(self._points, count))
        for loss in losses:
            self._take_first(answer, np.argsort(np.where(hopeful, loss, np.inf), kind="stable"))

    def best_into(self, answer: Answer) -> None:
        """Add the setting with the smallest loss by the model's mean, if it may be asked for."""
        best = self.best()
        if best is None:
            return
        if answer.allows(best):
            answer.take(best, {"by": SURROGATE})
        else:
            self._take_first(answer, np.argsort(self.expected(self._points), kind="stable"))

    def best(self) -> Setting | None:
        """The setting of least expected loss in the pool, moved on to the best one in its
        neighbourhood; None where every setting is ruled out."""
        if not self._pool:
            return None
        expected = self.expected(self._points)
        order = np.argsort(np.where(self._evidence.hopeful(self._points), expected, np.inf))
        return self._refined(self._pool[int(order[0])])

    def expected(self, x: Array) -> Array:
        """Loss to be expected at settings (m x d), the model's own doubt counted as noise."""
        mean, sd = self._model.moments(x)
        return self._evidence.score.loss(mean, sd)

    def _refined(self, setting: Setting) -> Setting:
        if self._space.finite:
            return setting
        for step in STEPS:
            here = self._space.encode([setting])
            moved = here + step * self._rng.standard_normal((TRIES, here.shape[1]))
            found = [setting, *self._landed(np.clip(moved, 0.0, 1.0))]
            setting = found[int(np.argmin(self.expected(self._space.encode(found))))]
        return setting

    def _landed(self, points: Array) -> list[Setting]:
        settings = self._space.landed(points)
        return [s for s in settings if self._space.feasible(s) and self._open(s)]

    def _open(self, setting: Setting) -> bool:
        return self._space.key(setting) not in self._evidence.barred

    def _take_first(self, answer: Answer, order: Places) -> None:
        for place in order:
            if answer.allows(self._pool[int(place)]):
                answer.take(self._pool[int(place)], {"by": SURROGATE})
                return
