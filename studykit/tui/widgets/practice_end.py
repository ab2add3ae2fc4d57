"""What stands where a card would, when a practice has come to its end."""

from __future__ import annotations

from textual.content import Content

from studykit.study.practising import PracticeSitting, sum_lines
from studykit.study.services import Services
from studykit.text import clean
from studykit.tui.widgets.safe import Static
from studykit.tui.widgets.sitting_end import render_ways_on


class PracticeEnd(Static):
    """The score, and that nothing was scheduled."""

    DEFAULT_CSS = """
    PracticeEnd {
        width: 100%;
        height: auto;
        padding: 2 4;
    }
    """

    def __init__(self, sitting: PracticeSitting, services: Services) -> None:
        title = "Pretest done" if sitting.is_pretest else "Practice done"
        lines = [
            Content.styled(f"{title}: {clean(sitting.title)}", "bold $text-success"),
            Content(""),
            *(Content(clean(line)) for line in sum_lines(sitting, services)),
            Content(""),
            render_ways_on("takes the last answer back"),
        ]
        super().__init__(Content("\n").join(lines))
