"""An Anki package as a `Collection`: its cards as plain text, with what was learned of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from studykit.course.cards import Body, Cloze, Recall
from studykit.course.decks import MOST_CARDS
from studykit.course.source import LONGEST_DECK_TEXT, MOST_DECK_BYTES
from studykit.errors import StudykitError
from studykit.exchange.anki_frame import Frame, read_frame
from studykit.exchange.anki_history import CardRow, History, LogRow, history_of, memory_of
from studykit.exchange.anki_package import Package, open_package
from studykit.exchange.anki_templates import (
    CLOSES,
    HINTS,
    OPENS,
    PRIVATE,
    Filling,
    NoteType,
    fill_back,
    fill_front,
    has_cloze,
    split_template,
)
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.clozes import SHOWN_GAP, hide
from studykit.exchange.collection import (
    Collection,
    Remark,
    SourceCard,
    SourceDeck,
    SourceNote,
)
from studykit.exchange.plain_text import LONGEST_HTML, has_words, to_text
from studykit.review.marks import Mark
from studykit.text import clean, flat, without_suspects

REVIEWS_LEFT_OUT = "reviews of cards that do not come, or are new to Anki again"
WITHOUT_QUESTION = "cards that ask by a picture or a sound alone"
WITHOUT_ANSWER = "cards with no answer, or one by a picture or a sound alone"
MOST_REVIEWS = 5_000_000
"""Rows of the log; twenty years of seven hundred reviews a day."""
SUSPENDED, BURIED_BY_SIBLING, BURIED_BY_HAND = -1, -2, -3
"""What ``cards.queue`` says beside the queues."""
_EVERY = 1_000
"""Notes between two words of progress."""

_GAP = re.compile(f"{OPENS}([^{OPENS}{HINTS}{CLOSES}]*)(?:{HINTS}([^{OPENS}{CLOSES}]*))?{CLOSES}")
_TEX = re.compile(r"\\\(|\\\[|\[latex\]|\[\$\$?\]")
_OCCLUSION = "image-occlusion:"

# Without the texts: SQLite would sort them on disk, a copy of the note's for each of its cards.
_CARDS = """\
SELECT c.nid, c.ord, c.did, c.odid, c.type, c.queue,
    c.due, c.odue, c.ivl, c.factor, c.flags, substr(c.data, 1, 10000), c.id
FROM cards c JOIN notes n ON n.id = c.nid ORDER BY c.nid, c.ord
"""
_NOTE = "SELECT guid, mid, tags, flds FROM notes WHERE id = ?"
_LOG = """\
SELECT cid, id, ease, CAST(ivl AS INTEGER), factor, CAST(time AS INTEGER), type
FROM revlog ORDER BY cid, id
"""

_BROKEN = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(OverflowError, RecursionError),
)
"""What values raise that Anki does not write."""


class _NoteColumns(NamedTuple):
    guid: str
    note_type: int
    tags: str
    fields: str


class _CardColumns(NamedTuple):
    note_id: int
    ord: int
    deck: int
    home_deck: int
    type: int
    queue: int
    due: int
    home_due: int
    interval: int
    factor: int
    flags: int
    data: str
    id: int


class _LeftOutError(Exception):
    """Says of what kind the cards are that do not come."""


class _Texts(NamedTuple):
    question: str
    body: Body
    explain: str


def read_anki(path: Path, circumstances: Circumstances) -> Collection:
    """The collection in an ``.apkg`` or ``.colpkg`` of any format.

    A note's key is its guid, a card's the number of its template or cloze. Raises
    `StudykitError` for a file that cannot be read; nothing but a private temporary file is
    written.
    """
    with open_package(path) as package:
        try:
            frame = read_frame(
                package.database,
                has_protobuf=package.has_protobuf,
                zone_of=circumstances.now,
            )
            return _Reading(clean(str(path)), package, frame, circumstances).collection(
                _title(path, frame)
            )
        except _BROKEN as error:
            detail = "a value in it is none that Anki writes"
            if isinstance(error, ValueError) and str(error):
                detail = clean(" ".join(str(error).split()))
            what = f"{clean(str(path))} is no sound Anki package: {detail}"
            raise StudykitError(what, hint="export it again; nothing was written") from None


def _title(path: Path, frame: Frame) -> str:
    """The name of the one deck that all others lie in, else the file's."""
    tops = {deck[0] for deck in frame.decks.values() if deck != ("Default",)}
    name = tops.pop() if len(tops) == 1 else path.stem
    return _line(name) or "Anki"


class _Reading:
    """One reading of a package: what was found so far, and what of it does not come."""

    def __init__(
        self, name: str, package: Package, frame: Frame, circumstances: Circumstances
    ) -> None:
        self._name = name
        self._database = package.database
        self._media = package.media
        self._frame = frame
        self._circumstances = circumstances
        self._counts: Counter[str] = Counter()
        self._decks: dict[tuple[str, ...], list[tuple[int, int, SourceNote]]] = {}
        self._split = cache(split_template)
        self._n_letters = 0

    def collection(self, title: str) -> Collection:
        (n_cards,) = self._database.execute("SELECT count(*) FROM cards").fetchone()
        if n_cards > MOST_CARDS:
            raise self._too_large(f"{n_cards:,} cards", f"{MOST_CARDS:,}")
        histories = self._histories()
        rows = map(_CardColumns._make, self._database.execute(_CARDS))
        n_read = n_told = 0
        for note_id, cards in groupby(rows, key=itemgetter(0)):
            of_note = list(cards)
            note = _NoteColumns(*self._database.execute(_NOTE, (note_id,)).fetchone())
            self._add_note(note, of_note, histories)
            n_read += len(of_note)
            if n_read - n_told >= _EVERY:
                n_told = n_read
                self._circumstances.tell("cards", n_read, n_cards)
        self._circumstances.tell("cards", n_cards, n_cards)
        if self._media:
            self._counts["pictures and sounds; a terminal shows none"] += len(self._media)
        return Collection(
            title=title,
            decks=tuple(
                SourceDeck(path, tuple(note for _, _, note in sorted(notes, key=_place)))
                for path, notes in sorted(self._decks.items())
            ),
            remarks=tuple(Remark(n, what) for what, n in self._counts.items() if n),
            media=self._media,
        )

    def _too_large(self, what: str, most: str) -> StudykitError:
        hint = "export it deck by deck, and make several courses of it"
        return StudykitError(f"{self._name} holds {what}, more than {most}", hint=hint)

    def _histories(self) -> dict[int, History]:
        """Card id -> the reviews that count."""
        (n_all,) = self._database.execute("SELECT count(*) FROM revlog").fetchone()
        if n_all > MOST_REVIEWS:
            raise self._too_large(f"{n_all:,} rows of the review log", f"{MOST_REVIEWS:,}")
        known = {card_id for (card_id,) in self._database.execute("SELECT id FROM cards")}
        histories: dict[int, History] = {}
        n_read = n_told = n_kept = n_foreign = 0
        for card_id, group in groupby(self._database.execute(_LOG), key=itemgetter(0)):
            rows = [LogRow(*row[1:]) for row in group]
            n_read += len(rows)
            if card_id in known:
                histories[card_id] = history_of(rows)
                n_kept += len(histories[card_id].reviews)
            else:
                n_foreign += len(rows)
            if n_read - n_told >= 20 * _EVERY:
                n_told = n_read
                self._circumstances.tell("reviews", n_read, n_all)
        self._circumstances.tell("reviews", n_all, n_all)
        if n_foreign:
            self._counts["rows of the review log, of cards that are no more"] += n_foreign
        if n_left := n_all - n_kept - n_foreign:
            what = "rows of the review log that no schedule rests on: set by hand, previews, or"
            self._counts[f"{what} before a card was begun anew"] += n_left
        return histories

    def _add_note(
        self, columns: _NoteColumns, rows: list[_CardColumns], histories: dict[int, History]
    ) -> None:
        note_type = self._frame.note_types[columns.note_type]
        values = [
            PRIVATE.sub("", value[:LONGEST_HTML]) for value in str(columns.fields).split("\x1f")
        ]
        fields = dict(zip(note_type.fields, values, strict=False))
        tags = tuple(dict.fromkeys(filter(None, map(_line, str(columns.tags).split()))))
        decks: dict[tuple[str, ...], tuple[int, list[SourceCard]]] = {}
        for row in rows:
            deck, history = self._deck_of(row), histories.get(row.id, History())
            try:
                texts = self._texts(row, note_type, fields, tags, deck)
            except _LeftOutError as error:
                self._counts[str(error)] += 1
                self._counts[REVIEWS_LEFT_OUT] += len(history.reviews)
                continue
            self._count(texts)
            card = self._card(row, texts, history)
            self._counts[REVIEWS_LEFT_OUT] += len(history.reviews) - len(card.reviews)
            # Reviewed cards come first: what they teach is begun already.
            place = row.due if row.type == 0 else -1
            least, cards = decks.get(deck, (place, []))
            decks[deck] = min(least, place), [*cards, card]
        for deck, (place, cards) in decks.items():
            note = SourceNote(str(columns.guid), tuple(cards), tags)
            self._decks.setdefault(deck, []).append((place, rows[0].note_id, note))

    def _count(self, texts: _Texts) -> None:
        answer = texts.body.answer if isinstance(texts.body, Recall | Cloze) else ""
        self._n_letters += len(texts.question) + len(answer) + len(texts.explain)
        if self._n_letters > MOST_DECK_BYTES:
            most = f"a course may hold: {MOST_DECK_BYTES // 1024**2} MiB"
            raise self._too_large("texts", most)

    def _deck_of(self, row: _CardColumns) -> tuple[str, ...]:
        """The deck that it belongs to, also while a filtered deck has borrowed it."""
        path = self._frame.decks.get(row.home_deck or row.deck, ("Default",))
        return tuple(_line(name) or "unnamed" for name in path)

    def _card(self, row: _CardColumns, texts: _Texts, history: History) -> SourceCard:
        marks: set[Mark] = set()
        if row.queue == SUSPENDED:
            marks.add("suspended")
        if row.queue in (BURIED_BY_SIBLING, BURIED_BY_HAND):
            marks.add("buried")
        if row.flags & 7:
            marks.add("flagged")
            if row.flags & 7 > 1:
                self._counts["flags of another colour than red: there is one flag"] += 1
        due = row.home_due if row.home_deck and row.home_due else row.due
        known = CardRow(row.type, due, row.interval, row.factor, str(row.data))
        memory = memory_of(
            known,
            self._frame.first_day,
            self._circumstances.now,
            self._circumstances.rollover_hour,
        )
        if memory is not None and history.is_whole:
            memory = replace(memory, stability_days=None, difficulty=None)
        return SourceCard(
            key=str(row.ord + 1),
            question=texts.question,
            body=texts.body,
            explain=texts.explain,
            marks=frozenset(marks),
            # Without a memory the card is new to Anki, whatever its log says.
            reviews=history.reviews if memory is not None else (),
            memory=memory,
        )

    def _texts(
        self,
        row: _CardColumns,
        note_type: NoteType,
        fields: dict[str, str],
        tags: tuple[str, ...],
        deck: tuple[str, ...],
    ) -> _Texts:
        """The card's two sides as text; raises `_LeftOutError` for one with nothing to read."""
        number = row.ord + 1 if note_type.is_cloze else 0
        if number and any(_OCCLUSION in value for value in fields.values()):
            raise _LeftOutError("cards that hide a part of a picture")
        if number and not any(has_cloze(value, number) for value in fields.values()):
            raise _LeftOutError("cards whose cloze is no more")
        place = 0 if note_type.is_cloze else row.ord
        if not 0 <= place < len(note_type.templates):
            raise _LeftOutError("cards whose template is no more")
        template = note_type.templates[place]
        special = {
            "Tags": " ".join(tags),
            "Type": note_type.name,
            "Deck": "::".join(deck),
            "Subdeck": deck[-1],
            "Card": template.name,
        }
        filling = Filling(fields, special, number)
        front = fill_front(self._split(template.front), filling)
        back = fill_back(self._split(template.back), filling)
        asked = to_text(front.html)
        if len(asked) > LONGEST_DECK_TEXT:
            raise _LeftOutError(f"cards with a front of more than {LONGEST_DECK_TEXT:,} letters")
        if _TEX.search(asked) or _TEX.search(back):
            self._counts["cards with TeX, which stays as it was typed"] += 1
        if not has_words(PRIVATE.sub("", asked)) and not (number and OPENS in asked):
            raise _LeftOutError(WITHOUT_QUESTION)
        added = self._shortened(to_text(back))
        if number:
            return _as_cloze(asked, added)
        if front.typed:
            return _as_typed(asked, to_text(fields.get(front.typed, "")), added)
        # Without {{FrontSide}} a back may begin with the front all the same.
        added = added.removeprefix(f"{asked}\n").strip()
        if not has_words(added):
            raise _LeftOutError(WITHOUT_ANSWER)
        return _Texts(asked, Recall(added), "")

    def _shortened(self, text: str) -> str:
        if len(text) <= LONGEST_DECK_TEXT:
            return text
        self._counts[f"backs of which {LONGEST_DECK_TEXT:,} letters come"] += 1
        return f"{text[: LONGEST_DECK_TEXT - 2].rstrip()} …"


def _as_cloze(asked: str, added: str) -> _Texts:
    """A cloze with one gap is typed if it is short; with several, they are recalled together."""
    gaps = list(_GAP.finditer(asked))
    if len(gaps) == 1:
        gap = gaps[0]
        hint = f" ({gap[2].strip()})" if gap[2] and gap[2].strip() else ""
        before, after = asked[: gap.start()], asked[gap.end() :]
        hidden = flat_or_text(gap[1])
        if not hidden.strip():
            raise _LeftOutError(WITHOUT_ANSWER)
        question, body = hide(_shown(before), hidden, _shown(hint + after))
        return _Texts(question.strip(), body, added)
    answers = [flat_or_text(gap[1]) for gap in gaps]
    question = _GAP.sub(lambda gap: f"[{gap[2].strip()}]" if gap[2] else SHOWN_GAP, asked)
    question = _shown(question).strip()
    if not question:
        raise _LeftOutError(WITHOUT_QUESTION)
    return _Texts(question, Recall(" / ".join(answers) or SHOWN_GAP), added)


def _as_typed(asked: str, answer: str, added: str) -> _Texts:
    question = _shown(asked).strip()
    hidden = flat_or_text(answer)
    if not has_words(answer) or not hidden.strip():
        raise _LeftOutError(WITHOUT_ANSWER)
    typed, body = hide(f"{question}\n", hidden, "")
    if isinstance(body, Recall):
        return _Texts(question, Recall(answer), added)
    return _Texts(typed, body, added)


def flat_or_text(text: str) -> str:
    """A hidden part without its marks if it is one line, for nobody types those."""
    text = PRIVATE.sub("", text).strip()
    return text if "\n" in text else flat(text)


def _shown(text: str) -> str:
    return PRIVATE.sub("", text)


def _line(text: str) -> str:
    """`text` on one line, without anything that acts on a terminal."""
    return " ".join(without_suspects(text).split())[:200].strip()


def _place(entry: tuple[int, int, SourceNote]) -> tuple[int, int]:
    return entry[:2]
