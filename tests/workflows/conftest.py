"""A finished run for the tests that only read it, and what tests do to a run's files."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qarank.config.schema import Recipe
from qarank.squad.step_data import TrainBatches
from qarank.workflows.prepare import Prepared, prepare_run
from qarank.workflows.session import TrainingSession
from qarank.workflows.sweep_job import Share
from qarank.workflows.train import TrainOptions, run_path, train_recipe
from tests.workflows.in_process import Before, InProcess

PRUNED = {  # 8 triplets for 12 matrices: some end at rank 0
    "type": "adalora",
    "target_total": 8,
    "tinit": 2,
    "tfinal": 4,
    "delta_t": 2,
}


# A dozen steps must move the logits by far more than rounding does, or comparing them says nothing.
STRONG = {"type": "svd", "r": 4, "alpha": 64}
FAST = {
    "max_steps": 12,
    "batch_size": 8,
    "learning_rate": 0.05,
    "precision": "fp32",
    "log_every": 4,
}


@dataclass(frozen=True)
class FinishedRun:
    """A run that came to its end: its recipe, what train_recipe returned, its folder."""

    recipe: Recipe
    run: dict[str, Any]
    folder: Path

    @property
    def last_checkpoint(self) -> Path:
        return self.folder / "checkpoints" / str(self.run["result"]["checkpoint"])


_shared: list[FinishedRun] = []


@pytest.fixture
def train_tiny(tiny_recipe: Callable[..., Recipe]) -> Callable[..., FinishedRun]:
    """Runs a tiny recipe to its end; keyword arguments replace whole sections."""

    def train(**sections: Any) -> FinishedRun:
        recipe = tiny_recipe(**sections)
        run = train_recipe(recipe, TrainOptions(overwrite=True, show_progress=False))
        return FinishedRun(recipe, run, run_path(recipe))

    return train


@pytest.fixture
def prepare_tiny(tiny_recipe: Callable[..., Recipe]) -> Callable[..., Prepared]:
    """All a tiny run needs but the weights; keyword arguments replace whole sections."""
    return lambda **sections: prepare_run(tiny_recipe(**sections))


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], None]:
    """Does something once, as the training loop reaches a step."""

    def arrange(step: int, act: Callable[[], Any]) -> None:
        rows_at, todo = TrainBatches.rows_at, [act]

        def note(self: TrainBatches, global_step: int) -> np.ndarray:
            if global_step == step and todo:
                todo.pop()()
            return rows_at(self, global_step)

        monkeypatch.setattr(TrainingSession, "estimate", lambda _: {})  # it looks at all steps
        monkeypatch.setattr(TrainBatches, "rows_at", note)

    return arrange


@pytest.fixture
def pruned_run(train_tiny: Callable[..., FinishedRun]) -> FinishedRun:
    """svd + adalora, evaluated every 4 of 12 steps. Made once: read it, do not write to it."""
    if not _shared:
        finished = train_tiny(
            adapter=STRONG, allocator=PRUNED, train=FAST, eval={"every": 4, "null_threshold": 20.0}
        )
        _shared.append(finished)
    return _shared[0]


@pytest.fixture
def own_run(pruned_run: FinishedRun, tmp_path: Path) -> FinishedRun:
    """A copy of pruned_run, to be damaged at will."""
    folder = tmp_path / "copied_run"
    shutil.copytree(pruned_run.folder, folder)
    return FinishedRun(pruned_run.recipe, pruned_run.run, folder)


@pytest.fixture(scope="session")
def tiny_deberta_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer DeBERTa-v2 laid out as v3, with the tiny BERT's tokenizer."""
    import torch
    from transformers import AutoTokenizer, DebertaV2Config, DebertaV2ForQuestionAnswering

    folder = tmp_path_factory.mktemp("tiny_deberta")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.save_pretrained(folder)
    config = DebertaV2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        type_vocab_size=0,
        max_position_embeddings=256,
        relative_attention=True,
        position_buckets=16,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
    )
    torch.manual_seed(0)
    DebertaV2ForQuestionAnswering(config).save_pretrained(folder)
    return folder


@pytest.fixture
def read_events() -> Callable[[Path], dict[str, dict[int, float]]]:
    """Reads a TensorBoard folder: tag -> step -> value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder: Path) -> dict[str, dict[int, float]]:
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        tags = events.Tags()["scalars"]
        return {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in tags}

    return read


@pytest.fixture
def squad_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes two answerable questions in SQuAD's JSON, under a stem of your choice."""
    context = "The keeper wrote the report in June."
    questions = [
        {"id": "a", "question": "Who?", "answers": [{"text": "keeper", "answer_start": 4}]},
        {"id": "b", "question": "When?", "answers": [{"text": "June", "answer_start": 31}]},
    ]
    article = {"title": "t", "paragraphs": [{"context": context, "qas": questions}]}

    def write(stem: str) -> Path:
        path = tmp_path / f"{stem}.json"
        path.write_text(json.dumps({"data": [article]}))
        return path

    return write


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Callable[..., InProcess]:
    """Lets sweeps run their jobs in this process; gives the executor."""

    def install(before: Before = lambda job: None) -> InProcess:
        executor = InProcess(before)
        chosen = (executor, Share())
        monkeypatch.setattr("qarank.workflows.sweep.choose_executor", lambda *_: chosen)
        return executor

    return install
