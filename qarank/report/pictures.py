"""The plots of a sweep as PNGs, for papers and slides."""

from qarank.report.budget_plate import plan_budget_plate
from qarank.report.file_names import PLATES, picture_name
from qarank.report.learning_curves import plan_learning_plates
from qarank.report.mean_ranks import plan_rank_plate
from qarank.report.plate import Plate, draw_plates
from qarank.report.round_curves import plan_round_plates
from qarank.report.study import Results


def draw_pictures(results: Results) -> dict[str, bytes]:
    """File name -> PNG, of what there is something to draw of."""
    plates = plan_plates(results)
    return {picture_name(name): draw_plates(found) for name, found in plates.items() if found}


def plan_plates(results: Results) -> dict[str, list[Plate]]:
    """Name -> plates, none where there is nothing to draw."""
    budget, ranks = plan_budget_plate(results), plan_rank_plate(results.study)
    plates = (
        [budget] if budget else [],
        plan_learning_plates(results.study),
        [ranks] if ranks else [],
        plan_round_plates(results.study),
    )
    return dict(zip(PLATES, plates, strict=True))
