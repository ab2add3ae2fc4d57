"""What is wrong with a database: the file, its rows, its links, and memories beside the log."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from studykit.progress.database import driver_of
from studykit.progress.rows import differences
from studykit.progress.runs import run_faults
from studykit.progress.soundness import RULES, bad_rows
from studykit.text import clean

N_FINDINGS = 20
"""Findings of damage that are listed one by one."""

_OF_MEMORIES = re.compile(r" in memories(\.\w+)?$")
"""How SQLite ends a complaint about a value in that table."""


def examine(session: Session, way_back: str) -> Iterator[str]:
    """Each fault as one line with what mends it; `way_back` is what mends damage."""
    connection = session.connection()
    damage = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    damage = [f"damaged: {clean(text)}" for text in damage if text != "ok"]
    # Memories are compared with the log, and can be made again from it.
    of_memories = [line for line in damage if _OF_MEMORIES.search(line)]
    damage = [line for line in damage if line not in of_memories]
    faults: list[str] = []
    try:
        damage += bad_rows(driver_of(session), RULES.keys() - {"memories"})
        faults += run_faults(session).values()
    except (sqlite3.DatabaseError, DBAPIError) as error:
        damage.append(f"damaged: {clean(str(error).splitlines()[0])}")
    if damage:
        damage += faults
        yield from damage[:N_FINDINGS]
        if (more := len(damage) - N_FINDINGS) > 0:
            yield f"and {more} more of the kind"
        yield way_back
        return
    for table, row_id, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"{table} {row_id}: points to a missing row of {parent}"
    mends = " (`studykit doctor --rebuild` mends it)"
    wrong = differences(driver_of(session))
    for card_id in wrong:
        yield f"memory of {clean(str(card_id))}: differs from the log{mends}"
    if not wrong:
        yield from (line + mends for line in of_memories)
    yield from faults
