"""The loop's figures on a table of lives: batches, one channel, early against to failure.

    python benchmarks/closed_loop.py [--seeds 150] [--data FOLDER] [--part batches|single|all]

FOLDER holds `attia2020/policies_lifetimes_sim.csv` (default: LEYDEN_DATA, else ../shared/data).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from campaigns.campaign import Campaign, parse
from loop.benchmark import Bench, bench

ROOT = Path(__file__).resolve().parents[1]
CAMPAIGN = ROOT / "docs" / "bench" / "lives-table.toml"
TABLE = "policies_lifetimes_sim.csv"
LEVEL = 1037  # the true life that random search reaches after eight cells run to failure
BATCHES = ("gp_ucb", "gp_ucb_attia", "bayes_gap", "bayes_gap_attia", "random", "sobol")
SINGLE = ("random", "gp_ucb", "gp_ucb_attia", "bayes_gap_attia")


def campaign(table: bytes, **overrides: object) -> Campaign:
    """The documented campaign on that table, with overrides by path (`.` written as `__`)."""
    changes = {path.replace("__", "."): value for path, value in overrides.items()}
    return parse(CAMPAIGN.read_text(), {TABLE: table}, changes)


def show(title: str, outcome: Bench) -> None:
    """One row a checkpoint: mean true life of the recommended protocol ± standard error."""
    print(f"\n## {title}\n")
    names = list(outcome.runs)
    print("| tests | hours | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    for rows in zip(*(outcome.rounds(name) for name in names), strict=True):
        cells = " | ".join(f"{row.true_value:.0f} ± {row.sem:.1f}" for row in rows)
        print(f"| {rows[0].trials} | {rows[0].instrument_hours:.0f} | {cells} |")


def show_level(title: str, outcome: Bench) -> None:
    """First test count at which the mean true life reaches the level."""
    for name in outcome.runs:
        first = outcome.first_reaching(name, LEVEL)
        reached = (
            "not reached"
            if first is None
            else (
                f"{first.trials} tests, {first.instrument_hours:.0f} h "
                f"(true life {first.true_value:.0f} ± {first.sem:.1f})"
            )
        )
        print(f"| {title} | {name} | {reached} |")


def batches(table: bytes, seeds: int) -> None:
    for channels, rounds in ((48, 4), (8, 4)):
        chosen = campaign(table, instrument__channels=channels, budget__rounds=rounds)
        outcome = bench(chosen, BATCHES, seeds)
        show(f"{channels} channels, {rounds} rounds, {seeds} seeds", outcome)


def single(table: bytes, seeds: int) -> None:
    print(f"\n## One channel: first test count with mean true life >= {LEVEL}, {seeds} seeds\n")
    print("| hours a test | optimiser | reached after |")
    print("|---|---|---|")
    details = []
    for title, hours in (
        ("960 (to failure)", 960.0),
        ("96 (early prediction)", 96.0),
        ("0.96 x life (to failure)", "0.96*cycle_life"),
    ):
        chosen = campaign(
            table,
            instrument__channels=1,
            budget__rounds=12,
            instrument__options__hours=hours,
        )
        outcome = bench(chosen, SINGLE, seeds)
        show_level(title, outcome)
        details.append((title, outcome))
    for title, outcome in details[:1]:
        show(f"One channel, {title}", outcome)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=150)
    default = os.environ.get("LEYDEN_DATA") or str(ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--part", choices=("batches", "single", "all"), default="all")
    arguments = parser.parse_args()
    table = (arguments.data / "attia2020" / TABLE).read_bytes()
    if arguments.part in ("batches", "all"):
        batches(table, arguments.seeds)
    if arguments.part in ("single", "all"):
        single(table, arguments.seeds)


if __name__ == "__main__":
    main()
