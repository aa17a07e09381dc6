import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.holdout import hold_out


def examples_of(articles: list[str]) -> list[Example]:
    return [
        Example(str(place), article, f"context of {article}", "why?")
        for place, article in enumerate(articles)
    ]


@given(
    articles=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_whole_articles_are_held_out_until_there_are_enough(
    articles: list[str], share: float, seed: int
) -> None:
    examples = examples_of(articles)
    if len(set(articles)) == 1:
        with pytest.raises(DataError, match="one article alone"):
            hold_out(examples, share, seed=seed)
        return
    kept, held = hold_out(examples, share, seed=seed)
    assert sorted(kept + held, key=lambda example: int(example.id)) == examples
    assert not {e.title for e in kept} & {e.title for e in held}
    assert kept and held
    assert len(held) >= share * len(examples) or len({e.title for e in kept}) == 1
    assert (kept, held) == hold_out(examples, share, seed=seed)


def test_both_parts_keep_the_order_of_the_data() -> None:
    kept, held = hold_out(examples_of(list("abcabcabc")), 0.3, seed=1)
    for part in (kept, held):
        assert [int(example.id) for example in part] == sorted(int(e.id) for e in part)


def test_nothing_is_held_out_of_a_share_of_none() -> None:
    examples = examples_of(["a"])
    assert hold_out(examples, 0.0, seed=0) == (examples, [])


def test_examples_without_a_title_go_by_their_context() -> None:
    examples = [Example(str(n), "", f"context {n % 4}", "why?") for n in range(20)]
    kept, held = hold_out(examples, 0.25, seed=3)
    assert len(held) == 5
    assert not {e.context for e in kept} & {e.context for e in held}


def test_another_seed_holds_out_other_articles() -> None:
    examples = examples_of([f"article {n}" for n in range(40)])
    chosen = {tuple(e.id for e in hold_out(examples, 0.2, seed=seed)[1]) for seed in range(5)}
    assert len(chosen) == 5
