"""How the code is laid out: a test file for each module, files and functions of one idea."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT_DIR = Path(__file__).parents[1]
PACKAGE_DIR = ROOT_DIR / "qarank"
TABLES = "a table of words; what is made of it is tested"
UNTESTED = {  # module -> why it has no test file of its own
    "__main__.py": "two lines, run as a process by the tests of the command line",
    "cli/answer_table.py": "what tests/cli/test_predict.py reads off the screen",
    "squad/almanac_buildings.py": TABLES,
    "squad/almanac_journeys.py": TABLES,
    "squad/almanac_ventures.py": TABLES,
    "squad/almanac_words.py": TABLES,
}
MAX_LINES, MAX_FUNCTION_LINES = 250, 50
Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_modules() -> dict[str, str]:
    """Path within the package -> text."""
    paths = [path for path in PACKAGE_DIR.rglob("*.py") if path.name != "__init__.py"]
    texts = {path.relative_to(PACKAGE_DIR).as_posix(): path.read_text("utf-8") for path in paths}
    assert len(texts) > 100, "the package is looked for in the wrong place"
    return texts


def has_test_file(module: str) -> bool:
    path = Path(module)
    return (ROOT_DIR / "tests" / path.with_name(f"test_{path.name}")).is_file()


def test_each_module_has_a_test_file_of_its_name() -> None:
    assert {module for module in read_modules() if not has_test_file(module)} == set(UNTESTED)


def test_no_module_is_longer_than_one_idea() -> None:
    lengths = {module: len(text.splitlines()) for module, text in read_modules().items()}
    assert {module: count for module, count in lengths.items() if count > MAX_LINES} == {}


def read_functions() -> Iterator[tuple[str, Function]]:
    for module, text in read_modules().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function):
                yield f"{module} {node.name}", node


def count_lines(function: Function) -> int:
    """From its def to its end, without the docstring."""
    first, end = function.body[0], function.end_lineno
    assert first.end_lineno is not None and end is not None  # parsed from text
    is_told = ast.get_docstring(function) is not None
    return end - function.lineno + 1 - is_told * (first.end_lineno - first.lineno + 1)


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {name: count_lines(function) for name, function in read_functions()}
    assert {name: count for name, count in lengths.items() if count > MAX_FUNCTION_LINES} == {}


def test_a_package_says_nothing_but_its_version() -> None:
    for folder in {path.parent for path in PACKAGE_DIR.rglob("*.py")}:
        text = (folder / "__init__.py").read_text("utf-8")
        assert text == "" or (folder == PACKAGE_DIR and "__version__" in text), folder.name
