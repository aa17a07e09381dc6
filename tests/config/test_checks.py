import itertools

import pytest

from qarank.config import checks
from qarank.ranks.metric import DOUBLET_CHOICES, TRIPLET_CHOICES, TripletMetric


@pytest.mark.parametrize("adapter_type", ["svd", "frd"])
def test_every_combination_of_tokens_is_a_metric(adapter_type: str) -> None:
    for tokens in itertools.product(*checks.METRIC_TOKENS[adapter_type]):
        checks.check_metric(",".join(tokens), adapter_type)
        TripletMetric.from_tokens(",".join(tokens))


def test_a_recipe_may_name_the_tokens_that_the_allocator_knows_and_no_others() -> None:
    assert checks.METRIC_TOKENS == {"svd": TRIPLET_CHOICES, "frd": DOUBLET_CHOICES}


@pytest.mark.parametrize(
    ("metric", "adapter_type", "line"),
    [
        (
            "iptAB,iptE,sumAB",
            "svd",
            "4 tokens: iptAB|magAB,iptE|magE,sumAB|prodAB,sumE|prodE|onlyE",
        ),
        ("iptE,iptAB,sumAB,sumE", "svd", "it must be 4 tokens"),
        ("iptAB, iptE, sumAB, sumE", "svd", "it must be 4 tokens"),
        (
            "iptAB,iptE,sumAB,sumE",
            "frd",
            "adapter.type frd it must be 2 tokens: iptAB|magAB,sumAB|prodAB",
        ),
        ("", "frd", "allocator.metric is ''"),
    ],
)
def test_a_metric_of_other_tokens_is_refused(metric: str, adapter_type: str, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        checks.check_metric(metric, adapter_type)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("adapter_type", "ranks", "line"),
    [
        ("none", {}, "allocator.type norm needs adapter.type svd or frd; it is none"),
        ("svd", {"target_r": 9}, "allocator.target_r is 9; it must be at most adapter.r, 8"),
        ("svd", {"target_r": 8, "max_rank": 10}, "allocator.max_rank is 10; it must be at most"),
        ("frd", {"target_r": None, "min_rank": 9}, "allocator.min_rank is 9; it must be at most"),
    ],
)
def test_there_must_be_triplets_to_allocate(
    adapter_type: str, ranks: dict[str, int | None], line: str
) -> None:
    with pytest.raises(ValueError, match=f"^{line}"):
        checks.check_allocation(adapter_type, "norm", ranks=ranks, r=8, metric=None)


def test_a_budget_that_prunes_nothing_is_legal() -> None:
    ranks = {"target_r": 8, "min_rank": 8, "max_rank": 8}
    checks.check_allocation("svd", "adalora", ranks=ranks, r=8, metric=None)


@pytest.mark.parametrize(
    ("source", "train", "validation", "line"),
    [
        (None, None, None, "nothing names the training data; give data.source or data.train"),
        (None, None, "dev.json", "nothing names the training data"),
        ("squad", "a.json", None, "data.train is 'a.json'; with data.source squad it must be the"),
        ("squad", None, ["a.json"], "data.validation is ['a.json']; with data.source squad"),
        ("a.json", "b.json", None, "data.source and data.train both name training files"),
        (["a.json", "b.txt"], None, None, "data.source names 'b.txt'; a data file has one of the"),
        (None, "train", None, "data.train names 'train'; a data file has one of the end"),
        ("a.json", None, "validation", "data.validation names 'validation'; a data file has"),
    ],
)
def test_data_keys_that_contradict_each_other_are_refused(
    source: str | list[str] | None,
    train: str | list[str] | None,
    validation: str | list[str] | None,
    line: str,
) -> None:
    with pytest.raises(ValueError) as caught:
        checks.check_data(source, train, validation)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("squad", False),
        ("sample:almanac", False),
        ("a.json", True),
        ("a.json.gz", True),
        ("a.CSV", True),
        ("a.gz", True),
        ("./train", True),
        ("~/squad", True),
        ("owner/name", False),
        (["a"], True),
    ],
)
def test_files_are_told_from_names_by_their_ending(source: str | list[str], expected: bool) -> None:
    assert checks.is_files(source) is expected


@pytest.mark.parametrize(
    ("share", "threshold", "with_null", "is_evaluated", "line"),
    [
        (0.0, "tuned", "auto", True, "eval.null_threshold tuned needs questions .* as 0.1: the"),
        (
            0.1,
            0.5,
            "auto",
            True,
            "threshold_share 0.1 holds out .* eval.null_threshold is 0.5",
        ),
        (0.1, "tuned", False, True, "no effect with data.version_2_with_negative false"),
        (0.1, "tuned", True, False, "tuned needs evaluation data; give data.validation"),
    ],
)
def test_a_threshold_is_tuned_on_what_is_held_out_and_that_is_held_out_for_it(
    share: float, threshold: float | str, with_null: bool | str, is_evaluated: bool, line: str
) -> None:
    with pytest.raises(ValueError, match=line):
        checks.check_threshold(share, threshold, with_null=with_null, is_evaluated=is_evaluated)


def test_a_threshold_may_be_given_or_tuned() -> None:
    checks.check_threshold(0.0, -1.5, with_null="auto", is_evaluated=False)
    checks.check_threshold(0.2, "tuned", with_null="auto", is_evaluated=True)
