"""English sentences about who did what to whom, with an answer for each of three tasks."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

NOUNS = (
    "doctor", "farmer", "teacher", "lawyer", "student", "soldier", "driver", "singer", "painter",
    "baker", "sailor", "writer", "king", "nurse", "banker", "artist", "judge", "hunter", "monk",
    "pilot",
)  # fmt: skip
KIND = (
    "helped", "thanked", "praised", "welcomed", "admired", "saved", "supported", "rewarded",
    "trusted", "respected",
)  # fmt: skip
UNKIND = (
    "attacked", "insulted", "robbed", "betrayed", "kicked", "punished", "threatened", "ignored",
    "cheated", "accused",
)  # fmt: skip
FORMS = (
    "the {agent} {verb} the {patient}",
    "the {patient} was {verb} by the {agent}",
    "it was the {agent} who {verb} the {patient}",
    "it was the {patient} who was {verb} by the {agent}",
)
"""Active and passive, plain and cleft: neither comes first more often."""
OPENINGS = ("", "yesterday ", "today ")


@dataclass(frozen=True, slots=True)
class Deed:
    """A sentence, who acts in it, who is acted upon, and whether the deed is a kind one."""

    words: tuple[str, ...]
    agent: int
    """Place of the noun in `words`; "the" stands before it."""
    patient: int
    is_kind: bool

    @property
    def text(self) -> str:
        """The sentence."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The nouns and verbs of one set of sentences."""

    nouns: tuple[str, ...]
    kind: tuple[str, ...]
    unkind: tuple[str, ...]

    def draw(self, n_sentences: int, dice: Random) -> list[Deed]:
        """Random sentences; every second deed is a kind one, and each form is as likely."""
        deeds = []
        for number in range(n_sentences):
            agent, patient = dice.sample(self.nouns, 2)
            is_kind = number % 2 == 0
            verb = dice.choice(self.kind if is_kind else self.unkind)
            sentence = dice.choice(FORMS).format(agent=agent, verb=verb, patient=patient)
            words = tuple((dice.choice(OPENINGS) + sentence + " .").split())
            deeds.append(Deed(words, words.index(agent), words.index(patient), is_kind))
        return deeds


def split(dice: Random) -> tuple[Vocabulary, Vocabulary]:
    """Words to learn with and words to be judged with: no noun and no verb is in both."""
    halves = []
    for words in (NOUNS, KIND, UNKIND):
        shuffled = dice.sample(words, len(words))
        half = len(words) // 2
        halves.append((tuple(shuffled[:half]), tuple(shuffled[half:])))
    first, second = zip(*halves, strict=True)
    return Vocabulary(*first), Vocabulary(*second)
