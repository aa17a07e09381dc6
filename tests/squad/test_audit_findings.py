from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from qarank.squad import audit_findings as module
from qarank.squad.audit_findings import (
    find_contradictions,
    find_cut_answers,
    find_empty_questions,
    find_shared_contexts,
    find_shared_ids,
    find_unreachable,
    fold,
)
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.sample import almanac
from qarank.squad.sources import load_examples

MakeTokenizer = Callable[[str], PreTrainedTokenizerBase]


def example(number: int = 0, answer: str = "", **changes: object) -> Example:
    context = str(changes.pop("context", "The masons of Ulm built a bridge of red stone."))
    answers = (answer,) if answer else ()
    starts = (context.index(answer),) if answer else ()
    question = str(changes.pop("question", "Who built it?"))
    return Example(f"q{number}", "", context, question, answers, starts)


def places(found: Iterable[tuple[int, str]]) -> list[int]:
    return [place for place, _ in found]


@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet", "deberta"])
def test_an_answer_longer_than_a_window_is_unreachable(
    make_tokenizer: MakeTokenizer, family: str
) -> None:
    long = "stone " * 60 + "end"
    examples = [
        example(0, "Ulm"),
        example(1, long, context=f"Red {long}."),
        example(2),
        example(3, " ", context="a b"),  # an answer of no token
    ]
    table = build_features(examples, make_tokenizer(family), max_seq_length=48, doc_stride=8)
    assert places(find_unreachable(examples, table)) == [1, 3]


def test_no_answer_of_the_sample_is_out_of_reach_or_cut(make_tokenizer: MakeTokenizer) -> None:
    examples = almanac("validation")[:200]
    table = build_features(examples, make_tokenizer("minilm"), max_seq_length=96, doc_stride=32)
    assert places(find_unreachable(examples, table)) == []
    assert places(find_cut_answers(examples, table)) == []


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta", "minilm"])
def test_an_answer_within_a_word_is_told_with_the_tokens_that_hold_it(
    make_tokenizer: MakeTokenizer, family: str
) -> None:
    # One byte of three: no tokenizer here has a token for it alone.
    examples = [example(0, "Ulm"), example(1, "r", context="In 東京都 the 1817r!"), example(2)]
    tokenizer = make_tokenizer(family)
    table = build_features(examples, tokenizer, max_seq_length=48, doc_stride=8)
    whole = [token for token in tokenizer.tokenize("1817r") if token.lstrip("#") == "r"]
    assert places(find_cut_answers(examples, table)) == ([] if whole else [1])


def test_an_answer_that_begins_within_a_token_is_cut(make_tokenizer: MakeTokenizer) -> None:
    examples = [example(0, "rid")]
    table = build_features(examples, make_tokenizer("minilm"), max_seq_length=48, doc_stride=8)
    assert list(find_cut_answers(examples, table)) == [(0, '"rid" is tokens of "bridge"')]


def test_white_space_at_an_answers_ends_cuts_nothing(make_tokenizer: MakeTokenizer) -> None:
    examples = [example(0, " Ulm ")]
    table = build_features(examples, make_tokenizer("minilm"), max_seq_length=48, doc_stride=8)
    assert places(find_cut_answers(examples, table)) == []


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("Ulm", "Ulm"), []),
        (("masons of Ulm", "Ulm"), []),  # they share characters
        (("", ""), []),
        (("Ulm", ""), [0, 1]),
        (("Ulm", "bridge"), [0, 1]),
        (("Ulm", "of Ulm", ""), [0, 1, 2]),
    ],
)
def test_one_question_of_one_context_has_one_label(
    labels: tuple[str, ...], found: list[int]
) -> None:
    examples = [example(number, label) for number, label in enumerate(labels)]
    others = [
        example(8, "bridge", question="What?"),
        example(9, context="Another context."),
    ]
    assert places(find_contradictions([*examples, *others])) == found


def test_a_contradiction_names_the_other_example() -> None:
    examples = [example(0, "Ulm"), example(1, question=" Who built it? ")]
    assert [remark for _, remark in find_contradictions(examples)] == [
        "labelled otherwise than q1",
        "labelled otherwise than q0",
    ]


@given(st.lists(st.sampled_from(["", "Ulm", "of Ulm", "masons", "bridge", "stone"]), max_size=9))
def test_contradictions_are_those_that_plain_loops_find(labels: list[str]) -> None:
    examples = [example(number, label) for number, label in enumerate(labels)]
    plain = []
    for number, label in enumerate(labels):
        agrees = [label == o or bool(label and o and (label in o or o in label)) for o in labels]
        if not all(agrees):
            plain.append((number, f"labelled otherwise than q{agrees.index(False)}"))
    assert list(find_contradictions(examples)) == plain


def test_equal_rows_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(module, "_contradict", lambda *pair: calls.append(pair))
    assert places(find_contradictions([example(n, "Ulm") for n in range(500)])) == []
    assert len(calls) == 1


def test_the_same_text_at_another_place_is_no_contradiction() -> None:
    context = "Ulm and Ulm"
    first = Example("a", "", context, "?", ("Ulm",), (0,))
    assert (
        places(find_contradictions([first, Example("b", "", context, "?", ("ulm",), (8,))])) == []
    )


def test_questions_without_text_are_found() -> None:
    assert places(find_empty_questions([example(0), example(1, question=" \n")])) == [1]


def test_overlap_is_seen_through_white_space_and_case() -> None:
    train = [example(0), example(1, context="Only here.")]
    validation = [
        example(1, context="the MASONS  of ulm\nbuilt a bridge of red stone."),
        example(7, context="New."),
    ]
    assert places(find_shared_contexts(train, validation)) == [0]
    assert places(find_shared_ids(train, validation)) == [0]
    assert fold(" A\n b ") == "a b"


def test_questions_of_real_squad_that_stand_both_ways_are_found(squad_data: object) -> None:
    examples = load_examples(f"{squad_data}/squad_v2_train.json.gz", "train")
    found = [examples[place] for place in places(find_contradictions(examples))]
    both_ways = {(each.context, each.question) for each in found if each.is_impossible}
    assert len(both_ways) == 4  # its README says so
    assert len(found) == 17
