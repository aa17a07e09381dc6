from random import Random

import pytest

from qarank.squad.almanac_kinds import Kind, all_kinds
from qarank.squad.almanac_plan import NUM_FACTS, AnswerQuota, Plan, plan_passage


def plans(kind: Kind, *, number: int = 40) -> list[Plan]:
    rng, quota = Random(kind.noun), AnswerQuota()
    return [plan_passage(rng, kind, quota, num_asks=4 + turn % 4) for turn in range(number)]


def test_every_third_use_of_a_wording_has_no_answer() -> None:
    quota = AnswerQuota()
    uses = [quota.is_answerable("Who built {x}?") for _ in range(30)]
    assert uses.count(False) == 10
    assert all(uses[i : i + 3].count(False) == 1 for i in range(28))


def test_wordings_used_once_still_come_to_a_third() -> None:
    quota = AnswerQuota()
    assert [quota.is_answerable(str(number)) for number in range(30)].count(False) == 10


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.noun)
def test_a_plain_question_has_an_answer_if_and_only_if_its_pair_is_stated(kind: Kind) -> None:
    for plan in plans(kind):
        for ask in plan.asks:
            if not ask.is_reverse:
                assert ask.given is None
                assert (ask.pair in plan.stated) == ask.is_answerable


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.noun)
def test_a_reverse_question_names_a_stated_fact_and_the_right_one_if_answerable(kind: Kind) -> None:
    for plan in plans(kind):
        for ask in plan.asks:
            if ask.is_reverse:
                assert ask.given in plan.stated
                assert (ask.given == ask.pair) == ask.is_answerable


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.noun)
def test_almost_every_question_without_answer_meets_a_fact_of_the_same_type(kind: Kind) -> None:
    tempted = [
        any(kind.relations[ask.pair[1]].type == kind.relations[key].type for _, key in plan.stated)
        for plan in plans(kind)
        for ask in plan.asks
        if not ask.is_answerable
    ]
    assert sum(tempted) >= 0.9 * len(tempted)


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.noun)
def test_a_plan_states_each_pair_once_and_stays_short(kind: Kind) -> None:
    for plan in plans(kind):
        assert len(set(plan.stated)) == len(plan.stated)
        assert not plan.banned & set(plan.stated)
        assert {thing for thing, _ in plan.stated} == {0, 1}
        assert len(plan.stated) <= NUM_FACTS + len(plan.asks)
