"""As test_faults_of_run_qa.py: faults of reading data and of tokenising it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from qarank.errors import DataError, ModelError
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.sources import load_examples

CONTEXT = "Zoë ate ramen in London."
RECORDS = [
    {
        "id": name,
        "title": "",
        "context": CONTEXT,
        "question": f"What did {name} eat?",
        "answers": {"text": ["ramen"], "answer_start": [8]},
    }
    for name in ("ann", "bob")
]


def as_articles() -> str:
    """SQuAD's own nesting."""
    answers = [{"text": "ramen", "answer_start": 8}]
    qas = [{"id": each["id"], "question": each["question"], "answers": answers} for each in RECORDS]
    return json.dumps({"data": [{"title": "", "paragraphs": [{"context": CONTEXT, "qas": qas}]}]})


def as_csv() -> str:
    cells = [each | {"answers": json.dumps(each["answers"])} for each in RECORDS]
    text = io.StringIO()
    table = csv.DictWriter(text, list(RECORDS[0]))
    table.writeheader()
    table.writerows(cells)
    return text.getvalue()


SHAPES: dict[str, Callable[[], str]] = {
    "articles.json": as_articles,
    "data.json": lambda: json.dumps({"version": "v2.0", "data": RECORDS}),
    "list.json": lambda: json.dumps(RECORDS),
    "lines.jsonl": lambda: "\n".join(map(json.dumps, RECORDS)),
    "lines.json": lambda: "\n".join(map(json.dumps, RECORDS)),
    "table.csv": as_csv,
}


@pytest.mark.parametrize("name", SHAPES)
def test_t9370_t10463_t11869_t11969_a_file_of_any_shape_can_be_trained_on(
    name: str, tmp_path: Path, bert: PreTrainedTokenizerBase
) -> None:
    path = tmp_path / name
    path.write_text(SHAPES[name](), encoding="utf-8")
    examples = load_examples(str(path), "train")
    assert examples == [
        Example(each["id"], "", CONTEXT, each["question"], ("ramen",), (8,)) for each in RECORDS
    ]
    table = build_features(examples, bert, max_seq_length=48, doc_stride=12)
    assert (table.start_positions > table.cls_position).all()


@pytest.mark.parametrize(
    ("name", "whole", "broken", "place"),
    [
        ("articles.json", '"context"', '"text"', r"data\[0\]\.paragraphs\[0\]"),
        ("lines.jsonl", '"What did bob eat?"', "null", "line 2"),
        ("table.csv", "bob,", "", "line 3 has 4 cells; the header has 5"),
    ],
)
def test_t9370_t10463_t11869_t11969_a_bad_record_is_shown_with_its_place(
    name: str, whole: str, broken: str, place: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(SHAPES[name]().replace(whole, broken), encoding="utf-8")
    with pytest.raises(DataError, match=f"{name}: {place}") as caught:
        load_examples(str(path), "train")
    assert "\n" not in str(caught.value)


def test_t23847_tok1269_a_question_longer_than_the_window_is_cut_and_counted(
    bert: PreTrainedTokenizerBase,
) -> None:
    """Of its own accord the tokenizer ends in a panic."""
    long = Example("a", "", CONTEXT, "who " * 60)
    with pytest.raises(BaseException, match="strictly less|Truncation error"):
        bert([(long.question, CONTEXT)], truncation="only_second", max_length=48, stride=12)
    table = build_features([long], bert, max_seq_length=48, doc_stride=12)
    assert table.cut_questions.tolist() == [0]
    assert (table.lengths <= 48).all()
    shown = {span for span in zip(table.offset_starts, table.offset_ends, strict=True) if span[1]}
    assert max(end for _, end in shown) == len(CONTEXT)


def test_t23847_tok1269_a_stride_without_room_is_told_and_no_panic(
    bert: PreTrainedTokenizerBase,
) -> None:
    with pytest.raises(DataError, match=r"^data.doc_stride is 45; .* it may be 0\.\.43$"):
        build_features([Example("a", "", CONTEXT, "Who?")], bert, max_seq_length=48, doc_stride=45)


def test_t14860_t14712_a_slow_tokenizer_is_refused_in_one_line() -> None:
    class OldTokenizer:
        is_fast = False

    with pytest.raises(ModelError, match="^OldTokenizer is a slow .* needs a fast one") as caught:
        build_features(
            [Example("a", "", CONTEXT, "Who?")], OldTokenizer(), max_seq_length=48, doc_stride=12
        )
    assert "\n" not in str(caught.value)


def test_t15398_t17241_every_window_has_a_label_of_its_own(bert: PreTrainedTokenizerBase) -> None:
    context = "The cook slept. " * 20 + CONTEXT
    start = context.index("ramen")
    examples = [
        Example("a", "", context, "What?", ("ramen",), (start,)),
        *[Example("b", "", CONTEXT, "Who?")],
    ]
    table = build_features(examples, bert, max_seq_length=48, doc_stride=12)
    assert len(table.start_positions) == len(table.end_positions) == len(table) > 3
    for row in range(len(table)):
        tokens = slice(table.row_offsets[row], table.row_offsets[row + 1])
        starts, ends = table.offset_starts[tokens], table.offset_ends[tokens]
        holds = table.example_index[row] == 0 and ends.max() >= start + 5
        first, last = table.start_positions[row], table.end_positions[row]
        assert (first > 0) == holds
        if holds:
            assert (starts[first], ends[last]) == (start, start + 5)
    assert np.count_nonzero(table.start_positions) in (1, 2)


BUILD = """
import multiprocessing
from qarank.squad.features import build_features
from qarank.squad.sample import almanac
from tests.squad.families import build_tokenizer

def build(number):
    examples = almanac("validation")[:60]
    table = build_features(examples, build_tokenizer("bert"), max_seq_length=48, doc_stride=16)
    return int(table.input_ids.sum())

if __name__ == "__main__":
    here = build(0)  # now tokenizers has threads, which a fork does not have
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(here, *pool.map(build, range(2), chunksize=1))
"""


@pytest.mark.parametrize("threads", [None, "true", "false"])
def test_ds620_ds2160_ds5094_ds6237_ds6319_t19702_tok258_a_fork_does_not_hang(
    threads: str | None,
) -> None:
    """Features need no worker processes; whose program has some of its own may build there too."""
    wanted = {} if threads is None else {"TOKENIZERS_PARALLELISM": threads}
    others = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    with subprocess.Popen(
        [sys.executable, "-c", BUILD],
        env=others | wanted,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            told, _ = process.communicate(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    sums = told.split()
    assert len(sums) == 3 and len(set(sums)) == 1
