import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qarank.config.schema import Recipe
from qarank.errors import DataError
from qarank.squad.audit import Audit, Finding, PartAudit, Shown
from qarank.squad.audit_lengths import Lengths, Spread
from qarank.workflows.audit import WrittenAudit, require_sound
from qarank.workflows.prepare import audit_prepared, prepare_run

ZERO = Spread(0, 0, 0, 0, 0)
PART = PartAudit("squad", {}, Lengths(ZERO, ZERO, ZERO, 0.0))


def written(*findings: tuple[str, int, bool]) -> WrittenAudit:
    found = [
        Finding(what, what, "train", count, grave, (Shown("q1", "d.json", f"line of {what}"),))
        for what, count, grave in findings
    ]
    return WrittenAudit(Audit({"train": PART}, tuple(found)), Path("/cache/audit.json"))


def refuse(audit: WrittenAudit, *, strict: bool) -> str:
    with pytest.raises(DataError) as caught:
        require_sound(audit, strict=strict)
    return str(caught.value)


def test_the_audit_lies_beside_the_training_features(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QARANK_CACHE", str(tmp_path / "cache"))
    prepared = prepare_run(tiny_recipe(), will_train=False)
    found = audit_prepared(prepared)
    document = json.loads(found.path.read_text())
    assert document == found.audit.to_dict()
    assert found.to_dict() == {"path": str(found.path), **document}
    assert list(document["parts"]) == ["train", "validation"]
    assert document["parts"]["train"]["counts"]["features"] == len(prepared.train.table)
    assert document["findings"] == []
    assert {path.name for path in found.path.parent.iterdir()} >= {"features.arrow", "audit.json"}


def test_what_training_and_evaluation_share_is_found(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    record = {"id": "a", "question": "Who?", "context": "In Ulm.", "answers": ["Ulm"]}
    path = tmp_path / "d.json"
    path.write_text(json.dumps([record]))
    data = {"train": str(path), "validation": str(path), "max_seq_length": 96, "doc_stride": 8}
    found = audit_prepared(prepare_run(tiny_recipe(data=data), will_train=False)).audit
    assert [each.name for each in found.findings] == ["shared_contexts", "shared_ids"]


@pytest.mark.parametrize("strict", [False, True])
def test_sound_data_passes(strict: bool) -> None:
    require_sound(written(), strict=strict)


def test_oddities_are_an_error_only_where_asked() -> None:
    require_sound(written(("odd", 3, False)), strict=False)
    assert refuse(written(("odd", 1_203, False)), strict=True) == (
        "squad: 1,203 odd, the first q1; --strict allows none; they are listed in /cache/audit.json"
    )
    assert "and 1 more finding;" in refuse(written(("odd", 3, False), ("b", 1, False)), strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_what_training_refuses_is_told_as_training_tells_it(strict: bool) -> None:
    assert refuse(written(("bad", 1, True)), strict=strict) == "line of bad"
    assert refuse(written(("bad", 2, True), ("worse", 3, True)), strict=strict) == (
        "line of bad (and 4 more: /cache/audit.json)"
    )
