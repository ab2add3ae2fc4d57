"""Progress of a lab whose work has several parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from studykit.lab.events import Event, Progress


def stages(parts: Mapping[str, Iterable[Event]]) -> Iterator[Event]:
    """The events of each part in turn, announced by its note; the stages number themselves.

    A part that reports progress of its own moves within its stage. Pass generators: a part begins
    when its turn comes.
    """
    for number, (note, events) in enumerate(parts.items()):
        yield Progress(number, len(parts), note)
        for event in events:
            if isinstance(event, Progress):
                done = number + event.done / event.total
                yield Progress(done, len(parts), event.note or note)
            else:
                yield event
    yield Progress(len(parts), len(parts), "done")
