"""Runs the command line as its users do, in this process: an exit code and two streams."""

import io
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from qarank.cli.app import main
from qarank.config.schema import Recipe


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Calls main() with the arguments given."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["qarank", *map(str, arguments)])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        level = logging.getLogger("qarank").level
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            logging.getLogger("qarank").setLevel(level)
        return Outcome(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def recipe_file(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Path]:
    """Writes the tiny recipe; keyword arguments replace whole sections."""

    def write(**sections: Any) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(tiny_recipe(**sections).model_dump(exclude_unset=True)))
        return path

    return write


_shared: list[Path] = []


@pytest.fixture
def trained_run(
    run_cli: Callable[..., Outcome],
    recipe_file: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A finished run of svd + adalora. Made once: read it, do not write to it."""
    if not _shared:
        recipe = recipe_file(adapter={"type": "svd", "r": 4, "alpha": 64})
        runs_dir = tmp_path_factory.mktemp("shared")  # not the first test's own folder
        overrides = ("train.learning_rate=0.05", f"runs_dir={runs_dir}")
        sets = [word for override in overrides for word in ("--set", override)]
        done = run_cli("train", recipe, *sets, "-q")
        assert done.code == 0, done.err
        _shared.append(runs_dir / "tiny")
    return _shared[0]
