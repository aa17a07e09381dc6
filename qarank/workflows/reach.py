"""Is all a recipe names within reach? Asked before torch loads, so that a no comes in seconds."""

from qarank.config.schema import Recipe
from qarank.squad.sources import check_source
from qarank.workflows.model_source import find_model


def check_reach(recipe: Recipe) -> None:
    """Look for the model and the data; nothing is read or downloaded.

    Raises:
        ModelError, DataError: a folder, package or file is missing.
        HubError: a hub name is out of reach and not cached.
    """
    find_model(recipe.model)
    for location in (recipe.data.train_location, recipe.data.validation_location):
        if location is not None:
            check_source(*location)
