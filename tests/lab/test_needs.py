"""What a lab needs of the machine: skipped with the reason where it is not there."""

from __future__ import annotations

from typing import Any

import pytest

from studykit.course.cards import LabHeader
from studykit.errors import CourseError
from studykit.lab.process import LabRunner
from tests.course.test_models import HASH, TINY, write
from tests.lab.fake_labs import FakeCourse, run_to_end

INSTALLED = TINY | {"module": "json"}
"""A package that every Python has stands for one that holds weights."""

KNOBS = {"size": (8, 2), "norm": ("pre", "post"), "model": ("tiny",)}


def measuring(course: FakeCourse, body: str, **fields: Any) -> LabHeader:
    """A lab that takes a model."""
    course.write_run(body)
    path = course.root / "labs" / "demo" / "probe.py"
    path.write_text(path.read_text().replace("seed, device)", "seed, device, model)"))
    header = {"needs": ("model:tiny",), "text_knobs": ("model",), **fields}
    return course.header(path, knobs=KNOBS, **header)


async def test_a_lab_whose_model_is_not_installed_is_skipped(
    runner: LabRunner, course: FakeCourse
) -> None:
    write(course.root, tiny=TINY)
    header = course.write_run("yield Measurement('loss', 1)", needs=("model:tiny",))

    _, result = await run_to_end(runner, header)

    assert result.status == "skipped"
    assert result.message == (
        "needs the model tiny, which is not installed: studykit models install tiny"
    )
    assert result.verdicts == {"low": "skipped", "high": "skipped"}


async def test_a_result_says_which_weights_were_measured(
    runner: LabRunner, course: FakeCourse
) -> None:
    write(course.root, tiny=INSTALLED)
    header = course.write_run("yield Measurement('loss', 1)", needs=("model:tiny",))

    _, result = await run_to_end(runner, header)

    assert result.status == "done"
    assert result.versions["tiny"] == f"tiny-model 0.1.2 sha256 {HASH[:12]}"


async def test_other_weights_can_be_measured_without_the_lab_s_own(
    runner: LabRunner, course: FakeCourse
) -> None:
    """The knobs of the result tell which: it is no evidence for what is asked with the default."""
    write(course.root, tiny=TINY)
    header = measuring(course, "yield Measurement('loss', len(model))")

    _, result = await run_to_end(runner, header, knobs={"model": "/a/folder"})

    assert (result.status, result.values("loss")) == ("done", (len("/a/folder"),))
    assert result.knobs["model"] == "/a/folder"
    assert "tiny" not in result.versions


async def test_a_name_that_is_no_model_s_fails(runner: LabRunner, course: FakeCourse) -> None:
    write(course.root, tiny=INSTALLED)
    header = measuring(course, "yield Measurement('loss', 1)")

    _, result = await run_to_end(runner, header, knobs={"model": "tiniest"})

    assert result.status == "failed"
    assert result.message == (
        "there is no model tiniest: studykit models lists them; a folder is written ./tiniest"
    )


async def test_a_damaged_list_of_models_is_one_line_and_the_next_run_begins(
    runner: LabRunner, course: FakeCourse
) -> None:
    write(course.root, tiny=INSTALLED | {"module": "no module"})
    header = course.write_run("yield Measurement('loss', 1)", needs=("model:tiny",))
    with pytest.raises(CourseError, match="module is not of the right form"):
        await run_to_end(runner, header)
    write(course.root, tiny=INSTALLED)

    _, result = await run_to_end(runner, header)

    assert result.status == "done"


async def test_what_a_lab_finds_missing_skips_it_unless_the_learner_named_it(
    runner: LabRunner, course: FakeCourse
) -> None:
    write(course.root, tiny=INSTALLED)
    body = """
        from studykit.lab.events import UnmetNeedError
        raise UnmetNeedError("the weights are damaged: install them again")
        yield
        """
    header = measuring(course, body)

    _, of_machine = await run_to_end(runner, header)
    _, of_learner = await run_to_end(runner, header, knobs={"model": "/a/folder"})

    assert (of_machine.status, of_learner.status) == ("skipped", "failed")
    for result in (of_machine, of_learner):
        assert result.message == "the weights are damaged: install them again"
        assert "Traceback" not in result.trace
