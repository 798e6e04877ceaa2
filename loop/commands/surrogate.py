"""Surrogates of an electrode model: build one, look at it, score it, draw what it knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.commands.console import (
    AsJson,
    BadInput,
    Resumable,
    Sets,
    as_bad_input,
    emit,
    emit_json,
    note,
    page,
    pairs,
    table,
)
from loop.commands.meter import meter
from loop.commands.surrogate_pages import tell_model, tell_scores
from loop.commands.writing import writable, written

if TYPE_CHECKING:
    from surrogates.electrode import ElectrodeModel
    from surrogates.electrode_samples import Answer, SampleFile, Spec
    from surrogates.electrode_solver import InstrumentSolver

SAMPLES = ".samples.jsonl"  # beside the output
SCORED = 0x5C0  # streams of designs that no surrogate was trained on: by the seed of the command
TOLD_EVERY = 100  # samples, where standard error is no terminal

app = typer.Typer(
    help="Build, score and draw surrogates of an electrode model.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="What surrogate build wrote.")]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Processes at a time; all cores by default.")
]


@app.command()
def build(
    kind: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="What is learnt: p2d.")],
    samples: Annotated[int, typer.Option(help="Designs to solve, those kept included.")] = 2000,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The surrogate.")
    ] = Path("p2d.surrogate"),
    seed: Annotated[int, typer.Option(help="Of designs and models.")] = 0,
    workers: Workers = None,
    model: Annotated[
        str,
        typer.Option(help="neural_network, random_forest, gradient_boosting or gaussian_process."),
    ] = "neural_network",
    parameters: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="With a table [space.parameters]: the box."),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="CAMPAIGN", help="Whose search space is the box.")
    ] = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Solve designs all over a box and learn from them; goes on where it was interrupted."""
    from campaigns.problems import unknown
    from surrogates.electrode_fit import KINDS
    from surrogates.electrode_samples import SampleFile, Spec

    _at_least("--samples", samples, 1)
    _at_least("--seed", seed, 0)
    if model not in KINDS:
        raise BadInput(f"--model {model}: {unknown('model', model, KINDS)}")
    solver = _solver(kind, pairs(sets))
    with as_bad_input():
        box = _box(solver, parameters, space)
        box.within(solver.card)
    writable(output)
    spec = Spec(kind, box, seed, pairs(sets))
    file = SampleFile(output.with_name(output.name + SAMPLES), spec)
    answers = _collected(file, samples, solver, _count(workers))
    note(f"{len(answers)} samples in {file.path}; the {model.replace('_', ' ')} learns from them")
    content, found = _trained(spec, answers, model, solver.units)
    written(output, content)
    tell_model(found, content, as_json, output)


@app.command()
def show(file: File, as_json: AsJson = False) -> None:
    """Show what a surrogate is made for and how good it is."""
    content, model = _read(file)
    tell_model(model, content, as_json, file)


@app.command()
def score(
    file: File,
    samples: Annotated[int, typer.Option(help="Fresh designs to solve.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the designs.")] = 0,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Solve fresh designs with the true model and compare."""
    from surrogates.electrode_file import digest
    from surrogates.electrode_measured import measured
    from surrogates.electrode_samples import answers
    from surrogates.electrode_scores import scored

    _at_least("--samples", samples, 1)
    _at_least("--seed", seed, 0)
    content, model = _read(file)
    spec, least = _origin(file, model)
    solver = _solver(spec.model, spec.options)
    designs = spec.box.designs(samples, seed, stream=SCORED)
    told = []
    with _computer(_count(workers)) as computer, _progress("score", samples) as tell:
        for answer in answers(designs, spec.box.names, solver, computer, _count(workers)):
            told.append(answer)
            tell(len(told), samples)
    with as_bad_input():
        found = scored(model, designs, measured(told, least))
    if as_json:
        emit_json({"surrogate": str(file), "digest": digest(content), "scores": found})
    else:
        tell_scores(f"{samples} fresh designs", found, model)


@app.command()
def sensitivity(
    file: File,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Repeatable; validity too. Energy and power by default."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FIGURE", help="png, svg or pdf.")
    ] = None,
    n: Annotated[int, typer.Option(help="Base sample, a power of two.")] = 2048,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Which setting matters: Sobol indices over the box, with intervals."""
    from surrogates.electrode_figures import sensitivity_figure
    from surrogates.electrode_sensitivity import sensitivity as indices

    _at_least("--seed", seed, 0)
    if output is not None:
        form = _format(output)
    _, model = _read(file)
    names = metric or ["specific_energy_wh_kg", "specific_power_w_kg"]
    if output is not None and len(names) != 1:
        if metric:
            raise BadInput(f"-o {output}: one figure shows one --metric")
        names = names[:1]
    with as_bad_input():
        found = [indices(model, name, seed, n) for name in names]
    if output is not None:
        written(output, sensitivity_figure(found[0], form))
    if as_json:
        emit_json({"surrogate": str(file), "metrics": {one.metric: one.as_dict() for one in found}})
        return
    for one in found:
        rows = [
            (s.name, f"{s.first:.3f} ± {s.first_half:.3f}", f"{s.total:.3f} ± {s.total_half:.3f}")
            for s in one.ranked()
        ]
        page(table(one.metric, ("setting", ">alone", ">in all"), rows))
        emit(
            f"{one.sampled} designs, {one.valid:.1%} of them likely to be valid; the others count "
            f"as the mean of these; {one.level:.0%} intervals"
        )


@app.command("map")
def draw(
    file: File,
    x: Annotated[str, typer.Option("--x", metavar="NAME", help="Setting to the right.")],
    y: Annotated[str, typer.Option("--y", metavar="NAME", help="Setting upwards.")],
    metric: Annotated[str, typer.Option(metavar="NAME", help="What is drawn; validity too.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FIGURE", help="png, svg or pdf.")
    ],
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Draw a metric over two settings, hatched where designs are likely to fail."""
    from surrogates.electrode_figures import map_figure
    from surrogates.electrode_map import design_map

    form = _format(output)
    _, model = _read(file)
    with as_bad_input():
        found = design_map(model, x, y, metric, _numbers(sets))
    written(output, map_figure(found, form))
    best = found.best()
    told = None if best is None else {x: best[0], y: best[1], metric: best[2]}
    if as_json:
        share = float(found.valid.mean())
        emit_json({"figure": str(output), "held": dict(found.held), "valid": share, "best": told})
    elif told is None:
        emit(f"{output}: no design of this map is likely to be valid")
    else:
        where = ", ".join(f"{name} {value:.4g}" for name, value in told.items())
        emit(f"{output}: {found.valid.mean():.0%} of it likely to be valid; highest at {where}")


# building ------------------------------------------------------------------------------------


def _solver(kind: str, options: Mapping[str, Any]) -> InstrumentSolver:
    """Raises BadInput for an instrument that no surrogate can be made of, or a bad option."""
    from instruments import registry
    from surrogates.electrode_solver import InstrumentSolver

    if kind != "p2d" or kind not in registry.known():
        raise BadInput(f"{kind}: no surrogate can be built of it; p2d is allowed")
    with as_bad_input():
        return InstrumentSolver(kind, options)


def _box(solver: InstrumentSolver, parameters: Path | None, space: str | None) -> Any:
    from surrogates.electrode_box import WIDE, of_space, of_toml

    if parameters is not None and space is not None:
        raise BadInput("--parameters and --space exclude each other")
    if parameters is not None:
        try:
            return of_toml(parameters.read_text(encoding="utf-8"), solver.card)
        except OSError as error:
            raise BadInput(f"--parameters {parameters}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BadInput(f"--parameters {parameters}: is not UTF-8 text") from error
    if space is not None:
        from loop import launch

        return of_space(launch.read(space).space, solver.card)
    return WIDE


def _collected(
    file: SampleFile, samples: int, solver: InstrumentSolver, workers: int
) -> list[Answer]:
    with _computer(workers) as computer, _progress("solve", samples) as tell, as_bad_input():
        try:
            return file.collect(samples, solver, computer, workers, tell)
        except KeyboardInterrupt as error:
            raise Resumable(
                f"the samples so far are in {file.path}; the same command goes on"
            ) from (error)


def _trained(
    spec: Spec, answers: list[Answer], kind: str, units: Mapping[str, str]
) -> tuple[bytes, ElectrodeModel]:
    from instruments.p2d.validity import LEAST_UTILISATION
    from loop.threads import single_threaded
    from surrogates.electrode_file import to_bytes
    from surrogates.electrode_measured import measured
    from surrogates.electrode_training import train

    provenance = {
        "spec": spec.state(),
        "samples": len(answers),
        "least_utilisation": LEAST_UTILISATION,
        "identity": next((one["identity"] for one in answers if one["ok"]), ""),
    }
    designs = spec.box.designs(len(answers), spec.seed)
    with single_threaded(), as_bad_input():
        solved = measured(answers, LEAST_UTILISATION)
        model = train(spec.box, designs, solved, kind, spec.seed, units, provenance)
    return to_bytes(model), model


@contextmanager
def _computer(workers: int) -> Iterator[Any]:
    from loop.execution_process import ProcessComputer

    computer = ProcessComputer(workers)
    try:
        yield computer
    finally:
        computer.close()


@contextmanager
def _progress(title: str, total: int) -> Iterator[Any]:
    """Told on standard error: a bar on a terminal, else a line now and then."""
    with meter(title, "designs") as shown:
        if shown is not None:
            yield shown
            return

        def tell(done: int, of: int) -> None:
            if done % TOLD_EVERY == 0 or done == of:
                note(f"{title}: {done} of {of} designs")

        yield tell


def _origin(path: Path, model: ElectrodeModel) -> tuple[Spec, float]:
    """What a surrogate was sampled from, and its limit of validity. Raises BadInput."""
    from surrogates.electrode_samples import Spec

    told = model.provenance
    try:
        return Spec.from_state(told["spec"]), float(told["least_utilisation"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: does not tell which model it was made of") from error


# files and output ----------------------------------------------------------------------------


def _read(path: Path) -> tuple[bytes, ElectrodeModel]:
    """Raises BadInput for a file that is missing, damaged or something else."""
    from surrogates.electrode_file import from_bytes

    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    try:
        return content, from_bytes(content)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error


def _format(path: Path) -> str:
    from surrogates.electrode_figures import FORMATS

    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise BadInput(f"-o {path}: {', '.join(FORMATS)} can be drawn, by the name's ending")
    writable(path)
    return form


def _numbers(sets: list[str] | None) -> dict[str, float]:
    found = {}
    for name, value in pairs(sets).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(f"--set {name}={value}: a number in the surrogate's unit is needed")
        found[name] = float(value)
    return found


def _count(workers: int | None) -> int:
    if workers is None:
        return os.cpu_count() or 1
    _at_least("--workers", workers, 1)
    return workers


def _at_least(option: str, value: int, least: int) -> None:
    if value < least:
        raise BadInput(f"{option} {value}: at least {least} is needed")
