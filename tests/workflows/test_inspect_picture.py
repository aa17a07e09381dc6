from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.workflows.inspect_output import Inspected
from qarank.workflows.inspect_picture import write_picture
from qarank.workflows.inspect_ranks import report_ranks
from qarank.workflows.inspect_rounds import report_rounds

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_run_becomes_a_picture_taller_with_its_rounds(pruned_run: Any, tmp_path: Path) -> None:
    report = report_ranks(pruned_run.folder)
    rounds = report_rounds(pruned_run.folder, report)
    heights = []
    for given in (None, rounds):
        path = tmp_path / "new" / "ranks.png"
        write_picture(path, [Inspected("a", report, given)])
        content = path.read_bytes()
        assert content.startswith(PNG)
        heights.append(int.from_bytes(content[20:24], "big"))
    assert heights[1] > 2 * heights[0]


def test_more_runs_than_a_picture_holds_are_refused(pruned_run: Any, tmp_path: Path) -> None:
    run = Inspected("a", report_ranks(pruned_run.folder))
    with pytest.raises(DataError, match="41 runs; a picture has room for 40"):
        write_picture(tmp_path / "ranks.png", [run] * 41)
    assert not list(tmp_path.iterdir())
