"""Every change of one part that a bench offers, as parameters of a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest

from labs.kit.assembly import settings


def every_change(
    families: Mapping[str, str], parts: Mapping[str, Sequence[str]]
) -> Iterator[object]:
    """Family, part and another value than the family's; `families` holds settings."""
    for family, text in families.items():
        for part, value in settings(text).items():
            for other in parts[part]:
                if other != value:
                    yield pytest.param(family, part, other, id=f"{family}, {part}={other}")
