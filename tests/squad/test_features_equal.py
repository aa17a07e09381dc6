"""Our features are the tokenizer's own, of every family and of any text."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.sample import almanac
from tests.squad.drawn_tokenizers import TEXTS, drawn_tokenizers
from tests.squad.plain_features import slow_windows, windows_of

LENGTHS = {"max_seq_length": 48, "doc_stride": 16}


def test_every_feature_of_the_almanac_is_the_tokenizers_own(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    examples = almanac("validation")[:120]
    table = build_features(examples, tokenizer, **LENGTHS)
    assert len(table) > len(examples)
    whole = set(range(len(examples))) - set(table.cut_questions.tolist())
    assert len(whole) > 100
    for place in whole:
        example = examples[place]
        assert windows_of(table, place) == slow_windows(example, tokenizer, **LENGTHS), example.id


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """A question that fits any window, a context, and an answer anywhere in it."""
    question, context = draw(TEXTS.map(lambda text: text[:12])), draw(TEXTS)
    start = draw(st.integers(0, len(context)))
    end = draw(st.integers(start, min(len(context), start + 9)))
    answers = (context[start:end],) if end > start else ()
    return Example("id", "", context, question, answers, (start,) * len(answers))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(example=examples(), max_seq_length=st.integers(60, 80), doc_stride=st.integers(0, 9))
def test_every_feature_of_any_text_is_the_tokenizers_own(
    tokenizer: PreTrainedTokenizerBase, example: Example, max_seq_length: int, doc_stride: int
) -> None:
    lengths = {"max_seq_length": max_seq_length, "doc_stride": doc_stride}
    table = build_features([example], tokenizer, **lengths)
    if not len(table.cut_questions):
        assert windows_of(table, 0) == slow_windows(example, tokenizer, **lengths)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tokenizer=drawn_tokenizers(),
    pair=st.lists(examples(), min_size=1, max_size=3),
    spare=st.integers(2, 30),
    data=st.data(),
)
def test_every_feature_of_any_tokenizer_is_its_own(
    tokenizer: PreTrainedTokenizerBase, pair: list[Example], spare: int, data: st.DataObject
) -> None:
    """Windows may be as narrow as a token of a question and one of a context."""
    max_seq_length = tokenizer.num_special_tokens_to_add(pair=True) + spare
    doc_stride = data.draw(st.integers(0, spare - 2))
    lengths = {"max_seq_length": max_seq_length, "doc_stride": doc_stride}
    table = build_features(pair, tokenizer, **lengths)
    for place in set(range(len(pair))) - set(table.cut_questions.tolist()):
        assert windows_of(table, place) == slow_windows(pair[place], tokenizer, **lengths)
