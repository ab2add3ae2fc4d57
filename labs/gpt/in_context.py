"""A few examples tell a model which task is meant, and sometimes what its answers are.

"hot -> cold", "big -> small", "fast ->": SmolLM2-135M goes on with "slow", though no weight has
changed. The lab gives 0 to 8 examples of two tasks, capitals and opposites, and asks for words that
are not among them. Then the eight examples get one another's answers, so that each is wrong: does
the model follow the examples, or does it answer as it knows better?

How to read it. An answer counts if it is complete and the line ends after it. "France ->" without
an example names no task, so nothing can be right for want of knowledge. "The capital of France is"
names it without an example. Following wrong examples shows in that right answers become rare.

What the texts are. Each seed draws its own examples and its own twelve words to be asked for, of 42
countries and 28 words with an opposite.

What the literature reports. Nothing that is quoted here: few-shot learning became known with a
model of 175 billion parameters (Brown et al. 2020), over a thousand times the size of this one.

Out of scope: how it comes about (induction heads), larger models, and what a task could be that no
text has ever shown. This model was tuned to follow instructions; its base model is not at hand.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from labs.models import LanguageModel, load_language_model
from labs.tasks.word_pairs import PAIRS, Pair, as_examples, draw_pairs, rotated
from labs.transformer.cache import Cache
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What does a model learn from examples in its prompt?"
POINTS = ("3.1.2", "3.3.3", "3.4.2", "3.4.3")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "few_shot": "Without an example at most a quarter of the answers are right, with eight "
    "examples at least half, in both tasks.",
    "named": "With the task named instead, no example given, at least 60 % of the capitals are "
    "right.",
    "facts_resist": "With eight wrong examples at least 40 % of the capitals are still right.",
}
HOLDS_IF = {
    "few_shot": "max(capitals_0, opposites_0) <= 0.25 and min(capitals_8, opposites_8) >= 0.5",
    "named": "named >= 0.6",
    "facts_resist": "capitals_wrong >= 0.4",
}
KNOBS = {"n_asked": (12, 20)}
KNOB_HELP = {"n_asked": "words that are asked for after each prompt"}
SEEDS = 3
SECONDS = {"cpu": 10}

SHOTS = (0, 2, 8)


@torch.no_grad()
def run(*, n_asked: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Both tasks with right examples, as many as there are, and with eight wrong ones."""
    language = load_language_model(model, device)
    rows: list[tuple[str, str, float]] = []
    n_prompts = len(PAIRS) * (len(SHOTS) + 1)
    for task in PAIRS:
        pairs = draw_pairs(task, max(SHOTS) + n_asked, seed=seed)
        examples, asked = pairs[: max(SHOTS)], pairs[max(SHOTS) :]
        questions = [(f"{word} ->", f" {answer}\n") for word, answer in asked]
        for n_shots in SHOTS:
            yield Progress(len(rows), n_prompts, f"{task}, {n_shots} examples")
            share = share_right(language, as_examples(examples[:n_shots]), questions)
            label = f"right answers, {task}, {n_shots} examples"
            yield Measurement(f"{task}_{n_shots}", share, "", label)
            yield Curve("Right answers", task, [n_shots], [share], "examples", "share")
            rows.append((task, f"{n_shots} examples", share))
        yield Progress(len(rows), n_prompts, f"{task}, wrong examples")
        share = share_right(language, as_examples(rotated(examples)), questions)
        label = f"right answers, {task}, {len(examples)} wrong examples"
        yield Measurement(f"{task}_wrong", share, "", label)
        rows.append((task, f"{len(examples)} wrong examples", share))
        if task == "capitals":
            questions = [(f"The capital of {word} is", f" {answer}") for word, answer in asked]
            share = share_right(language, "", questions)
            yield Measurement("named", share, "", "right answers, capitals, task named")
            rows.append((task, "task named, no example", share))
    yield Table("Right answers", ("task", "prompt", "share"), rows)


def share_right(language: LanguageModel, prompt: str, questions: list[Pair]) -> float:
    """How many questions the model would go on from, word for word, as they are answered."""
    encode, decoder = language.tokenizer.encode, language.model
    device = decoder.embed.weight.device
    encoded = [(encode(question), encode(answer)) for question, answer in questions]
    longest = max(len(question) + len(answer) for question, answer in encoded)
    # Padded on the right: a causal model does not see what comes later.
    rows = [
        (question + answer + longest * [language.begin])[:longest] for question, answer in encoded
    ]
    before = torch.tensor([[language.begin, *encode(prompt)]], device=device)
    cache = Cache(decoder.config, before.shape[1] + longest)
    decoder(before, cache=cache)  # read once for all questions
    logits = decoder(torch.tensor(rows, device=device), cache=cache.repeat(len(rows)))
    likeliest = logits.argmax(dim=-1).tolist()  # of (n_questions, longest)
    n_right = 0
    for written, (question, answer) in zip(likeliest, encoded, strict=True):
        start = len(question) - 1  # the last token of the question writes the first one after it
        n_right += written[start : start + len(answer)] == answer
    return n_right / len(encoded)
