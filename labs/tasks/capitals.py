"""Facts that a language model has picked up from its texts: the capitals of countries.

"The capital of France is" is continued with " Paris". Only countries are asked whose name is one
token, so that in every prompt a token stands for the country and the last one for the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from labs.models import LanguageModel

COUNTRY, LAST = -2, -1
"""Where a prompt names the country, and where the answer is read."""

CAPITALS = {
    "Argentina": "Buenos Aires",
    "Australia": "Canberra",
    "Austria": "Vienna",
    "Belgium": "Brussels",
    "Brazil": "Brasília",
    "Canada": "Ottawa",
    "Chile": "Santiago",
    "China": "Beijing",
    "Colombia": "Bogotá",
    "Cuba": "Havana",
    "Denmark": "Copenhagen",
    "Egypt": "Cairo",
    "England": "London",
    "Finland": "Helsinki",
    "France": "Paris",
    "Germany": "Berlin",
    "Greece": "Athens",
    "Hungary": "Budapest",
    "Indonesia": "Jakarta",
    "Iran": "Tehran",
    "Iraq": "Baghdad",
    "Ireland": "Dublin",
    "Israel": "Jerusalem",
    "Italy": "Rome",
    "Japan": "Tokyo",
    "Kenya": "Nairobi",
    "Nepal": "Kathmandu",
    "Netherlands": "Amsterdam",
    "Norway": "Oslo",
    "Pakistan": "Islamabad",
    "Peru": "Lima",
    "Poland": "Warsaw",
    "Portugal": "Lisbon",
    "Russia": "Moscow",
    "Scotland": "Edinburgh",
    "Spain": "Madrid",
    "Sweden": "Stockholm",
    "Syria": "Damascus",
    "Thailand": "Bangkok",
    "Turkey": "Ankara",
    "Ukraine": "Kiev",
    "Vietnam": "Hanoi",
}


@dataclass(frozen=True, slots=True)
class Capitals:
    """Prompts for some countries, and the tokens that their answers begin with."""

    countries: list[str]
    prompts: Tensor
    """(n_countries, prompt_len): what stands before a text, then "The capital of … is"."""
    answers: Tensor
    """(n_countries,), no two alike."""

    def chosen(self, places: Tensor) -> Capitals:
        """Those at `places`, in that order."""
        countries = [self.countries[place] for place in places.tolist()]
        return Capitals(countries, self.prompts[places], self.answers[places])


def ask_capitals(language: LanguageModel, n_countries: int, *, seed: int) -> Capitals:
    """Prompts for `n_countries` countries that `seed` chooses."""
    encode = language.tokenizer.encode
    device = language.model.embed.weight.device
    answers: dict[int, str] = {}
    shuffled = Random(seed).sample(sorted(CAPITALS), len(CAPITALS))
    for country in shuffled:
        if len(encode(f" {country}")) == 1:
            answers.setdefault(encode(f" {CAPITALS[country]}")[0], country)
    chosen = list(answers.items())[:n_countries]
    prompts = [[language.begin, *encode(f"The capital of {country} is")] for _, country in chosen]
    return Capitals(
        [country for _, country in chosen],
        torch.tensor(prompts, device=device),
        torch.tensor([answer for answer, _ in chosen], device=device),
    )
