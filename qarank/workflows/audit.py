"""The audit of a recipe's data: made of its parts, written beside their features."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from qarank.artifacts.atomic import write_json
from qarank.config.data_schema import DataConfig
from qarank.errors import DataError
from qarank.squad.audit import Audit, Finding, PartAudit, audit_overlap, audit_part
from qarank.squad.features import features_path
from qarank.squad.pair_template import read_pair_template
from qarank.squad.tokenized_texts import copy_backend
from qarank.workflows.data import Part, features_cache_dir

AUDIT_JSON = "audit.json"


@dataclass(frozen=True)
class WrittenAudit:
    """An audit, and the file it stands in."""

    audit: Audit
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"path": str(self.path), **self.audit.to_dict()}


def audit_parts(
    parts: Mapping[str, Part], lengths: DataConfig, tokenizer: PreTrainedTokenizerBase
) -> Audit:
    """Look through a recipe's data.

    Args:
        parts: "train" and, where there are such, "threshold" and "validation".
        lengths: what their features were built with.
        tokenizer: likewise.
    """
    num_special = read_pair_template(tokenizer, copy_backend(tokenizer)).num_special
    audited: dict[str, PartAudit] = {}
    findings: list[Finding] = []
    for name, part in parts.items():
        audited[name], found = audit_part(
            name,
            part.label,
            part.data,
            part.table,
            num_special=num_special,
            doc_stride=lengths.doc_stride,
        )
        findings += found
    if "threshold" in parts:
        findings += audit_overlap(parts["train"].examples, parts["threshold"].data, "threshold")
    if "validation" in parts:
        of_training = [parts[name].examples for name in ("train", "threshold") if name in parts]
        findings += audit_overlap(list(chain(*of_training)), parts["validation"].data)
    return Audit(audited, tuple(findings))


def write_audit(
    parts: Mapping[str, Part], lengths: DataConfig, tokenizer: PreTrainedTokenizerBase
) -> WrittenAudit:
    """Make the audit and write it beside the training features; args as `audit_parts`.

    Raises:
        RunError: it cannot be written.
    """
    audit = audit_parts(parts, lengths, tokenizer)
    features = features_path(
        parts["train"].examples,
        tokenizer,
        max_seq_length=lengths.max_seq_length,
        doc_stride=lengths.doc_stride,
        cache_dir=features_cache_dir(),
    )
    path = features.with_name(AUDIT_JSON)
    write_json(path, audit.to_dict())
    return WrittenAudit(audit, path)


def require_sound(written: WrittenAudit, *, strict: bool) -> None:
    """Refuse data that training would refuse, or, if strict, data of which anything was found.

    Raises:
        DataError: in one line the first finding, how many there are, and where they are listed.
    """
    findings = written.audit.findings
    grave = [finding for finding in findings if finding.is_grave]
    if grave:
        others = sum(finding.count for finding in grave) - 1
        more = f" (and {others:,} more: {written.path})" if others else ""
        raise DataError(f"{grave[0].examples[0].remark}{more}")
    if strict and findings:
        first = findings[0]
        label = written.audit.parts[first.part].label
        others = len(findings) - 1
        more = f", and {others} more finding{'s' if others > 1 else ''}" if others else ""
        raise DataError(
            f"{label}: {first.count:,} {first.what}, the first {first.examples[0].id}{more};"
            f" --strict allows none; they are listed in {written.path}"
        )
