from __future__ import annotations

import pytest

from studykit.lab.collect import Collector
from studykit.lab.events import Document
from tests.lab.fake_labs import NOON, FakeCourse

JUDGED: Document = {"type": "judged", "seed": 0, "claims": {}}


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        ([{"type": "event", "seed": 0, "event": {"event": "curve"}}], "not the fields of Curve"),
        ([JUDGED | {"seed": 7}], "seed 7 was not asked for"),
        ([JUDGED, JUDGED], "seed 0 goes on after it was judged"),
        ([{"type": "surprise"}], "no message has the type 'surprise'"),
        ([{"type": "done"}], "not every seed was judged"),
        ([JUDGED | {"claims": {"low": 1.5}}], "not an object with the right kind of values"),
    ],
)
def test_what_breaks_the_protocol_is_refused(
    course: FakeCourse, documents: list[Document], why: str
) -> None:
    collector = Collector(course.write_run("yield"), {}, [0], "cpu", NOON)

    with pytest.raises(ValueError, match=why):
        for document in documents:
            collector.take(document)
