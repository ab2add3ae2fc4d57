"""What we read of packages beside what Anki says of the same cards, as a table of Markdown.

``python -m tests.exchange.from_anki FOLDER``, run by ``make anki`` on what `with_anki.py` has
written there. Exit code 1 if anything differs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.exchange.anki_truth import CHECKS, pairs

NAMES = ("legacy1.apkg", "legacy2.apkg", "latest.apkg", "legacy2.colpkg", "latest.colpkg")


def main(folder: Path) -> int:
    """Print the table."""
    told = json.loads((folder / "truth.json").read_text())
    found = {name: [*pairs(folder / name)] for name in NAMES}
    n_wrong = 0
    print(f"anki {told['anki']}, {len(told['cards'])} cards\n")
    print("| alike, of the cards that come |", *(f"{name} |" for name in NAMES))
    print("|---|" + "--:|" * len(NAMES))
    for what, is_alike in CHECKS.items():
        counts = {name: sum(map(is_alike, found[name])) for name in NAMES}
        n_wrong += sum(len(found[name]) - counts[name] for name in NAMES)
        print(f"| {what} |", *(f"{counts[name]} of {len(found[name])} |" for name in NAMES))
    return 1 if n_wrong or not all(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
