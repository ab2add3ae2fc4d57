"""What is done by name: the command palette, over keys, themes and what the course has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen
from textual.types import IgnoreReturnCallbackType

from studykit.errors import StudykitError
from studykit.text import clean, size_in_words
from studykit.tui.messages import OpenCard, OpenLab, OpenPart, OpenWeights

if TYPE_CHECKING:
    from studykit.course.cards import Card
    from studykit.study.services import Services
    from studykit.tui.screens.base import StudyScreen

MAIN_THEMES = ("studykit-dark", "studykit-light", "ansi-dark", "ansi-light")
"""Offered before anything is typed; the others are found by name."""
NOT_OFFERED = ("command_palette", "choose(0)", "give(0)")
"""Actions that are shown on the screen already; like moving about, they are found by name."""
HELP_WIDTH = 70
"""Columns of what stands below a name."""
MOST_FOUND = 12
"""Decks, labs and cards that are shown of each; another word finds fewer."""


class App(Protocol):
    """The app, as far as its commands know it."""

    services: Services

    def choose_theme(self, name: str) -> None:
        """Show the theme, and keep it."""


class Command(NamedTuple):
    """One entry of the palette."""

    name: str
    help: str
    run: IgnoreReturnCallbackType
    is_offered: bool = True
    """False: only found by typing."""

    @property
    def shown_help(self) -> str:
        """One line; Textual takes it for a text with markup, unless it is content already."""
        return cast("str", Content(self.help).truncate(HELP_WIDTH, ellipsis=True))


class ScreenCommands(Provider):
    """Every action of the screen below that has a key and can be done now, then the themes."""

    def _commands(self) -> Iterator[Command]:
        seen: set[tuple[object, str]] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            action = (active.node, binding.action)
            if not binding.id or not active.enabled or action in seen:
                continue
            seen.add(action)
            key = self.app.get_key_display(binding)
            yield Command(
                f"{binding.description} ({key})",
                binding.tooltip or "",
                partial(self.app.run_action, binding.action, active.node),
                bool(binding.tooltip) and binding.action not in NOT_OFFERED,
            )
        for name in self.app.available_themes:
            yield Command(
                f"theme {name}",
                "Kept in the settings",
                partial(cast("App", self.app).choose_theme, name),
                name in MAIN_THEMES,
            )

    async def discover(self) -> Hits:
        """What is offered before anything is typed."""
        for command in self._commands():
            if command.is_offered:
                yield DiscoveryHit(Content(command.name), command.run, help=command.shown_help)

    async def search(self, query: str) -> Hits:
        """What matches `query`, letters in order."""
        matcher = self.matcher(query)
        for command in self._commands():
            if (score := matcher.match(command.name)) > 0:
                yield Hit(
                    score, matcher.highlight(command.name), command.run, help=command.shown_help
                )


class CourseCommands(Provider):
    """What-if questions, decks, topics, models, labs and cards that have every word of a search."""

    async def search(self, query: str) -> Hits:
        """At most `MOST_FOUND` of a kind, whole decks first."""
        words = query.casefold().split()
        if not words:
            return
        for n, each in enumerate(islice(self._questions(query), MOST_FOUND)):
            # Before all others, the likeliest first.
            yield Hit(1 - n / 1000, Content(each.name), each.run, help=each.shown_help)
        kinds = (self._weights(), self._parts(), self._models(), self._labs(), self._cards())
        for score, found in zip((0.95, 0.9, 0.85, 0.8, 0.7), kinds, strict=True):
            for each in islice(filter(partial(_has, words), found), MOST_FOUND):
                yield Hit(score, Content(each.name), each.run, help=each.shown_help)

    @property
    def _services(self) -> Services:
        return cast("App", self.app).services

    @property
    def _below(self) -> Screen[None]:
        return cast("Screen[None]", self.screen)

    def _questions(self, query: str) -> Iterator[Command]:
        """Changes of a bench that answer every word of the search."""
        from studykit.study.what_if import benches, find_questions

        for found in find_questions(benches(self._services.course), query):
            if found.share == 1:
                yield Command(
                    f"what if, {found.family}: {found.phrase}",
                    f"{found.part}={found.value} on {clean(found.header.id)}",
                    partial(self.app.post_message, OpenLab(self._below, found.header, found.knobs)),
                )

    def _weights(self) -> Iterator[Command]:
        yield Command(
            "optimize the schedule",
            "Fit the weights of FSRS to your own log, go back, reschedule",
            partial(self.app.post_message, OpenWeights(self._below)),
        )

    def _parts(self) -> Iterator[Command]:
        for deck in self._services.course.decks:
            yield self._part(deck.id, deck.title)
            for topic in deck.topics:
                yield self._part(f"{deck.id}/{topic.id}", f"{topic.number} {topic.title}")

    def _part(self, what: str, title: str) -> Command:
        return Command(
            f"review {clean(title)}",
            f"Only today's cards of {clean(what)}",
            partial(self.app.post_message, OpenPart(self._below, what)),
        )

    def _models(self) -> Iterator[Command]:
        """Those that are missing, to install them."""
        screen = cast("StudyScreen", self._below)
        for model in self._services.missing_models():
            yield Command(
                f"install model {model.name}",
                f"{size_in_words(model.download_bytes)}, {model.title}",
                partial(self.app.call_later, screen.install_models, [model.name]),
            )

    def _labs(self) -> Iterator[Command]:
        for lab in self._services.course.labs.values():
            yield Command(
                f"lab {clean(lab.id)}",
                clean(lab.question),
                partial(self.app.post_message, OpenLab(self._below, lab, lab.defaults)),
            )

    def _cards(self) -> Iterator[Command]:
        for card in self._services.cards.values():
            yield Command(
                f"card {clean(card.id)}",
                clean(" ".join(card.headline.split())),
                partial(self._read, card),
            )

    def _read(self, card: Card) -> None:
        from studykit.review.schedule import NEW_MEMORY

        try:
            memory = self._services.progress.memory(card.id)
        except StudykitError:
            memory = NEW_MEMORY
        self.app.post_message(OpenCard(self._below, card, memory))


class CardChoice(Provider):
    """The cards of the course, of which one is wanted for something; `first` is the likeliest."""

    def __init__(
        self, screen: StudyScreen, chosen: Callable[[Card], object], first: Card | None
    ) -> None:
        super().__init__(screen)
        self._cards = [*screen.services.cards.values()]
        self._cards.sort(key=lambda card: first is None or card.id != first.id)
        self._chosen = chosen

    def __call__(self, *_: object) -> CardChoice:
        """Itself: the palette makes its providers, but this one is made."""
        return self

    def _commands(self) -> Iterator[Command]:
        for card in self._cards:
            question = clean(" ".join(card.question.split()))
            yield Command(clean(card.id), question, partial(self._chosen, card))

    async def discover(self) -> Hits:
        for each in self._commands():
            yield DiscoveryHit(Content(each.name), each.run, help=each.shown_help)

    async def search(self, query: str) -> Hits:
        """The cards that have every word of the query in their id or question."""
        words = query.casefold().split()
        for each in filter(partial(_has, words), self._commands()):
            yield Hit(0.7, Content(each.name), each.run, help=each.shown_help)


def _has(words: list[str], command: Command) -> bool:
    text = f"{command.name} {command.help}".casefold()
    return all(word in text for word in words)
