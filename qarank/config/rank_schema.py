"""The two sections of a recipe about rank: what is trained, and how rank moves while it is."""

from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from qarank.config import checks
from qarank.config.fields import DropRate, Section, StepCount, Text, Texts

ORIGINAL_TARGETS = ["query", "key", "value", "intermediate", "layer.output", "attention.output"]
DEFAULT_METRICS = {"svd": "iptAB,iptE,sumAB,sumE", "frd": "iptAB,sumAB"}
DEFAULT_ORTH_REG_WEIGHT = 0.1
SCORING = ("adalora", "norm", "random")  # allocators that choose by rounds
OF_SENSITIVITY = ("metric", "beta1", "beta2")
IDLE_KEYS: dict[str, tuple[str, ...]] = {  # by adapter.type
    "svd": (),
    "frd": ("init",),
    "none": ("r", "alpha", "dropout", "init", "target_modules"),
}


class AdapterConfig(Section):
    """What is trained: low-rank updates and the head, the head alone, or everything."""

    type: Literal["svd", "frd", "none"] = Field("svd", description="AdaLoRA's, LoRA's, or none.")
    full: bool = Field(False, description="Train every weight; only with type none.")
    r: PositiveInt = Field(8, description="Triplets (frd: doublets) a matrix starts with.")
    alpha: PositiveInt | PositiveFloat = Field(16, description="Updates are scaled by alpha / r.")
    dropout: DropRate = Field(0.0, description="Dropout on the adapter's input, 0..1.")
    init: Literal["gaussian", "orthogonal"] = Field("gaussian", description="A and B; svd only.")
    orth_reg_weight: NonNegativeFloat | None = Field(
        None, description="Weight of the orthogonality penalty; svd only; null: 0.1 with svd."
    )
    target_modules: Texts | Text = Field(
        ORIGINAL_TARGETS,
        description="The original's words, module suffixes, or one regular expression (text).",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.full and self.type != "none":
            raise ValueError(f"adapter.full needs adapter.type none; it is {self.type}")
        if self.orth_reg_weight and self.type != "svd":
            raise ValueError(
                f"adapter.orth_reg_weight is {self.orth_reg_weight};"
                f" it must be 0 or null with adapter.type {self.type}"
            )
        checks.check_none_idle("adapter", IDLE_KEYS[self.type], self.given(), self.type)
        return self

    @property
    def effective_orth_reg_weight(self) -> float:
        """The penalty's weight, 0 where there is none."""
        if self.orth_reg_weight is not None:
            return self.orth_reg_weight
        return DEFAULT_ORTH_REG_WEIGHT if self.type == "svd" else 0.0


class AllocatorConfig(Section):
    """How rank moves between the matrices while training."""

    type: Literal["adalora", "norm", "random", "file", "none"] = Field(
        "none",
        description="Scores by sensitivity, by size, or at random; file: ranks as in pattern, from"
        " the start; none: every matrix keeps r.",
    )
    target_r: PositiveInt | None = Field(
        None, description="Triplets a matrix at the end, mean; or what those would cost."
    )
    target_total: PositiveInt | None = Field(
        None, description="What is kept at the end, in all, in budget_unit."
    )
    budget_unit: Literal["triplets", "parameters"] = Field(
        "triplets", description="What the budget counts; a triplet has in + out parameters."
    )
    min_rank: NonNegativeInt = Field(0, description="Triplets that every matrix keeps.")
    max_rank: PositiveInt | None = Field(
        None, description="Triplets that a matrix keeps at most, from the first round on."
    )
    pattern: Text | None = Field(
        None,
        description="Run, checkpoint, adapter or rank_pattern.json with the ranks to train at.",
    )
    metric: Text | None = Field(
        None,
        description="Score of a triplet, 4 tokens (frd: 2); null: iptAB,iptE,sumAB,sumE"
        " (frd: iptAB,sumAB).",
    )
    tinit: StepCount = Field(0.1, description="Steps, or share of all, at the first budget.")
    tfinal: StepCount = Field(0.3, description="Steps, or share of all, at the last budget.")
    delta_t: PositiveInt = Field(100, description="Steps between two rounds.")
    beta1: DropRate = Field(0.85, description="Averaging of the sensitivity, 0..1.")
    beta2: DropRate = Field(0.85, description="Averaging of its uncertainty, 0..1; 0: unused.")
    finalize: bool = Field(True, description="Fix the pattern in the final phase.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        checks.check_none_idle("allocator", self._idle_keys(), self.given(), self.type)
        if self.type in SCORING:
            checks.check_exactly_one(
                "allocator", target_r=self.target_r, target_total=self.target_total
            )
        if self.type == "file" and self.pattern is None:
            raise ValueError("allocator.type file needs allocator.pattern, a run with ranks")
        if self.max_rank is not None and self.min_rank > self.max_rank:
            raise ValueError(
                f"allocator.min_rank is {self.min_rank};"
                f" it must be at most allocator.max_rank, {self.max_rank}"
            )
        return self

    def _idle_keys(self) -> list[str]:
        """Keys that do nothing with this type."""
        if self.type in SCORING:
            return ["pattern", *(() if self.type == "adalora" else OF_SENSITIVITY)]
        used = {"type", "pattern"} if self.type == "file" else {"type"}
        return [key for key in type(self).model_fields if key not in used]

    def metric_for(self, adapter_type: str) -> str:
        """The metric as given, or the paper's for this adapter ("svd" or "frd")."""
        return self.metric or DEFAULT_METRICS[adapter_type]
