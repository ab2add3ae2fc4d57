"""A JSON object read piece by piece: its values one after the other, its lists item by item.

The standard library's parser takes the whole text and holds the whole tree, ten times its size.
"""

from __future__ import annotations

import json
import math
import os
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from studykit.errors import StudykitError
from studykit.exchange.circumstances import Tell, tell_nobody
from studykit.files import open_regular
from studykit.text import clean

CHUNK_BYTES = 1024**2
LARGEST_VALUE = 128 * 1024**2
"""Characters of one value, or of one item of a list."""
_SPACE = " \t\n\r"
_OF_A_NUMBER = "0123456789.eE+-"


@contextmanager
def opened_object(path: Path, tell: Tell = tell_nobody) -> Iterator[Iterator[tuple[str, Any]]]:
    """The object's keys in their order, each with its value; of a list an iterator of its items.

    An iterator is used up before the next key comes, by whoever got it or here. Raises
    `StudykitError` with the place of what is no JSON, or if the file cannot be read.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise StudykitError(f"{clean(str(path))} cannot be read: {error.strerror}") from None
    with file:
        yield _pairs(_Stream(path, file, tell))


def _pairs(stream: _Stream) -> Iterator[tuple[str, Any]]:
    stream.expect("{")
    is_open = stream.peek() != "}"
    if not is_open:
        stream.take("}")
    while is_open:
        key = stream.value()
        if not isinstance(key, str):
            raise stream.fault("a key must be a text")
        stream.expect(":")
        if stream.peek() == "[":
            items = _items(stream)
            yield key, items
            for _ in items:
                pass
        else:
            yield key, stream.value()
        is_open = stream.take("}") == ","
    if stream.peek():
        raise stream.fault("more text after the end")


def _items(stream: _Stream) -> Iterator[Any]:
    stream.expect("[")
    if stream.peek() == "]":
        stream.take("]")
        return
    while True:
        yield stream.value()
        if stream.take("]") == "]":
            return


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


class _Stream:
    def __init__(self, path: Path, file: BinaryIO, tell: Tell) -> None:
        self._path = path
        self._file = file
        self._tell = tell
        self._n_mb = math.ceil(os.fstat(file.fileno()).st_size / 1e6)
        self._decoder = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._at = 0
        self._utf8 = getincrementaldecoder("utf-8-sig")()
        self._is_over = False
        self._n_read_before = 0
        """Characters before `_text`."""

    def fault(self, what: str) -> StudykitError:
        """An error at the present place."""
        place = self._n_read_before + self._at + 1
        return StudykitError(
            f"{clean(str(self._path))}: character {place:,}: not valid JSON: {clean(what)}",
            hint="is it whole, and as `studykit export` has written it?",
        )

    def peek(self) -> str:
        """The next character that is no space, or nothing at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._read_on():
                return self._text[self._at : self._at + 1]

    def take(self, closing: str) -> str:
        """The comma before the next value, or `closing`."""
        found = self.peek()
        if found not in (",", closing):
            raise self.fault(f"a comma or {closing} is missing")
        self._at += 1
        return found

    def expect(self, sign: str) -> None:
        if self.peek() != sign:
            raise self.fault(f"{sign} is missing")
        self._at += 1

    def value(self) -> Any:
        """The next value as a whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise self.fault("nested too deeply") from None
            except ValueError as error:
                what, end = str(error).partition(": line")[0], len(self._text)
                value = None
                if self._is_over:
                    raise self.fault(what) from None
            # A number at the end of the chunk may go on in the next: "1", then ".5" or "e-3".
            if self._is_over or self._text[end : end + 3].strip(_OF_A_NUMBER):
                self._at = end
                return value
            if len(self._text) - self._at > LARGEST_VALUE:
                raise self.fault("a value is too large")
            self._read_on()

    def _read_on(self) -> bool:
        """Whether there is more text than before."""
        # As much again as waits: a large value is not parsed from its beginning for each chunk.
        data = self._file.read(max(CHUNK_BYTES, len(self._text) - self._at))
        self._is_over = not data
        n_mb = self._n_mb if self._is_over else int(self._file.tell() / 1e6)
        self._tell("MB", n_mb, self._n_mb)
        try:
            text = self._utf8.decode(data, final=self._is_over)
        except UnicodeDecodeError:
            raise self.fault("a byte after it is not UTF-8") from None
        self._n_read_before += self._at
        self._text = self._text[self._at :] + text
        self._at = 0
        return not self._is_over
