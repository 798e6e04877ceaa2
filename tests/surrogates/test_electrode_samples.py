"""The file of samples: the same bytes however often it was interrupted, and nothing foreign."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.computing import ComputingFailed, InlineComputer, Task
from surrogates.electrode_box import Axis, Box
from surrogates.electrode_samples import SampleFile, Spec

BOX = Box((Axis("a", "1", 0.0, 1.0), Axis("b", "1", 1.0, 10.0, log=True)))
SPEC = Spec("p2d", BOX, 3, {"model": "spm"})


def solve(payload):
    """What stands for a simulation here."""
    if payload["b"] > 8.0:
        raise ArithmeticError("too much")
    return {"ok": True, "identity": payload["version"], "scalars": {"sum": payload["a"]}}


class Solver:
    def __init__(self, version="one"):
        self.version = version
        self.asked = 0

    def refusal(self, setting):
        return "a is too small" if setting["a"] < 0.1 else ""

    def task(self, setting):
        self.asked += 1
        target = f"{__name__}:solve"
        return Task(target, {**setting, "version": self.version})


def collected(path, count, spec=SPEC, solver=None, workers=1):
    return SampleFile(path, spec).collect(count, solver or Solver(), InlineComputer(), workers)


def test_answers_come_in_the_order_of_the_designs(tmp_path):
    found = collected(tmp_path / "s", 40)
    designs = BOX.designs(40, 3)
    assert len(found) == 40
    for one, (a, b) in zip(found, designs.tolist(), strict=True):
        if a < 0.1:
            assert one == {"ok": False, "kind": "refused", "reason": "a is too small"}
        elif b > 8.0:
            assert one["reason"] == "ArithmeticError: too much"
        else:
            assert one["scalars"] == {"sum": a}


def test_more_samples_extend_the_same_file(tmp_path):
    solver = Solver()
    few = collected(tmp_path / "s", 10, solver=solver)
    asked = solver.asked
    many = collected(tmp_path / "s", 30, solver=solver, workers=3)
    assert many[:10] == few
    assert solver.asked - asked <= 20
    assert many == collected(tmp_path / "t", 30)
    assert (tmp_path / "s").read_bytes() == (tmp_path / "t").read_bytes()
    assert collected(tmp_path / "s", 10, solver=solver) == few


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.integers(0, 10_000))
def test_it_goes_on_wherever_it_was_cut(tmp_path, cut):
    whole = tmp_path / "whole"
    if not whole.exists():
        collected(whole, 20)
    torn = tmp_path / "torn"
    torn.write_bytes(whole.read_bytes()[: cut % (len(whole.read_bytes()) + 1)])
    collected(torn, 20)
    assert torn.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (Spec("p2d", BOX, 4, SPEC.options), "another seed"),
        (Spec("p2d", BOX, 3, {"model": "dfn"}), "another options"),
        (Spec("p2d", Box(BOX.axes[:1]), 3, SPEC.options), "another box"),
    ],
)
def test_samples_of_something_else_are_refused_and_kept(tmp_path, spec, told):
    collected(tmp_path / "s", 5)
    before = (tmp_path / "s").read_bytes()
    with pytest.raises(ValueError, match=told):
        collected(tmp_path / "s", 5, spec)
    assert (tmp_path / "s").read_bytes() == before


def test_another_version_of_the_model_is_refused(tmp_path):
    collected(tmp_path / "s", 12)
    with pytest.raises(ValueError, match="'one', but this is 'two'"):
        collected(tmp_path / "s", 40, solver=Solver("two"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"some text", "no file of samples"),
        (b"some text\n", "line 1 is damaged"),
        (b'{"format": "other"}\n', "no file of samples"),
        (b"[1]\n", "line 1 is no sample"),
    ],
)
def test_a_foreign_file_is_refused_and_kept(tmp_path, content, told):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(ValueError, match=told):
        collected(tmp_path / "s", 5)
    assert (tmp_path / "s").read_bytes() == content


def test_a_damaged_line_is_told(tmp_path):
    collected(tmp_path / "s", 5)
    lines = (tmp_path / "s").read_bytes().splitlines(keepends=True)
    lines[2] = b'{"ok": tru\n'
    (tmp_path / "s").write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match="line 3 is damaged"):
        collected(tmp_path / "s", 5)


def test_two_processes_do_not_write_into_one_file(tmp_path):
    file = SampleFile(tmp_path / "s", SPEC)
    with file._held(), pytest.raises(ValueError, match="another process"):
        collected(tmp_path / "s", 5)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match="cannot be written"):
        collected(tmp_path / "no" / "s", 5)


def test_a_spec_comes_back_from_its_state():
    again = Spec.from_state(json.loads(json.dumps(SPEC.state())))
    assert again == SPEC
    assert again.digest == SPEC.digest


def test_what_cannot_be_computed_is_an_answer(tmp_path):
    class Broken(InlineComputer):
        def result(self, key):
            raise ComputingFailed("the worker process died")

    found = SampleFile(tmp_path / "s", SPEC).collect(6, Solver(), Broken())
    assert {one["reason"] for one in found} <= {"the worker process died", "a is too small"}
