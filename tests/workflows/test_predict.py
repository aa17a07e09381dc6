import doctest
import gc
import json
import math
import shutil
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase

from qarank.config.schema import EvalConfig
from qarank.errors import DataError
from qarank.squad.contexts import Question
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import FeatureBuilder
from qarank.squad.sources import load_examples
from qarank.workflows import predict as module
from qarank.workflows.manner import Manner
from qarank.workflows.predict import (
    QAPredictor,
    choose_settings,
    count_questions,
    predict_answers,
)
from qarank.workflows.predictions import Prediction
from qarank.workflows.reading import Reader

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["where", "?", "rain", "fell", "on", "[", "]", "rome", "oslo", "."]
VOCAB = {word: place for place, word in enumerate(SPECIAL + WORDS)}
LOGITS = {"[CLS]": 1.0, "oslo": 5.0, "rome": 4.0}  # of a start and of an end alike; others -9
PLAIN = Example(id="plain", title="", context="Rain fell  on Oslo.", question="Where?")
LONG = Example(id="long", title="", context="Rain fell. " * 40 + "On [Rome].", question="Where?")
DRY = Example(id="dry", title="", context="Rain fell.", question="Where?")


class WordModel(nn.Module):
    """Sees nothing but each token's own word."""

    def __init__(self) -> None:
        super().__init__()
        values = [LOGITS.get(word, -9.0) for word in VOCAB]
        self.register_buffer("values", torch.tensor(values))

    def forward(self, input_ids: Tensor, **others: Tensor) -> SimpleNamespace:
        logits = self.values[input_ids]
        return SimpleNamespace(start_logits=logits, end_logits=logits)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run that `predict_answers` opens; its manner has this dict."""
    facts: dict[str, Any] = {"version_2_with_negative": True}
    tokenizer: PreTrainedTokenizerBase = BertTokenizer(vocab=VOCAB)
    reader = Reader(
        WordModel(),
        torch.device("cpu"),
        pad_token_id=tokenizer.pad_token_id,
        padding_side=tokenizer.padding_side,
    )

    def open_model(path: Path, precision: str | None) -> SimpleNamespace:
        return SimpleNamespace(
            folder=path,
            manner=Manner(max_seq_length=24, doc_stride=4, **facts),
            settings=EvalConfig(batch_size=2),
            reader=reader,
            tokenizer=tokenizer,
        )

    monkeypatch.setattr(module, "open_model", open_model)
    return facts


def ask(*examples: Example | Question, **options: Any) -> list[Prediction]:
    return predict_answers(Path("run"), examples, **options)


@pytest.mark.usefixtures("run")
def test_t2548_t2623_t5563_no_answer_and_contexts_of_any_length() -> None:
    found = ask(PLAIN, LONG, DRY)
    assert [row["answer"] for row in found] == ["Oslo", "Rome", ""]
    assert [row["is_impossible"] for row in found] == [False, False, True]
    for example, row in zip((PLAIN, LONG, DRY), found, strict=True):
        assert (row["id"], row["question"]) == (example.id, example.question)
        assert example.context[row["start"] : row["end"]] == row["answer"]
        assert 0.5 < row["probability"] <= 1
    assert (found[2]["start"], found[2]["end"]) == (-1, -1)
    assert found[0]["null_odds"] == pytest.approx(2 * 1.0 - 2 * 5.0)


@pytest.mark.usefixtures("run")
def test_the_threshold_moves_answers_and_their_probability_is_their_own() -> None:
    always = ask(DRY, null_threshold=math.inf, n_best=5)[0]
    never = ask(PLAIN, null_threshold=-math.inf, n_best=5)[0]
    assert always["answer"] != ""
    assert always["probability"] < 0.5
    assert never["answer"] == ""
    assert never["probability"] == pytest.approx(
        next(entry["probability"] for entry in never["nbest"] if entry["text"] == "")
    )


@pytest.mark.usefixtures("run")
def test_candidates_are_listed_only_when_asked_for_and_best_first() -> None:
    assert "nbest" not in ask(PLAIN)[0]
    listed = ask(PLAIN, n_best=3)[0]["nbest"]
    assert len(listed) == 3
    assert listed[0]["text"] == "Oslo"
    chances = [entry["probability"] for entry in listed]
    assert chances == sorted(chances, reverse=True)


def test_a_run_on_answerable_questions_always_answers(run: dict[str, Any]) -> None:
    run["version_2_with_negative"] = False
    found = ask(DRY)[0]
    assert found["answer"] != ""
    assert "null_odds" not in found


def test_a_threshold_that_decides_nothing_is_refused(run: dict[str, Any]) -> None:
    run["version_2_with_negative"] = False
    with pytest.raises(DataError, match="every question is to be answered here, so a null"):
        ask(DRY, null_threshold=0.0)


def test_the_recipes_settings_hold_unless_more_is_asked_for() -> None:
    recipe = EvalConfig(n_best_size=5)
    assert choose_settings(recipe, 1) == recipe
    assert choose_settings(recipe, 8).n_best_size == 8


def test_one_candidate_is_too_few_to_hold_both_an_answer_and_none() -> None:
    assert choose_settings(EvalConfig(n_best_size=1), 1).n_best_size == 2


@pytest.mark.usefixtures("run")
def test_the_best_over_several_contexts_is_the_best_of_them_alone() -> None:
    texts = (DRY.context, LONG.context, PLAIN.context)
    together = ask(Question("q", "Where?", texts), n_best=30)[0]
    alone = [ask(Question("q", "Where?", (text,)), n_best=30)[0] for text in texts]
    assert (together["answer"], together["context"]) == ("Oslo", 2)
    assert (together["start"], together["end"]) == (alone[2]["start"], alone[2]["end"])
    spans = [
        (entry["score"], number, entry["start"], entry["end"])
        for number, found in enumerate(alone)
        for entry in found["nbest"]
        if entry["text"]
    ]
    best = sorted(spans, key=lambda span: (-span[0], *span[1:]))
    listed = [entry for entry in together["nbest"] if entry["text"]]
    assert best[: len(listed)] == [
        (entry["score"], entry["context"], entry["start"], entry["end"]) for entry in listed
    ]
    for entry in listed:
        assert texts[entry["context"]][entry["start"] : entry["end"]] == entry["text"]
    nulls = [
        found["null_odds"] + max(s[0] for s in spans if s[1] == number)
        for number, found in enumerate(alone)
    ]
    assert together["null_odds"] == min(nulls) - best[0][0]
    assert sum(entry["probability"] for entry in together["nbest"]) == pytest.approx(1)


@pytest.mark.usefixtures("run")
def test_no_answer_is_of_no_context_and_one_context_has_no_number() -> None:
    several, one = ask(Question("a", "Where?", (DRY.context, "It fell.")), DRY)
    assert (several["answer"], several["context"]) == ("", -1)
    assert (several["start"], several["end"]) == (-1, -1)
    assert "context" not in one


@pytest.mark.usefixtures("run")
def test_course1211_t43325_a_predictor_answers_as_its_docstring_says() -> None:
    names = {"QAPredictor": QAPredictor}
    (example,) = doctest.DocTestFinder(recurse=False).find(QAPredictor, "QAPredictor", globs=names)
    assert len(example.examples) == 7
    assert doctest.DocTestRunner().run(example).failed == 0


def test_a_predictor_opens_its_run_once(run: dict[str, Any]) -> None:
    predictor = QAPredictor.open("run", null_threshold=-math.inf)
    run["version_2_with_negative"] = False  # nobody looks at it again
    assert predictor(question="Where?", context=PLAIN.context)["answer"] == ""
    asked: list[Any] = [{"question": "Where?", "context": PLAIN.context}, LONG]
    assert [found["id"] for found in predictor.answer(asked)] == ["0", "long"]
    assert predictor.answer([]) == []


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda asked: asked(question=" ", context="c"), r"questions\[0\]\.question is empty"),
        (lambda asked: asked(question="q", context=[]), r"contexts is an empty list"),
        (lambda asked: asked(question="q", context="c", n_best=0), "n_best is 0; it must be 1 or"),
        (lambda _: QAPredictor.open("run", null_threshold=math.nan), "null_threshold is not a num"),
    ],
)
def test_a_wrong_call_is_one_line(act: Callable[[QAPredictor], Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        act(QAPredictor.open("run"))


def test_a_bad_question_is_told_before_a_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open_model", lambda path, precision: pytest.fail("it was loaded"))
    with pytest.raises(DataError, match=r"questions\[1\]\.context is empty"):
        predict_answers(Path("run"), [PLAIN, {"question": "q", "context": ""}])


@pytest.mark.usefixtures("run")
def test_of_many_questions_only_some_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [PLAIN.context, DRY.context, LONG.context]
    asked = [Question(str(n), "Where?", (texts[n % 3], texts[(n + 1) % 3])) for n in range(7)]
    whole = ask(*asked, n_best=3)
    alive: list[weakref.ref[FeatureTable]] = []
    most: list[int] = []

    class Watching(FeatureBuilder):
        def build(self, examples: Sequence[Example]) -> FeatureTable:
            gc.collect()
            most.append(sum(table() is not None for table in alive))
            table = super().build(examples)
            alive.append(weakref.ref(table))
            return table

    monkeypatch.setattr(module, "FeatureBuilder", Watching)
    monkeypatch.setattr(module, "QUESTIONS_AT_ONCE", 2)
    assert ask(*asked, n_best=3) == whole
    assert most == [0, 0, 0, 0]
    monkeypatch.setattr(module, "CHARS_AT_ONCE", 1)
    assert ask(*asked, n_best=3) == whole
    assert most == [0] * (4 + 7)


@pytest.mark.parametrize(("features", "questions"), [([3, 3, 1], 2), ([1, 1], 2), ([5], 3)])
def test_features_done_are_told_as_questions_done(features: list[int], questions: int) -> None:
    told: list[int] = []
    on_batch = count_questions(told.append, sum(features), questions)
    for count in features:
        on_batch(count)
        assert 0 <= sum(told) <= questions
    assert sum(told) == questions


def check_against_evaluation(finished: Any) -> None:
    best = finished.run["result"]["best_checkpoint"]
    (folder,) = (finished.folder / "eval" / best).iterdir()
    recipe = finished.recipe
    asked = load_examples(*recipe.data.validation_location, limit=recipe.data.max_eval_examples)
    found = predict_answers(finished.folder, asked, n_best=recipe.eval.n_best_size)

    def read(name: str) -> Any:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    assert {row["id"]: row["answer"] for row in found} == read("predictions.json")
    null_odds = {row["id"]: row["null_odds"] for row in found}
    assert null_odds == pytest.approx(read("null_odds.json"), abs=1e-5)
    assert len(set(null_odds.values())) > 1
    for row in found:
        wanted = read("nbest_predictions.json")[row["id"]][: recipe.eval.n_best_size]
        for column in ("text", "start", "end"):
            assert [entry[column] for entry in row["nbest"]] == [w[column] for w in wanted]
        for column in ("probability", "score"):
            chances = [entry[column] for entry in row["nbest"]]
            assert chances == pytest.approx([w[column] for w in wanted], abs=1e-5)


def test_t6144_t14277_t16769_a_finished_run_answers_as_its_evaluation_did(pruned_run: Any) -> None:
    """The fixture is a FinishedRun of conftest.py."""
    check_against_evaluation(pruned_run)


def test_so_does_one_with_a_tuned_threshold(train_tiny: Callable[..., Any]) -> None:
    data = {
        "source": "sample:almanac",
        "max_train_examples": 64,
        "max_eval_examples": 24,
        "max_seq_length": 96,
        "doc_stride": 24,
        "threshold_share": 0.25,
    }
    check_against_evaluation(train_tiny(data=data, eval={"null_threshold": "tuned"}))


def test_so_does_one_whose_tokenizer_pads_on_the_left(
    train_tiny: Callable[..., Any], tiny_model_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "left"
    shutil.copytree(tiny_model_dir, folder)
    AutoTokenizer.from_pretrained(folder, padding_side="left").save_pretrained(folder)
    finished = train_tiny(model={"name_or_path": str(folder)})
    assert QAPredictor.open(finished.folder).opened.reader.padding_side == "left"
    check_against_evaluation(finished)
