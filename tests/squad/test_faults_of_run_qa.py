"""What users of the run_qa family reported, each by its thread, that cannot happen here.

t: transformers, ds: datasets, tok: tokenizers, ev: evaluate, bert: google-research/bert; utils_qa:
read off the file of that name. Those of other rooms:

    t9370 t10463 t11869 t11969, t23847 tok1269, t14860 t14712,
    t15398 t17241, ds620 ds2160 ds5094 ds6237 ds6319
    t19702 tok258                                       test_faults_of_reading.py
    t8476 t27458, t10795 t16865,
    t2623 t5563 t6144 t14277                            tests/workflows/test_faults_of_answers.py
    t2548 t16769: predict answers as eval does          tests/workflows/test_predict.py
    utils_qa: the first gold answer is the label        test_feature_assembly.py
    utils_qa: an answer is not where it says            test_answers.py, test_audit_findings.py
"""

import math
import socket
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from qarank.errors import NonFiniteError
from qarank.squad.batches import collate_span_mask
from qarank.squad.evaluate_metric import SquadMetric
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.metric import score_v2
from qarank.squad.postprocess import Decoded, decode_predictions
from qarank.squad.sources import load_examples
from qarank.squad.spans import TopSpans, top_spans

CONTEXT = "Zoë ate ramen in London and slept in Rome. " * 3
EXAMPLES = [Example(name, "", CONTEXT.strip(), "Who ate where?") for name in "ab"]
SIZES = {"max_seq_length": 48, "doc_stride": 12}


def search(table: FeatureTable, starts: Tensor, ends: Tensor, side: str = "right") -> TopSpans:
    """The best spans of all features in one batch; logits are (features, padded length)."""
    is_context, cls_position = collate_span_mask(
        table, np.arange(len(table)), pad_to_multiple_of=48, padding_side=side
    )
    return top_spans(starts, ends, is_context, cls_position, k=20, max_answer_length=30)


def decode(table: FeatureTable, spans: TopSpans, examples: list[Example]) -> Decoded:
    return decode_predictions(
        examples, table, spans, n_best_size=20, null_threshold=0.0, with_null=True
    )


def draw(table: FeatureTable) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    starts, ends = torch.randn(2, len(table), 48)
    return starts, ends


def test_ev373_ev473_ev567_ev257_the_metric_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the metric went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    found = SquadMetric("squad_v2", cache_dir=str(tmp_path_factory.mktemp("metric"))).compute(
        predictions=[{"id": "a", "prediction_text": "Zoë"}],
        references=[{"id": "a", "answers": {"text": ["Zoë"], "answer_start": [0]}}],
    )
    assert found["exact"] == 100.0


def test_t10482_an_example_without_features_takes_no_null_score_of_another(
    bert: PreTrainedTokenizerBase,
) -> None:
    table = build_features(EXAMPLES[:1], bert, **SIZES)
    starts, ends = draw(table)
    starts[:, 0] = 50.0  # CLS: the first example has no answer for certain
    found = decode(table, search(table, starts, ends), EXAMPLES)
    assert found.null_odds["a"] > 40.0
    assert (found.null_odds["b"], found.predictions["b"]) == (0.0, "")


def test_t10437_a_limit_takes_whole_examples_with_all_their_windows(
    bert: PreTrainedTokenizerBase,
) -> None:
    every, some = (load_examples("sample:almanac", "validation", limit=size) for size in (40, 25))
    whole, cut = (build_features(examples, bert, **SIZES) for examples in (every, some))
    assert set(cut.example_index.tolist()) == set(range(25))
    same = whole.example_index < 25
    assert len(cut) > 25
    assert cut.example_index.tolist() == whole.example_index[same].tolist()
    assert cut.lengths.tolist() == whole.lengths[same].tolist()


def test_t7319_t8710_t6160_the_best_threshold_is_of_true_score_differences() -> None:
    gold = {"a": ["Zoë"], "b": [], "c": ["ramen"]}
    odds = {"a": -3.0, "b": 2.5, "c": 1.5}  # null score - best span's score
    answers = {"a": "Zoë", "b": "Rome", "c": "ramen"}
    found = score_v2(gold, answers, na_prob=odds)
    assert (found["best_f1"], found["best_f1_thresh"]) == (100.0, 1.5)
    always_zero = score_v2(
        gold, {"a": "Zoë", "b": "Rome", "c": "ramen"}, na_prob=dict.fromkeys(odds, 0.0)
    )
    assert always_zero["best_f1_thresh"] == 0.0, "what run_qa reports, whatever the model"


@pytest.mark.parametrize("family", ["bert", "xlnet"])
def test_t947_the_null_score_is_read_at_cls_wherever_it_stands(
    family: str, make_tokenizer: Callable[[str], PreTrainedTokenizerBase]
) -> None:
    """XLNet pads on the left, and its CLS comes last."""
    tokenizer = make_tokenizer(family)
    table = build_features(EXAMPLES, tokenizer, **SIZES)
    side = tokenizer.padding_side
    shift = 48 - table.lengths if side == "left" else np.zeros(len(table), dtype=np.int64)
    starts, ends = draw(table)
    rows = torch.arange(len(table))
    cls_at = torch.from_numpy(table.cls_position + shift)
    starts[rows, cls_at], ends[rows, cls_at] = 3.0, 4.0
    ids = [table.input_ids[at] for at in table.row_offsets[:-1] + table.cls_position]
    assert {tokenizer.convert_ids_to_tokens(int(each)) for each in ids} == {tokenizer.cls_token}
    assert search(table, starts, ends, side).null_score.tolist() == [7.0] * len(table)


def test_utils_qa_a_span_of_two_windows_counts_once(bert: PreTrainedTokenizerBase) -> None:
    table = build_features(EXAMPLES[:1], bert, **SIZES)
    assert len(table) > 1
    found = decode(table, search(table, *draw(table)), EXAMPLES[:1])
    places = [(entry["start"], entry["end"]) for entry in found.nbest["a"]]
    assert len(set(places)) == len(places)
    assert sum(entry["probability"] for entry in found.nbest["a"]) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_utils_qa_logits_that_are_not_finite_are_no_confident_answer(
    bad: float, bert: PreTrainedTokenizerBase
) -> None:
    table = build_features(EXAMPLES, bert, **SIZES)
    starts, ends = draw(table)
    starts[1, int(np.flatnonzero(table.offset_starts >= 0)[0])] = bad
    with pytest.raises(NonFiniteError, match="in 1 of"):
        search(table, starts, ends)


def test_bert417_bert477_without_a_span_the_answer_is_nothing_and_not_the_word_empty(
    bert: PreTrainedTokenizerBase,
) -> None:
    """As where a context is white space alone."""
    blank = [Example("a", "", "   ", "Who?")]
    table = build_features(blank, bert, **SIZES)
    found = decode(table, search(table, *draw(table)), blank)
    assert found.predictions == found.answers == {"a": ""}
    assert [entry["text"] for entry in found.nbest["a"]] == [""]


@pytest.mark.parametrize("family", ["deberta", "roberta_with_space", "xlnet"])
def test_t14418_tok1775_answers_do_not_begin_with_a_space(
    family: str, make_tokenizer: Callable[[str], PreTrainedTokenizerBase]
) -> None:
    tokenizer = make_tokenizer(family)
    table = build_features(EXAMPLES, tokenizer, **SIZES)
    spans = search(table, *draw(table), tokenizer.padding_side)
    if tokenizer.padding_side == "left":
        shift = torch.from_numpy(48 - table.lengths).unsqueeze(1)
        legal = spans.score.isfinite()
        moved = ((spans.start - shift) * legal, (spans.end - shift) * legal)
        spans = TopSpans(*moved, spans.score, spans.null_score)
    found = decode(table, spans, EXAMPLES)
    texts = [entry["text"] for entries in found.nbest.values() for entry in entries]
    assert len(set(texts)) > 10
    assert all(text == text.strip() for text in texts)
