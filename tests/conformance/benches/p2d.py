"""The bench of `p2d`: three designs, and what is no cell."""

from instruments.conformance.bench import Bench


def bench() -> Bench:
    return Bench(
        options={"channels": 3, "mesh_points": 10, "model": "spme"},
        settings=[
            {"c_rate": 2.0, "positive_thickness": 80.0, "np_ratio": 1.1},
            {"c_rate": 1.0, "positive_thickness": 60.0, "np_ratio": 1.2},
            {"c_rate": 1.0, "electrolyte_concentration": 1200.0, "positive_porosity": 0.4},
        ],
        unsuitable=[
            {"np_ratio": 0.8},
            {"np_ratio": 1.1, "negative_thickness": 90.0},
            {"positive_porosity": 0.0},
            {"positive_porosity": 0.5, "positive_active_fraction": 0.6},
            {
                "negative_porosity": 0.3,
                "negative_active_fraction": 0.6,
                "negative_inactive_fraction": 0.2,
            },
        ],
        needs="pybamm",
    )
