from __future__ import annotations

from random import Random

from labs.tasks.who_did_what import KIND, NOUNS, UNKIND, split


def test_what_is_judged_shares_no_noun_and_no_verb_with_what_is_learned() -> None:
    seen, unseen = split(Random(0))
    for name, words in (("nouns", NOUNS), ("kind", KIND), ("unkind", UNKIND)):
        halves = set(getattr(seen, name)), set(getattr(unseen, name))
        assert not halves[0] & halves[1]
        assert halves[0] | halves[1] == set(words)


def test_the_roles_are_those_of_the_sentence() -> None:
    dice = Random(1)
    seen, _ = split(dice)
    deeds = seen.draw(200, dice)

    for deed in deeds:
        before, _, after = deed.text.partition(" by ")
        passive = " was " in before and after
        agent, patient = deed.words[deed.agent], deed.words[deed.patient]
        assert {agent, patient} <= set(seen.nouns)
        assert deed.words[deed.agent - 1] == "the"
        assert (agent in after) if passive else deed.agent < deed.patient
        verb = next(word for word in deed.words if word in seen.kind + seen.unkind)
        assert deed.is_kind is (verb in seen.kind)
    assert sum(deed.is_kind for deed in deeds) == 100
    first = sum(deed.agent < deed.patient for deed in deeds)
    assert 70 < first < 130
