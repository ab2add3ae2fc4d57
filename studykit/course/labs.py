"""The header of a lab, read as data: the file is parsed, never imported or executed.

The header is literals at module level, so browsing a course costs no torch and executes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from studykit.course.cards import MODEL_KNOB, MODEL_NEED, KnobValue, LabHeader
from studykit.course.holds import ClaimTestError, names_in, parse_test
from studykit.course.lab_file import LONGEST_NAME, LabFile
from studykit.course.names import LAB_ID, NAME, NAME_HINT, POINT, POINT_HINT
from studykit.course.parts import (
    FAMILY_KNOB,
    SETTING_KNOBS,
    VALUE,
    VALUE_HINT,
    Parts,
    Settings,
    parse_settings,
    settings_text,
)
from studykit.course.source import (
    MOST_LAB_BYTES,
    MOST_PYTHON_BYTES,
    in_order,
    read_source,
    require_bounded,
    walk_files,
)
from studykit.errors import CourseError
from studykit.text import is_plain_line

T = TypeVar("T")

DEVICES = ("cpu", "cuda")
MAX_CLAIMS = 8
"""A lab that says more is two labs."""
MOST_SEEDS = 100
"""As many as a run is ever asked for."""
MOST_SECONDS = 86_400
MOST_POINTS = 50
MOST_VALUES = 20
"""Of a knob."""
LARGEST_WHOLE = 2**53
"""Of a knob's value: beyond it not every float is a whole number of its own."""
LONGEST_VALUE = 80
"""Characters of a knob's value, or of a package that a lab needs."""
LONGEST_OWN_TEXT = 200
"""Characters of a value of a knob that takes texts."""
MODEL_HELP = "whose weights: a name of `studykit models`, a folder or a file"
"""What the knob is that no lab has to explain."""
LONGEST_TITLE = 200
LONGEST_ABOUT = 10_000
MOST_WORDS = 200
"""Values of parts that a lab has words for."""
_WORDING = (
    *("QUESTION", "POINTS", "CLAIMS", "HOLDS_IF", "KNOB_HELP", "SECONDS", "LITERATURE"),
    *("ALONE", "WORDS", "DIFFERENCES"),
)
"""What does not change what a run measures."""
_ASSIGNS_QUESTION = re.compile(r"^QUESTION\s*[:=]", re.MULTILINE)


def find_labs(root: Path) -> list[Path]:
    """The labs of the course below `root`, by path; helper modules are none.

    Raises `CourseError` if labs/ holds more than it may.
    """
    folder = root / "labs"
    files = walk_files(folder, follows_links=True)
    paths = [path for path in files if path.suffix == ".py" and path.parent.parent == folder]
    require_bounded(folder, paths, MOST_PYTHON_BYTES, "Python")
    labs = [path for path in sorted(paths) if is_lab(path)]
    require_bounded(folder, labs, MOST_LAB_BYTES, "labs")
    return labs


def is_lab(path: Path) -> bool:
    """Whether the Python file assigns QUESTION, or cannot be read and so cannot say."""
    if path.name == "__init__.py":
        return False
    try:
        return _ASSIGNS_QUESTION.search(read_source(path)) is not None
    except CourseError:
        return True


def lab_id(path: Path, root: Path) -> str:
    """``folder/name``."""
    return path.relative_to(root / "labs").with_suffix("").as_posix()


def load_lab_header(path: Path, root: Path) -> LabHeader:
    """The header of the lab in the file; raises `CourseError` with its first problem's place."""
    header, errors = read_lab_header(path, root)
    if not header:
        raise errors[0]
    return header


def read_lab_header(path: Path, root: Path) -> tuple[LabHeader | None, list[CourseError]]:
    """The header and no error, or no header and every error, by place."""
    errors: list[CourseError] = []

    def attempt(parse: Callable[[LabFile], T], fallback: T) -> T:
        try:
            return parse(lab)
        except CourseError as error:
            errors.append(error)
            return fallback

    try:
        lab = LabFile(path)
    except CourseError as error:
        return None, [error]
    title, _, about = lab.docstring.partition("\n")
    claims = attempt(_parse_claims, None)
    text_knobs: tuple[str, ...] = attempt(_parse_text_knobs, ())
    parts: Parts = attempt(lambda lab: _parse_parts(lab, text_knobs), {})
    knobs = attempt(lambda lab: _parse_knobs(lab, text_knobs, parts), None)
    takes: frozenset[str] = attempt(lambda lab: _parse_run(lab, knobs), frozenset())
    header = LabHeader(
        id=attempt(lambda lab: _parse_id(lab, root), ""),
        path=path,
        title=attempt(lambda lab: _filled(lab, title), ""),
        about=attempt(lambda lab: _about(lab, about), ""),
        question=attempt(lambda lab: lab.text(lab.assigned_value("QUESTION")), ""),
        points=attempt(_parse_points, ()),
        claims=claims or {},
        holds_if=attempt(lambda lab: _parse_tests(lab, claims), {}),
        knobs=knobs or {},
        text_knobs=text_knobs,
        knob_help=attempt(lambda lab: _parse_knob_help(lab, knobs), {}),
        seeds=attempt(_parse_seeds, 1),
        deterministic=attempt(_parse_deterministic, False),
        seconds=attempt(_parse_seconds, {}),
        needs=attempt(_parse_needs, ()),
        literature=attempt(lambda lab: _parse_literature(lab, claims), {}),
        takes_budget="budget" in takes,
        runs_alone=attempt(lambda lab: _parse_switch(lab, "ALONE", "it times something"), False),
        parts=parts,
        families=attempt(lambda lab: _parse_families(lab, parts, knobs), {}),
        words=attempt(lambda lab: _parse_words(lab, parts), {}),
        differences=attempt(lambda lab: _parse_differences(lab, parts), ()),
        code_hash=_hash_code(lab),
    )
    if MODEL_KNOB in takes:
        header = attempt(lambda lab: _with_model(lab, header), header)
    return (None, in_order(errors)) if errors else (header, [])


def _hash_code(lab: LabFile) -> str:
    """Of the file less what only words its question and claims: runs are judged again by those."""
    code = lab.source_without(_WORDING)
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _parse_id(lab: LabFile, root: Path) -> str:
    name = lab_id(lab.path, root)
    if not LAB_ID.fullmatch(name):
        raise lab.fail(None, "is no place for a lab", f"labs/<folder>/<name>.py, of {NAME_HINT}")
    return name


def _filled(lab: LabFile, title: str) -> str:
    if not title:
        raise lab.fail(None, "has no docstring", "its first line is the lab's title")
    if len(title) > LONGEST_TITLE:
        what = f"the docstring's first line has {len(title)} characters"
        raise lab.fail(None, what, f"the lab's title: at most {LONGEST_TITLE}")
    return title


def _about(lab: LabFile, about: str) -> str:
    if len(about) > LONGEST_ABOUT:
        hint = f"at most {LONGEST_ABOUT}"
        raise lab.fail(None, f"the docstring has {len(about)} characters", hint)
    return about.strip()


def _parse_points(lab: LabFile) -> tuple[str, ...]:
    points: list[str] = []
    for node in lab.sequence(lab.assigned_value("POINTS"), "POINTS", MOST_POINTS):
        point = lab.text(node, LONGEST_NAME)
        if not POINT.fullmatch(point):
            raise lab.fail(node, f"{point!r} is no point", POINT_HINT)
        if point in points:
            raise lab.fail(node, f"point {point} stands twice", "keep one")
        points.append(point)
    return tuple(points)


def _parse_claims(lab: LabFile) -> Mapping[str, str]:
    claims = lab.mapping("CLAIMS")
    if not claims:
        raise lab.fail(lab.assigned["CLAIMS"], "CLAIMS is empty", "a lab makes at least one")
    if len(claims) > MAX_CLAIMS:
        key, _ = [*claims.values()][MAX_CLAIMS]
        hint = f"at most {MAX_CLAIMS}: a lab that says more is two labs"
        raise lab.fail(key, f"CLAIMS has {len(claims)} entries", hint)
    for name, (key, _) in claims.items():
        _check_name(lab, key, name)
    return {name: lab.text(node) for name, (_, node) in claims.items()}


def _parse_tests(lab: LabFile, claims: Mapping[str, str] | None) -> Mapping[str, str]:
    """Claim -> its test, for exactly the claims."""
    entries = lab.mapping("HOLDS_IF")
    tests = {}
    for name, (key, node) in entries.items():
        if claims is not None and name not in claims:
            raise lab.fail(key, f"HOLDS_IF names no claim {name!r}", f"of {', '.join(claims)}")
        tests[name] = lab.plain_text(node)
        try:
            if not names_in(parse_test(tests[name])):
                raise lab.fail(node, "the test compares no measurement", "name what decides")
        except ClaimTestError as error:
            place = lab.place_in_text(node, error.column)
            raise CourseError(error.what, place=place, hint=error.hint) from None
    for name in claims or {}:
        if name not in tests:
            key, _ = lab.mapping("CLAIMS")[name]
            raise lab.fail(key, f"claim {name} has no test", "say in HOLDS_IF when it holds")
    return tests


def _parse_text_knobs(lab: LabFile) -> tuple[str, ...]:
    if "TEXT_KNOBS" not in lab.assigned:
        return ()
    names = []
    for node in lab.sequence(lab.assigned["TEXT_KNOBS"], "TEXT_KNOBS", MOST_VALUES):
        name = lab.text(node, LONGEST_NAME)
        if name not in lab.mapping("KNOBS"):
            raise lab.fail(node, f"TEXT_KNOBS names no knob {name!r}", "give it examples in KNOBS")
        names.append(name)
    return tuple(dict.fromkeys(names))


def _parse_knobs(
    lab: LabFile, text_knobs: tuple[str, ...], parts: Parts
) -> Mapping[str, tuple[KnobValue, ...]]:
    knobs = {}
    for name, (key, node) in lab.mapping("KNOBS").items():
        _check_name(lab, key, name)
        if name in ("seed", "device", "budget", MODEL_KNOB):
            raise lab.fail(key, f"no knob may be called {name}", "run() gets it anyway")
        values: list[KnobValue] = []
        for item in lab.sequence(node, f"knob {name}", MOST_VALUES):
            value = lab.literal(item)
            if name in text_knobs and not isinstance(value, str):
                raise lab.fail(item, f"knob {name} takes texts, not {value!r}", "put it in quotes")
            if not isinstance(value, int | float | str):
                raise lab.fail(item, f"a {type(value).__name__} is no knob value", _VALUE_HINT)
            if isinstance(value, float) and not math.isfinite(value):
                raise lab.fail(item, f"knob {name} has a value that is not finite", _VALUE_HINT)
            if type(value) is int and abs(value) > LARGEST_WHOLE:
                raise lab.fail(item, f"knob {name} has a value that is too large", _VALUE_HINT)
            longest = LONGEST_OWN_TEXT if name in text_knobs else LONGEST_VALUE
            if isinstance(value, str) and len(value) > longest:
                what = f"knob {name} has a value of {len(value)} characters"
                raise lab.fail(item, what, f"at most {longest}")
            if name in SETTING_KNOBS and "PARTS" in lab.assigned:
                if parts:  # else what is wrong with them is told
                    _check_settings(lab, item, str(value), parts)
            elif isinstance(value, str) and not is_plain_line(value):
                raise lab.fail(item, f"knob {name} has a value that cannot be shown", _VALUE_HINT)
            if values and type(value) is not type(values[0]):
                raise lab.fail(item, f"knob {name} mixes types", "make all of one type: 1.0, 2.0")
            if value in values:
                raise lab.fail(item, f"knob {name} has {value!r} twice", "keep one")
            values.append(value)
        knobs[name] = tuple(values)
    return knobs


def _parse_settings(lab: LabFile, node: ast.expr, text: str, parts: Parts) -> dict[str, str]:
    try:
        return parse_settings(text, parts)
    except ValueError as error:
        what, _, hint = str(error).partition(": ")
        raise lab.fail(node, what, hint) from None


def _check_settings(lab: LabFile, node: ast.expr, text: str, parts: Parts) -> None:
    """Raise `CourseError` unless these are settings, in the form in which a run keeps them."""
    kept = settings_text(_parse_settings(lab, node, text, parts))
    if kept != text:
        raise lab.fail(node, f"{text!r} is not as it is kept", f'"{kept}"')


def _parse_parts(lab: LabFile, text_knobs: tuple[str, ...]) -> Parts:
    """Part -> its values, and the three knobs that set them are there."""
    if "PARTS" not in lab.assigned:
        for name in ("FAMILIES", "WORDS"):
            if name in lab.assigned:
                raise lab.fail(lab.assigned[name], f"{name} without PARTS", "name the parts")
        return {}
    parts = {}
    for name, (key, node) in lab.mapping("PARTS").items():
        _check_name(lab, key, name)
        values: list[str] = []
        for item in lab.sequence(node, f"part {name}", MOST_VALUES):
            values.append(lab.text(item))
            if not VALUE.fullmatch(values[-1]):
                raise lab.fail(item, f"part {name} cannot be {values[-1]!r}", VALUE_HINT)
            if values[-1] in values[:-1]:
                raise lab.fail(item, f"part {name} has {values[-1]!r} twice", "keep one")
        if len(values) < 2:
            raise lab.fail(node, f"part {name} has one value", "leave out what cannot be changed")
        parts[name] = tuple(values)
    if not parts:
        raise lab.fail(lab.assigned["PARTS"], "PARTS is empty", 'like {"residual": ("on", "off")}')
    knobs = lab.mapping("KNOBS")
    for name in (FAMILY_KNOB, *SETTING_KNOBS):
        if name not in knobs:
            hint = "a lab with PARTS has the knobs family, base and change"
            raise lab.fail(lab.assigned["PARTS"], f"there is no knob {name}", hint)
        if (name in text_knobs) != (name in SETTING_KNOBS):
            hint = "base and change stand in TEXT_KNOBS, family does not"
            raise lab.fail(knobs[name][0], f"knob {name} is of the wrong kind", hint)
    return parts


def _parse_families(
    lab: LabFile, parts: Parts, knobs: Mapping[str, tuple[KnobValue, ...]] | None
) -> Mapping[str, Settings]:
    """Start -> its value of each part that it has, for exactly the values of the knob."""
    if not parts:
        return {}
    families: dict[str, Settings] = {}
    for name, (key, node) in lab.mapping("FAMILIES").items():
        if knobs is not None and name not in knobs[FAMILY_KNOB]:
            raise lab.fail(key, f"knob family does not offer {name!r}", "offer it, or drop it")
        text = _settings_of(lab, node) if isinstance(node, ast.Dict) else lab.text(node)
        families[name] = _parse_settings(lab, node, text, parts)
    for offered in (knobs or {}).get(FAMILY_KNOB, ()):
        if offered not in families:
            what = f"family {offered!r} has no parts"
            raise lab.fail(lab.assigned["FAMILIES"], what, "say what it is made of")
    return families


def _settings_of(lab: LabFile, node: ast.Dict) -> str:
    """A family that is written as a dict, as settings."""
    pairs = zip(node.keys, node.values, strict=True)
    return ", ".join(f"{lab.text(part or node)}={lab.text(value)}" for part, value in pairs)


def _parse_words(lab: LabFile, parts: Parts) -> Mapping[str, tuple[str, ...]]:
    """``part=value`` -> how people say it; every part has words for at least one value."""
    if not parts:
        return {}
    words = {}
    for name, (key, node) in lab.mapping("WORDS", MOST_WORDS).items():
        _check_settings(lab, key, name, parts)
        items = lab.sequence(node, f"words for {name}", MOST_VALUES)
        words[name] = tuple(lab.text(item, LONGEST_NAME) for item in items)
    for part in parts:
        if not any(name.startswith(f"{part}=") for name in words):
            what = f"WORDS has none for {part}"
            raise lab.fail(lab.assigned["WORDS"], what, "say how people ask for it")
    return words


def _parse_differences(lab: LabFile, parts: Parts) -> tuple[str, ...]:
    """Measurements of one model less another; a lab whose models have PARTS must say them."""
    if not parts and "DIFFERENCES" not in lab.assigned:
        return ()
    node = lab.assigned_value("DIFFERENCES")
    names = []
    for item in lab.sequence(node, "DIFFERENCES", MOST_VALUES):
        names.append(lab.text(item, LONGEST_NAME))
        _check_name(lab, item, names[-1])
    return tuple(dict.fromkeys(names))


def _parse_knob_help(lab: LabFile, knobs: Mapping[str, object] | None) -> Mapping[str, str]:
    """Knob -> what it is, for those that are explained."""
    if "KNOB_HELP" not in lab.assigned:
        return {}
    entries = lab.mapping("KNOB_HELP")
    for name, (key, _) in entries.items():
        if knobs is not None and name not in knobs:
            known = ", ".join(knobs) or "none"
            raise lab.fail(key, f"KNOB_HELP names no knob {name!r}", f"of {known}")
    return {name: lab.text(node) for name, (_, node) in entries.items()}


def _parse_seeds(lab: LabFile) -> int:
    node = lab.assigned_value("SEEDS")
    seeds = lab.literal(node)
    if type(seeds) is not int or not 1 <= seeds <= MOST_SEEDS:
        raise lab.fail(node, f"SEEDS must be a whole number from 1 to {MOST_SEEDS}", "SEEDS = 3")
    return seeds


def _parse_deterministic(lab: LabFile) -> bool:
    value = _parse_switch(lab, "DETERMINISTIC", "seeds change nothing")
    if value and _parse_seeds(lab) != 1:
        node = lab.assigned["DETERMINISTIC"]
        raise lab.fail(node, "a deterministic lab has one seed", "SEEDS = 1")
    return value


def _parse_switch(lab: LabFile, name: str, meaning: str) -> bool:
    """What the header says of `name`; False where it says nothing."""
    if name not in lab.assigned:
        return False
    node = lab.assigned[name]
    value = lab.literal(node)
    if not isinstance(value, bool):
        raise lab.fail(node, f"{name} must be True or False", f"True: {meaning}")
    return value


def _parse_seconds(lab: LabFile) -> Mapping[str, float]:
    seconds = {}
    for device, (key, node) in lab.mapping("SECONDS").items():
        if device not in DEVICES:
            raise lab.fail(key, f"no device is called {device!r}", f"one of {', '.join(DEVICES)}")
        value = lab.literal(node)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value <= MOST_SECONDS
        ):
            what = f"must be seconds above 0, at most {MOST_SECONDS:,}"
            raise lab.fail(node, what, "measure a default run")
        seconds[device] = float(value)
    if not seconds:
        raise lab.fail(lab.assigned["SECONDS"], "SECONDS is empty", 'like {"cpu": 25}')
    return seconds


def _parse_needs(lab: LabFile) -> tuple[str, ...]:
    if "NEEDS" not in lab.assigned:
        return ()
    nodes = lab.sequence(lab.assigned["NEEDS"], "NEEDS", MOST_VALUES)
    needs = []
    for node in nodes:
        need = lab.text(node, LONGEST_VALUE)
        if need.startswith(MODEL_NEED):
            _check_name(lab, node, need.removeprefix(MODEL_NEED))
        needs.append(need)
    return tuple(needs)


def _parse_literature(lab: LabFile, claims: Mapping[str, str] | None) -> Mapping[str, str]:
    if "LITERATURE" not in lab.assigned:
        return {}
    entries = lab.mapping("LITERATURE")
    for name, (key, _) in entries.items():
        if claims is not None and name not in claims:
            raise lab.fail(key, f"LITERATURE names no claim {name!r}", f"of {', '.join(claims)}")
    return {name: lab.text(node) for name, (_, node) in entries.items()}


def _parse_run(lab: LabFile, knobs: Mapping[str, object] | None) -> frozenset[str]:
    """What `run` takes beside the knobs, `seed` and `device`: a budget, a model, all by keyword."""
    if "run" not in lab.functions:
        raise lab.fail(None, "defines no function run", "def run(*, <knobs>, seed, device)")
    run = lab.functions["run"]
    for other in (*run.args.posonlyargs, *run.args.args, run.args.vararg, run.args.kwarg):
        if other:
            raise lab.fail(other, f"run takes {other.arg} not by keyword", "def run(*, …)")
    taken = {parameter.arg: parameter for parameter in run.args.kwonlyargs}
    if knobs is not None:
        expected = {*knobs, "seed", "device"}
        for name, parameter in taken.items():
            if name not in expected | {"budget", MODEL_KNOB}:
                hint = "add the knob or drop the parameter"
                raise lab.fail(parameter, f"run takes {name}, which is no knob", hint)
        if missing := expected - taken.keys():
            names = ", ".join(sorted(missing))
            raise lab.fail(run, f"run does not take {names}", "add the parameter")
    return frozenset(taken) & {"budget", MODEL_KNOB}


def _with_model(lab: LabFile, header: LabHeader) -> LabHeader:
    """The header with the knob of a lab that takes a model: by default the first that it needs."""
    if not header.models:
        hint = f'NEEDS = ("{MODEL_NEED}smollm2",) says which is the default'
        raise lab.fail(lab.functions["run"], "run takes a model, but the lab needs none", hint)
    return replace(
        header,
        knobs={**header.knobs, MODEL_KNOB: header.models[:1]},
        text_knobs=(*header.text_knobs, MODEL_KNOB),
        knob_help={**header.knob_help, MODEL_KNOB: MODEL_HELP},
    )


def _check_name(lab: LabFile, node: ast.expr, name: str) -> None:
    if not NAME.fullmatch(name):
        raise lab.fail(node, f"{name!r} is not of the right form", NAME_HINT)


_VALUE_HINT = "a number, a text, True or False"
