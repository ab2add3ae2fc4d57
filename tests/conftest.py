"""What every test relies on."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from studykit.course.models import load_models

# The same examples every time, however slow the machine is.
settings.register_profile("studykit", deadline=None, derandomize=True, database=None)
settings.load_profile("studykit")

# A shell lets what it starts in the background ignore an interrupt, and nohup a hangup: so would
# the tests, and the programs that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test of trained weights that are not installed, unless all must be there.

    ``@pytest.mark.weights("smollm2")`` names models of the course; without a name it means all.
    """
    for marker in item.iter_markers("weights"):
        models = load_models(Path(__file__).resolve().parents[1])
        for name in marker.args or models:
            if importlib.util.find_spec(models[name].module) is None:
                told = f"no weights of {name}: studykit models install {name}"
                if os.environ.get("STUDYKIT_WEIGHTS") == "required":
                    pytest.fail(told, pytrace=False)
                pytest.skip(told)
