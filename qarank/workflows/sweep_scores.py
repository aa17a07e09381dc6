"""What each question scored in each run of a sweep, to compare methods question by question."""

import logging
from collections.abc import Sequence

from qarank.artifacts.evaluation import PREDICTIONS
from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.errors import QarankError
from qarank.squad.columns import Columns
from qarank.squad.metric import Gold, Score, question_scores_v1, question_scores_v2
from qarank.squad.prediction_file import read_predictions
from qarank.squad.sources import load_data
from qarank.workflows.data import label_data
from qarank.workflows.train import run_path

LOG = logging.getLogger("qarank")


def read_scores(points: Sequence[SweepPoint]) -> dict[str, dict[str, Score]]:
    """Point -> question id -> exact match and F1, each 0..1.

    Points without evaluation data are left out; so are those whose answers cannot be read, told.

    Args:
        points: finished ones.
    """
    golds: dict[str, Gold] = {}
    found = {}
    for point in points:
        if point.recipe.data.validation_location is None:
            continue
        try:
            found[point.name] = _score_point(point.recipe, golds)
        except QarankError as error:
            LOG.warning("%s: not compared with others: %s", point.name, error)
    return found


def _score_point(recipe: Recipe, golds: dict[str, Gold]) -> dict[str, Score]:
    """The scores of a run's best checkpoint; gold answers that were read are in golds."""
    location = recipe.data.validation_location
    assert location is not None  # asked before
    key = repr((location, recipe.data.max_eval_examples, recipe.data.columns))
    if key not in golds:
        golds[key] = _read_gold(recipe)
    run_dir = RunDir(run_path(recipe))
    run = run_dir.read_run()
    folder = run_dir.eval_dir(run["result"]["best_checkpoint"], label_data(*location))
    answers = read_predictions(folder / PREDICTIONS)
    score = question_scores_v2 if run["version_2_with_negative"] else question_scores_v1
    return score(golds[key], answers)


def _read_gold(recipe: Recipe) -> Gold:
    location = recipe.data.validation_location
    assert location is not None  # asked before
    data = load_data(
        *location,
        columns=Columns(recipe.data.column_mapping),
        limit=recipe.data.max_eval_examples,
    )
    return {example.id: example.answers for example in data.examples}
