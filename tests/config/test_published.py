import pytest
from pydantic import ValidationError

from qarank.config.published import PublishedFigures, PublishedKey


@pytest.mark.parametrize("figures", [{"exact": 0}, {"f1": 100.0}, {"exact": 86.0, "f1": 88.9}])
def test_one_figure_or_both_with_their_source(figures: dict[str, float]) -> None:
    found = PublishedFigures(source="a paper", **figures)
    assert (found.exact, found.f1) == (figures.get("exact"), figures.get("f1"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"source": "a paper"}, "published holds no figure; give exact, f1 or both"),
        ({"f1": 88.9}, "Field required"),
        ({"source": "a paper", "f1": 100.1}, "less than or equal to 100"),
        ({"source": "a paper", "exact": -1.0}, "greater than or equal to 0"),
        ({"source": "a paper", "f1": 1.0, "em": 1.0}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_no_figure_of_a_source_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PublishedFigures.model_validate(wrong)


def test_a_point_may_have_none() -> None:
    assert PublishedKey().published is None
