import json
from collections.abc import Callable

from qarank.config.schema import Recipe
from qarank.workflows.train import TrainOptions, run_path, train_recipe


def test_a_run_ends_with_the_budget_kept_and_its_files_in_place(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    recipe = tiny_recipe()
    run = train_recipe(recipe, TrainOptions(show_progress=False))
    folder = run_path(recipe)
    assert run["state"] == "finished"
    assert sum(run["result"]["ranks"].values()) == 2 * 12
    assert json.loads((folder / "run.json").read_text()) == run
    for name in ("recipe.yaml", "metrics.jsonl", "ranks.jsonl", "checkpoints/step_000012"):
        assert (folder / name).exists(), name
