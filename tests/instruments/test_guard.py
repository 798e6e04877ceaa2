"""The safety envelope says everything that is wrong with a job."""

from instruments.base import Card, SettingCard
from instruments.guard import outside

CARD = Card(
    kind="press",
    settings=(
        SettingCard("pressure", "MPa", 10, 200),
        SettingCard("roll", options=("steel", "rubber")),
        SettingCard("note", optional=True),
    ),
    metrics={"porosity": "1"},
    channels=1,
    series=False,
    repeatable=False,
    abortable=True,
    simulated=False,
)


def reasons(**parameters):
    return {problem.setting: problem.reason for problem in outside(CARD, parameters)}


def test_within_the_envelope_there_is_no_problem():
    assert reasons(pressure=10, roll="steel") == {}
    assert reasons(pressure=200.0, roll="rubber", note=1) == {}


def test_every_violation_is_told_with_its_limit():
    assert "below the limit 10 MPa" in reasons(pressure=9.99, roll="steel")["pressure"]
    assert "above the limit 200 MPa" in reasons(pressure=201, roll="steel")["pressure"]
    assert "not finite" in reasons(pressure=float("nan"), roll="steel")["pressure"]
    assert "not a number" in reasons(pressure="much", roll="steel")["pressure"]
    assert "none of" in reasons(pressure=20, roll="glass")["roll"]


def test_missing_and_unknown_settings_are_told_together():
    found = reasons(temperature=60)
    assert set(found) == {"temperature", "pressure", "roll"}
