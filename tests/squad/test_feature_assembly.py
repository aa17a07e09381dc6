import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from qarank.squad import feature_assembly
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.sample import almanac

LENGTHS = {"max_seq_length": 48, "doc_stride": 16}


def test_blocks_of_features_join_without_a_seam(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = almanac("validation")[:20]
    whole = build_features(examples, tokenizer, **LENGTHS)
    monkeypatch.setattr(feature_assembly, "FEATURES_PER_BLOCK", 7)
    blocks = build_features(examples, tokenizer, **LENGTHS)
    for name in ("input_ids", "offset_starts", "offset_ends"):
        assert getattr(whole, name).tolist() == getattr(blocks, name).tolist()


def label_of(context: str, answer: str, start: int, bert: PreTrainedTokenizerBase) -> str:
    """The text between the labels of the only feature; "" for no answer."""
    example = Example("a", "", context, "who", (answer,), (start,))
    table = build_features([example], bert, **LENGTHS)
    assert len(table) == 1
    first, last = int(table.start_positions[0]), int(table.end_positions[0])
    if first == table.cls_position[0]:
        return ""
    return context[table.offset_starts[first] : table.offset_ends[last]]


@pytest.mark.parametrize(
    ("answer", "start", "label"),
    [("mason", 4, "mason"), (" mason ", 3, "mason"), ("the", 0, "the"), ("aso", 5, "mason")]
    + [("town", 17, "town"), ("the mason of the town", 0, "the mason of the town"), (" ", 3, "")],
)
def test_a_label_is_the_answer_without_white_space_and_in_whole_tokens(
    bert: PreTrainedTokenizerBase, answer: str, start: int, label: str
) -> None:
    found = label_of("the mason of the town", answer, start, bert)
    assert (label == found) or (answer == "aso" and "aso" in found and found in "mason")


def test_only_windows_that_hold_all_of_the_answer_are_labelled(
    bert: PreTrainedTokenizerBase,
) -> None:
    context = "the " * 60 + "mason"
    example = Example("a", "", context, "who", ("mason",), (240,))
    table = build_features([example], bert, **LENGTHS)
    holds = [
        bool((ends == len(context)).any())
        for ends in np.split(table.offset_ends, table.row_offsets[1:-1])
    ]
    labelled = (table.start_positions != table.cls_position).tolist()
    assert holds == labelled == [False] * (len(table) - 1) + [True]


def test_the_first_of_several_gold_answers_is_the_label(bert: PreTrainedTokenizerBase) -> None:
    example = Example("a", "", "the mason of the town", "who", ("town", "mason"), (17, 4))
    table = build_features([example], bert, **LENGTHS)
    assert table.offset_starts[table.start_positions[0]] == 17


def test_answers_in_several_contexts_do_not_mix(bert: PreTrainedTokenizerBase) -> None:
    pairs = [("the mason", 4), ("mason of the town", 0), ("a town mason", 7)]
    examples = [
        Example(str(number), "", context, "who", ("mason",), (start,))
        for number, (context, start) in enumerate(pairs)
    ]
    table = build_features(examples, bert, **LENGTHS)
    starts = table.offset_starts[table.row_offsets[:-1] + table.start_positions]
    assert starts.tolist() == [start for _, start in pairs]
