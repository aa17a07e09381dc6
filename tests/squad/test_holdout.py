import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.holdout import hold_out, require_both_kinds
from qarank.squad.loaded_data import Fault, LoadedData, Mended


def data_of(articles: list[str]) -> LoadedData:
    examples = [
        Example(str(place), article, f"context of {article}", "why?")
        for place, article in enumerate(articles)
    ]
    return LoadedData(examples, [f"{place}.json" for place in range(len(articles))])


@given(
    articles=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_whole_articles_are_held_out_until_there_are_enough(
    articles: list[str], share: float, seed: int
) -> None:
    data = data_of(articles)
    if len(set(articles)) == 1:
        with pytest.raises(DataError, match="one article alone"):
            hold_out(data, share, seed=seed)
        return
    kept, held = hold_out(data, share, seed=seed)
    both = sorted(kept.examples + held.examples, key=lambda example: int(example.id))
    assert both == data.examples
    assert not {e.title for e in kept.examples} & {e.title for e in held.examples}
    assert kept.examples and held.examples
    is_one_article = len({e.title for e in kept.examples}) == 1
    assert len(held.examples) >= share * len(both) or is_one_article
    assert (kept, held) == hold_out(data, share, seed=seed)


def test_both_parts_keep_the_order_of_the_data_and_each_its_files() -> None:
    for part in hold_out(data_of(list("abcabcabc")), 0.3, seed=1):
        numbers = [int(example.id) for example in part.examples]
        assert numbers == sorted(numbers)
        assert part.files == [f"{number}.json" for number in numbers]


def test_what_was_noticed_goes_with_its_examples_and_what_was_refused_stays() -> None:
    whole = data_of(list("abcd"))
    mended = [Mended(str(n), "", "moved", "") for n in range(4)]
    faults = [Fault("bad_records", "line", "0.json")]
    data = LoadedData(whole.examples, whole.files, faults, mended, ["0.json"])
    kept, held = hold_out(data, 0.25, seed=1)
    for part in (kept, held):
        assert [each.id for each in part.mended] == [example.id for example in part.examples]
    assert (kept.faults, kept.unnamed) == (faults, ["0.json"])
    assert (held.faults, held.unnamed) == ((), ())


def test_examples_without_a_title_go_by_their_context() -> None:
    examples = [Example(str(n), "", f"context {n % 4}", "why?") for n in range(20)]
    kept, held = hold_out(LoadedData(examples, [""] * 20), 0.25, seed=3)
    assert len(held.examples) == 5
    assert not {e.context for e in kept.examples} & {e.context for e in held.examples}


def test_another_seed_holds_out_other_articles() -> None:
    data = data_of([f"article {n}" for n in range(40)])
    chosen = {tuple(e.id for e in hold_out(data, 0.2, seed=seed)[1].examples) for seed in range(5)}
    assert len(chosen) == 5


@pytest.mark.parametrize(("answers", "have"), [((), "no question"), (("Ann",), "every question")])
def test_questions_of_one_kind_are_refused(answers: tuple[str, ...], have: str) -> None:
    examples = [Example(str(n), "", "Ann.", "who?", answers, (0,) * len(answers)) for n in range(3)]
    with pytest.raises(DataError, match=f"cannot be tuned: {have} of the 3 that .* has an answer"):
        require_both_kinds(examples, share=0.1)
    other = Example("x", "", "Ann.", "who?", ("Ann",), (0,))
    none = Example("y", "", "Ann.", "who?")
    require_both_kinds([*examples, other, none], share=0.1)
