import copy
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from qarank.errors import DataError, ModelError
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import FeatureBuilder, build_features, cache_key, load_or_build_features
from qarank.squad.sample import almanac
from qarank.squad.sources import load_examples

LENGTHS = {"max_seq_length": 48, "doc_stride": 16}
MakeTokenizer = Callable[[str], PreTrainedTokenizerBase]


def make_example(question: str, context: str, start: int = 0, end: int = 0) -> Example:
    answers = (context[start:end],) if end > start else ()
    return Example("id", "", context, question, answers, (start,) * len(answers))


def test_the_tokenizer_is_left_as_it_was(make_tokenizer: MakeTokenizer) -> None:
    tokenizer = copy.deepcopy(make_tokenizer("bert"))
    tokenizer.backend_tokenizer.enable_truncation(10)
    tokenizer.backend_tokenizer.enable_padding(length=12)
    before = tokenizer.backend_tokenizer.to_str()
    build_features(almanac("validation")[:5], tokenizer, **LENGTHS)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_truncation_and_padding_of_a_tokenizer_file_change_nothing(
    bert: PreTrainedTokenizerBase,
) -> None:
    examples = almanac("validation")[:5]
    cutting = copy.deepcopy(bert)
    cutting.backend_tokenizer.enable_truncation(10)
    cutting.backend_tokenizer.enable_padding(length=12)
    plain, cut = (build_features(examples, each, **LENGTHS) for each in (bert, cutting))
    assert plain.input_ids.tolist() == cut.input_ids.tolist()
    assert cache_key(examples, bert, **LENGTHS) == cache_key(examples, cutting, **LENGTHS)


def test_windows_stand_in_example_order_from_left_to_right(bert: PreTrainedTokenizerBase) -> None:
    table = build_features(almanac("validation")[:40], bert, **LENGTHS)
    firsts = [offsets[offsets >= 0][0] for offsets in rows_of(table, table.offset_starts)]
    assert set(table.example_index.tolist()) == set(range(40))
    for (place, first), (next_place, next_first) in pairwise(
        zip(table.example_index.tolist(), firsts, strict=True)
    ):
        assert (place, first) < (next_place, next_first)


def rows_of(table: FeatureTable, column: np.ndarray) -> list[np.ndarray]:
    return np.split(column, table.row_offsets[1:-1])


def test_a_question_too_long_is_cut_at_its_end_and_counted(bert: PreTrainedTokenizerBase) -> None:
    examples = [make_example("who " * 100, "the mason " * 30), make_example("who", "the mason")]
    table = build_features(examples, bert, max_seq_length=24, doc_stride=8)
    assert table.cut_questions.tolist() == [0]
    assert table.lengths.max() == 24
    kept = 24 - 3 - 8 - 1
    who = bert.convert_tokens_to_ids("who")
    assert rows_of(table, table.input_ids)[0][1 : kept + 1].tolist() == [who] * kept


@pytest.mark.parametrize(("doc_stride", "allowed"), [(44, "0..43"), (-1, "0..43"), (400, "0..43")])
def test_a_doc_stride_without_room_is_told_with_what_is_allowed(
    bert: PreTrainedTokenizerBase, doc_stride: int, allowed: str
) -> None:
    with pytest.raises(DataError, match=rf"data.doc_stride is {doc_stride}.* may be {allowed}$"):
        build_features(almanac("validation")[:1], bert, max_seq_length=48, doc_stride=doc_stride)


def test_white_space_before_a_question_costs_no_token(make_tokenizer: MakeTokenizer) -> None:
    roberta = make_tokenizer("roberta")
    plain, spaced = (
        build_features([make_example(question, "the mason")], roberta, **LENGTHS)
        for question in ("who", " \n who")
    )
    assert plain.input_ids.tolist() == spaced.input_ids.tolist()


def test_a_context_without_tokens_still_has_its_feature(bert: PreTrainedTokenizerBase) -> None:
    table = build_features([make_example("", " \u200b ")], bert, **LENGTHS)
    assert table.lengths.tolist() == [3]
    assert table.offset_starts.tolist() == [-1, -1, -1]
    assert table.start_positions.tolist() == table.cls_position.tolist() == [0]


def test_no_examples_are_refused(bert: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match="no examples"):
        build_features([], bert, **LENGTHS)


def test_a_slow_tokenizer_is_refused_by_name() -> None:
    class SlowTokenizer:
        is_fast = False

    with pytest.raises(ModelError, match="^SlowTokenizer is a slow tokenizer: it gives no offsets"):
        build_features(almanac("validation")[:1], SlowTokenizer(), **LENGTHS)


def load(cache_dir: Path, tokenizer: PreTrainedTokenizerBase) -> tuple[FeatureTable, bool]:
    examples = almanac("validation")[:20]
    return load_or_build_features(examples, tokenizer, **LENGTHS, cache_dir=cache_dir)


def test_the_second_time_features_come_from_the_cache_and_are_the_same(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    built, was_cached = load(tmp_path, tokenizer)
    loaded, was_cached_then = load(tmp_path, tokenizer)
    assert (was_cached, was_cached_then) == (False, True)
    for field in fields(FeatureTable):
        first, second = getattr(built, field.name), getattr(loaded, field.name)
        assert (first is None) == (second is None)
        if first is not None:
            assert first.dtype == second.dtype
            assert first.tolist() == second.tolist()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_cache_file_cut_short_is_built_anew(
    tmp_path: Path, bert: PreTrainedTokenizerBase, share: float
) -> None:
    table, _ = load(tmp_path, bert)
    input_ids = table.input_ids.tolist()  # now: the file under the map is about to shrink
    (path,) = tmp_path.glob("*/features.arrow")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    again, was_cached = load(tmp_path, bert)
    assert not was_cached
    assert again.input_ids.tolist() == input_ids
    assert path.read_bytes() == whole


EXAMPLE = Example("a", "t", "the mason of the town", "who", ("mason",), (4,))


@pytest.mark.parametrize(
    "change",
    [{"id": "b"}, {"context": "the mason of the city"}, {"question": "what"}]
    + [{"answers": ("the",), "answer_starts": (0,)}, {"answers": (), "answer_starts": ()}],
)
def test_the_key_changes_with_all_that_decides_a_feature(
    bert: PreTrainedTokenizerBase, change: dict[str, object]
) -> None:
    other = replace(EXAMPLE, **change)
    assert cache_key([EXAMPLE], bert, **LENGTHS) != cache_key([other], bert, **LENGTHS)


def test_the_key_changes_with_lengths_and_tokenizer_and_not_with_the_title(
    bert: PreTrainedTokenizerBase, make_tokenizer: MakeTokenizer
) -> None:
    on_left = copy.deepcopy(bert)
    on_left.padding_side = "left"
    keys = {
        cache_key([EXAMPLE], bert, max_seq_length=48, doc_stride=16),
        cache_key([EXAMPLE], bert, max_seq_length=47, doc_stride=16),
        cache_key([EXAMPLE], bert, max_seq_length=48, doc_stride=15),
        cache_key([EXAMPLE], make_tokenizer("deberta"), **LENGTHS),
        cache_key([EXAMPLE], on_left, **LENGTHS),
    }
    assert len(keys) == 5
    assert cache_key([replace(EXAMPLE, title="")], bert, **LENGTHS) in keys


def test_labels_of_real_squad_decode_to_the_gold_answer(
    squad_data: Path, make_tokenizer: MakeTokenizer
) -> None:
    examples = load_examples(str(squad_data / "squad_v2_train.json.gz"), "train")
    table = build_features(examples, make_tokenizer("minilm"), max_seq_length=384, doc_stride=128)
    labelled = np.flatnonzero(table.start_positions != table.cls_position)
    owners = table.example_index[labelled]
    answerable = [place for place, example in enumerate(examples) if example.answers]
    assert sorted(set(owners.tolist())) == answerable  # none lost its answer
    starts = table.offset_starts[table.row_offsets[labelled] + table.start_positions[labelled]]
    ends = table.offset_ends[table.row_offsets[labelled] + table.end_positions[labelled]]
    hits = [
        examples[owner].context[start:end] == examples[owner].answers[0].strip()
        for owner, start, end in zip(owners, starts, ends, strict=True)
    ]
    assert np.mean(hits) > 0.994  # the rest begin or end within a word


def test_features_of_real_squad_are_as_many_as_the_tokenizers_own(
    squad_data: Path, make_tokenizer: MakeTokenizer
) -> None:
    path = str(squad_data / "squad_v2_train.json.gz")
    examples = load_examples(path, "train", limit=300, seed=3)
    minilm = make_tokenizer("minilm")
    lengths = {"max_seq_length": 160, "doc_stride": 64}
    table = build_features(examples, minilm, **lengths)
    encoded = minilm(
        [example.question.lstrip() for example in examples],
        [example.context for example in examples],
        truncation="only_second",
        max_length=160,
        stride=64,
        return_overflowing_tokens=True,
    )
    assert table.example_index.tolist() == encoded["overflow_to_sample_mapping"]
    assert table.lengths.tolist() == [len(ids) for ids in encoded["input_ids"]]
    assert len(table) > 300


def test_a_builder_builds_time_and_again_what_one_build_does(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    builder = FeatureBuilder(tokenizer, **LENGTHS)
    examples = almanac("validation")
    for some in (examples[:3], examples[3:4], examples[:3]):
        expected = build_features(some, tokenizer, **LENGTHS)
        found = builder.build(some)
        assert found.input_ids.tolist() == expected.input_ids.tolist()
        assert found.offset_starts.tolist() == expected.offset_starts.tolist()
