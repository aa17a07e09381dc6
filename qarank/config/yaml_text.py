"""YAML text -> plain values. Stricter than PyYAML: a key that stands twice is refused."""

from collections.abc import Hashable
from typing import Any

import yaml

from qarank.errors import RecipeError

MERGE_TAG = "tag:yaml.org,2002:merge"


class UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which by itself lets the last of two equal keys win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping, and refuse a second key of one name."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE_TAG:
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key} stands twice", problem_mark=key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(text: str, *, where: str) -> Any:
    """Plain values from YAML text.

    Args:
        text: one document.
        where: the file's path or the override, opens an error's line.

    Raises:
        RecipeError: no YAML; one line, with the line's number.
    """
    try:
        return yaml.load(text, Loader=UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" line {mark.line + 1}:" if mark is not None else ""
        told = ", ".join(part for part in (error.context, error.problem) if part)
        problem = " ".join(told.split())
        raise RecipeError(f"{where}:{place} {problem}") from None
    except RecursionError:
        raise RecipeError(f"{where}: not YAML: nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise RecipeError(f"{where}: not YAML: {problem}") from None
