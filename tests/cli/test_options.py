import logging
from collections.abc import Iterator

import pytest

from qarank.cli.options import set_verbosity


@pytest.fixture(autouse=True)
def _levels_put_back() -> Iterator[None]:
    ours = logging.getLogger("qarank")
    before = ours.level
    yield
    ours.setLevel(before)


@pytest.mark.parametrize(("quiet", "level"), [(True, logging.ERROR), (False, logging.INFO)])
def test_our_notes_show_unless_quiet(quiet: bool, level: int) -> None:
    set_verbosity(quiet=quiet, verbose=False)
    assert logging.getLogger("qarank.engine").getEffectiveLevel() == level


@pytest.mark.parametrize(("verbose", "level"), [(True, logging.INFO), (False, logging.ERROR)])
def test_the_libraries_notes_show_when_asked(
    verbose: bool, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(logging, "basicConfig", lambda **options: asked.update(options))
    set_verbosity(quiet=False, verbose=verbose)
    assert asked["level"] == level
