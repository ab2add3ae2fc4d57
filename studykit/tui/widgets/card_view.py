"""One card from its question to its evidence; grows downwards as the learner goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TypeAlias

from textual.app import ComposeResult
from textual.containers import VerticalGroup, VerticalScroll
from textual.content import Content

from studykit.course.cards import (
    HOLE,
    Card,
    Cloze,
    Exercise,
    Form,
    LabHeader,
    Match,
    Numeric,
    Order,
    Predict,
    Recall,
)
from studykit.lab.results import RunResult
from studykit.review.grading import Confidence, Given, Grade, Shown
from studykit.review.schedule import Memory, is_leech
from studykit.study.evidence_words import WITHOUT_A_LAB, origin_of_task
from studykit.text import format_value
from studykit.tui.widgets.answer_match import MatchAnswer, PlaceAnswer
from studykit.tui.widgets.answer_options import OptionsAnswer
from studykit.tui.widgets.answer_order import OrderAnswer
from studykit.tui.widgets.answer_pick import PickAnswer
from studykit.tui.widgets.answer_text import AnswerInput, TextAnswer
from studykit.tui.widgets.card_text import Fitted, fit_text, wrap
from studykit.tui.widgets.confidence_bar import WORDS
from studykit.tui.widgets.evidence import hang, render_evidence
from studykit.tui.widgets.rows import Rows
from studykit.tui.widgets.safe import Static

Answer: TypeAlias = OptionsAnswer | OrderAnswer | MatchAnswer | PickAnswer | TextAnswer
Evidence: TypeAlias = Callable[[int], Content]
"""The MEASURED block, laid out to a width."""

COMES_BACK = "Firm errors tend to return: this card is asked again after a day, then within a week."
REMEDY = "To repeat it once more helps little: x runs its lab, e edits it, s suspends it."

TASKS = {
    "recall": "Answer in your head, then look",
    "choice": "Which one is right?",
    "cloze": "Fill the gap",
    "order": "Put the steps in order",
    "match": "Give each its counterpart",
    "numeric": "Give a number",
    "predict": "Predict what the lab measures",
    "exercise": "Not measured yet: x runs the lab, and the exercise is drawn from its result",
}
"""Kind -> what the learner is to do; an exercise says it by its form once it is drawn."""
FORM_TASKS: Mapping[Form, str] = {
    "rank": "Put them in order, the largest first",
    "pick": "Find those with the largest values",
    "place": "Give each its place; several may have the same",
    "signs": "Give each its sign; several may have the same",
}


class CardView(VerticalScroll, can_focus=False):
    """The body of the review screen. The screen scrolls it: the focus is the answer's."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown
        self._answer = build_answer(shown)

    @property
    def card(self) -> Card:
        """The card on view."""
        return self._shown.card

    def compose(self) -> ComposeResult:
        yield Static(task_of(self._shown), classes="task")
        yield Fitted(fit_text(self._shown.question), classes="question")
        # Groups of their own: what comes and goes in one does not have the others drawn again.
        with VerticalGroup(id="answer"):
            if self._answer is not None:
                yield self._answer
        yield VerticalGroup(id="after")

    async def ask(self, shown: Shown) -> None:
        """Another card in place of this one; quicker than another view, and one waits for it."""
        slot = self.query_one("#answer", VerticalGroup)
        after = self.query_one("#after", VerticalGroup)
        gone = [after.remove_children(), slot.remove_children()]
        self._shown, self._answer = shown, build_answer(shown)
        task = self.query_one(".task", Static)
        task.update(task_of(shown))
        task.display = True
        self.query_one(".question", Fitted).show(fit_text(shown.question))
        for removal in gone:
            await removal
        if self._answer is not None:
            await slot.mount(self._answer)
        self.scroll_home(animate=False)

    def focus_answer(self) -> None:
        """Give the keys to the answer, if it takes any."""
        if isinstance(self._answer, TextAnswer):
            self._answer.query_one(AnswerInput).focus(scroll_visible=False)
        elif isinstance(self._answer, Rows):
            self._answer.focus(scroll_visible=False)

    async def show_given(self, given: Given, offer: Content | None) -> None:
        """An answer is made and held; of a prediction with what shows whether it comes true."""
        if self._answer is not None:
            self._answer.show_given(given)
        await self._replace_after(*([Static(offer, classes="offer")] if offer else []))

    async def reopen(self) -> None:
        """The answer that was held can be changed again."""
        await self._replace_after()
        if self._answer is not None:
            self._answer.reopen()
            self.focus_answer()

    async def show_grade(
        self,
        given: Given,
        grade: Grade,
        evidence: Evidence,
        error: Confidence | None,
        memory: Memory,
        *,
        comes_back: bool = True,
    ) -> None:
        """The answer side: verdict, refutation, explanation, evidence, source.

        `error`: the answer is wrong and the learner was that sure of it; the card then comes back
        soon, but in a practice.
        """
        card = self.card
        self.query_one(".task").display = False
        if isinstance(card.body, Cloze):
            filled = card.question.replace(HOLE, f"`{card.body.answer}`")
            self.query_one(".question", Fitted).show(fit_text(filled))
        if self._answer is not None:
            self._answer.show_grade(given, grade)
        if isinstance(card.body, Recall):
            parts = [Fitted(fit_text(card.body.answer), classes="answer")]
        else:
            parts = [
                Fitted(
                    _fit_verdict(self._shown, given, grade, error, comes_back=comes_back),
                    classes="verdict",
                )
            ]
        if grade.misconception:
            parts.append(Fitted(fit_text(grade.misconception), classes="misconception"))
        if card.explain:
            parts.append(Fitted(fit_text(card.explain), classes="explain"))
        if is_leech(memory):
            told = f"Leech: forgotten {memory.lapses} times. {REMEDY}"
            parts.append(Fitted(fit_text(told), classes="leech"))
        parts.append(Fitted(evidence, classes="evidence"))
        if card.source:
            parts.append(Fitted(fit_text(f"Source: {card.source}"), classes="source"))
        await self._replace_after(*parts)

    def scroll_to_evidence(self) -> None:
        """Bring what was measured into view: it is new."""
        evidence = self.query_one(".evidence")
        if evidence.display:
            self.scroll_to_widget(evidence, animate=False, top=True)

    async def _replace_after(self, *parts: Static | Fitted) -> None:
        after = self.query_one("#after", VerticalGroup)
        await after.remove_children()
        await after.mount(*parts)

    def as_text(self, grade: Grade | None) -> str:
        """The card as plain text, for the clipboard; with its answer once it is graded."""
        card = self.card
        lines = [self._shown.question]
        lines += [f"- {option.text}" for option in self._shown.options]
        if grade is not None:
            lines += ["", grade.answer, *(["", card.explain] if card.explain else [])]
        return "\n".join(lines)


def build_answer(shown: Shown) -> Answer | None:
    """What the card is answered with; nothing where the learner only says it."""
    match shown.card.body:
        case Recall():
            return None
        case Order(steps=steps):
            return OrderAnswer(shown.steps, steps)
        case Match(pairs=pairs):
            return MatchAnswer(shown, [right for _, right in pairs])
        case Exercise(form=form):
            return _build_for_task(shown, form)
        case Numeric(unit=unit):
            return TextAnswer(unit, is_number=True)
        case Predict(measurement=name, unit=unit) if name:
            return TextAnswer(unit, is_number=True)
        case _ if shown.options:
            return OptionsAnswer(shown.options)
        case _:
            return TextAnswer()


def _build_for_task(shown: Shown, form: Form) -> Answer | None:
    if (task := shown.task) is None:
        return None
    values = [value if isinstance(value, str) else format_value(value) for value in task.values]
    if form == "rank":
        right = [(task.items[place], values[place]) for place in task.right]
        return OrderAnswer(shown.steps, *zip(*right, strict=True))
    if form == "pick":
        return PickAnswer(shown.options, task.right, values)
    answers = [task.places[place] for place in task.right]
    return PlaceAnswer(shown, answers, values if form == "signs" else ())


def task_of(shown: Shown) -> str:
    """What the learner is to do."""
    body = shown.card.body
    if isinstance(body, Exercise) and shown.task is not None:
        n = f": {body.choose} of {body.draw}" if body.form == "pick" else ""
        return f"{FORM_TASKS[body.form]}{n}"
    return TASKS[shown.card.kind]


def build_offer(cost: str, evidence: RunResult | None) -> Content:
    """What a learner may do who has predicted; `cost` says how long a run of the lab takes."""
    key = "bold $text-primary"
    rows = [("x", key), (f"      run the lab now{f' ({cost})' if cost else ''}", "")]
    if evidence is not None:
        whose = "recorded result" if evidence.recorded else "result of your last run"
        rows += [("\nEnter", key), (f"  look at the {whose}", "")]
    return Content.assemble(*rows)


def fit_evidence(
    card: Card,
    header: LabHeader | None,
    result: RunResult | None,
    now: datetime,
    *,
    with_tests: bool,
    with_curves: bool = True,
    pinned: Sequence[str] = (),
) -> Evidence:
    """What was measured for `card`, or why nothing is known; `with_curves`, each in one row.

    `pinned`: what the what-if questions pinned to it have found.
    """
    if header is None:
        missing = (
            Content.styled(f"The lab {card.lab} could not be read", "$text-warning")
            if card.lab
            else Content.styled(WITHOUT_A_LAB, "$text-muted")
        )
        return lambda width: missing.truncate(width, ellipsis=True)

    @cache
    def curves(width: int) -> Content:
        if result is None or not with_curves:
            return Content("")
        # Imported here: a card is asked before anything of its evidence shows.
        from studykit.tui.widgets.figures import build_chart, choose_figure, figures_of
        from studykit.tui.widgets.sparklines import render_sparklines

        figures = figures_of(result.seeds)
        at = choose_figure(figures, header, card, result)
        if at >= len(figures) or figures[at].kind != "chart":
            return Content("")
        chart = build_chart(figures[at].title, result.seeds, is_over=True)
        return render_sparklines(chart, max(1, width - 2)).pad_left(2)

    def fit(width: int) -> Content:
        text = render_evidence(card, header, result, now, width=width, with_tests=with_tests)
        lines = curves(width)
        lead = Content.styled("PINNED  ", "bold $text-accent")
        parts = [text, lines, *(hang(lead, Content(each), width) for each in pinned)]
        return Content("\n\n").join(part for part in parts if part.plain.strip())

    return fit


def _fit_verdict(
    shown: Shown, given: Given, grade: Grade, error: Confidence | None, *, comes_back: bool
) -> Callable[[int], Content]:
    """Right or wrong in a mark and a word, and the right answer where nothing else shows it."""
    card = shown.card
    if grade.correct is None:
        head = Content.styled("● Not judged: the lab has not measured it yet", "bold")
    elif grade.correct:
        head = Content.styled("✓ Right", "bold $text-success")
    elif given is None:
        head = Content.styled("– Not answered", "bold $text-warning")
    elif grade.detail:
        head = Content.styled(
            f"✗ {sum(grade.detail)} of {len(grade.detail)} right", "bold $text-error"
        )
    else:
        head = Content.styled("✗ Wrong", "bold $text-error")
    if error is not None:
        head += Content.styled(f", and you were {WORDS[error]}", "bold $text-error")
    if grade.score:
        head += Content.styled(f"   {grade.score}", "$text-muted")
    is_written = isinstance(card.body, Cloze | Numeric) or (
        isinstance(card.body, Predict) and bool(card.body.measurement)
    )
    if is_written and grade.answer:
        head += Content.assemble(("   answer  ", "$text-muted"), (grade.answer, "bold"))
        if grade.tolerance:
            head += Content.styled(f"  {grade.tolerance}", "$text-muted")
    if told := origin_of_task(shown):
        head += Content.styled(f"\n{told}", "$text-muted")
    if error is not None and comes_back:
        head += Content.styled(f"\n{COMES_BACK}", "$text-muted")
    return lambda width: Content("\n").join(wrap(head, width))
