import ast
import pickle
import re
from pathlib import Path

import pytest

import qarank
from qarank import errors
from qarank.errors import QarankError, RunError, StoppedError

PACKAGE = Path(qarank.__file__).parent
CLASSES = [value for value in vars(errors).values() if isinstance(value, type)]


def draw_tree(base: type, depth: int = 1) -> list[str]:
    """Names with their indent, as the module's docstring draws them."""
    lines = [f"{'  ' * (depth - 1)}{base.__name__}"]
    for kind in base.__subclasses__():
        lines += draw_tree(kind, depth + 1)
    return lines


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn = re.findall(r"^( *[A-Z]\w+Error)\b", errors.__doc__ or "", flags=re.MULTILINE)
    assert drawn == draw_tree(QarankError)
    assert {name.strip() for name in drawn} == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_the_users_mistake_or_a_run_that_could_not_go_on(
    kind: type[QarankError],
) -> None:
    assert issubclass(kind, QarankError)
    if kind is not StoppedError:
        assert kind.exit_code == (3 if issubclass(kind, RunError) else 2)
    assert str(kind("what, where, what is allowed")) == "what, where, what is allowed"


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_what_it_is_for(kind: type[QarankError]) -> None:
    assert kind.__doc__ and kind.__doc__ != Exception.__doc__


def test_every_error_is_raised_somewhere() -> None:
    raised: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name == "errors.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        raised |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert {kind.__name__ for kind in CLASSES} - raised == set()


def test_a_stop_by_a_signal_has_the_shells_exit_code() -> None:
    assert StoppedError("stopped", 2).exit_code == 130
    assert str(pickle.loads(pickle.dumps(StoppedError("stopped", 2)))) == "stopped"
