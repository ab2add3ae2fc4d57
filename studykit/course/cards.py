"""What there is to learn: courses, decks, topics, cards, claims. Values only, no behaviour.

A card's identity is its explicit `id`; its text may change without losing the schedule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from studykit.course.cover import Cover, DeckCover
from studykit.course.names import NAME
from studykit.course.parts import (
    BASE_KNOB,
    CHANGE_KNOB,
    FAMILY_KNOB,
    SETTING_KNOBS,
    Parts,
    Settings,
    parse_settings,
)
from studykit.errors import Place

Kind: TypeAlias = Literal[
    "recall", "choice", "cloze", "order", "match", "numeric", "predict", "exercise"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

KnobValue: TypeAlias = int | float | str | bool
Knobs: TypeAlias = Mapping[str, KnobValue]
"""Knob name -> value; a knob that is not named has its default (the lab's first value)."""

HOLE = "___"
"""Marks the one hole of a cloze question."""
HOLES = re.compile("_{3,}")
"""Finds whatever looks like a hole: in a cloze question, `HOLE` and nothing else."""
GROUP_HOLE = "{group}"
"""Stands in an exercise's question for the group that is drawn."""
MOST_PLACES = 9
"""Of an exercise: what an item can be given."""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer offered by a `choice` or `predict` card, in the deck's order."""

    text: str
    correct: bool = False
    """Right answer of a `choice` card; always False on `predict`, where the lab decides."""
    claim: str = ""
    """`predict` only: the claim of the card's lab that this option bets on."""
    misconception: str = ""
    """Why this wrong option tempts and why it is wrong, shown when it was chosen."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Say it, reveal it, rate yourself."""

    answer: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One right option among several."""

    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Cloze:
    """Fill the one hole (`HOLE`) of the question."""

    answer: str
    accept: tuple[str, ...] = ()
    """Other spellings that count as right; case and spaces never matter."""


@dataclass(frozen=True, slots=True)
class Order:
    """Put the steps, shown shuffled, into this order."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Give each left side its right side; `spare` right sides belong to none."""

    pairs: tuple[tuple[str, str], ...]
    spare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number within `tolerance` of `answer`, both in `unit`."""

    answer: float
    unit: str
    tolerance: float
    """Absolute, in `unit` (a percentage in the deck is resolved when it is read)."""


@dataclass(frozen=True, slots=True)
class Predict:
    """Bet on the lab: the right answer is what it measures, never what the deck says.

    Either `options`, each a claim of which the measured result confirms exactly one,
    or `measurement`, a number that the lab yields, within `tolerance`.
    """

    options: tuple[Option, ...] = ()
    measurement: str = ""
    unit: str = ""
    tolerance: float = 0.0
    relative: bool = False
    """True: `tolerance` is a fraction of the measured value; False: absolute, in `unit`."""


Form: TypeAlias = Literal["rank", "pick", "place", "signs"]


@dataclass(frozen=True, slots=True)
class Exercise:
    """Predict a column of a table that the lab measured; which rows, is drawn for each asking.

    ``rank``: the rows by their value, the largest first; ``pick``: those with the largest values;
    ``place``: of each row the text of its value; ``signs``: of each whether its value is above,
    about or below 0.
    """

    form: Form
    table: str
    """Title of the table."""
    item: str
    """The column that is shown."""
    value: str
    """The column that is asked for."""
    draw: int
    """Rows that are asked at a time."""
    group: str = ""
    """The column of which one value is drawn, where only rows with it are asked; or empty."""
    choose: int = 0
    """``pick``: how many."""
    apart: float = 0.0
    """``rank``, ``pick``: the least difference between two of the values asked; ``signs``: the
    largest distance from 0 that is no difference."""
    words: tuple[str, ...] = ()
    """``signs``: what is said of a value above, about and below 0."""
    right_from: float = 0.8
    """The score from which an answer is right."""


Body: TypeAlias = Recall | Choice | Cloze | Order | Match | Numeric | Predict | Exercise


@dataclass(frozen=True, slots=True)
class Card:
    """One question that is scheduled, with the lab whose claim is the evidence for its answer."""

    id: str
    kind: Kind
    deck_id: str
    topic_id: str
    points: tuple[str, ...]
    """Points of the guide that it asks about, as ``section.topic.point``."""
    question: str
    body: Body
    explain: str
    lab: str
    """Id of the lab, ``folder/name``; empty on a card without one, which only a course whose labs
    are optional may have."""
    claim: str
    """The claim that backs the answer; empty on `predict` cards whose options name claims."""
    knobs: Knobs
    note: str
    """Siblings share it and are not asked on the same day; empty: no siblings."""
    source: str
    """Literature to show beside the answer, or empty."""
    place: Place
    content_hash: str
    """Of everything the learner sees: tells only "edited since"."""
    is_only_related: bool = False
    """The claim does not measure the answer itself: it shows what the answer is about at work."""
    tags: tuple[str, ...] = ()
    """Words that it is found by."""

    @property
    def headline(self) -> str:
        """The question where nothing is drawn: of an exercise with a gap for its group."""
        return self.question.replace(GROUP_HOLE, "…") if self.kind == "exercise" else self.question

    @property
    def claims(self) -> tuple[str, ...]:
        """Every claim of the lab that the card rests on."""
        if isinstance(self.body, Predict) and self.body.options:
            return tuple(option.claim for option in self.body.options)
        return (self.claim,) if self.claim else ()


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a deck: the points that it teaches, in the deck's words, and its cards."""

    id: str
    number: str
    """``section.topic``, as in the guide."""
    title: str
    points: Mapping[str, str]
    """Empty where the course does not say what its topics teach; its labs are optional then."""
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Deck:
    """One YAML file: one section of the course."""

    id: str
    title: str
    topics: tuple[Topic, ...]
    path: Path

    @property
    def cards(self) -> tuple[Card, ...]:
        """All cards, in the deck's order."""
        return tuple(card for topic in self.topics for card in topic.cards)


MODEL_NEED = "model:"
"""Begins what a lab needs that is a model of the course's shelf: ``model:smollm2``."""
MODEL_KNOB = "model"
"""The knob that every lab has whose ``run`` takes the weights to be measured."""
OWN_PREFIX = "mine/"
"""Begins the id of the learner's own version of a lab: ``mine/core/residuals``."""


@dataclass(frozen=True, slots=True)
class LabHeader:
    """What a lab says about itself, read as data without running it."""

    id: str
    """``folder/name``: the path below labs/ without its ending; of an own version with prefix."""
    path: Path
    title: str
    """First line of the module's docstring."""
    about: str
    """The rest of the docstring."""
    question: str
    points: tuple[str, ...]
    claims: Mapping[str, str]
    knobs: Mapping[str, tuple[KnobValue, ...]]
    """Knob -> the values that it is offered with; the first is the default."""
    seeds: int
    seconds: Mapping[str, float]
    """Device type ("cpu", "cuda") -> measured seconds of a default run, for the estimate shown."""
    needs: tuple[str, ...] = ()
    """What the machine must have: "cuda", "model:NAME", or names of importable packages."""
    knob_help: Mapping[str, str] = field(default_factory=dict)
    """Knob -> what it is, in a few words, where the lab says."""
    holds_if: Mapping[str, str] = field(default_factory=dict)
    """Claim -> its test, as `holds.parse_test` takes it; every claim has one."""
    deterministic: bool = False
    """True: the seed changes nothing, so one seed is all there is."""
    takes_budget: bool = False
    """True: ``run`` takes a multiplier of its training steps."""
    runs_alone: bool = False
    """True: its claims rest on how long something takes, so nothing else may run beside it."""
    text_knobs: tuple[str, ...] = ()
    """Knobs that take any text, `MODEL_KNOB` too; the values that they are offered with are
    examples."""
    literature: Mapping[str, str] = field(default_factory=dict)
    """Claim -> a published figure with its source, shown beside the verdict."""
    parts: Parts = field(default_factory=dict)
    """Part of the models that the lab compares -> its values; empty: it compares no such models."""
    families: Mapping[str, Settings] = field(default_factory=dict)
    """What both models can start from -> the value of each part that it has, in the order of
    `parts`; a part that it does not have cannot be set."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """``part=value`` -> what people call it, for whoever asks in plain words."""
    differences: tuple[str, ...] = ()
    """Measurements of one model less another, paired by seed: of the changed one less the base."""
    code_hash: str = ""
    """Of the lab's own file less the words of its header; a stored run with another hash was
    measured with other code."""

    @property
    def is_own(self) -> bool:
        """It is the learner's own version of a lab."""
        return self.id.startswith(OWN_PREFIX)

    @property
    def original(self) -> str:
        """Id of the course's lab: its own, or that of the one it is a version of."""
        return self.id.removeprefix(OWN_PREFIX)

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the shelf that it needs with its default knobs."""
        return tuple(
            need.removeprefix(MODEL_NEED) for need in self.needs if need.startswith(MODEL_NEED)
        )

    @property
    def own_texts(self) -> tuple[str, ...]:
        """The knobs that take a text to be measured, not the name or the path of a model."""
        return tuple(name for name in self.text_knobs if name != MODEL_KNOB)

    @property
    def takes_model(self) -> bool:
        """Other weights can be measured than the first of its `models`."""
        return MODEL_KNOB in self.knobs

    def has_other_model(self, knobs: Knobs) -> bool:
        """Whether `knobs` name other weights than those that the lab is about."""
        return knobs.get(MODEL_KNOB, "") not in ("", *self.models[:1])

    def models_at(self, knobs: Knobs) -> tuple[str, ...]:
        """The names of what it needs of the shelf with `knobs`, in which a path may stand."""
        if not self.has_other_model(knobs):
            return self.models
        other = str(knobs[MODEL_KNOB])
        return (*([other] if NAME.fullmatch(other) else []), *self.models[1:])

    @property
    def setting_knobs(self) -> tuple[str, ...]:
        """The knobs that hold settings of its parts."""
        return SETTING_KNOBS if self.parts else ()

    def models_of(self, knobs: Knobs) -> tuple[dict[str, str], dict[str, str]]:
        """Part -> value, of the base and of the changed model that `knobs` ask for.

        Raises `ValueError`, with what to write instead, for settings that these models cannot have.
        """
        full = {**self.defaults, **knobs}
        start = dict(self.families[str(full[FAMILY_KNOB])])
        base = start | parse_settings(str(full[BASE_KNOB]), self.parts, start)
        return base, base | parse_settings(str(full[CHANGE_KNOB]), self.parts, base)

    @property
    def defaults(self) -> dict[str, KnobValue]:
        """Every knob at its default."""
        return {name: values[0] for name, values in self.knobs.items()}


@dataclass(frozen=True, slots=True)
class OutlineTopic:
    """A topic as the guide has it, whether or not a deck teaches it yet."""

    number: str
    title: str
    n_points: int


@dataclass(frozen=True, slots=True)
class Course:
    """A course: the three folders decks/, labs/ and data/ below `root`."""

    root: Path
    id: str
    title: str
    decks: tuple[Deck, ...]
    labs: Mapping[str, LabHeader]
    outline: tuple[OutlineTopic, ...]
    """Every topic that the course sets out to teach, in order."""
    problems: tuple[str, ...] = ()
    """Decks or labs that could not be read, one line each; their cards are left out."""
    retention: float | None = None
    """The desired retention that the course proposes to those who have settled none."""

    @property
    def cards(self) -> dict[str, Card]:
        """Card id -> card, in the course's order."""
        return {card.id: card for deck in self.decks for card in deck.cards}

    @property
    def cover(self) -> Cover:
        """The little that is shown first."""
        decks = (DeckCover(deck.id, deck.title, len(deck.cards)) for deck in self.decks)
        return Cover(self.title, tuple(decks), self.problems)
