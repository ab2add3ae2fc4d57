"""Packages made by the real Anki, and what Anki itself says of the cards in them.

Run by ``make anki``, in an environment of its own that has the package ``anki`` and not ours:

    python with_anki.py FOLDER

It writes one collection in each format, ``legacy1.apkg``, ``legacy2.apkg``, ``latest.apkg`` and two
``.colpkg``, and ``truth.json``: for each card what Anki shows and when it asks.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from anki.buildinfo import version
from anki.collection import Collection, ExportAnkiPackageOptions
from anki.scheduler.v3 import CardAnswer

DAY_MS = 86_400_000
Row = tuple[int, int, int, int, int]
"""Days ago, ease, interval, kind, factor."""


def build(col: Any) -> None:
    """Every kind of card, mark and history, a few notes each."""
    col.set_config("fsrs", True)
    verbs = col.decks.id("Spanish::Verbs")
    nouns = col.decks.id("Spanish::Nouns")
    facts = col.decks.id("Facts")

    def add(kind: str, deck: Any, tags: str = "", **fields: str) -> None:
        note = col.new_note(col.models.by_name(kind))
        for name, value in fields.items():
            note[name.replace("_", " ")] = value
        note.tags = tags.split()
        col.add_note(note, deck)

    add("Basic", verbs, "irregular leech", Front="to <b>go</b>", Back="ir<br>(voy, vas, va)")
    add("Basic (and reversed card)", verbs, Front="to be", Back="ser &amp; estar")
    add(
        "Basic (optional reversed card)",
        nouns,
        "kitchen::room",
        Front="kitchen",
        Back="la cocina",
        Add_Reverse="y",
    )
    add("Basic (optional reversed card)", nouns, Front="door", Back="la puerta")
    add("Basic (type in the answer)", nouns, Front="window", Back="la ventana")
    add(
        "Cloze",
        facts,
        "geo",
        Text="{{c1::Paris}} is the capital of {{c2::France::country}}",
        Back_Extra="since 987",
    )
    add("Cloze", facts, Text="{{c1::one}}, {{c1::two}}, {{c2::three {{c3::inner}}}}")
    add("Basic", facts, Front='<img src="flag.png">', Back="Norway")
    add(
        "Basic",
        facts,
        Front="How does a lark sing? [sound:lark.mp3]",
        Back="<ul><li>trills</li></ul>",
    )
    add("Basic", facts, Front="Water?", Back="H<sub>2</sub>O, \\(x^2\\)")
    add("Basic", facts, Front="Code?", Back="<pre>def f():\n    return 1</pre>")
    Path(col.media.dir(), "flag.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 64)
    Path(col.media.dir(), "lark.mp3").write_bytes(b"ID3" + b"0" * 64)

    two = col.models.new("Word, three cards")
    for name in ("Word", "Reading", "Meaning", "Extra"):
        col.models.add_field(two, col.models.new_field(name))
    for n, (front, back) in enumerate(
        [
            ("{{Word}}", "{{FrontSide}}<hr id=answer>{{furigana:Reading}}: {{Meaning}}"),
            ("{{#Meaning}}{{Meaning}}{{/Meaning}}", "{{FrontSide}}<hr id=answer>{{Word}}"),
            ("{{^Extra}}{{Reading}}?{{/Extra}}", "{{Word}} ({{text:Meaning}})"),
        ]
    ):
        template = col.models.new_template(f"Card {n + 1}")
        template["qfmt"], template["afmt"] = front, back
        col.models.add_template(two, template)
    col.models.add(two)
    add(
        "Word, three cards",
        facts,
        Word="漢字",
        Reading=" 漢字[かんじ]",
        Meaning="<i>characters</i>",
    )

    cards = {(c.note().fields[0], c.ord): c for c in map(col.get_card, col.find_cards(""))}
    by_front = {key[0]: card for key, card in cards.items() if key[1] == 0}
    day_start = (col.sched.day_cutoff - 86_400) * 1000
    today = col.sched.today

    def history(card: Any, rows: list[Row], due_in: int, ivl: int) -> None:
        """Put the rows into the log; then the card is in review."""
        for days_ago, ease, interval, kind, factor in rows:
            at = day_start - days_ago * DAY_MS + 6 * 3_600_000
            while col.db.scalar("select 1 from revlog where id = ?", at):
                at += 60_000
            col.db.execute(
                "insert into revlog values (?,?,0,?,?,0,?,?,?)",
                at,
                card.id,
                ease,
                interval,
                factor,
                6500,
                kind,
            )
        card.type = card.queue = 2
        card.due, card.ivl, card.factor, card.reps = today + due_in, ivl, 2300, len(rows)
        card.lapses = sum(kind == 1 and ease == 1 for _, ease, _, kind, _ in rows)
        col.update_card(card)

    learned = [(40, 3, -600, 0, 0), (40, 3, 3, 0, 2500), (37, 3, 8, 1, 2500), (29, 3, 21, 1, 2500)]
    history(
        by_front["to <b>go</b>"],
        [*learned, (8, 1, -600, 1, 2300), (8, 3, 1, 2, 2300), (7, 3, 12, 1, 2300)],
        5,
        12,
    )
    history(cards["to be", 0], learned, -8, 21)  # overdue
    history(
        cards["to be", 1], [(60, 3, 4, 0, 2500), (50, 0, 0, 4, 0), *learned], 13, 21
    )  # forgotten once
    history(by_front["kitchen"], [*learned, (20, 3, 0, 3, 0)], -8, 21)  # a preview
    history(by_front["door"], [*learned, (3, 0, 30, 4, 2500)], 27, 30)  # a day set by hand
    history(by_front["window"], learned[2:], 13, 21)  # its beginning is lost
    history(by_front["Water?"], [(120, 3, 4, 0, 2500), *learned], 13, 21)
    history(by_front["Code?"], [], 4, 10)  # reviewed, and no log at all
    col.sched.suspend_cards([cards["to be", 1].id])
    col.sched.bury_cards([by_front["door"].id])
    col.set_user_flag_for_cards(1, [by_front["window"].id])
    col.set_user_flag_for_cards(4, [by_front["kitchen"].id])
    # One is in learning, by the scheduler's own hand.
    col.decks.set_current(facts)
    queued = col.sched.get_queued_cards(fetch_limit=1).cards
    states = queued[0].states
    card = col.get_card(queued[0].card.id)
    card.start_timer()
    answer = col.sched.build_answer(card=card, states=states, rating=CardAnswer.GOOD)
    col.sched.answer_card(answer)
    # One is in a filtered deck, away from its own.
    filtered = col.decks.new_filtered("Cram")
    deck = col.decks.get(filtered)
    deck["terms"] = [["deck:Spanish::Verbs is:due", 10, 0]]
    deck["resched"] = True
    col.decks.save(deck)
    col.sched.rebuild_filtered_deck(filtered)


def truth(col: Any) -> list[dict[str, Any]]:
    """Each card as Anki shows and schedules it."""
    rows = []
    for id_ in col.find_cards(""):
        card = col.get_card(id_)
        output = card.render_output()
        home = card.odid or card.did
        due = card.odue if card.odid and card.odue else card.due
        in_days = due - col.sched.today if card.type == 2 else None
        rows.append(
            {
                "guid": card.note().guid,
                "ord": card.ord,
                "deck": col.decks.name(home),
                "question": output.question_text,
                "answer": output.answer_text,
                "tags": card.note().tags,
                "type": card.type,
                "due_in_days": in_days,
                "interval": card.ivl,
                "suspended": card.queue == -1,
                "buried": card.queue in (-2, -3),
                "flag": card.flags & 7,
                "n_log": col.db.scalar("select count() from revlog where cid = ?", id_),
                "stability": card.memory_state.stability if card.memory_state else None,
            }
        )
    return rows


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    col: Any = Collection(str(folder / "work.anki2"))
    build(col)
    told = {
        "anki": version,
        "day_cutoff": col.sched.day_cutoff,
        "cards": truth(col),
    }
    (folder / "truth.json").write_text(json.dumps(told, indent=1, ensure_ascii=False))
    for name, legacy in (("latest", False), ("legacy2", True)):
        options = ExportAnkiPackageOptions(
            with_scheduling=True, with_deck_configs=True, with_media=True, legacy=legacy
        )
        col.export_anki_package(out_path=str(folder / f"{name}.apkg"), options=options, limit=None)
    col.export_collection_package(str(folder / "latest.colpkg"), True, False)
    col.reopen()
    col.export_collection_package(str(folder / "legacy2.colpkg"), True, True)
    # What Anki 2.1.0 and genanki write: the same database under the old name, and nothing else.
    with zipfile.ZipFile(folder / "legacy2.apkg") as source:
        database, media = source.read("collection.anki21"), source.read("media")
    with zipfile.ZipFile(folder / "legacy1.apkg", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("collection.anki2", database)
        target.writestr("media", media)
    for path in folder.iterdir():
        if path.suffix not in (".apkg", ".colpkg", ".json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
