"""A text with one part hidden, as a question and what is asked for."""

from __future__ import annotations

from studykit.course.cards import HOLE, HOLES, Body, Cloze, Recall

LONGEST_TYPED = 40
"""Characters of a hidden part that a learner can be asked to type as it stands."""
SHOWN_GAP = "[…]"
"""What stands for a part that is too long to be typed: it is recalled, and rated by hand."""


def hide(before: str, hidden: str, after: str) -> tuple[str, Body]:
    """Question and body of a card that asks for `hidden` between `before` and `after`.

    A short part is typed. One of several lines, a long one, or one in a text that has a line of
    underscores already, is recalled.
    """
    answer = hidden.strip()
    question = f"{before}{HOLE}{after}"
    is_short = len(answer) <= LONGEST_TYPED and "\n" not in answer
    if is_short and HOLES.findall(question) == [HOLE]:
        return question, Cloze(answer)
    return f"{before}{SHOWN_GAP}{after}", Recall(answer)
