"""Two methods run with the same seeds on the same questions: how far they differ, and by chance?

Other questions and other seeds would both give another difference, so chance is drawn at both
levels and added up. Questions, of which there are many: resampled for the interval, their signs
flipped for the test, as `squad.resampling` does, on each question's mean over the seeds. Seeds, of
which there are few: drawn from Student's t with seeds - 1 degrees of freedom, scaled by the
standard error of the seeds' own differences. Resampling three seeds would give ten distinct sets
and no tails: where seeds are what varies, such "95 %" intervals hold the truth three times of four.

One seed tells nothing of other seeds: the comparison is then the paired one of these two runs, as
`compare_paired` makes it. Three tell little. Flipping their signs, which asks for nothing but
symmetry, cannot give a p below 2 / 2^3 = 0.25, and six seeds are the fewest that could go below
0.05; whatever is less rests on the seeds' differences being about normal, and with three asks for a
mean difference of 2.5 times their standard deviation or more.

The sum of two such terms is Behrens' and Fisher's. It errs to the safe side, the more so as noise
of one seed on one question counts in both terms.

Dims: seeds; n: questions; resamples.
Source: Fisher (1935), The fiducial argument in statistical inference, Annals of Eugenics 6, and
Robinson (1976), Properties of the Behrens-Fisher solution, Annals of Statistics 4; the two crossed
levels: Owen (2007), The pigeonhole bootstrap, arXiv:0712.1111.
"""

import math

import numpy as np

from qarank.squad.resampling import (
    Floats,
    Paired,
    compare_paired,
    flip_signs,
    percentile_interval,
    resample_means,
    two_sided_p,
)

SEED_STREAM = 1  # keeps the draws of seeds apart from those of questions


def compare_seeded(first: Floats, second: Floats, *, resamples: int, seed: int) -> Paired:
    """The difference of two methods' means over seeds and questions, and whether it is chance.

    Args:
        first: (seeds, n) the scores of one method, both at least 1.
        second: (seeds, n) those of the other, with the same seeds in the same order.
        resamples: draws for the interval, and for the test.
        seed: 0 or more, of the draws.
    """
    ours, theirs = first.mean(axis=0), second.mean(axis=0)  # (n,)
    if len(first) == 1:
        return compare_paired(ours, theirs, resamples=resamples, seed=seed)
    apart = ours - theirs
    other_seeds = _draw_seeds((first - second).mean(axis=1), resamples=resamples, seed=seed)
    other_questions = resample_means(apart[:, None], resamples=resamples, seed=seed)[:, 0]
    flipped = flip_signs(apart, resamples=resamples, seed=seed) / len(apart)
    difference = float(apart.mean())
    return Paired(
        difference=difference,
        interval=percentile_interval(other_questions + other_seeds),
        p_value=two_sided_p(flipped + other_seeds, difference),
    )


def _draw_seeds(differences: Floats, *, resamples: int, seed: int) -> Floats:
    """How far the mean of other seeds would lie from that of these (seeds,): (resamples,)."""
    count = len(differences)
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    drawn: Floats = np.random.default_rng([seed, SEED_STREAM]).standard_t(count - 1, resamples)
    return error * drawn
