"""What a run's data are, in a word: other data under the same name have another one."""

import hashlib
import json

import numpy as np

from qarank.workflows.data import Part
from qarank.workflows.prepare import Prepared


def fingerprint_parts(prepared: Prepared) -> dict[str, str]:
    """sha256, in hex, of each part."""
    return {name: fingerprint(part) for name, part in prepared.parts.items()}


def fingerprint(part: Part) -> str:
    """sha256, in hex, over features, labels and gold answers, in their order."""
    table, digest = part.table, hashlib.sha256()
    for column in (
        table.row_offsets,
        table.input_ids,
        table.example_index,
        table.start_positions,
        table.end_positions,
    ):
        digest.update(np.ascontiguousarray(column).data)
    for example in part.examples:
        digest.update(json.dumps([example.id, example.answers]).encode())
    return digest.hexdigest()
