"""One suite over every registered early predictor."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from surrogates.cells import Cell
from surrogates.registry import known, target

VOLTAGE = np.linspace(3.6, 2.0, 60)


def cells(n: int, seed: int) -> list[Cell]:
    """Cells whose fade between two cycles follows from their life, with a little noise."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        life = float(np.exp(rng.uniform(np.log(300), np.log(1500))))
        cycles = np.arange(2, 101)
        shape = 1.1 / (1 + np.exp((VOLTAGE - 3.1) * 12))
        dent = np.exp(-(((VOLTAGE - 2.9) / 0.15) ** 2))
        fade = (cycles / life) ** 1.5
        q = shape[:, None] * (1 - 0.05 * fade) - 0.8 * dent[:, None] * fade
        q = q + rng.normal(0, 2e-5, q.shape)
        made.append(Cell(id=str(number), cycle_life=life, q=q, voltage=VOLTAGE, cycles=cycles))
    return made


@pytest.fixture(params=sorted(known()))
def model_class(request):
    return target(request.param)


@pytest.mark.parametrize("model", ["variance", "elastic_net", "gradient_boosting", "default"])
def test_it_learns_and_its_interval_holds_the_life(model_class, model):
    fitted = model_class(at_cycle=100, model=model, level=0.9).fit(cells(40, 1))
    fresh = cells(40, 2)
    found = fitted.predict(fresh)
    lives = np.array([cell.cycle_life for cell in fresh])
    assert np.median(np.abs(found.mean / lives - 1)) < 0.15
    assert np.mean((found.lower <= lives) & (lives <= found.upper)) >= 0.75
    assert np.all(found.sem > 0)
    assert np.all((found.lower <= found.mean) & (found.mean <= found.upper))


def test_a_prediction_is_the_same_alone_and_among_others(model_class):
    fitted = model_class().fit(cells(20, 1))
    fresh = cells(7, 2)
    together = fitted.predict(fresh)
    for i, cell in enumerate(fresh):
        alone = fitted.predict([cell])
        assert alone.mean[0] == together.mean[i]
        assert alone.lower[0] == together.lower[i]
        assert alone.sem[0] == together.sem[i]


def test_the_text_of_a_model_is_the_model(model_class):
    fitted = model_class().fit(cells(20, 1))
    again = model_class.from_json(fitted.to_json())
    fresh = cells(5, 3)
    assert again.to_json() == fitted.to_json()
    assert again.predict(fresh).mean.tolist() == fitted.predict(fresh).mean.tolist()


@pytest.mark.parametrize("model", ["elastic_net", "default"])
def test_the_same_cells_give_the_same_text_in_another_process(model_class, model):
    code = (
        "from tests.conformance.test_surrogates import cells;"
        f"from {model_class.__module__} import {model_class.__name__} as M;"
        "import hashlib;"
        f"text = M(model={model!r}).fit(cells(15, 4)).to_json();"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(texts) == 1


def test_too_few_cells_is_one_clear_line(model_class):
    with pytest.raises(ValueError, match="cells") as told:
        model_class().fit(cells(3, 1))
    assert "\n" not in str(told.value)
