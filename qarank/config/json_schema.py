"""The JSON Schema of a recipe, for editors: completion, types, and each key's description.

Written by `python -m qarank.config.json_schema recipes/recipe.schema.json`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from qarank.config.schema import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def build_json_schema() -> dict[str, Any]:
    """The schema of a recipe file; `name` may be left out of a file."""
    schema = Recipe.model_json_schema()
    schema["required"] = [key for key in schema["required"] if key != "name"]
    return {"$schema": DIALECT, **schema, "title": "qarank recipe"}


def json_schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(build_json_schema(), indent=2) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema to the one path given."""
    if len(arguments) != 1:
        print("usage: python -m qarank.config.json_schema PATH", file=sys.stderr)
        return 2
    Path(arguments[0]).write_text(json_schema_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
