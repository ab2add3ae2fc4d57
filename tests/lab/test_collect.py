from __future__ import annotations

import pytest

from studykit.lab.collect import Collector
from studykit.lab.events import Document
from tests.lab.fake_labs import NOON, FakeCourse

MEASURED: Document = {"type": "measured", "seed": 0}


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        ([{"type": "event", "seed": 0, "event": {"event": "curve"}}], "not the fields of Curve"),
        ([MEASURED | {"seed": 7}], "seed 7 was not asked for"),
        ([MEASURED, MEASURED], "seed 0 goes on after it was measured"),
        ([{"type": "surprise"}], "no message has the type 'surprise'"),
        ([{"type": "done"}], "not every seed was measured"),
        (
            [{"type": "started", "device": "cpu", "machine": "", "versions": {"python": 3}}],
            "not an object of texts",
        ),
    ],
)
def test_what_breaks_the_protocol_is_refused(
    course: FakeCourse, documents: list[Document], why: str
) -> None:
    collector = Collector(course.write_run("yield"), {}, 1.0, [0], "cpu", NOON)

    with pytest.raises(ValueError, match=why):
        for document in documents:
            collector.take(document)
