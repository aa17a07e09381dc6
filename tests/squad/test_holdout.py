import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.holdout import hold_out, number_articles, require_both_kinds
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
def test_whole_articles_are_held_out_and_about_the_share(
    articles: list[str], share: float, seed: int
) -> None:
    data = data_of(articles)
    if len(set(articles)) == 1:
        with pytest.raises(DataError, match="one article alone"):
            hold_out(data, share, seed=seed)
        return
    wanted, sums = share * len(articles), {0}
    for article in set(articles):
        sums |= {articles.count(article) + each for each in sums}
    near = [each for each in sums - {0, len(articles)} if wanted / 2 <= each <= 2 * wanted]
    if not near:
        with pytest.raises(DataError, match=f"_share is {share}, but .* those .* allow is 0"):
            hold_out(data, share, seed=seed)
        return
    kept, held = hold_out(data, share, seed=seed)
    both = sorted(kept.examples + held.examples, key=lambda example: int(example.id))
    assert both == data.examples
    assert not {e.title for e in kept.examples} & {e.title for e in held.examples}
    assert kept.examples and held.examples
    assert wanted / 2 <= len(held.examples) <= 2 * wanted
    assert (kept, held) == hold_out(data, share, seed=seed)


@given(
    places=st.lists(st.tuples(st.sampled_from(["", *"abcdef"]), st.integers(0, 9)), min_size=1),
)
def test_an_article_is_all_that_titles_and_contexts_join(places: list[tuple[str, int]]) -> None:
    spelled = ("Text {}.", "text  {}.", "TEXT\n{}.")
    examples = [
        Example(str(n), title, spelled[n % 3].format(context), "why?")
        for n, (title, context) in enumerate(places)
    ]
    parts = [{n} for n in range(len(places))]  # by loops: join whatever has something in common
    for n, one in enumerate(places):
        for m, other in enumerate(places[:n]):
            if one[1] == other[1] or (one[0] and one[0] == other[0]):
                mine, theirs = (next(p for p in parts if k in p) for k in (n, m))
                parts = [p for p in parts if p not in (mine, theirs)] + [mine | theirs]
    numbers = number_articles(examples)
    assert {frozenset(n for n in range(len(places)) if numbers[n] == k) for k in numbers} == set(
        map(frozenset, parts)
    )
    assert list(dict.fromkeys(numbers)) == list(range(len(parts)))


def test_titles_that_share_a_context_are_held_out_together() -> None:
    examples = [
        Example(f"{n}", f"Warsaw part {n % 3}", f"Warsaw {n // 3}.", "why?") for n in range(24)
    ] + [Example(f"u{n}", f"Ulm {n}", f"Ulm {n}.", "why?") for n in range(6)]
    for seed in range(9):
        kept, held = hold_out(LoadedData(examples, ["d"] * 30), 0.2, seed=seed)
        assert len(held.examples) == 6
        assert not {e.context for e in kept.examples} & {e.context for e in held.examples}


def test_an_article_that_is_most_of_the_data_stays() -> None:
    data = data_of(["large"] * 950 + [f"small {n // 2}" for n in range(50)])
    for seed in range(9):
        assert len(hold_out(data, 0.04, seed=seed)[1].examples) == 40
        assert len(hold_out(data, 0.1, seed=seed)[1].examples) == 50
    with pytest.raises(DataError) as caught:
        hold_out(data, 0.2, seed=1)
    assert str(caught.value) == (
        "data.threshold_share is 0.2, but articles are held out whole, and the nearest those of the"
        " training data allow is 0.05: 50 of 1,000 questions"
    )
    hold_out(data, 0.05, seed=1)


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
