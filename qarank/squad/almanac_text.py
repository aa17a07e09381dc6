"""The almanac's sentences: facts, and templates filled so that a fact's place stays known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from qarank.squad import almanac_words as words

T = TypeVar("T")


@dataclass(frozen=True)
class Fact:
    """What a relation says of a thing.

    Attributes:
        text: the shortest full answer, "Mara Quill".
        lead: what a passage may put before it, "the mason ".
        part: a piece of text that also answers, "Quill"; "" if none does.
    """

    text: str
    lead: str = ""
    part: str = ""


@dataclass(frozen=True)
class Sentence:
    """One sentence of a passage; start is where the fact's text begins in it, -1 without a fact."""

    text: str
    start: int = -1


def pick(rng: Random, choices: Sequence[T]) -> T:
    """One of the choices. Only rng.random() is promised to be the same in every Python."""
    return choices[int(rng.random() * len(choices))]


def shuffled(rng: Random, values: list[T]) -> list[T]:
    """The values in random order."""
    return sorted(values, key=lambda _: rng.random())


def invent_place(rng: Random) -> str:
    """A place name, such as Tarnholm."""
    return pick(rng, words.PLACE_HEADS) + pick(rng, words.PLACE_TAILS)


def invent_fact(rng: Random, fact_type: str) -> Fact:
    """A fact of any type but year, whose facts depend on one another."""
    if fact_type == "person":
        last = pick(rng, words.LAST_NAMES)
        lead = f"the {pick(rng, words.ROLES)} " if rng.random() < 0.4 else ""
        return Fact(f"{pick(rng, words.FIRST_NAMES)} {last}", lead, last)
    if fact_type == "town":
        lead = pick(rng, words.TOWN_LEADS) if rng.random() < 0.4 else ""
        return Fact(invent_place(rng), lead)
    if fact_type in words.CHOICES:
        return Fact(pick(rng, words.CHOICES[fact_type]))
    low, high, step, pattern = words.MEASURES[fact_type]
    text = pattern.format(low + step * int(rng.random() * ((high - low) // step + 1)))
    return Fact(text, part=text.split()[0] if " " in text else "")


def fill(template: str, fact: Fact, **names: str) -> Sentence:
    """The template with its names and its fact; capital letters mark a sentence's start."""
    text, start = "", -1
    for piece in re.split(r"(\{\w\})", template):
        slot = piece.strip("{}").lower() if piece.startswith("{") else ""
        if slot == "v":
            start = len(text) + len(fact.lead)
            text += fact.lead + fact.text
        else:
            text += names[slot] if slot else piece
    return Sentence(text[0].upper() + text[1:], start)


def join_sentences(sentences: list[Sentence]) -> tuple[str, list[int]]:
    """The passage, and each fact's offset in it, -1 where a sentence has none."""
    text, starts = "", []
    for sentence in sentences:
        text += " " if text else ""
        starts.append(len(text) + sentence.start if sentence.start >= 0 else -1)
        text += sentence.text
    return text, starts


def merge_pronoun(first: Sentence, second: Sentence) -> tuple[Sentence, Sentence]:
    """'A.' and 'It b.' as 'A,' and 'and it b.'."""
    return (
        replace(first, text=first.text.removesuffix(".") + ","),
        Sentence("and it" + second.text.removeprefix("It"), second.start + len("and ")),
    )


def gold_answers(context: str, start: int, fact: Fact, *, all_forms: bool) -> dict[str, int]:
    """Answer text -> offset, the canonical form first; the other forms only on request."""
    answers = {context[start : start + len(fact.text)]: start}  # "Nine" where it opens a sentence
    if not all_forms:
        return answers
    for lead in (fact.lead, "in ", "In "):
        if lead and context[:start].lower().endswith(lead.lower()) and _may_lead(fact, lead):
            answers[context[start - len(lead) : start] + fact.text] = start - len(lead)
    if fact.part:
        answers[fact.part] = start + fact.text.index(fact.part)
    return answers


def _may_lead(fact: Fact, lead: str) -> bool:
    """Whether lead and fact read as one answer: "in" goes only with a year."""
    return lead.lower() != "in " or fact.text.isdigit()
