"""What every test relies on."""

from hypothesis import settings

# The same examples every time, however slow the machine is.
settings.register_profile("studykit", deadline=None, derandomize=True, database=None)
settings.load_profile("studykit")
