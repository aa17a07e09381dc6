"""A recipe: every key, its type, its default and its unit. Defaults stand nowhere else.

Keys that would do nothing are refused rather than ignored; the rules between keys are in checks.py,
the sections adapter and allocator in rank_schema.py, data in data_schema.py.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from qarank.config import checks
from qarank.config.data_schema import DataConfig
from qarank.config.fields import (
    DropRate,
    Section,
    Seed,
    StepCount,
    StepPeriod,
    Text,
    Values,
)
from qarank.config.published import PublishedFigures
from qarank.config.rank_schema import AdapterConfig, AllocatorConfig

Point = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": True,
            "properties": {
                "name": {"type": "string", "description": "The run's name."},
                "published": PublishedFigures.model_json_schema(),
            },
        }
    ),
]


def resolve_steps(value: int | float, total_steps: int, *, at_least: int = 0) -> int:
    """A step count or period in steps: a float is a share of total_steps, rounded.

    Args:
        value: steps (an int), or a share strictly between 0 and 1 (a float).
        total_steps: T, all optimizer steps of the run.
        at_least: the least result for a share; 1 where it is a period.
    """
    if isinstance(value, int):
        return value
    return max(at_least, round(value * total_steps))


class ModelConfig(Section):
    """The pretrained model."""

    name_or_path: Text = Field(description="Hub name, folder, or package:MODULE/FOLDER.")
    revision: Text | None = Field(None, description="Branch, tag or commit on the hub.")
    task: Literal["extractive"] = Field("extractive", description="Answers are spans of the text.")
    dropout: DropRate | None = Field(None, description="The base's dropout, 0..1; null: its own.")
    trust_remote_code: bool = Field(False, description="Run code that comes with the model.")
    attn_implementation: Text | None = Field(
        None, description="transformers' attention: eager, sdpa, ...; null: its own choice."
    )


class TrainConfig(Section):
    """Optimizer, schedule, and what is written when."""

    epochs: PositiveInt | PositiveFloat | None = Field(None, description="Passes over the data.")
    max_steps: PositiveInt | None = Field(None, description="Optimizer steps, instead of epochs.")
    batch_size: PositiveInt = Field(16, description="Features a step, over all processes.")
    micro_batch_size: PositiveInt | None = Field(
        None, description="Features a forward pass of one process; null: as many as fall to it."
    )
    learning_rate: PositiveFloat = Field(1e-3, description="Peak learning rate, a step.")
    learning_rate_ratio_E: PositiveFloat = Field(
        1.0, description="E's learning rate as a multiple of the others'; adapter.type svd only."
    )
    weight_decay: NonNegativeFloat = Field(0.0, description="AdamW's decay, a step.")
    warmup_steps: StepCount = Field(0, description="Steps, or share of all, of linear warm-up.")
    schedule: Literal["linear", "constant"] = Field("linear", description="After the warm-up.")
    max_grad_norm: NonNegativeFloat = Field(1.0, description="Clip the global norm; 0: off.")
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "auto", description="Arithmetic of the base; auto: bf16 where the device has it."
    )
    group_by_length: bool = Field(True, description="Batch features of like length.")
    gradient_checkpointing: bool = Field(False, description="Less memory for more time.")
    compile: bool = Field(False, description="torch.compile the model.")
    save_every: StepPeriod | None = Field(
        None, description="Steps, or share of all, between checkpoints; null: at the end only."
    )
    keep_checkpoints: PositiveInt = Field(2, description="Latest checkpoints kept.")
    log_every: PositiveInt = Field(50, description="Steps between two log lines.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        checks.check_exactly_one("train", epochs=self.epochs, max_steps=self.max_steps)
        if (self.micro_batch_size or 0) > self.batch_size:
            raise ValueError(
                f"train.micro_batch_size is {self.micro_batch_size};"
                f" it must be at most train.batch_size, {self.batch_size}"
            )
        return self


class EvalConfig(Section):
    """From logits to answers to EM and F1."""

    batch_size: PositiveInt = Field(128, description="Features a forward pass.")
    every: StepPeriod | None = Field(
        None, description="Steps, or share of all, between evaluations; null: at the end only."
    )
    best_metric: Literal["exact", "f1"] = Field("f1", description="Picks the best checkpoint.")
    n_best_size: PositiveInt = Field(20, description="Candidates kept a feature and an example.")
    max_answer_length: PositiveInt = Field(30, description="Tokens of an answer, at most.")
    null_threshold: float | Literal["tuned"] = Field(
        0.0,
        description="Score difference (logits) above which the answer is none; tuned: on what"
        " data.threshold_share holds out.",
    )


class SweepConfig(Section):
    """Many runs of one recipe: points or a grid, times seeds."""

    points: Annotated[list[Point], Field(min_length=1)] | None = Field(
        None,
        description="A list of overrides {a.b: value}; name: the run's name; published: {exact, f1,"
        " source}, figures of others.",
    )
    grid: Annotated[dict[str, Values], Field(min_length=1)] | None = Field(
        None, description="{a.b: [values]}; every combination is run."
    )
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = Field(
        None, description="Seeds each point is run with; null: the recipe's own."
    )
    executor: Literal["local", "ray"] = Field(
        "local", description="Where points run: processes here, or tasks of a Ray cluster."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        checks.check_sweep(self.points, self.grid, self.seeds)
        return self


class Recipe(Section):
    """All that a run is asked to do."""

    name: str = Field(description="Name of the run's folder; default: the file's stem.")
    seed: Seed = Field(42, description="Of every random choice, 0..2**32 - 1.")
    runs_dir: Text = Field("runs", description="Folder that holds the run folders.")
    model: ModelConfig
    data: DataConfig
    adapter: AdapterConfig = Field(default_factory=AdapterConfig)
    allocator: AllocatorConfig = Field(default_factory=AllocatorConfig)
    train: TrainConfig
    eval: EvalConfig = Field(default_factory=EvalConfig)
    sweep: SweepConfig | None = Field(None, description="null: one run.")

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        checks.check_name(name)
        return name

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.allocator.type != "none":
            keys = ("target_r", "min_rank", "max_rank")
            checks.check_allocation(
                self.adapter.type,
                self.allocator.type,
                ranks={key: getattr(self.allocator, key) for key in keys},
                r=self.adapter.r,
                metric=self.allocator.metric,
            )
        checks.check_threshold(
            self.data.threshold_share,
            self.eval.null_threshold,
            with_null=self.data.version_2_with_negative,
            is_evaluated=self.data.validation_location is not None,
        )
        if self.train.learning_rate_ratio_E != 1 and self.adapter.type != "svd":
            raise ValueError(
                f"train.learning_rate_ratio_E is {self.train.learning_rate_ratio_E}; it has no "
                f"effect with adapter.type {self.adapter.type}, which has no E: leave it out"
            )
        if self.eval.every is not None and self.data.validation_location is None:
            raise ValueError("eval.every needs evaluation data; give data.validation")
        return self
