import json
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from qarank.squad.audit import (
    FAULTS,
    ODDITIES,
    SHOWN_IDS,
    Audit,
    Finding,
    PartAudit,
    audit_overlap,
    audit_part,
)
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.loaded_data import Fault, LoadedData, Mended
from qarank.squad.sample import almanac

LENGTHS = {"max_seq_length": 160, "doc_stride": 32}


def audit(
    data: LoadedData, tokenizer: PreTrainedTokenizerBase, **lengths: int
) -> tuple[PartAudit, list[Finding]]:
    table = build_features(data.examples, tokenizer, **(LENGTHS | lengths))
    stride = (LENGTHS | lengths)["doc_stride"]
    return audit_part("train", "label", data, table, num_special=3, doc_stride=stride)


def load(examples: list[Example], **known: Any) -> LoadedData:
    return LoadedData(examples, ["d.json"] * len(examples), **known)


@pytest.fixture
def bert(make_tokenizer: Any) -> PreTrainedTokenizerBase:
    """A BERT tokenizer of the sample's words."""
    return make_tokenizer("bert")


def test_sound_data_has_counts_and_no_findings(bert: PreTrainedTokenizerBase) -> None:
    examples = almanac("validation")[:40]
    part, findings = audit(load(examples), bert)
    assert findings == []
    assert part.label == "label"
    assert part.counts["examples"] == 40
    assert part.counts["unanswerable"] == sum(example.is_impossible for example in examples) > 0
    assert part.counts["gold_answers"] == sum(len(example.answers) for example in examples)
    assert part.counts["contexts"] == len({example.context for example in examples})


def test_every_fault_of_reading_is_a_grave_finding(bert: PreTrainedTokenizerBase) -> None:
    kinds = list(reversed(FAULTS))  # as they came up
    faults = [Fault(kind, f"line of {kind}", "d.json", "x") for kind in kinds for _ in "ab"]
    part, findings = audit(load(almanac("validation")[:2], faults=faults), bert)
    assert [(finding.name, finding.count) for finding in findings] == [(kind, 2) for kind in kinds]
    assert [finding.what for finding in findings] == [FAULTS[kind] for kind in kinds]
    assert all(finding.is_grave for finding in findings)
    assert findings[0].examples[0].remark == f"line of {kinds[0]}"
    assert part.counts["refused_records"] == 2 * len(kinds)
    assert Audit({"train": part}, tuple(findings)).is_grave


def test_repairs_are_a_finding_and_starts_found_are_only_counted(
    bert: PreTrainedTokenizerBase,
) -> None:
    mended = [Mended("q", "d.json", change, "x") for change in ("placed", "moved", "respelled")]
    part, (finding,) = audit(load(almanac("validation")[:2], mended=mended), bert)
    assert (finding.name, finding.count, finding.is_grave) == ("repaired_answers", 2, False)
    assert part.counts["placed_answers"] == 1


def test_oddities_of_the_data_are_found(bert: PreTrainedTokenizerBase) -> None:
    first = almanac("train")[0]
    long = " ".join(["stone"] * 200)
    examples = [
        first,
        Example("no", "", first.context, first.question),
        Example("empty", "", first.context, " "),
        Example("long", "", f"{long}.", "Why?", (long,), (0,)),
        Example("wordy", "", first.context, "why " * 200),
    ]
    assert first.answers
    _, findings = audit(load(examples), bert)
    assert {finding.name: [shown.id for shown in finding.examples] for finding in findings} == {
        "unreachable_answers": ["long"],
        "contradictory_labels": [first.id, "no"],
        "empty_questions": ["empty"],
        "cut_questions": ["wordy"],
    }
    assert not Audit({}, tuple(findings)).is_grave


def test_a_finding_lists_the_first_few_with_their_files(bert: PreTrainedTokenizerBase) -> None:
    examples = [Example(f"q{n}", "", f"Context {n}.", "") for n in range(30)]
    files = [f"{n}.json" for n in range(30)]
    _, (finding,) = audit(LoadedData(examples, files), bert)
    assert finding.count == 30
    assert [(shown.id, shown.file) for shown in finding.examples] == [
        (f"q{n}", f"{n}.json") for n in range(SHOWN_IDS)
    ]


def test_overlap_is_evaluations(bert: PreTrainedTokenizerBase) -> None:
    train, validation = almanac("train")[:9], almanac("validation")[:9]
    assert audit_overlap(train, load(validation)) == []
    found = audit_overlap(train, load([*validation, train[0]]))
    assert [(each.name, each.part, each.count) for each in found] == [
        ("shared_contexts", "validation", 1),
        ("shared_ids", "validation", 1),
    ]
    assert found[0].examples[0].id == train[0].id


def test_an_audit_is_json(bert: PreTrainedTokenizerBase) -> None:
    faults = [Fault("bad_records", "line", "d.json")]
    part, findings = audit(load(almanac("validation")[:9], faults=faults), bert)
    document = Audit({"train": part}, tuple(findings)).to_dict()
    assert json.loads(json.dumps(document))["findings"] == [
        {
            "name": "bad_records",
            "what": "records that are no example",
            "part": "train",
            "count": 1,
            "is_grave": True,
            "examples": [{"id": "", "file": "d.json", "remark": "line"}],
        }
    ]
    assert document["parts"]["train"]["tokens"]["questions"]["number"] == 9


def test_no_kind_of_finding_is_both_grave_and_not() -> None:
    assert not FAULTS.keys() & ODDITIES.keys()
