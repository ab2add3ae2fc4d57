from __future__ import annotations

import pytest

from labs.models import load_language_model
from labs.tasks.capitals import COUNTRY, LAST, ask_capitals


@pytest.mark.weights("smollm2")
def test_prompts_name_the_country_in_one_token_and_end_with_the_question() -> None:
    language = load_language_model()
    asked = ask_capitals(language, 8, seed=2)
    pieces = language.tokenizer.decode
    assert [pieces([token]) for token in asked.prompts[:, COUNTRY].tolist()] == [
        f" {country}" for country in asked.countries
    ]
    assert {pieces([token]) for token in asked.prompts[:, LAST].tolist()} == {" is"}
    assert len(set(asked.answers.tolist())) == 8
    chosen = asked.chosen(asked.answers.argsort()[:2])
    assert chosen.countries[0] == asked.countries[int(asked.answers.argmin())]
