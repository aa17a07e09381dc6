import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import ScheduleError
from qarank.ranks.schedule import BudgetSchedule

USUAL = {
    "start_budget": 90,
    "target_budget": 30,
    "total_steps": 100,
    "tinit": 10,
    "tfinal": 25,
    "delta_t": 10,
}


def build(**changes: int | bool) -> BudgetSchedule:
    return BudgetSchedule(**(USUAL | changes))  # type: ignore[arg-type]


@st.composite
def schedules(draw: st.DrawFn) -> BudgetSchedule:
    total_steps = draw(st.integers(1, 120))
    tinit = draw(st.integers(0, total_steps - 1))
    start_budget = draw(st.integers(0, 200))
    return BudgetSchedule(
        start_budget=start_budget,
        target_budget=draw(st.integers(0, start_budget)),
        total_steps=total_steps,
        tinit=tinit,
        tfinal=draw(st.integers(0, total_steps - tinit - 1)),
        delta_t=draw(st.integers(1, 40)),
        finalize=draw(st.booleans()),
    )


@given(schedules())
def test_the_budget_is_the_papers_cubic_between_two_flat_parts(s: BudgetSchedule) -> None:
    for t in range(1, s.total_steps + 1):
        if t <= s.tinit:
            expected = s.start_budget
        elif t < s.total_steps - s.tfinal:
            progress = (t - s.tinit) / (s.total_steps - s.tfinal - s.tinit)
            cut = s.start_budget - s.target_budget
            expected = int(s.target_budget + cut * (1 - progress) ** 3)
        else:
            expected = s.target_budget
        assert s.budget_at(t) == expected


@given(schedules())
def test_the_budget_never_grows_and_stays_between_its_ends(s: BudgetSchedule) -> None:
    budgets = [s.budget_at(t) for t in range(1, s.total_steps + 1)]
    assert budgets == sorted(budgets, reverse=True)
    assert budgets[-1] == s.target_budget
    assert all(s.target_budget <= budget <= s.start_budget for budget in budgets)


@given(schedules())
def test_the_list_of_rounds_is_every_step_that_is_one(s: BudgetSchedule) -> None:
    assert s.rounds() == [t for t in range(s.total_steps + 50) if s.is_round(t)]


@given(schedules())
def test_rounds_are_the_multiples_after_tinit_and_the_final_step(s: BudgetSchedule) -> None:
    final = s.total_steps - s.tfinal
    last = final if s.finalize else s.total_steps
    multiples = {t for t in range(s.tinit + 1, last + 1) if t % s.delta_t == 0}
    assert set(s.rounds()) == multiples | {final}


@given(schedules())
def test_scores_are_taken_before_the_final_step_or_always_without_finalize(
    s: BudgetSchedule,
) -> None:
    for t in range(1, s.total_steps + 1):
        in_final_phase = t >= s.total_steps - s.tfinal
        assert s.is_scored(t) == (not s.finalize or not in_final_phase)
        assert s.is_fixed(t) == (s.finalize and in_final_phase)


def test_hand_made_numbers() -> None:
    s = build()
    assert s.final_step == 75
    assert s.rounds() == [20, 30, 40, 50, 60, 70, 75]
    # 30 + 60 (1 - (t - 10) / 65)^3
    assert [s.budget_at(t) for t in (1, 10, 11, 20, 40, 70, 74, 75, 100)] == [
        90,
        90,
        87,
        66,
        39,
        30,
        30,
        30,
        30,
    ]


def test_without_finalize_rounds_go_on_at_the_target_budget() -> None:
    s = build(finalize=False)
    assert s.rounds() == [20, 30, 40, 50, 60, 70, 75, 80, 90, 100]
    assert {s.budget_at(t) for t in (75, 80, 90, 100)} == {30}


def test_the_final_step_is_a_round_though_no_multiple_and_only_once_if_it_is() -> None:
    assert build(tfinal=27).rounds()[-2:] == [70, 73]
    assert build(tfinal=30).rounds()[-2:] == [60, 70]


def test_one_round_alone_where_delta_t_is_longer_than_the_run() -> None:
    assert build(delta_t=1000).rounds() == [75]


def test_tinit_zero_prunes_from_the_first_step() -> None:
    s = build(tinit=0, delta_t=1)
    assert s.rounds()[0] == 1
    assert s.budget_at(1) < s.budget_at(0) == 90


def test_tfinal_zero_ends_with_a_round_at_the_last_step() -> None:
    s = build(tfinal=0, delta_t=30)
    assert s.rounds() == [30, 60, 90, 100]
    assert s.is_fixed(100) and not s.is_fixed(99)


def test_the_shortest_run_has_one_round() -> None:
    s = build(total_steps=1, tinit=0, tfinal=0)
    assert s.rounds() == [1] and s.budget_at(1) == 30


def test_equal_budgets_are_legal_and_never_cut() -> None:
    s = build(target_budget=90)
    assert {s.budget_at(t) for t in range(1, 101)} == {90}


def test_the_published_v2_run_starts_and_ends_where_it_should() -> None:
    s = BudgetSchedule(
        start_budget=12 * 72,
        target_budget=8 * 72,
        total_steps=98_000,
        tinit=5_000,
        tfinal=50_000,
        delta_t=100,
    )
    assert s.rounds()[0] == 5_100 and s.rounds()[-1] == 48_000
    assert s.budget_at(5_000) == 864 and s.budget_at(5_100) == 861 and s.budget_at(48_000) == 576


@pytest.mark.parametrize(
    ("tinit", "tfinal"), [(-1, 25), (75, 25), (100, 0), (10, 90), (0, 100), (10, -1), (5000, 50000)]
)
def test_phases_that_do_not_fit_the_run_are_refused_with_all_three_numbers(
    tinit: int, tfinal: int
) -> None:
    numbers = rf"tinit {tinit} \+ allocator.tfinal {tfinal} do not fit a run of 100 steps"
    with pytest.raises(ScheduleError, match=numbers):
        build(tinit=tinit, tfinal=tfinal)


@pytest.mark.parametrize("target_budget", [-1, 91])
def test_a_target_out_of_range_is_refused_with_what_is_allowed(target_budget: int) -> None:
    with pytest.raises(
        ScheduleError, match=rf"is {target_budget}; 0\.\.90, the budget at the start"
    ):
        build(target_budget=target_budget)


def test_a_target_of_nothing_is_legal() -> None:
    assert build(target_budget=0).budget_at(75) == 0


@pytest.mark.parametrize("delta_t", [0, -5])
def test_rounds_need_a_period(delta_t: int) -> None:
    with pytest.raises(ScheduleError, match=f"^allocator.delta_t is {delta_t}; 1 or more"):
        build(delta_t=delta_t)
