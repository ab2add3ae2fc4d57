"""Beginnings of sentences whose next word shows one ability, with a right and a wrong word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

Words: TypeAlias = Mapping[str, Sequence[str]]

WORDS: Words = {
    "noun": (
        "key", "dog", "car", "book", "king", "house", "tree", "friend", "student", "teacher",
        "river", "farmer", "ship", "letter", "picture", "road", "window", "doctor", "plan", "door",
    ),
    "between": (
        "cabinet", "wall", "station", "bridge", "farm", "tower", "shop", "hill", "lake", "park",
    ),
    "name": (
        "Mary", "John", "Tom", "James", "Anna", "Peter", "Paul", "Sarah", "David", "Michael",
        "Emma", "Jack", "Alice", "Robert", "Laura", "Mark", "Lisa", "Daniel", "Kate", "George",
    ),
    "thing": ("book", "letter", "ball", "picture", "ring", "map"),
    "praise": (
        "wonderful", "excellent", "brilliant", "fantastic", "beautiful", "great", "amazing",
        "perfect", "delightful", "superb",
    ),
    "blame": (
        "terrible", "awful", "horrible", "boring", "dreadful", "bad", "disappointing", "poor",
        "stupid", "dull",
    ),
    "work": ("film", "book", "song", "game", "play", "show"),
    "verb": (
        "go gone", "see seen", "take taken", "give given", "eat eaten", "write written",
        "know known", "grow grown", "fall fallen", "break broken", "speak spoken",
        "choose chosen", "drive driven", "steal stolen",
    ),
    "who": ("student", "teacher", "farmer", "doctor", "king", "bird"),
    "adverb": ("never", "always", "often", "also"),
}  # fmt: skip
"""Each is one token of SmolLM2, with the space before it."""


class Beginning(NamedTuple):
    """A text, and two words for its next one."""

    text: str
    right: str
    wrong: str


def halves(dice: Random) -> tuple[Words, Words]:
    """Words to find something on and words to test it on: none is in both."""
    mixed = {kind: dice.sample(words, len(words)) for kind, words in WORDS.items()}
    return (
        {kind: words[: len(words) // 2] for kind, words in mixed.items()},
        {kind: words[len(words) // 2 :] for kind, words in mixed.items()},
    )


def agreement(words: Words, dice: Random, *, first: bool) -> Beginning:
    """The verb agrees with the subject; the noun in between has the other number."""
    subject, between = dice.choice(words["noun"]), dice.choice(words["between"])
    if first:
        return Beginning(f"The {subject}s near the {between}", "are", "is")
    return Beginning(f"The {subject} near the {between}s", "is", "are")


def names(words: Words, dice: Random, *, first: bool) -> Beginning:
    """Who gets something is the one of two who does not give it."""
    giver, other = dice.sample(words["name"], 2)
    one, two = (giver, other) if first else (other, giver)
    thing = dice.choice(words["thing"])
    text = f"When {one} and {two} went to the park, {giver} gave a {thing} to"
    return Beginning(text, other, giver)


def tone(words: Words, dice: Random, *, first: bool) -> Beginning:
    """What reviews say follows from the adjective before."""
    adjective = dice.choice(words["praise" if first else "blame"])
    text = f"The {dice.choice(words['work'])} was {adjective}. The reviews were very"
    verdicts = ("positive", "negative")
    return Beginning(text, *verdicts[:: 1 if first else -1])


def verb_form(words: Words, dice: Random, *, first: bool) -> Beginning:
    """After "have" a participle follows, after "will" an infinitive, with an adverb in between."""
    forms = dice.choice(words["verb"]).split()
    text = f"The {dice.choice(words['who'])}s {'have' if first else 'will'} "
    return Beginning(text + dice.choice(words["adverb"]), *forms[:: -1 if first else 1])


Job: TypeAlias = Callable[..., Beginning]

JOBS: Mapping[str, Job] = {
    "agreement": agreement,
    "names": names,
    "tone": tone,
    "verb form": verb_form,
}
"""Every job comes in two ways that call for opposite words, so that a bias for one cancels out."""


def beginnings(job: Job, words: Words, dice: Random, n: int) -> list[Beginning]:
    """`n` beginnings, both ways in turn."""
    return [job(words, dice, first=number % 2 == 0) for number in range(n)]
