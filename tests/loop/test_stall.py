"""The stall counter against its definition, whatever is learnt, forgotten and ended."""

from hypothesis import given
from hypothesis import strategies as st

from loop.stall import Stall

STEPS = st.lists(
    st.tuples(st.sampled_from(["learn", "forget", "end"]), st.integers(1, 6), st.integers(-5, 5)),
    max_size=40,
)


@given(STEPS)
def test_best_and_distance_follow_from_the_current_values(steps):
    stall = Stall()
    values: dict[int, int] = {}
    ended: list[int] = []
    for what, trial, value in steps:
        if what == "learn":
            stall.learn(trial, value)
            values[trial] = value
        elif what == "forget":
            stall.forget(trial)
            values.pop(trial, None)
        else:
            stall.end(trial)
            if trial not in ended:
                ended.append(trial)
        assert stall.best == (max(values.values()) if values else None)
        if values:
            winners = [t for t, v in values.items() if v == stall.best]
            behind = [
                len(ended) - (ended.index(t) + 1 if t in ended else len(ended)) for t in winners
            ]
            assert stall.since in behind
        else:
            assert stall.since == len(ended)


def test_a_tie_does_not_count_as_better():
    stall = Stall()
    for trial in (1, 2, 3):
        stall.learn(trial, 1.0)
        stall.end(trial)
    assert stall.since == 2
