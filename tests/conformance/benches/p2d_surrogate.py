"""The bench of `p2d.surrogate`: a small surrogate of a cell in closed form."""

from instruments.conformance.bench import Bench
from surrogates.electrode_file import to_bytes
from surrogates.electrode_training import train
from tests.surrogates.electrode_cell import BOX, UNITS, cell

GOOD = dict(zip(BOX.names, BOX.middle()[0].tolist(), strict=True))


def bench() -> Bench:
    designs = BOX.designs(100, 0)
    content = to_bytes(train(BOX, designs, cell(designs), "random_forest", units=UNITS))
    return Bench(
        options={"file": "cell.surrogate", "channels": 3},
        settings=[GOOD, {**GOOD, "c_rate": 0.5}, {**GOOD, "positive_thickness": 80.0}],
        files={"cell.surrogate": content},
    )
