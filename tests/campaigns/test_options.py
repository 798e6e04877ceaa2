"""Options become frozen values; every wrong one is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from campaigns.options import build
from campaigns.problems import CampaignError


class Missing(StrEnum):
    ERROR = "error"
    NEAREST = "nearest"


@dataclass(frozen=True)
class Metric:
    column: str | int
    noise_sd: float | str = 0.0


@dataclass(frozen=True)
class Options:
    file: str
    length_scale: float = 1.0
    limit: float | None = None
    betas: tuple[float, ...] = ()
    metrics: Mapping[str, Metric] | None = None
    mode: Literal["mean", "median"] = "mean"
    missing: Missing = Missing.ERROR
    starts: Annotated[int, Field(ge=1)] = 1

    def __post_init__(self) -> None:
        if self.length_scale <= 0:
            raise ValueError(f"length_scale: must be > 0, not {self.length_scale}")


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    noise_sd: float = 1.0


def told(cls: type, options: Mapping[str, object]) -> tuple[str, ...]:
    with pytest.raises(CampaignError) as caught:
        build(cls, options, "optimizer.options")
    return caught.value.problems


def test_tables_arrays_and_defaults_become_the_types_wanted() -> None:
    options = {
        "file": "lives.csv",
        "betas": [5, 2.5],
        "metrics": {"life": {"column": 3, "noise_sd": 164}},
        "missing": "nearest",
        "limit": 3,
    }
    assert build(Options, options, "x") == Options(
        file="lives.csv",
        betas=(5.0, 2.5),
        metrics={"life": Metric(3, 164.0)},
        missing=Missing.NEAREST,
        limit=3.0,
    )
    assert build(Model, {"noise_sd": 2}, "x") == Model(noise_sd=2.0)


def test_all_mistakes_are_told_at_once() -> None:
    assert told(
        Options,
        {
            "lenght_scale": 1,
            "limit": True,
            "betas": [1, "a"],
            "metrics": {"life": {"colum": 1}, "hours": 3},
            "mode": "man",
            "missing": "eror",
            "starts": 0,
        },
    ) == (
        "optimizer.options.lenght_scale: unknown option; allowed: file, length_scale, limit, "
        "betas, metrics, mode, missing, starts; did you mean 'length_scale'?",
        "optimizer.options.file: is missing",
        "optimizer.options.limit: true is not allowed; a number is needed",
        'optimizer.options.betas[1]: "a" is not allowed; a number is needed',
        "optimizer.options.metrics.life.colum: unknown option; allowed: column, noise_sd; "
        "did you mean 'column'?",
        "optimizer.options.metrics.life.column: is missing",
        "optimizer.options.metrics.hours: 3 is not allowed; a table is needed",
        'optimizer.options.mode: "man": unknown value; allowed: mean, median; '
        "did you mean 'mean'?",
        'optimizer.options.missing: "eror": unknown value; allowed: error, nearest; '
        "did you mean 'error'?",
        "optimizer.options.starts: 0 is not allowed; must be >= 1",
    )


def test_what_the_class_itself_refuses_is_told() -> None:
    assert told(Options, {"file": "x", "length_scale": 0.0}) == (
        "optimizer.options.length_scale: must be > 0, not 0.0",
    )


def test_pydantic_models_are_told_alike() -> None:
    assert told(Model, {"noise_ds": 1, "noise_sd": "1"}) == (
        "optimizer.options.noise_ds: unknown option; allowed: noise_sd; did you mean 'noise_sd'?",
        'optimizer.options.noise_sd: "1" is not allowed; a number is needed',
    )
