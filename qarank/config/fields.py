"""What every section of a recipe is, and the types of values that several of them share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

Share = Annotated[float, Field(gt=0, lt=1)]
StepCount = Annotated[int, Field(ge=0)] | Share  # steps, or a share of all steps
StepPeriod = PositiveInt | Share
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
DropRate = Annotated[float, Field(ge=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1)]
Values = Annotated[list[Any], Field(min_length=1)]


class Section(BaseModel):
    """Frozen, strict, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def given(self) -> set[str]:
        """The keys somebody wrote down, explicit nulls aside."""
        return {key for key in self.model_fields_set if getattr(self, key) is not None}
