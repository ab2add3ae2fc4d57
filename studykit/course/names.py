"""How the things of a course may be called: a pattern each, and what to write instead."""

from __future__ import annotations

import re

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
"""Of courses, decks, topics, cards and notes."""
ID_HINT = "lower-case letters, digits and hyphens, like core-residuals"

NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
"""Of claims, knobs, measurements, and of labs' folders and files: as in Python."""
NAME_HINT = "lower-case letters, digits and underscores, like loss_without"

LAB_ID = re.compile(r"[a-z][a-z0-9_]{0,79}/[a-z][a-z0-9_]{0,79}")
LAB_ID_HINT = "folder/name, like core/residuals"

TOPIC_NUMBER = re.compile(r"[1-9][0-9]{0,3}\.[1-9][0-9]{0,3}")
TOPIC_NUMBER_HINT = 'section.topic, like "1.4"'

POINT = re.compile(r"[1-9][0-9]{0,3}\.[1-9][0-9]{0,3}\.[1-9][0-9]{0,3}")
POINT_HINT = "section.topic.point, like 1.4.2"
