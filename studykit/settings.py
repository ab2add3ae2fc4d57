"""Where things lie and what the learner prefers, every preference with a default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import platformdirs

from studykit.errors import SettingsError

RETENTIONS = (0.7, 0.97)
"""The lowest and the highest desired retention."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As the settings name them."""

HOME_VARIABLE = "STUDYKIT_HOME"
"""Environment variable: one folder for the progress, the settings and the backups."""


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """Table ``[review]``: how much to study and how well to remember it."""

    new_per_day: int = 5
    """New cards introduced on a study day; what they make of it, `study/workload.py` measures."""
    reviews_per_day: int = 200
    """Reviews of known cards on a study day."""
    desired_retention: float = 0.9
    """Share of reviews to be remembered when due, 0.7 to 0.97."""
    retention: Mapping[str, float] = field(default_factory=dict)
    """The same of single decks or courses, by their ids; a deck's goes before its course's."""
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
    balance: bool = True
    """Spread reviews evenly over the days on which their fuzz lets them fall."""
    easy_days: Mapping[str, float] = field(default_factory=dict)
    """One of `WEEKDAYS` -> its share of a usual day, 0 to 1; 0 is a day off."""
    holidays: tuple[tuple[date, date], ...] = ()
    """First and last day of each: days off."""
    backlog_per_day: int = 0
    """Reviews a day, and no new cards, while more are due than these; 0: as on any other day."""
    exams: Mapping[str, date] = field(default_factory=dict)
    """Deck or course -> the day on which it must be known."""


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
    def bench_dir(self) -> Path:
        """The learner's own versions of labs, by course."""
        return self.data_dir / "bench"

    @property
    def own_decks_dir(self) -> Path:
        """The learner's own cards, a deck beside each course."""
        return self.data_dir / "decks"

    @property
    def pins_dir(self) -> Path:
        """What-if questions that stand beside cards, a file a course."""
        return self.data_dir / "pins"

    @property
    def sweeps_dir(self) -> Path:
        """What sweeps have measured, by course, a file a lab."""
        return self.data_dir / "sweeps"

    @property
    def unfinished_dir(self) -> Path:
        """What a `verify` that was stopped has run."""
        return self.data_dir / "unfinished"

    @property
    def backups_dir(self) -> Path:
        """Copies of the database: one a day, and one before each migration."""
        return self.data_dir / "backups"


def user_paths() -> Paths:
    """STUDYKIT_HOME if set, else the platform's data and configuration folders.

    Raises `SettingsError` where the user has no home folder to find them in, or the variable names
    a place that depends on the folder where studykit is started.
    """
    home = os.environ.get(HOME_VARIABLE, "").strip()
    try:
        if home:
            folder = Path(home).expanduser()
            if not folder.is_absolute():
                what = f"{HOME_VARIABLE}={home} is no absolute path"
                raise SettingsError(what, hint=f"write {folder.absolute()}")
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
