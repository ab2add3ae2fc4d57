"""One card of a deck file: from its YAML mapping to a `Card`, every rule of its kind kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping

from studykit.course.cards import (
    GROUP_HOLE,
    HOLE,
    HOLES,
    KINDS,
    Body,
    Card,
    Choice,
    Cloze,
    Exercise,
    Form,
    Kind,
    Knobs,
    Match,
    Numeric,
    Option,
    Order,
    Predict,
    Recall,
)
from studykit.course.names import (
    ID,
    ID_HINT,
    LAB_ID,
    LAB_ID_HINT,
    NAME,
    NAME_HINT,
    POINT,
    POINT_HINT,
)
from studykit.course.nodes import Node, distinct, shown

Fields = Mapping[str, Node]

_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")

_REQUIRED = ("id", "kind", "points", "question", "explain", "lab")
_OPTIONAL = ("evidence", "knobs", "note", "source", "tags")
_WITHOUT_A_LAB = frozenset({"points", "explain", "lab", "claim"})
"""Keys that a card may leave out where labs are optional."""
_OF_A_LAB = ("claim", "evidence", "knobs")
"""Keys that say nothing without a lab."""
MOST_TAGS = 100
LONGEST_TAG = 100
_UNSEEN = frozenset({"id", "points", "lab", "claim", "note", "evidence", "tags"})
"""Keys that may change without the learner seeing another card."""

_KIND_KEYS: Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "recall": (("answer", "claim"), ()),
    "choice": (("options", "claim"), ()),
    "cloze": (("answer", "claim"), ("accept",)),
    "order": (("steps", "claim"), ()),
    "match": (("pairs", "claim"), ("spare",)),
    "numeric": (("answer", "unit", "tolerance", "claim"), ()),
    "predict": (("options",), ()),
    "exercise": (("exercise", "claim"), ()),
}
"""Kind -> the keys that it needs and those that it may have, beside the common ones."""
_MEASURED_KEYS = (("measurement", "unit", "tolerance", "claim"), ())
"""The same for a `predict` card that asks for a number."""


def parse_card(
    node: Node,
    deck_id: str,
    topic_id: str,
    topic_points: Iterable[str],
    *,
    labs_are_optional: bool = False,
) -> Card:
    """The card in a mapping; raises `CourseError` at the first thing that breaks a rule."""
    kind = _parse_kind(node)
    measured = kind == "predict" and "measurement" in node.entries()
    own, may = _MEASURED_KEYS if measured else _KIND_KEYS[kind]
    required, optional = (*_REQUIRED, *own), (*_OPTIONAL, *may)
    if labs_are_optional and kind not in ("predict", "exercise"):
        _require_whole_lab(node)
        optional += tuple(key for key in required if key in _WITHOUT_A_LAB)
        required = tuple(key for key in required if key not in _WITHOUT_A_LAB)
    fields = node.fields(required, optional)
    # In the order of the keys above, so that the first error is the first in most decks.
    return Card(
        id=fields["id"].matching(ID, ID_HINT),
        kind=kind,
        deck_id=deck_id,
        topic_id=topic_id,
        points=_parse_points(fields["points"], tuple(topic_points)) if "points" in fields else (),
        question=fields["question"].prose(),
        body=_measured(fields) if measured else _PARSERS[kind](fields),
        explain=fields["explain"].prose() if "explain" in fields else "",
        lab=fields["lab"].matching(LAB_ID, LAB_ID_HINT) if "lab" in fields else "",
        claim=fields["claim"].matching(NAME, NAME_HINT) if "claim" in fields else "",
        knobs=_parse_knobs(fields["knobs"]) if "knobs" in fields else {},
        note=fields["note"].matching(ID, ID_HINT) if "note" in fields else "",
        source=fields["source"].prose() if "source" in fields else "",
        place=node.place,
        content_hash=_content_hash(node),
        is_only_related="evidence" in fields and _is_only_related(fields["evidence"], kind),
        tags=_parse_tags(fields["tags"]) if "tags" in fields else (),
    )


def _require_whole_lab(node: Node) -> None:
    """Raise `CourseError` for a card that has a part of what makes a lab its evidence."""
    entries = node.entries()
    if "lab" in entries:
        if "claim" not in entries:
            raise node.fail("has a lab and no claim", "add claim: …")
        return
    for key in _OF_A_LAB:
        if key in entries:
            raise node.fail(f"has {key} and no lab", f"add lab: …, or take {key} out")


def _parse_tags(node: Node) -> tuple[str, ...]:
    nodes = node.items(most=MOST_TAGS)
    for tag in nodes:
        if "\n" in tag.text(LONGEST_TAG):
            raise tag.fail("a tag of several lines", "keep it on one")
    return distinct(nodes, "a tag", of_prose=True)


def _parse_kind(node: Node) -> Kind:
    entries = node.entries()
    if "kind" not in entries:
        raise node.fail("has no kind", f"add kind: with one of {', '.join(KINDS)}")
    text = entries["kind"].text()
    for kind in KINDS:
        if kind == text:
            return kind
    raise entries["kind"].fail(f"no kind is called `{text[:40]}`", f"one of {', '.join(KINDS)}")


def _parse_points(node: Node, topic_points: tuple[str, ...]) -> tuple[str, ...]:
    nodes = node.items()
    for item in nodes:
        if (point := item.matching(POINT, POINT_HINT)) not in topic_points:
            known = ", ".join(topic_points)
            raise item.fail(f"the topic teaches no point {point}", f"it lists {known}")
    return distinct(nodes, "a point")


def _parse_knobs(node: Node) -> Knobs:
    for item in node.entries().values():
        if item.key:
            item.key.matching(NAME, NAME_HINT)
    return {name: item.scalar() for name, item in node.entries().items()}


def _is_only_related(node: Node, kind: Kind) -> bool:
    if kind == "predict":
        raise node.fail("the lab decides what is right on a predict card", "delete it")
    if (text := node.text()) != "related":
        what = f"no evidence is called {shown(text)}"
        raise node.fail(what, "related, or leave it out where the claim measures the answer")
    return True


def _recall(fields: Fields) -> Recall:
    return Recall(fields["answer"].prose())


def _choice(fields: Fields) -> Choice:
    nodes = fields["options"].items(2, 6)
    rows = [node.fields(("text",), ("correct", "misconception")) for node in nodes]
    options = []
    for node, keys in zip(nodes, rows, strict=True):
        correct = "correct" in keys and keys["correct"].flag()
        if correct and "misconception" in keys:
            raise keys["misconception"].fail("a right option has no misconception", "delete it")
        if not correct and "misconception" not in keys:
            raise node.fail("a wrong option needs its misconception", "say why it is wrong")
        why = keys["misconception"].prose() if not correct else ""
        options.append(Option(keys["text"].prose(), correct=correct, misconception=why))
    n_correct = sum(option.correct for option in options)
    if n_correct != 1:
        raise fields["options"].fail(f"{n_correct} right options", "mark one with correct: true")
    distinct((keys["text"] for keys in rows), "an option")
    return Choice(tuple(options))


def _cloze(fields: Fields) -> Cloze:
    holes = HOLES.findall(fields["question"].text())
    if holes != [HOLE]:
        what = f"{len(holes)} holes" if len(holes) != 1 else "a hole of another length"
        raise fields["question"].fail(what, f"a cloze question has {HOLE} exactly once")
    accept = fields["accept"].items() if "accept" in fields else []
    answer, *others = distinct((fields["answer"], *accept), "an answer", of_prose=True)
    return Cloze(answer, tuple(others))


def _order(fields: Fields) -> Order:
    return Order(distinct(fields["steps"].items(3, 8), "a step", of_prose=True))


def _match(fields: Fields) -> Match:
    pairs = [node.fields(("left", "right")) for node in fields["pairs"].items(2, 8)]
    lefts = distinct((pair["left"] for pair in pairs), "a left side", of_prose=True)
    rights = tuple(pair["right"].prose() for pair in pairs)
    nodes = fields["spare"].items() if "spare" in fields else []
    spare = distinct(nodes, "a spare", of_prose=True)
    for node, text in zip(nodes, spare, strict=True):
        if text in rights:
            raise node.fail("a spare belongs to a pair", "a spare fits none")
    return Match(tuple(zip(lefts, rights, strict=True)), spare)


def _numeric(fields: Fields) -> Numeric:
    answer = fields["answer"].number()
    tolerance, relative = _parse_tolerance(fields["tolerance"])
    if relative:
        tolerance *= abs(answer)
        if not tolerance:
            raise fields["tolerance"].fail("a percentage of 0 is 0", "give it in the unit")
    return Numeric(answer, _parse_unit(fields["unit"]), tolerance)


def _predict(fields: Fields) -> Predict:
    nodes = fields["options"].items(2, 5)
    rows = [node.fields(("text", "claim"), ("misconception",)) for node in nodes]
    options = tuple(
        Option(
            keys["text"].prose(),
            claim=keys["claim"].matching(NAME, NAME_HINT),
            misconception=keys["misconception"].prose() if "misconception" in keys else "",
        )
        for keys in rows
    )
    distinct((keys["text"] for keys in rows), "an option")
    distinct((keys["claim"] for keys in rows), "a claim")
    return Predict(options)


def _measured(fields: Fields) -> Predict:
    tolerance, relative = _parse_tolerance(fields["tolerance"])
    return Predict(
        measurement=fields["measurement"].matching(NAME, NAME_HINT),
        unit=_parse_unit(fields["unit"]),
        tolerance=tolerance,
        relative=relative,
    )


_FORM_KEYS: Mapping[Form, tuple[tuple[str, ...], tuple[str, ...], int, int]] = {
    "rank": ((), ("apart",), 3, 8),
    "pick": (("choose",), ("apart",), 3, 7),
    "place": ((), (), 2, 8),
    "signs": (("words",), ("apart",), 2, 8),
}
"""Form -> the keys that it needs and may have beside the common ones; fewest and most rows."""


def _exercise(fields: Fields) -> Exercise:
    node = fields["exercise"]
    form = _parse_form(node)
    own, may, least, most = _FORM_KEYS[form]
    required = ("form", "table", "item", "value", "draw", *own)
    keys = node.fields(required, ("group", "right_from", *may))
    draw = keys["draw"].whole()
    if not least <= draw <= most:
        raise keys["draw"].fail(f"{form} cannot ask {draw} rows", f"{least} to {most}")
    choose = keys["choose"].whole() if "choose" in keys else 0
    if choose >= draw:
        raise keys["choose"].fail(f"{choose} of {draw} leaves nothing to choose", "choose fewer")
    apart = keys["apart"].number() if "apart" in keys else 0.0
    if apart < 0:
        raise keys["apart"].fail("is below 0", "a distance in the unit of the values")
    right_from = keys["right_from"].number() if "right_from" in keys else 0.8
    if not 0 < right_from <= 1:
        raise keys["right_from"].fail("is out of range", "above 0, at most 1")
    has_hole, has_group = GROUP_HOLE in fields["question"].prose(), "group" in keys
    if has_hole != has_group:
        what = f"has {'a' if has_hole else 'no'} {GROUP_HOLE} and the exercise"
        what += f" {'a' if has_group else 'no'} group"
        raise fields["question"].fail(what, "the learner must see which group is asked")
    words = keys["words"].items(3, 3) if "words" in keys else []
    return Exercise(
        form=form,
        table=keys["table"].prose(),
        item=keys["item"].prose(),
        value=keys["value"].prose(),
        draw=draw,
        group=keys["group"].prose() if has_group else "",
        choose=choose,
        apart=apart,
        words=distinct(words, "a word", of_prose=True),
        right_from=right_from,
    )


def _parse_form(node: Node) -> Form:
    entries = node.entries()
    known = ", ".join(_FORM_KEYS)
    if "form" not in entries:
        raise node.fail("has no form", f"add form: with one of {known}")
    text = entries["form"].text()
    for form in _FORM_KEYS:
        if form == text:
            return form
    raise entries["form"].fail(f"no form is called {shown(text)}", f"one of {known}")


def _parse_unit(node: Node) -> str:
    """A short text; ``""`` in quotes for a ratio or a count."""
    return "" if node.value == "" and not node.plain else node.text(longest=20)


def _parse_tolerance(node: Node) -> tuple[float, bool]:
    """The tolerance, and whether it is a fraction rather than an amount in the unit."""
    if isinstance(node.value, str) and (percent := _PERCENT.fullmatch(node.value)):
        tolerance, relative = float(percent[1]) / 100, True
    else:
        tolerance, relative = node.number(), False
    if tolerance <= 0 or (relative and tolerance > 1):
        raise node.fail("is out of range", 'above 0 in the unit, or "10%"')
    return tolerance, relative


def _content_hash(node: Node) -> str:
    seen = json.dumps(node.as_data(_UNSEEN), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(seen.encode("utf-8", "surrogatepass")).hexdigest()[:16]


_PARSERS: Mapping[Kind, Callable[[Fields], Body]] = {
    "recall": _recall,
    "choice": _choice,
    "cloze": _cloze,
    "order": _order,
    "match": _match,
    "numeric": _numeric,
    "predict": _predict,
    "exercise": _exercise,
}
