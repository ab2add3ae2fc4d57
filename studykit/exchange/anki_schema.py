"""What an Anki collection of schema 11 consists of, as far as a package of ours needs it.

It is what Anki itself writes with "Support older Anki versions".
The note type is frozen: Anki refuses a package whose notes have another number of fields than the
note type that it knows by that id, and one more field costs whoever has the old one the updates
of all texts. New things go into the spare fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studykit.review.schedule import ScheduleSettings

CREATE = """\
CREATE TABLE col (
  id integer PRIMARY KEY, crt integer NOT NULL, mod integer NOT NULL, scm integer NOT NULL,
  ver integer NOT NULL, dty integer NOT NULL, usn integer NOT NULL, ls integer NOT NULL,
  conf text NOT NULL, models text NOT NULL, decks text NOT NULL, dconf text NOT NULL,
  tags text NOT NULL
);
CREATE TABLE notes (
  id integer PRIMARY KEY, guid text NOT NULL, mid integer NOT NULL, mod integer NOT NULL,
  usn integer NOT NULL, tags text NOT NULL, flds text NOT NULL, sfld integer NOT NULL,
  csum integer NOT NULL, flags integer NOT NULL, data text NOT NULL
);
CREATE TABLE cards (
  id integer PRIMARY KEY, nid integer NOT NULL, did integer NOT NULL, ord integer NOT NULL,
  mod integer NOT NULL, usn integer NOT NULL, type integer NOT NULL, queue integer NOT NULL,
  due integer NOT NULL, ivl integer NOT NULL, factor integer NOT NULL, reps integer NOT NULL,
  lapses integer NOT NULL, left integer NOT NULL, odue integer NOT NULL, odid integer NOT NULL,
  flags integer NOT NULL, data text NOT NULL
);
CREATE TABLE revlog (
  id integer PRIMARY KEY, cid integer NOT NULL, usn integer NOT NULL, ease integer NOT NULL,
  ivl integer NOT NULL, lastIvl integer NOT NULL, factor integer NOT NULL, time integer NOT NULL,
  type integer NOT NULL
);
CREATE TABLE graves (usn integer NOT NULL, oid integer NOT NULL, type integer NOT NULL);
"""

INDEX = """\
CREATE INDEX ix_notes_usn ON notes (usn);
CREATE INDEX ix_notes_csum ON notes (csum);
CREATE INDEX ix_cards_usn ON cards (usn);
CREATE INDEX ix_cards_nid ON cards (nid);
CREATE INDEX ix_cards_sched ON cards (did, queue, due);
CREATE INDEX ix_revlog_usn ON revlog (usn);
CREATE INDEX ix_revlog_cid ON revlog (cid);
"""

NOTE_TYPE_ID = 1_796_000_000_001
NOTE_TYPE_CHANGED_AT_S = 1_796_000_000
"""To be raised with a change of the template or the style, or it never arrives; not before, or it
writes over what a learner has made of them in Anki."""
PRESET_ID = 1_796_000_000_002
DEFAULT_DECK_ID = 1

FIELDS = (
    *("Question", "Answer", "Explanation", "Source", "Topic", "Lab", "Kind"),
    *("Spare 1", "Spare 2", "Spare 3", "Spare 4"),
)
"""Never another number, never other names."""

_FRONT = '<div class="topic">{{Topic}}</div>\n{{Question}}'
_BACK = """\
{{FrontSide}}

<hr id=answer>

{{Answer}}
{{#Explanation}}<div class="explanation">{{Explanation}}</div>{{/Explanation}}
{{#Source}}<div class="source">{{Source}}</div>{{/Source}}"""
_CSS = """\
.card { font-family: sans-serif; font-size: 20px; line-height: 1.4; text-align: left;
  max-width: 40em; margin: 1em auto; }
.topic, .source { font-size: 14px; opacity: 0.6; }
.explanation { margin-top: 1em; }
pre, code { font-size: 16px; }
"""


def note_type() -> dict[str, Any]:
    """The one note type of our packages; its fields and its template have ids that never change."""
    return {
        "id": NOTE_TYPE_ID,
        "name": "studykit",
        "type": 0,
        "mod": NOTE_TYPE_CHANGED_AT_S,
        "usn": -1,
        "sortf": 0,
        "did": None,
        "tmpls": [
            {
                "name": "Card 1",
                "ord": 0,
                "id": NOTE_TYPE_ID,
                "qfmt": _FRONT,
                "afmt": _BACK,
                "bqfmt": "",
                "bafmt": "",
                "did": None,
                "bfont": "",
                "bsize": 0,
            }
        ],
        "flds": [
            {
                "name": name,
                "ord": ord_,
                "id": NOTE_TYPE_ID + 1 + ord_,
                "sticky": False,
                "rtl": False,
                "font": "Arial",
                "size": 20,
            }
            for ord_, name in enumerate(FIELDS)
        ],
        "css": _CSS,
        "latexPre": "",
        "latexPost": "",
        "latexsvg": False,
        "req": [[0, "any", [0, 4]]],
    }


def deck(deck_id: int, name: str, changed_at_s: int) -> dict[str, Any]:
    """A deck; of decks that lie in others the name has the others' before it, with ``::``."""
    return {
        "id": deck_id,
        "name": name,
        "mod": changed_at_s,
        "usn": -1,
        "lrnToday": [0, 0],
        "revToday": [0, 0],
        "newToday": [0, 0],
        "timeToday": [0, 0],
        "collapsed": False,
        "browserCollapsed": True,
        "desc": "",
        "dyn": 0,
        "conf": DEFAULT_DECK_ID if deck_id == DEFAULT_DECK_ID else PRESET_ID,
        "extendNew": 0,
        "extendRev": 0,
    }


def presets(settings: ScheduleSettings, changed_at_s: int) -> dict[str, Any]:
    """Anki's own preset, which a collection must have, and ours with the learner's weights."""
    return {
        "1": _preset(1, "Default", ScheduleSettings(), 0),
        str(PRESET_ID): _preset(PRESET_ID, "studykit", settings, changed_at_s),
    }


def _preset(
    id_: int, name: str, settings: ScheduleSettings, changed_at_s: int
) -> Mapping[str, object]:
    return {
        "id": id_,
        "mod": changed_at_s,
        "name": name,
        "usn": -1,
        "maxTaken": 60,
        "autoplay": True,
        "timer": 0,
        "replayq": True,
        "new": {
            "bury": True,
            "delays": [step.total_seconds() / 60 for step in settings.learning_steps],
            "initialFactor": 2500,
            "ints": [1, 4, 0],
            "order": 1,
            "perDay": 20,
        },
        "rev": {
            "bury": True,
            "ease4": 1.3,
            "ivlFct": 1.0,
            "maxIvl": settings.maximum_interval_days,
            "perDay": 200,
            "hardFactor": 1.2,
        },
        "lapse": {
            "delays": [step.total_seconds() / 60 for step in settings.relearning_steps],
            "leechAction": 1,
            "leechFails": 8,
            "minInt": 1,
            "mult": 0.0,
        },
        "dyn": False,
        "fsrsParams6": list(settings.parameters),
        "desiredRetention": settings.desired_retention,
    }


def configuration(offset_west_min: int, rollover_hour: int, n_new: int) -> dict[str, Any]:
    """The collection's settings: how the day numbers of the cards are to be counted."""
    return {
        "nextPos": n_new + 1,
        "schedVer": 2,
        "sched2021": True,
        "creationOffset": offset_west_min,
        "localOffset": offset_west_min,
        "rollover": rollover_hour,
        "curDeck": DEFAULT_DECK_ID,
        "activeDecks": [DEFAULT_DECK_ID],
        "curModel": NOTE_TYPE_ID,
        "collapseTime": 1200,
        "timeLim": 0,
        "estTimes": True,
        "dueCounts": True,
        "addToCur": True,
        "newSpread": 0,
        "dayLearnFirst": False,
        "sortType": "noteFld",
        "sortBackwards": False,
    }


def tags(names: Iterable[str]) -> dict[str, int]:
    """The collection's list of tags."""
    return dict.fromkeys(sorted(set(names)), -1)
