import dataclasses
import hashlib
import json
import re
from collections import Counter, defaultdict
from typing import Literal

import pytest
import torch
import torch.nn.functional as F

from qarank.errors import DataError
from qarank.squad.almanac_kinds import all_kinds
from qarank.squad.examples import Example
from qarank.squad.sample import almanac

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = ("train", "validation")
SHA256 = {
    "train": "15f6ab7703077b6a05d99db3deb8f30f15fd6e936c9fbb92ac15a3eef27cdb9f",
    "validation": "f9ca735f0c32773c69f59d2e1c76adbae28b53bb5b54b9635dcc3427ac346eaa",
}
FUNCTION_WORDS = set(
    re.findall(r"\w+", "the a an of to in is was did what which who when how it for at on")
)


def question_terms(question: str) -> set[str]:
    words = re.findall(r"\w+", question.lower())
    return {*words, *(f"{a} {b}" for a, b in zip(words, words[1:], strict=False))}


def sentence_overlap(example: Example) -> float:
    """The share of the question's content words that the best sentence holds."""
    words = set(re.findall(r"\w+", example.question.lower())) - FUNCTION_WORDS
    sentences = [set(re.findall(r"\w+", s.lower())) for s in example.context.split(". ")]
    return max(len(words & sentence) for sentence in sentences) / len(words)


def area_under_curve(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """How often an unanswerable question scores above an answerable one; ties count half."""
    above, below = scores[labels][:, None], scores[~labels]
    return float((above > below).double().mean() + (above == below).double().mean() / 2)


def majority_accuracy(labels: torch.Tensor) -> float:
    return max(float(labels.double().mean()), 1 - float(labels.double().mean()))


def impossible_labels(examples: list[Example]) -> torch.Tensor:
    return torch.tensor([example.is_impossible for example in examples])


def fit_question_only(train: list[Example], validation: list[Example]) -> torch.Tensor:
    """Logits for "no answer" on validation, by logistic regression on words and word pairs."""
    counts = Counter(term for example in train for term in question_terms(example.question))
    vocabulary = {term: i for i, term in enumerate(t for t, c in counts.items() if c >= 3)}

    def encode(examples: list[Example]) -> torch.Tensor:
        rows = torch.zeros(len(examples), len(vocabulary))
        for row, example in zip(rows, examples, strict=True):
            for term in question_terms(example.question) & vocabulary.keys():
                row[vocabulary[term]] = 1.0
        return rows

    inputs, targets = encode(train), impossible_labels(train).float()
    weight = torch.zeros(len(vocabulary), requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        logits = inputs @ weight + bias
        loss = F.binary_cross_entropy_with_logits(logits, targets) + 1e-3 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (encode(validation) @ weight + bias).detach()


@pytest.mark.parametrize("split", SPLITS)
def test_the_corpus_is_the_same_on_every_machine(split: Split) -> None:
    rows = [dataclasses.astuple(example) for example in almanac(split)]
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest() == SHA256[split]


@pytest.mark.parametrize(("split", "count"), [("train", 3000), ("validation", 600)])
def test_a_split_has_its_size_and_its_ids(split: Split, count: int) -> None:
    ids = [example.id for example in almanac(split)]
    assert ids == [f"almanac-{split}-{number:06d}" for number in range(count)]


@pytest.mark.parametrize("split", SPLITS)
def test_a_third_of_the_questions_has_no_answer(split: Split) -> None:
    share = impossible_labels(almanac(split)).double().mean()
    assert 0.32 <= share <= 0.34


@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_stands_in_its_passage(split: Split) -> None:
    for example in almanac(split):
        for text, start in zip(example.answers, example.answer_starts, strict=True):
            assert text
            assert example.context[start : start + len(text)] == text
            assert start == 0 or not example.context[start - 1].isalnum()
            assert not example.context[start + len(text) :][:1].isalnum()


def test_train_has_one_gold_answer_and_validation_has_every_form_around_the_first() -> None:
    assert {len(example.answers) for example in almanac("train")} == {0, 1}
    answered = [example for example in almanac("validation") if example.answers]
    assert {len(example.answers) for example in answered} == {1, 2, 3}
    assert sum(len(example.answers) > 1 for example in answered) > len(answered) / 2
    for example in answered:
        assert len(set(example.answers)) == len(example.answers)
        first = example.answers[0]
        assert all(text in first or first in text for text in example.answers)


@pytest.mark.parametrize("split", SPLITS)
def test_passages_are_of_even_size_and_asked_four_to_seven_questions(split: Split) -> None:
    questions: dict[str, set[str]] = defaultdict(set)
    titles: dict[str, set[str]] = defaultdict(set)
    for example in almanac(split):
        questions[example.context].add(example.question)
        titles[example.title].add(example.context)
    assert all(60 <= len(context.split()) <= 160 for context in questions)
    assert all(4 <= len(asked) <= 7 for asked in questions.values())
    assert Counter(map(len, titles.values())).most_common(1)[0][0] == 4
    assert sum(map(len, questions.values())) == len(almanac(split))  # none asked twice


def test_the_splits_share_no_article_and_no_passage() -> None:
    train, validation = almanac("train"), almanac("validation")
    assert not {e.title for e in train} & {e.title for e in validation}
    assert not {e.context for e in train} & {e.context for e in validation}


@pytest.mark.parametrize("split", SPLITS)
def test_the_text_is_clean(split: Split) -> None:
    for example in almanac(split):
        for text in (example.context, example.question, example.title):
            assert not re.search(r"[{}]|  | [.,?]|\b(\w+) \1\b|\bthe the\b", text), text
        assert example.question[0].isupper() and example.question.endswith("?")
        assert example.context.endswith(".")
        assert all(s[0].isupper() for s in example.context.split(". "))


def test_the_question_alone_does_not_tell_whether_it_has_an_answer() -> None:
    train, validation = almanac("train"), almanac("validation")
    labels = impossible_labels(validation)
    logits = fit_question_only(train, validation)
    accuracy = float(((logits > 0) == labels).double().mean())
    assert abs(accuracy - majority_accuracy(labels)) <= 0.03
    assert 0.44 <= area_under_curve(logits, labels) <= 0.56


def test_no_common_word_of_a_question_leans_to_either_side() -> None:
    uses: Counter[str] = Counter()
    impossible: Counter[str] = Counter()
    for example in almanac("train"):
        terms = question_terms(example.question)
        uses.update(terms)
        impossible.update(terms if example.is_impossible else ())
    common = [term for term, count in uses.items() if count >= 100]
    assert len(common) > 50
    assert all(0.26 <= impossible[term] / uses[term] <= 0.41 for term in common)


@pytest.mark.parametrize("split", SPLITS)
def test_shared_words_alone_do_not_tell_whether_there_is_an_answer(split: Split) -> None:
    examples = almanac(split)
    labels = impossible_labels(examples)
    overlap = torch.tensor([sentence_overlap(example) for example in examples])
    best = max(
        float(((overlap < cut) == labels).double().mean()) for cut in overlap.unique().tolist()
    )
    assert best <= majority_accuracy(labels) + 0.03
    assert area_under_curve(-overlap, labels) <= 0.68


def test_answers_stand_everywhere_in_the_passage() -> None:
    examples = [example for example in almanac("train") if example.answers]
    fifths = Counter(5 * e.answer_starts[0] // len(e.context) for e in examples)
    assert all(0.1 <= fifths[part] / len(examples) <= 0.3 for part in range(5))


@pytest.mark.parametrize("split", SPLITS)
def test_a_question_without_answer_names_something_the_passage_tells_of(split: Split) -> None:
    for example in almanac(split):
        names = re.findall(r"(?<=\s)[A-Z]\w+", example.question)
        assert names or re.search(r"\d{4}", example.question)
        assert all(name in example.context for name in names), example.question


@pytest.mark.parametrize("split", SPLITS)
def test_a_question_for_a_year_finds_years_even_where_none_is_right(split: Split) -> None:
    asked = [e for e in almanac(split) if re.match(r"In what year|When (was|did)", e.question)]
    assert any(example.is_impossible for example in asked)
    assert all(re.search(r"\b1[6-9]\d\d\b", example.context) for example in asked)


def test_a_split_it_does_not_have_is_told_with_those_it_has() -> None:
    with pytest.raises(DataError, match=r"no split 'test'; it has train and validation"):
        almanac("test")  # type: ignore[arg-type]


def test_validation_has_articles_of_every_kind() -> None:
    titles = {example.title for example in almanac("validation")}
    patterns = [re.escape(kind.title).replace(r"\{w\}", r"\w+") for kind in all_kinds()]
    assert all(any(re.fullmatch(pattern, title) for title in titles) for pattern in patterns)
