"""Messages of the Protocol Buffers wire format, by the examples of its specification."""

from __future__ import annotations

import pytest

from studykit.exchange.protobuf import read_fields

FIELDS = {
    b"\x08\x96\x01": (1, 150),
    b"\x12\x07testing": (2, b"testing"),
    b"\x1d\x00\x00\x80\x3f": (3, b"\x00\x00\x80\x3f"),  # 1.0 in four bytes
    b"\x21\x00\x00\x00\x00\x00\x00\xf0\x3f": (4, b"\x00\x00\x00\x00\x00\x00\xf0\x3f"),
    b"\xaa\x06\x00": (101, b""),
}
"""A field of each form -> its number and value."""


def test_fields_of_every_form_are_read() -> None:
    """Those that nobody asks for must be passed over to the byte."""
    assert [*read_fields(b"".join(FIELDS))] == [*FIELDS.values()]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.hex())
def test_a_field_that_is_cut_off_is_no_message(field: bytes) -> None:
    for end in range(1, len(field)):
        with pytest.raises(ValueError, match="is cut off"):
            [*read_fields(b"\x08\x01" + field[:end])]
    assert len([*read_fields(b"\x08\x01" + field)]) == 2


@pytest.mark.parametrize(
    ("message", "what"), [(b"\x0b\x0c", "unknown form 3"), (b"\x08" + b"\xff" * 11, "too long")]
)
def test_what_no_version_of_anki_writes_is_refused(message: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        [*read_fields(message)]
