from random import Random

import pytest

from qarank.squad.almanac_text import (
    Fact,
    Sentence,
    fill,
    gold_answers,
    invent_fact,
    join_sentences,
    merge_pronoun,
    pick,
    shuffled,
)
from qarank.squad.almanac_words import CHOICES, MEASURES

MARA = Fact("Mara Quill", lead="the mason ", part="Quill")


def test_a_filled_sentence_knows_where_its_fact_stands() -> None:
    sentence = fill("{X} was designed by {v}.", MARA, x="the Tarn Bridge")
    assert sentence.text == "The Tarn Bridge was designed by the mason Mara Quill."
    assert sentence.text[sentence.start :].startswith("Mara Quill")


def test_a_fact_that_opens_a_sentence_gets_its_capital_letter() -> None:
    assert fill("{V} drew it.", MARA) == Sentence("The mason Mara Quill drew it.", 10)
    assert fill("{V} arches carry {x}.", Fact("nine"), x="it").text == "Nine arches carry it."


def test_joined_and_merged_sentences_keep_their_facts_in_place() -> None:
    first = fill("{X} opened in {v}.", Fact("1874"), x="the mill")
    second = fill("{X} was run by {v}.", MARA, x="it")
    text, starts = join_sentences([Sentence("A scene."), *merge_pronoun(first, second)])
    assert text == "A scene. The mill opened in 1874, and it was run by the mason Mara Quill."
    assert [text[start:][:5] for start in starts[1:]] == ["1874,", "Mara "]
    assert starts[0] == -1


def test_all_forms_of_an_answer_are_found_around_the_canonical_one() -> None:
    text = "The mason Mara Quill began it in 1874 and ended it after 1875."
    mara = gold_answers(text, 10, MARA, all_forms=True)
    assert mara == {"Mara Quill": 10, "The mason Mara Quill": 0, "Quill": 15}
    assert gold_answers(text, 33, Fact("1874"), all_forms=True) == {"1874": 33, "in 1874": 30}
    assert gold_answers(text, 57, Fact("1875"), all_forms=True) == {"1875": 57}
    assert gold_answers(text, 10, MARA, all_forms=False) == {"Mara Quill": 10}


def test_an_answer_that_opens_a_sentence_is_quoted_as_it_stands() -> None:
    assert gold_answers("Nine arches.", 0, Fact("nine"), all_forms=True) == {"Nine": 0}


@pytest.mark.parametrize("fact_type", ["person", "town", *CHOICES, *MEASURES])
def test_an_invented_fact_holds_its_part_and_reads_in_a_sentence(fact_type: str) -> None:
    rng = Random(fact_type)
    for _ in range(20):
        fact = invent_fact(rng, fact_type)
        assert fact.part in fact.text
        assert fact.text == fact.text.strip() != ""
        assert not fact.lead or fact.lead.endswith(" ")


def test_measures_stay_in_their_range_and_reach_both_ends() -> None:
    rng = Random("minutes")
    minutes = {int(invent_fact(rng, "minutes").part) for _ in range(3000)}
    low, high, _, _ = MEASURES["minutes"]
    assert (min(minutes), max(minutes)) == (low, high)


def test_picking_and_shuffling_use_all_there_is() -> None:
    rng = Random("pick")
    assert {pick(rng, (1, 2, 3)) for _ in range(50)} == {1, 2, 3}
    assert sorted(shuffled(rng, [3, 1, 2])) == [1, 2, 3]
