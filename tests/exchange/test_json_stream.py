"""JSON read piece by piece is the JSON that was written, however it is laid out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.errors import StudykitError
from studykit.exchange import json_stream
from studykit.exchange.json_stream import opened_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def read_whole(path: Path) -> dict[str, Any]:
    with opened_object(path) as pairs:
        return {
            key: value if value is None or isinstance(value, str | int | float | dict) else [*value]
            for key, value in pairs
        }


@given(
    document=st.dictionaries(st.text(), VALUES, max_size=6),
    indent=st.sampled_from([None, 1]),
    chunk=st.integers(1, 40),
    ascii_only=st.booleans(),
)
def test_it_reads_what_the_standard_library_writes(
    document: dict[str, Any],
    indent: int | None,
    chunk: int,
    ascii_only: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Wherever a chunk ends: inside of a number, a letter of several bytes, an escape."""
    path = tmp_path_factory.mktemp("json") / "a.json"
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK_BYTES", chunk)
        assert read_whole(path) == json.loads(text)


def test_lists_that_nobody_reads_are_passed_over(tmp_path: Path) -> None:
    """The next key comes after all items."""
    path = tmp_path / "a.json"
    path.write_text('\ufeff{"a": [1, [2], {"b": 3}], "c": 4}', encoding="utf-8")
    with opened_object(path) as pairs:
        assert [key for key, _ in pairs] == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1),
        ("[]", 1),
        ("{", 2),
        ("{'a': 1}", 2),
        ("{1: 2}", 3),
        ('{"a"}', 5),
        ('{"a" 1}', 6),
        ('{"a": }', 7),
        ('{"a": tru}', 7),
        ('{"a": "b', 7),
        ('{"a": NaN}', 7),
        ('{"a": Infinity}', 7),
        ('{"a": 1' + "0" * 5000 + "}", 7),
        ('{"a": ' + '{"a":' * 100_000, 7),
        ('{"a": ' + "[" * 100_000, 8),
        ('{"a": 01}', 8),
        ('{"a": 1]', 8),
        ('{"a": 1,}', 9),
        ('{"a": [1}', 9),
        ('{"a": [1,]}', 10),
        ('{"a": [1 2]}', 10),
        ('{"a": 1} x', 10),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_no_json_is_refused_in_one_line(text: str, place: int, tmp_path: Path) -> None:
    """With the place at which it breaks, and never by a crash, however deep it is."""
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        StudykitError, match=rf"a\.json: character {place}: not valid JSON"
    ) as caught:
        read_whole(path)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(StudykitError, match="not UTF-8"):
        read_whole(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudykitError, match="cannot be read: not a regular file"):
        read_whole(tmp_path)


def test_a_value_that_does_not_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it fills the memory."""
    monkeypatch.setattr(json_stream, "LARGEST_VALUE", 1000)
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", 100)
    path = tmp_path / "a.json"
    path.write_text('{"a": "' + "x" * 5000 + '"}', encoding="utf-8")
    with pytest.raises(StudykitError, match="a value is too large"):
        read_whole(path)


def test_it_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In megabytes, up to the size of the file."""
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", 700_000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": ["x" * 100] * 20_000}), encoding="utf-8")
    told: list[tuple[str, int, int]] = []
    with opened_object(path, lambda *what: told.append(what)) as pairs:
        for _, items in pairs:
            assert len([*items]) == 20_000
    assert told == [("MB", 0, 3), ("MB", 1, 3), ("MB", 2, 3), ("MB", 3, 3)]
