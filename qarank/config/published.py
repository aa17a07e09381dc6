"""Figures that others published for the settings of a sweep's point; no run is told of them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from qarank.config.fields import Section, Text

PerCent = Annotated[float, Field(ge=0, le=100)]


class PublishedFigures(Section):
    """What somebody else measured, and where it stands."""

    source: Text = Field(description="Where the figures stand, as arXiv:2303.10512, table 2.")
    exact: PerCent | None = Field(None, description="EM, per cent.")
    f1: PerCent | None = Field(None, description="F1, per cent.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.exact is None and self.f1 is None:
            raise ValueError("published holds no figure; give exact, f1 or both, in per cent")
        return self


class PublishedKey(Section):
    """The key of a point under which they stand."""

    published: PublishedFigures | None = Field(
        None, description="Figures of others for these settings, shown beside what is measured."
    )
