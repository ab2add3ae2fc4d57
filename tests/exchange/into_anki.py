"""What the real Anki finds in a package of ours: ``python into_anki.py FOLDER``.

Run by ``make anki``, in an environment of its own that has the package ``anki`` and not ours, on
what `sent_to_anki.py` has written. Prints a table of Markdown; exit code 1 if anything differs.
"""

from __future__ import annotations

import html
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import anki.collection
from anki.buildinfo import version
from anki.collection import Collection

CARD = "select id, type, queue, due, ivl, reps, lapses, flags, data from cards where id = ?"


class Profile:
    """A fresh profile that uses FSRS."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.col: Any = Collection(str(folder / "collection.anki2"))
        self.col.set_config("fsrs", True)

    def take(self, package: Path) -> dict[str, int]:
        """Import with progress and presets; how many notes were new, updated, as they were."""
        options = anki.collection.ImportAnkiPackageOptions(
            with_scheduling=True, with_deck_configs=True, merge_notetypes=True
        )
        request = anki.collection.ImportAnkiPackageRequest(
            package_path=str(package), options=options
        )
        log = self.col.import_anki_package(request).log
        return {name: len(getattr(log, name)) for name in ("new", "updated", "duplicate")}

    def take_text(self, path: Path) -> dict[str, int]:
        """The same with Anki's text import."""
        metadata = self.col.get_csv_metadata(path=str(path), delimiter=None)
        request = anki.collection.ImportCsvRequest(path=str(path), metadata=metadata)
        log = self.col.import_csv(request).log
        return {name: len(getattr(log, name)) for name in ("new", "updated", "duplicate")}

    def card(self, guid: str) -> Any:
        """The one card of a note."""
        (note,) = self.col.db.list("select id from notes where guid = ?", guid)
        (card,) = self.col.get_note(note).cards()
        return card


def shown(text: str) -> str:
    """The words of a card's side, in HTML or with our marks."""
    plain = html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL))
    return " ".join(re.sub(r"[`*]", " ", plain).split())


def schedule(card: Any, sent: dict[str, Any], profile: Profile) -> dict[str, bool]:
    """Whether each part of a card's schedule is as it was sent."""
    col = profile.col
    _, type_, queue, due, interval, reps, lapses, flags, data = col.db.first(CARD, card.id)
    state, marks = sent["state"], sent["marks"]
    hidden = {"suspended": -1, "buried": -3}
    expected_queue = next(
        (hidden[mark] for mark in marks if mark in hidden), {3: 1}.get(state, state)
    )
    known = json.loads(data)
    parts = {
        "state": type_ == state and queue == expected_queue,
        "reviews and lapses": (reps, lapses) == (sent["reps"], sent["lapses"]),
        "flag": flags == (1 if "flagged" in marks else 0),
    }
    if state == 2:
        parts["due day"] = due - col.sched.today == sent["due_in_days"]
        parts["interval"] = interval == sent["interval"]
    elif state:
        parts["due time of steps"] = due == sent["due_at_s"]
    if state:
        parts["stability, difficulty"] = math.isclose(
            known["s"], sent["stability"], abs_tol=5.1e-5, rel_tol=1e-6
        ) and math.isclose(known["d"], sent["difficulty"], abs_tol=5.1e-4)
        fresh = col._backend.compute_memory_state(card.id)
        parts["Anki's own stability and difficulty from the log"] = math.isclose(
            fresh.state.stability, sent["stability"], rel_tol=1e-3
        ) and math.isclose(fresh.state.difficulty, sent["difficulty"], rel_tol=1e-3)
    return parts


def compare(profile: Profile, document: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each thing that was compared, card by card and row by row."""
    col = profile.col
    ids = {}
    new: list[tuple[int, int]] = []
    for place, sent in enumerate(document["cards"]):
        card = profile.card(sent["guid"])
        ids[sent["id"]] = card.id
        yield "question", shown(card.question()).endswith(shown(sent["question"]))
        yield "answer", shown(sent["answer"]) in shown(card.answer())
        yield "explanation", shown(sent["explain"]) in shown(card.answer())
        yield "deck", col.decks.name(card.did) == sent["deck"]
        yield "tag", card.note().tags == [sent["tag"]]
        yield from schedule(card, sent, profile).items()
        if not sent["state"]:
            new.append((place, card.due))
    yield "order of new cards", [due for _, due in new] == sorted(due for _, due in new)
    logs: dict[str, list[list[int]]] = {}
    for row in document["log"]:
        card_id, at_ms, day, rating, taken_ms, before, _, difficulty, due_day, due_at_ms = row
        if due_at_ms is None:
            interval = _days(due_day) - _days(day)
        else:
            interval = -round((due_at_ms - at_ms) / 1000)
        rows = logs.setdefault(card_id, [])
        factor = round(((difficulty - 1) / 9 + 0.1) * 1000)
        kind = {0: 0, 1: 0, 2: 1, 3: 2}[before or 0]
        rows.append([at_ms, rating, interval, rows[-1][2] if rows else 0, factor, taken_ms, kind])
    query = (
        "select id, ease, ivl, lastIvl, factor, time, type from revlog where cid = ? order by id"
    )
    for card_id, rows in logs.items():
        stored = col.db.all(query, ids[card_id])
        yield "number of reviews", len(stored) == len(rows)
        for (at_ms, *found_row), (sent_ms, *sent_row) in zip(stored, rows, strict=False):
            # Several answers of one millisecond are told apart by the next ones.
            yield "row of the log", found_row == sent_row and 0 <= at_ms - sent_ms < 500


def _days(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def main(folder: Path) -> int:
    document = json.loads((folder / "sent.json").read_text(encoding="utf-8"))
    n = len(document["cards"])
    profile = Profile(folder / "profile")
    counts: dict[str, list[int]] = {}

    def count(name: str, holds: bool) -> None:
        row = counts.setdefault(name, [0, 0])
        row[0] += holds
        row[1] += 1

    count("first import: every note is new", profile.take(folder / "out.apkg") == found(n, 0, 0))
    for name, holds in compare(profile, document):
        count(name, holds)
    message, is_sound = profile.col.fix_integrity()
    count("“Check database” finds nothing", is_sound and "rebuilt" in message)
    n_log = profile.col.db.scalar("select count() from revlog")
    count("no row of the log more", n_log == len(document["log"]))
    count("second import: nothing new", profile.take(folder / "out.apkg") == found(0, 0, n))
    count(
        "corrected text: one update", profile.take(folder / "corrected.apkg") == found(0, 1, n - 1)
    )
    first = profile.card(document["cards"][0]["guid"])
    count("corrected text arrives", "A corrected answer" in first.answer())
    text = Profile(folder / "profile-text")
    count("text: every note is new", text.take_text(folder / "out.txt") == found(n, 0, 0))
    again = text.take_text(folder / "out.txt")
    count("text again: nothing new", again["new"] == 0)
    for sent in document["cards"]:
        card = text.card(sent["guid"])
        count(
            "text: question and answer",
            shown(sent["question"]) in shown(card.question())
            and shown(sent["answer"]) in shown(card.answer()),
        )
        count(
            "text: deck and tag",
            (text.col.decks.name(card.did), card.note().tags) == (sent["deck"], [sent["tag"]]),
        )
    print(f"anki {version}: {n} cards, {len(document['log']):,} reviews\n")
    print("| what | as it was sent | of |\n|---|---:|---:|")
    for name, (n_alike, n_all) in counts.items():
        print(f"| {name} | {n_alike:,} | {n_all:,} |")
    return int(any(n_alike != n_all for n_alike, n_all in counts.values()))


def found(new: int, updated: int, duplicate: int) -> dict[str, int]:
    return {"new": new, "updated": updated, "duplicate": duplicate}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
