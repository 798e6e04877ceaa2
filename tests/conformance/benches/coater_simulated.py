"""The bench of `coater.simulated`: three recipes, and what its safety block forbids."""

from instruments.conformance.bench import Bench

GOOD = {
    "active_percent": 96.0,
    "carbon_percent": 2.0,
    "binder_percent": 2.0,
    "gap_um": 180.0,
    "calender_pressure_mpa": 90.0,
    "calender_c": 67.0,
}


def bench() -> Bench:
    return Bench(
        options={"channels": 3},
        settings=[
            GOOD,
            {**GOOD, "active_percent": 94.0, "binder_percent": 4.0, "gap_um": 140.0},
            {**GOOD, "calender_pressure_mpa": 60.0, "solid_content_percent": 66.0},
        ],
        unsuitable=[
            {**GOOD, "active_percent": 97.0},
            {**GOOD, "gap_um": 500.0, "line_speed_m_per_min": 4.0},
            {**GOOD, "calender_pressure_mpa": 200.0, "calender_c": 110.0},
        ],
    )
