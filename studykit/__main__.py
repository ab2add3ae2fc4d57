"""``python -m studykit``."""

import sys

from studykit.entry import main

sys.exit(main())
