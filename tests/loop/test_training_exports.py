"""A campaign's early predictor learns from a folder of cycler exports."""

import pytest

from campaigns.campaign import CampaignError
from campaigns.records import TrialState
from loop.inspection import inspect
from loop.restoring import restore
from loop.store.store import Store
from surrogates.recorded_cells import read_cells
from tests.loop.laboratory import charging, run
from tests.surrogates.cycler_records import BDF, records_of


@pytest.fixture
def exports(recorded_data, tmp_path):
    """Twelve recorded cells as exports that hold every fifth record; the last has no life."""
    cells = read_cells(recorded_data / "severson2019", "train")[::3][:12]
    text = "[voltage]\nhigh = 3.6\nlow = 2.0\n"
    for k, cell in enumerate(cells):
        frame = records_of(cell)
        kept = (frame.index % 5 == 0) | (frame[BDF["voltage"]] <= 2.0)
        frame[kept].to_csv(tmp_path / f"{k}.csv", index=False)
        text += f'[[cells]]\nfile = "{k}.csv"\n'
        text += f"life = {cell.cycle_life}\n" if k < 11 else ""
    (tmp_path / "cells.toml").write_text(text)
    return tmp_path


def test_a_campaign_is_trained_on_exports(exports):
    training = {"early_prediction.training": {"folder": str(exports)}, "budget.trials": 6}
    with Store.open("sqlite://") as store:
        state = restore(store, run(store, charging(overrides=training)))
        predicted = [t for t in state.history.trials.values() if t.state is TrialState.PREDICTED]
        assert predicted
        assert all(100 < t.outcomes["cycle_life"].mean < 4000 for t in predicted)


def test_a_mistake_in_the_description_is_told_before_anything_runs(exports):
    text = (exports / "cells.toml").read_text().replace("high", "hihg")
    (exports / "cells.toml").write_text(text)
    training = {"early_prediction.training": {"folder": str(exports)}}
    with pytest.raises(CampaignError, match=r"hihg: unknown option; .*did you mean 'high'"):
        inspect(charging(overrides=training))
