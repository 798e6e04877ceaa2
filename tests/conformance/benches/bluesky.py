"""The bench of a wrapped bluesky device: a small coater with two axes, in this process."""

from instruments.conformance.bench import Bench

OPTIONS = {
    "device": "tests.instruments.bluesky_coater:make_coater",
    "settings": {"gap_um": "gap", "shim_um": "shim"},
    "metrics": {"loading": "coater-loading"},
    "limits": {"shim_um": [60.0, 400.0]},
    "answer_s": 2.0,
}


def bench() -> Bench:
    return Bench(
        options=OPTIONS,
        settings=[{"gap_um": 200.0, "shim_um": 100.0}, {"gap_um": 300.0, "shim_um": 80.0}],
        unsuitable=[{"gap_um": 444.0, "shim_um": 100.0}],
        needs="bluesky",
    )
