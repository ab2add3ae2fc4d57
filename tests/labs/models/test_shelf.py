from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.models import shelf
from labs.models.errors import ModelError
from labs.models.shelf import ShelfModel

CONTENT = b"weights"


def model(**change: object) -> ShelfModel:
    file = {"path": "a/b", "bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    files = {"weights": {**file, **change}}
    return {"package": "tiny-model", "version": "1.2", "module": "tiny_model", "files": files}  # type: ignore[typeddict-item]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package that may not be imported, and the model `tiny` in it."""
    folder = tmp_path / "tiny_model"
    (folder / "a").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / "a" / "b").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(shelf, "catalogue", lambda: {"tiny": model(), "absent": model()})
    shelf.locate.cache_clear()
    yield folder
    shelf.locate.cache_clear()


def test_a_package_is_located_and_not_imported(package: Path) -> None:
    assert shelf.locate("tiny") == {"weights": package / "a" / "b"}
    assert "tiny_model" not in sys.modules


def test_a_file_is_hashed_once(package: Path) -> None:
    shelf.locate("tiny")
    (package / "a" / "b").unlink()
    assert shelf.locate("tiny")["weights"] == package / "a" / "b"


@pytest.mark.parametrize("content", [b"WEIGHTS", b"weights and more", b"", None])
def test_another_file_is_refused(content: bytes | None, package: Path) -> None:
    if content is None:
        (package / "a" / "b").unlink()
    else:
        (package / "a" / "b").write_bytes(content)
    with pytest.raises(ModelError, match=r"not the file of tiny-model 1\.2; .*models install tiny"):
        shelf.locate("tiny")


def test_a_model_that_is_not_installed_says_how(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {**model(), "module": "no_such_package"}
    monkeypatch.setattr(shelf, "catalogue", lambda: {"tiny": elsewhere})
    with pytest.raises(ModelError, match="'tiny' is not installed: studykit models install tiny"):
        shelf.locate("tiny")


def test_an_unknown_name_lists_those_that_are_known(package: Path) -> None:
    with pytest.raises(ModelError, match="give one of tiny, absent"):
        shelf.locate("huge")


@pytest.mark.weights
def test_all_models_of_the_course_are_the_recorded_ones() -> None:
    for name in shelf.catalogue():
        assert shelf.locate(name)
