"""Where things lie and what the learner prefers: one TOML file, every key with a default."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs

from studykit.errors import Place, SettingsError

HOME_VARIABLE = "STUDYKIT_HOME"
"""Environment variable: one folder for the progress, the settings and the backups."""


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """Table ``[review]``: how much to study and how well to remember it."""

    new_per_day: int = 20
    """New cards introduced on a study day."""
    reviews_per_day: int = 200
    """Reviews of known cards on a study day."""
    desired_retention: float = 0.9
    """Share of reviews to be remembered when due, 0.7 to 0.97."""
    learning_steps_minutes: tuple[float, ...] = (1.0, 10.0)
    """Steps of a new card before its first interval in days."""
    relearning_steps_minutes: tuple[float, ...] = (10.0,)
    """Steps of a forgotten card."""
    maximum_interval_days: int = 3650
    """No interval is longer."""
    rollover_hour: int = 4
    """Local hour at which a study day begins."""
    ask_confidence: bool = True
    """Ask how sure an answer is before its outcome shows."""


@dataclass(frozen=True, slots=True)
class LabSettings:
    """Table ``[lab]``: how experiments run."""

    device: str = "auto"
    """"auto" (a GPU when there is one), "cpu" or "cuda"."""
    threads: int = 0
    """CPU threads of a lab; 0: as many as torch chooses."""
    time_limit_seconds: float = 600.0
    """A run that takes longer is stopped."""


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """Table ``[screen]``: how it looks."""

    theme: str = "studykit-dark"
    """Name of a theme; the command palette lists them."""
    mouse: bool = True
    """False leaves the mouse to the terminal, for selecting text."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All preferences; `keys` maps the id of a key binding to other keys (``rate-good = "g"``)."""

    review: ReviewSettings = field(default_factory=ReviewSettings)
    lab: LabSettings = field(default_factory=LabSettings)
    screen: ScreenSettings = field(default_factory=ScreenSettings)
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the learner's own files lie."""

    data_dir: Path
    settings_file: Path

    @property
    def database(self) -> Path:
        """The progress."""
        return self.data_dir / "progress.sqlite3"

    @property
    def backups_dir(self) -> Path:
        """Copies of the database: one a day, and one before each migration."""
        return self.data_dir / "backups"


def user_paths() -> Paths:
    """STUDYKIT_HOME if set, else the platform's data and configuration folders.

    Raises `SettingsError` where the user has no home folder to find them in.
    """
    home = os.environ.get(HOME_VARIABLE, "")
    try:
        if home:
            folder = Path(home).expanduser()
            return Paths(folder, folder / "settings.toml")
        data_dir = Path(platformdirs.user_data_dir("studykit", appauthor=False))
        config_dir = Path(platformdirs.user_config_dir("studykit", appauthor=False))
    except RuntimeError:
        data_dir = config_dir = Path("~")
    if not (data_dir.is_absolute() and config_dir.is_absolute()):
        what = (
            f"{HOME_VARIABLE}={home} names no user's folder" if home else "there is no home folder"
        )
        raise SettingsError(what, hint=f"set {HOME_VARIABLE} to a folder that you can write")
    return Paths(data_dir, config_dir / "settings.toml")


def bundled_course_root() -> Path:
    """The folder that holds the course's three folders: in the wheel, else the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "_course"
    return installed if installed.is_dir() else package.parent


def load_settings(path: Path) -> Settings:
    """The settings in the TOML file at `path`, or the defaults if there is none.

    Raises `SettingsError` for a file that cannot be read, an unknown key or a wrong value.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        reason = error.strerror or "input error"
        raise SettingsError(f"cannot be read: {reason}", place=Place(path)) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"cannot be read: {error}", place=Place(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"not valid TOML: {error}", place=Place(path)) from None
    return _parse_settings(document, path)


def _parse_settings(document: dict[str, Any], path: Path) -> Settings:
    tables: dict[str, type[Any]] = {
        "review": ReviewSettings,
        "lab": LabSettings,
        "screen": ScreenSettings,
    }
    values: dict[str, Any] = {}
    for name, table in document.items():
        if name not in tables and name != "keys":
            raise _wrong(path, name, "unknown table", f"one of {', '.join([*tables, 'keys'])}")
        if not isinstance(table, dict):
            raise _wrong(path, name, "must be a table", f"write [{name}]")
        if name == "keys":
            if not all(isinstance(keys, str) for keys in table.values()):
                raise _wrong(path, name, "every key must be text", 'rate-good = "g"')
            values[name] = table
        else:
            values[name] = _parse_table(tables[name], name, table, path)
    return Settings(**values)


def _parse_table(cls: type[Any], table_name: str, table: dict[str, Any], path: Path) -> Any:
    hints = get_type_hints(cls)
    known = [item.name for item in fields(cls)]
    parsed: dict[str, Any] = {}
    for name, value in table.items():
        where = f"{table_name}.{name}"
        if name not in known:
            raise _wrong(path, where, "unknown setting", f"one of {', '.join(known)}")
        parsed[name] = _parse_value(hints[name], value, where, path)
    settings = cls(**parsed)
    _check_ranges(settings, table_name, path)
    return settings


def _parse_value(hint: Any, value: Any, where: str, path: Path) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and is_number and isinstance(value, int):
        return value
    if hint is float and is_number:
        return float(value)
    if hint is str and isinstance(value, str):
        return value
    if hint == tuple[float, ...] and isinstance(value, list):
        return tuple(_parse_value(float, item, where, path) for item in value)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    raise _wrong(path, where, f"{value!r} is not {names.get(hint, 'a list of numbers')}", "mend it")


_RANGES = {
    "new_per_day": (0, 9999),
    "reviews_per_day": (0, 9999),
    "desired_retention": (0.7, 0.97),
    "maximum_interval_days": (1, 36500),
    "rollover_hour": (0, 23),
    "threads": (0, 1024),
    "time_limit_seconds": (1, 86400),
}
_DEVICES = ("auto", "cpu", "cuda")


def _check_ranges(settings: Any, table_name: str, path: Path) -> None:
    for item in fields(settings):
        where, value = f"{table_name}.{item.name}", getattr(settings, item.name)
        if item.name in _RANGES:
            low, high = _RANGES[item.name]
            if not low <= value <= high:
                raise _wrong(path, where, f"{value} is out of range", f"{low} to {high}")
        elif item.name.endswith("_steps_minutes"):
            if any(not 0 < step < 1440 for step in value):
                raise _wrong(path, where, "a step must be shorter than a day", "minutes")
        elif item.name == "device" and value not in _DEVICES:
            raise _wrong(path, where, f"unknown device {value!r}", f"one of {', '.join(_DEVICES)}")


def _wrong(path: Path, where: str, what: str, hint: str) -> SettingsError:
    return SettingsError(f"{where}: {what}", place=Place(path), hint=hint)
