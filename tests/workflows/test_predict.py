import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertTokenizer, PreTrainedTokenizerBase

from qarank.config.schema import DataConfig, EvalConfig
from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.sources import load_examples
from qarank.workflows import predict as module
from qarank.workflows.predict import Prediction, choose_settings, predict_answers
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
    """A run that `predict_answers` opens; its run.json is this dict."""
    facts: dict[str, Any] = {"version_2_with_negative": True}
    tokenizer: PreTrainedTokenizerBase = BertTokenizer(vocab=VOCAB)
    reader = Reader(
        WordModel(),
        torch.device("cpu"),
        pad_token_id=tokenizer.pad_token_id,
        padding_side=tokenizer.padding_side,
    )
    recipe = SimpleNamespace(
        data=DataConfig(source="sample:almanac", max_seq_length=24, doc_stride=4),
        eval=EvalConfig(batch_size=2),
    )
    run_dir = SimpleNamespace(read_run=lambda: facts)
    saved = SimpleNamespace(run_dir=run_dir, recipe=recipe, checkpoint=Path("run/step"))
    opened = SimpleNamespace(saved=saved, reader=reader, tokenizer=tokenizer)
    monkeypatch.setattr(module, "open_run", lambda path, precision: opened)
    return facts


def ask(*examples: Example, **options: Any) -> list[Prediction]:
    return predict_answers(Path("run"), examples, **options)


@pytest.mark.usefixtures("run")
def test_answers_stand_where_they_say_in_contexts_of_any_length() -> None:
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
    with pytest.raises(DataError, match="was trained on questions that all have an answer"):
        ask(DRY, null_threshold=0.0)


def test_the_recipes_settings_hold_unless_more_is_asked_for() -> None:
    recipe = EvalConfig(n_best_size=5)
    assert choose_settings(recipe, 1) == recipe
    assert choose_settings(recipe, 8).n_best_size == 8


def test_one_candidate_is_too_few_to_hold_both_an_answer_and_none() -> None:
    assert choose_settings(EvalConfig(n_best_size=1), 1).n_best_size == 2


def test_a_finished_run_answers_as_its_evaluation_did(pruned_run: Any) -> None:
    """The fixture is a FinishedRun of conftest.py."""
    best = pruned_run.run["result"]["best_checkpoint"]
    (folder,) = (pruned_run.folder / "eval" / best).iterdir()
    recipe = pruned_run.recipe
    asked = load_examples(*recipe.data.validation_location, limit=recipe.data.max_eval_examples)
    bare = [Example(row.id, "", row.context, row.question) for row in asked]
    found = predict_answers(pruned_run.folder, bare)
    predictions = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
    null_odds = json.loads((folder / "null_odds.json").read_text(encoding="utf-8"))
    assert {row["id"]: row["answer"] for row in found} == predictions
    assert {row["id"]: row["null_odds"] for row in found} == pytest.approx(null_odds, abs=1e-5)
