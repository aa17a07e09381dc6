import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from qarank.config.data_schema import DataConfig
from qarank.config.schema import Recipe
from qarank.errors import DataError
from qarank.squad.audit import Audit, Finding, PartAudit, Shown
from qarank.squad.audit_lengths import Lengths, Spread
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.loaded_data import LoadedData
from qarank.workflows.audit import WrittenAudit, audit_parts, require_sound
from qarank.workflows.data import Part
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


def part_of(*records: tuple[str, str], tokenizer: PreTrainedTokenizerBase) -> Part:
    examples = [Example(name, "", context, "Who?") for name, context in records]
    table = build_features(examples, tokenizer, max_seq_length=64, doc_stride=8)
    return Part("d", LoadedData(examples, ["d.json"] * len(examples)), table, was_cached=False)


@pytest.mark.parametrize(
    ("train", "threshold", "validation", "found"),
    [
        ("a", "b", "c", []),
        ("a", "b", "a", ["validation"]),
        ("a", "b", "b", ["validation"]),  # as the threshold was tuned on it
        ("a", "a", "c", ["threshold"]),
    ],
)
def test_no_part_shares_anything_with_another(
    train: str, threshold: str, validation: str, found: list[str], tiny_model_dir: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    named = {"train": train, "threshold": threshold, "validation": validation}
    parts = {
        name: part_of((key, f"In Ulm {key}."), tokenizer=tokenizer) for name, key in named.items()
    }
    lengths = DataConfig.model_validate({"source": "x", "max_seq_length": 64, "doc_stride": 8})
    findings = audit_parts(parts, lengths, tokenizer).findings
    assert [(each.name, each.part) for each in findings] == [
        (name, part) for part in found for name in ("shared_contexts", "shared_ids")
    ]


def test_what_is_held_out_shares_nothing_with_what_is_trained_on(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    answers = {"text": ["Ann"], "answer_start": [0]}
    rows = [
        {
            "id": f"q{n}",
            "title": f"Ulm part {n % 3}",
            "context": f"Ann {n // 3}.",
            "question": f"{n}?",
        }
        | {"answers": [] if n % 2 else answers}
        for n in range(24)
    ]
    rows += [
        each | {"id": f"b{n}", "context": f"Ann b{n}.", "title": "B"}
        for n, each in enumerate(rows[:8])
    ]
    path = tmp_path / "d.json"
    path.write_text(json.dumps(rows))
    others = path.with_name("v.json")
    others.write_text(json.dumps([rows[0] | {"id": "v", "context": "Ann in Ulm."}]))
    files = {"train": str(path), "validation": str(others)}
    data = {**files, "max_seq_length": 96, "doc_stride": 8, "threshold_share": 0.2}
    recipe = tiny_recipe(data=data, eval={"null_threshold": "tuned"})
    found = audit_prepared(prepare_run(recipe, will_train=False)).audit
    assert list(found.parts) == ["train", "threshold", "validation"]
    assert found.parts["threshold"].counts["examples"] == 8
    assert found.findings == ()


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
