"""A row: what stands in a file for one question, as it was read."""

from typing import Literal, NamedTuple

# nested: SQuAD's own, under its own names; flat: records; cells: records whose values are all text
Form = Literal["nested", "flat", "cells"]

_PARAGRAPHS = '[{"context", "qas": [{"id", "question", "answers"}]}]'
NESTED = f'SQuAD\'s {{"data": [{{"paragraphs": {_PARAGRAPHS}}}]}}'
ACCEPTED = {  # with gold answers or without
    True: f"records with id, question, context and answers, or {NESTED}",
    False: f"records with question, context and, if you like, id, or {NESTED}",
}


class Row(NamedTuple):
    """One question's values, unchecked.

    Attributes:
        where: file and place, for messages.
        values: an object, unless the file is wrong.
        form: whose names its keys have, and what its values are.
    """

    where: str
    values: object
    form: Form
