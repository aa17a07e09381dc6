"""An audit of the data: what is in it, and what in it is odd or wrong. Pure: data in, findings out.

A finding is grave where training refuses the data for it; the others are for its owner to judge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qarank.squad.audit_findings import (
    Found,
    find_contradictions,
    find_cut_answers,
    find_empty_questions,
    find_shared_contexts,
    find_shared_ids,
    find_unreachable,
)
from qarank.squad.audit_lengths import Lengths, measure_lengths
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.loaded_data import LoadedData

SHOWN_IDS = 20
FAULTS = {
    "bad_records": "records that are no example",
    "duplicate_ids": "ids that stand twice",
    "empty_contexts": "contexts without text",
    "misaligned_answers": "answers not in the context where they say",
    "impossible_against_answers": "is_impossible says otherwise than the answers",
}
ODDITIES = {
    "repaired_answers": "answers put right: moved or respelled",
    "unreachable_answers": "answers that no window holds",
    "cut_answers": "answers that begin or end inside a token",
    "contradictory_labels": "same question and context, other label",
    "empty_questions": "questions without text",
    "cut_questions": "questions cut to fit a window",
    "shared_contexts": "questions whose context is also in training",
    "shared_ids": "questions whose id is also in training",
}


@dataclass(frozen=True)
class Shown:
    """One example of a finding.

    Attributes:
        id: of the question, "" where it has none.
        file: it comes from.
        remark: what there is to say of this one, or "".
    """

    id: str
    file: str
    remark: str = ""


@dataclass(frozen=True)
class Finding:
    """One kind of thing that is odd or wrong in a part.

    Attributes:
        name: of the kind, a key of FAULTS or ODDITIES.
        what: the same in words.
        part: "train", "threshold" or "validation".
        count: how many examples, records or answers.
        is_grave: training refuses the data for it.
        examples: the first SHOWN_IDS of them.
    """

    name: str
    what: str
    part: str
    count: int
    is_grave: bool
    examples: tuple[Shown, ...]


@dataclass(frozen=True)
class PartAudit:
    """What is in a part of the data.

    Attributes:
        label: its short name.
        counts: of examples and what they are made of.
        lengths: in tokens.
    """

    label: str
    counts: Mapping[str, int]
    lengths: Lengths


@dataclass(frozen=True)
class Audit:
    """What is in the data, and all that was found; findings of no example are left out."""

    parts: Mapping[str, PartAudit]
    findings: tuple[Finding, ...]

    @property
    def is_grave(self) -> bool:
        """Whether training refuses the data."""
        return any(finding.is_grave for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "parts": {
                name: {
                    "label": part.label,
                    "counts": dict(part.counts),
                    "tokens": part.lengths.to_dict(),
                }
                for name, part in self.parts.items()
            },
            "findings": [asdict(finding) for finding in self.findings],
        }


def audit_part(
    name: str,
    label: str,
    data: LoadedData,
    table: FeatureTable,
    *,
    num_special: int,
    doc_stride: int,
) -> tuple[PartAudit, list[Finding]]:
    """Look through one part.

    Args:
        name: "train", "threshold" or "validation".
        label: its short name for people.
        data: its examples, and what reading them brought up.
        table: their features.
        num_special: special tokens of a feature.
        doc_stride: tokens two neighbouring windows share.
    """
    examples = data.examples
    lengths = measure_lengths(examples, table, num_special=num_special, doc_stride=doc_stride)
    # In the order they came up: the first is what training ends at.
    kinds = dict.fromkeys(fault.kind for fault in data.faults)
    faults = {kind: [fault for fault in data.faults if fault.kind == kind] for kind in kinds}
    repaired = [mended for mended in data.mended if mended.change != "placed"]
    found: dict[str, Found] = {
        "unreachable_answers": find_unreachable(examples, table),
        "cut_answers": find_cut_answers(examples, table),
        "contradictory_labels": find_contradictions(examples),
        "empty_questions": find_empty_questions(examples),
        "cut_questions": [(place, "") for place in table.cut_questions.tolist()],
    }
    findings = [
        *(
            _find(name, kind, [Shown(fault.id, fault.file, fault.line) for fault in those])
            for kind, those in faults.items()
        ),
        _find(
            name,
            "repaired_answers",
            [Shown(mended.id, mended.file, mended.line) for mended in repaired],
        ),
        *(_find(name, kind, _show(places, data)) for kind, places in found.items()),
    ]
    counts = _count(data, num_features=len(table), num_repaired=len(repaired))
    return PartAudit(label, counts, lengths), [finding for finding in findings if finding.count]


def audit_overlap(
    train: Sequence[Example], other: LoadedData, part: str = "validation"
) -> list[Finding]:
    """What another part has in common with training, which should be nothing."""
    found = {
        "shared_contexts": find_shared_contexts(train, other.examples),
        "shared_ids": find_shared_ids(train, other.examples),
    }
    findings = [_find(part, kind, _show(of, other)) for kind, of in found.items()]
    return [finding for finding in findings if finding.count]


def _find(part: str, name: str, shown: Sequence[Shown]) -> Finding:
    return Finding(
        name=name,
        what=(FAULTS | ODDITIES)[name],
        part=part,
        count=len(shown),
        is_grave=name in FAULTS,
        examples=tuple(shown[:SHOWN_IDS]),
    )


def _show(found: Found, data: LoadedData) -> list[Shown]:
    return [Shown(data.examples[place].id, data.files[place], remark) for place, remark in found]


def _count(data: LoadedData, *, num_features: int, num_repaired: int) -> dict[str, int]:
    examples = data.examples
    return {
        "examples": len(examples),
        "unanswerable": sum(example.is_impossible for example in examples),
        "gold_answers": sum(len(example.answers) for example in examples),
        "contexts": len({example.context for example in examples}),
        "titles": len({example.title for example in examples if example.title}),
        "features": num_features,
        "placed_answers": sum(mended.change == "placed" for mended in data.mended),
        "repaired_answers": num_repaired,
        "refused_records": len(data.faults),
    }
