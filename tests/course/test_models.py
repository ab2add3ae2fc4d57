"""The list of a course's models, read as data."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from studykit.course.models import ModelFile, load_models, models_or_none, models_path
from studykit.errors import CourseError

HASH = "0123456789abcdef" * 4

TINY = {
    "title": "A tiny model",
    "package": "tiny-model",
    "version": "0.1.2",
    "module": "tiny_model",
    "wheel_sha256": HASH,
    "download_bytes": 1000,
    "licences": "MIT, and the weights as well",
    "files": {"weights": {"path": "weights/tiny.gguf", "bytes": 900, "sha256": HASH}},
}


def write(root: Path, **models: Any) -> None:
    """The course's list of models."""
    path = models_path(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"format": 1, "models": models}))


def test_a_course_without_the_file_has_no_models(tmp_path: Path) -> None:
    assert load_models(tmp_path) == {}


def test_a_model_is_what_the_file_says(tmp_path: Path) -> None:
    write(tmp_path, tiny=TINY)

    (model,) = load_models(tmp_path).values()

    assert (model.name, model.module, model.download_bytes) == ("tiny", "tiny_model", 1000)
    assert model.files == {"weights": ModelFile("weights/tiny.gguf", 900, HASH)}
    assert model.origin == "tiny-model 0.1.2 sha256 0123456789ab"
    assert model.wheel_sha256 == (HASH,)


def test_a_package_may_have_a_wheel_for_each_platform(tmp_path: Path) -> None:
    write(tmp_path, tiny=TINY | {"wheel_sha256": [HASH, "f" * 64]})

    assert load_models(tmp_path)["tiny"].wheel_sha256 == (HASH, "f" * 64)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("package", "tiny --pre", "package is not of the right form"),
        ("package", "-r", "package is not of the right form"),
        ("package", 5, "package must be a text"),
        ("version", "1 @ file:x", "version is not of the right form"),
        ("module", "tiny.model", "module is not of the right form"),
        ("wheel_sha256", [], "wheel_sha256 must hold"),
        ("wheel_sha256", [HASH, "abc"], "wheel_sha256 is not of the right form"),
        ("wheel_sha256", [HASH, 5], "wheel_sha256 must be a text"),
        ("wheel_sha256", "abc", "wheel_sha256 is not of the right form"),
        ("download_bytes", "many", "download_bytes must be a whole number"),
        ("download_bytes", True, "download_bytes must be a whole number"),
        ("title", "a\x1b[2J", "title must be a text of one line"),
        ("title", "", "title must be a text of one line"),
        ("title", "x" * 300, "title has 300 characters"),
        ("licences", "x" * 2001, "licences has 2001 characters"),
        ("files", {}, "files must name"),
        ("files", {"weights": {"path": "/etc/passwd", "bytes": 1, "sha256": HASH}}, "path must"),
        ("files", {"weights": {"path": "a/../../b", "bytes": 1, "sha256": HASH}}, "path must lead"),
        ("files", {"weights": {"path": "a", "bytes": -1, "sha256": HASH}}, "bytes must be a whole"),
        ("files", {"weights": []}, "file weights: must be an object"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    tmp_path: Path, key: str, value: object, told: str
) -> None:
    write(tmp_path, tiny=copy.deepcopy(TINY) | {key: value})

    with pytest.raises(CourseError, match="model tiny: ") as caught:
        load_models(tmp_path)

    assert told in str(caught.value)
    assert str(caught.value).startswith(str(models_path(tmp_path)))
    assert models_or_none(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 2, "models": {}}', "[" * 100_000, '{"format": 1}']
)
def test_a_file_that_is_no_list_of_models_is_one_line(tmp_path: Path, text: str) -> None:
    write(tmp_path)
    models_path(tmp_path).write_text(text)

    with pytest.raises(CourseError) as caught:
        load_models(tmp_path)

    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("(the file that comes with studykit shows how it is written)")


def test_a_name_must_be_one(tmp_path: Path) -> None:
    write(tmp_path, **{"Tiny Model": TINY})

    with pytest.raises(CourseError, match="no name for a model"):
        load_models(tmp_path)
