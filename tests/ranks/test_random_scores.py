import torch

from qarank.ranks.random_scores import RandomScorer
from qarank.ranks.selection import Pool, select_triplets

TOTAL = 6
EQUAL = torch.ones(TOTAL, dtype=torch.int64)
DEAR = torch.tensor([1, 1, 1, 100, 100, 100])


def test_the_draw_is_the_seeds_and_nobody_elses_generator_moves() -> None:
    before = torch.get_rng_state()
    scores = RandomScorer(EQUAL, seed=4).triplet_scores()
    assert torch.equal(torch.get_rng_state(), before)
    assert scores.shape == (TOTAL,) and scores.dtype == torch.float64
    assert ((scores > 0) & (scores < 1)).all()
    assert torch.equal(scores, RandomScorer(EQUAL, seed=4).triplet_scores())
    assert not torch.equal(scores, RandomScorer(EQUAL, seed=5).triplet_scores())


def test_steps_do_not_change_the_scores() -> None:
    scorer = RandomScorer(EQUAL, seed=4)
    before = scorer.triplet_scores().clone()
    scorer.update()
    assert scorer.is_ready and torch.equal(scorer.triplet_scores(), before)


def test_a_smaller_budget_keeps_a_part_of_what_a_larger_one_kept() -> None:
    pool = Pool(sizes=(3, 3), costs=(1, 1))
    scores = RandomScorer(EQUAL, seed=0).triplet_scores()
    kept = [select_triplets(scores, budget, pool).keep for budget in range(TOTAL + 1)]
    assert all(bool((less <= more).all()) for less, more in zip(kept, kept[1:], strict=False))


def test_every_triplet_is_kept_as_often_over_many_seeds() -> None:
    pool = Pool(sizes=(3, 3), costs=(1, 1))
    times = torch.zeros(TOTAL)
    for seed in range(1200):
        times += select_triplets(RandomScorer(EQUAL, seed=seed).triplet_scores(), 2, pool).keep
    assert times.sum() == 2400
    assert ((times - 400).abs() < 85).all()  # five standard deviations


def test_the_best_per_cost_is_any_triplet_whatever_it_costs() -> None:
    times = torch.zeros(TOTAL)
    for seed in range(1200):
        worth = RandomScorer(DEAR, seed=seed).triplet_scores() / DEAR
        times[worth.argmax()] += 1
    assert ((times - 200).abs() < 65).all()  # five standard deviations


def test_a_state_taken_back_brings_the_scores() -> None:
    first, second = RandomScorer(EQUAL, seed=1), RandomScorer(EQUAL, seed=2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.triplet_scores(), second.triplet_scores())
