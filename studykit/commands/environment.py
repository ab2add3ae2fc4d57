"""What every command starts from: course, files of the learner, clock; all read on demand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from studykit.clock import Clock, clock_from_environment
from studykit.errors import LabError, SettingsError, UsageError
from studykit.settings import Paths, ReviewSettings, Settings, bundled_course_root, user_paths
from studykit.settings_file import load_settings
from studykit.text import plural

if TYPE_CHECKING:
    import typer

    from studykit.course.cache import CourseReader
    from studykit.course.cards import Course
    from studykit.course.contents import AnyCourse
    from studykit.progress.store import Store
    from studykit.review.schedule import ScheduleSettings
    from studykit.study.services import Services

MANIFEST = Path("decks", "course.yaml")
"""The file that makes a folder a course."""


@dataclass(frozen=True)
class Environment:
    """The global options and the environment variables of one command line."""

    root: Path
    """Folder of the course."""
    paths: Paths
    clock: Clock

    @cached_property
    def settings(self) -> Settings:
        """The learner's preferences; raises `SettingsError`."""
        return load_settings(self.paths.settings_file)

    @property
    def fallback(self) -> ScheduleSettings:
        """What counts for answers of which the progress does not say by what they were scheduled.

        With the learner's days; with the default ones where the settings are wrong, for the
        progress is mended without. Every other use of the settings tells what is wrong with them.
        """
        from studykit.review.schedule import ScheduleSettings

        try:
            review = self.settings.review
        except SettingsError:
            review = ReviewSettings()
        return ScheduleSettings(rollover_hour=review.rollover_hour)

    @cached_property
    def reader(self) -> CourseReader:
        """Gives the course; what could not be read of it is said on stderr, once."""
        from studykit.commands.terminal import warn
        from studykit.course.cache import CourseReader

        # Before the first sitting a mere look leaves no files.
        may_write = self.paths.database.exists()
        reader = CourseReader(self.root, self.paths.data_dir, may_write=may_write)
        if problems := reader.cover.problems:
            warn(f"{plural(len(problems), 'problem')} in the course; studykit check lists them")
        return reader

    @cached_property
    def course(self) -> Course:
        """All that there is to learn, the learner's own cards included.

        What authors measure rests on the course alone: `reader.course`.
        """
        from studykit.commands.terminal import warn
        from studykit.course.own import with_own_deck

        course = self.reader.course
        whole = with_own_deck(course, self.paths.own_decks_dir)
        for problem in whole.problems[len(course.problems) :]:
            warn(problem)
        return whole

    @cached_property
    def contents(self) -> AnyCourse:
        """What the course lists; with cards of the learner's own the whole of it, as `course`."""
        has_own = any(self.paths.own_decks_dir.glob("*.yaml"))
        return self.course if has_own else self.reader.contents

    @cached_property
    def services(self) -> Services:
        """Course, settings, scheduler, limits and evidence, as the screens have them."""
        from studykit.study.services import Services

        return Services(self.reader, self.settings, self.paths, self.clock, self.open_store)

    def open_store(self) -> Store:
        """The progress, created if there is none; raises `StoreError`."""
        from studykit.progress.store import Store

        return Store.open(self.paths.database, backups_dir=self.paths.backups_dir)

    @contextmanager
    def existing_store(self) -> Iterator[Store | None]:
        """The progress for reading, or None before the first sitting: nothing is written.

        Raises `StoreError` if there was progress that is not there now, or cannot be read.
        """
        database, backups_dir = self.paths.database, self.paths.backups_dir
        if not database.exists():
            from studykit.progress.backups import refuse_if_lost

            refuse_if_lost(database, backups_dir)
            yield None
            return
        from studykit.progress.store import Store

        with closing(Store.open_for_reading(database, backups_dir=backups_dir)) as store:
            yield store

    def require_trust(self, *, trusted: bool) -> None:
        """Return if the course's labs may run here, after asking once for a foreign course.

        Raises `LabError` where there is no terminal to ask on and `trusted` is False.
        """
        from studykit.lab.trust import is_trusted, remember

        data_dir = self.paths.data_dir
        if is_trusted(self.root, data_dir):
            return
        answer = "y"
        if not trusted:
            if not sys.stdin.isatty():
                raise LabError(
                    f"the labs of {self.root} are programs that have not been run here before, "
                    "or have changed since",
                    hint="pass --trust if you trust them",
                )
            import typer

            question = (
                f"Running a lab executes programs in {self.root}. Do you trust them? "
                "(y: as they are now, own: they are mine and may change)"
            )
            answer = typer.prompt(question, default="n", err=True).strip().casefold()
            if answer not in ("y", "yes", "own"):
                raise typer.Abort
        remember(self.root, data_dir, as_own=answer == "own")


def build_environment(course: Path | None) -> Environment:
    """The environment for the course folder given on the command line, or the bundled course."""
    root = bundled_course_root() if course is None else course_folder(course)
    return Environment(root, user_paths(), clock_from_environment())


def course_folder(path: Path) -> Path:
    """`path` made absolute; raises `UsageError` if no course lies there."""
    folder = path.expanduser().resolve()
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{path} is not a course", hint=f"a course is a folder with {MANIFEST.as_posix()}"
        )
    return folder


def environment(ctx: typer.Context) -> Environment:
    """The environment that the global options built."""
    found = ctx.find_object(Environment)
    assert found is not None, "the root callback sets it"
    return found
