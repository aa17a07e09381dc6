"""A translated command line as a recipe file: each key with where it comes from, notes below."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from qarank.config.flags.draft import Kind, Note
from qarank.config.flags.translate import Translation
from qarank.config.flags.words import make_printable

HEADLINES: dict[Kind, str] = {
    "impossible": "Cannot be honoured:",
    "idle": "Without effect here:",
    "told": "To know:",
}
KEY_WIDTH = 42  # columns of a key and its value, before its comment


def render_recipe(translation: Translation) -> str:
    """The recipe in YAML, which loads back as the translation's mapping."""
    lines = ["# Made of a command line by `qarank recipe`; each key says which flag it was."]
    section = ""
    for key, value in translation.keys.items():
        first, _, leaf = key.partition(".")
        if leaf and first != section:
            lines.append(f"{first}:")
        section = first if leaf else ""
        entry = f"{'  ' if leaf else ''}{leaf or key}: {_dump(value)}"
        lines.append(f"{entry:<{KEY_WIDTH}} # {make_printable(_origin(translation, key))}")
    for headline, notes in list_remarks(translation.notes):
        lines += [f"# {headline}", *(f"#   {make_printable(note)}" for note in notes)]
    return "\n".join(lines) + "\n"


def list_remarks(notes: Iterable[Note]) -> Iterator[tuple[str, list[str]]]:
    """Headline and its lines, of what is not said beside a key; one line for flags alike."""
    notes = list(notes)
    for kind, headline in HEADLINES.items():
        reasons: dict[str, list[str]] = {}
        for note in notes:
            if note.kind == kind:
                reasons.setdefault(note.text, []).append(
                    ", ".join(filter(None, [note.flag, note.key]))
                )
        if reasons:
            yield headline, [_remark(text, about) for text, about in reasons.items()]


def _remark(text: str, about: list[str]) -> str:
    named = ", ".join(filter(None, about))
    return f"{named}: {text}" if named else text


def _origin(translation: Translation, key: str) -> str:
    """The flag a key comes from, or why it stands there without one."""
    for note in translation.notes:
        if note.key == key and note.kind in ("translated", "default"):
            return note.flag or note.text
    return ""


def _dump(value: Any) -> str:
    texts = [text for text in (value if isinstance(value, list) else [value]) if type(text) is str]
    style = None if all(text.isprintable() for text in texts) else '"'  # on one line in any case
    dumped = yaml.safe_dump(value, default_flow_style=True, default_style=style, width=math.inf)
    return dumped.removesuffix("\n").removesuffix("\n...")
