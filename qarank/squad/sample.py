"""sample:almanac, a small SQuAD-v2-like corpus that qarank makes up itself.

Each passage tells of two things of one kind, say two bridges. What it asks and states is decided in
almanac_plan; here it gets its names, its sentences and its gold answers.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

from qarank.errors import DataError
from qarank.squad.almanac_kinds import Kind, all_kinds
from qarank.squad.almanac_plan import AnswerQuota, Ask, Pair, Plan, plan_passage
from qarank.squad.almanac_text import (
    Fact,
    Sentence,
    fill,
    gold_answers,
    invent_fact,
    invent_place,
    join_sentences,
    merge_pronoun,
    pick,
    shuffled,
)
from qarank.squad.almanac_words import ASIDES, PLACE_HEADS, PLACE_TAILS
from qarank.squad.examples import Example

NUM_QUESTIONS = {"train": 3000, "validation": 600}
MIN_ASKS, MAX_ASKS = 4, 7
PASSAGES_AN_ARTICLE = 4
MIXED_SHARE = 0.2  # of the passages tell of both things in turn
SHORT_SHARE = 0.45  # of the sentences that stay with their thing say "it" or "the bridge"
ASIDE_SHARE = 0.4  # of the passages end on a remark
SHORT_PASSAGE = 68  # words; below it the remark is always there
VALIDATION_STRIDE = 6  # every sixth article is the validation split's


@dataclass(frozen=True)
class Passage:
    """A written passage: its names and facts, and where each fact stands in the text."""

    text: str
    names: tuple[str, str]
    facts: dict[Pair, Fact]
    starts: dict[Pair, int]


def almanac(split: Literal["train", "validation"]) -> list[Example]:
    """The corpus of one split, the same on every machine.

    Returns:
        3,000 (train) or 600 (validation) examples, a third of them without an answer. Train has one
        gold answer a question; validation has every form of it, the canonical one first.

    Raises:
        DataError: there is no such split.
    """
    if split not in NUM_QUESTIONS:
        raise DataError(f"sample:almanac has no split {split!r}; it has train and validation")
    rng = Random(f"almanac {split}")
    quota = AnswerQuota()
    examples: list[Example] = []
    for kind, district in articles(split):
        for _ in range(PASSAGES_AN_ARTICLE):
            left = NUM_QUESTIONS[split] - len(examples)
            if not left:
                return examples
            num_asks = _draw_num_asks(rng, left)
            plan = plan_passage(rng, kind, quota, num_asks=num_asks)
            passage = write_passage(rng, kind, plan)
            for ask in plan.asks:
                examples.append(_make_example(split, len(examples), kind, district, passage, ask))
    raise AssertionError("the almanac has too few articles")


def _draw_num_asks(rng: Random, left: int) -> int:
    """How many questions the next passage gets, so that enough are left for one more."""
    drawn = MIN_ASKS + int(rng.random() * (MAX_ASKS - MIN_ASKS + 1))
    return left if left <= MAX_ASKS else min(drawn, left - MIN_ASKS)


def articles(split: str) -> list[tuple[Kind, str]]:
    """The (kind, district) of each article; no district is in both splits."""
    rng = Random("almanac articles")
    districts = shuffled(rng, [head + tail for head in PLACE_HEADS for tail in PLACE_TAILS])
    own = [
        district
        for number, district in enumerate(districts)
        if (number % VALIDATION_STRIDE == 0) == (split == "validation")
    ]
    kinds = all_kinds()
    return [(kinds[number % len(kinds)], district) for number, district in enumerate(own)]


def write_passage(rng: Random, kind: Kind, plan: Plan) -> Passage:
    """Names, facts and sentences for a plan."""
    place, names = _draw_names(rng, kind)
    facts = _draw_facts(rng, kind, plan)
    order = _order_facts(rng, plan.stated)
    scene = fill(pick(rng, kind.scenes), Fact(""), w=place, x=names[0], y=names[1])
    sentences = [scene, *_write_facts(rng, kind, names, [(pair, facts[pair]) for pair in order])]
    num_words = sum(len(sentence.text.split()) for sentence in sentences)
    if rng.random() < ASIDE_SHARE or num_words < SHORT_PASSAGE:
        sentences.append(Sentence(pick(rng, ASIDES)))
    text, starts = join_sentences(sentences)
    return Passage(text, names, facts, dict(zip(order, starts[1:], strict=False)))


def _write_facts(
    rng: Random, kind: Kind, names: tuple[str, str], facts: list[tuple[Pair, Fact]]
) -> list[Sentence]:
    """One sentence a fact. Where the passage turns to a thing it says its name in full."""
    sentences: list[Sentence] = []
    used: set[str] = set()
    topic = -1  # the thing of the sentence before
    subject = -1  # the same, if it is that sentence's subject, so that "it" is plain
    for (thing, key), fact in facts:
        statements = kind.relations[key].statements
        template = pick(rng, [text for text in statements if text not in used] or statements)
        used.add(template)
        leads = template.startswith("{X}")
        form = names[thing]
        if thing == topic and rng.random() < SHORT_SHARE:
            form = "it" if leads and thing == subject else f"the {kind.noun}"
        sentence = fill(template, fact, x=form)
        if sentence.text.startswith("It ") and "," not in sentences[-1].text:
            sentences[-1], sentence = merge_pronoun(sentences[-1], sentence)
        topic, subject = thing, thing if leads else -1
        sentences.append(sentence)
    return sentences


def _draw_names(rng: Random, kind: Kind) -> tuple[str, tuple[str, str]]:
    """A place and the names of two things near it, all unlike."""
    taken: set[str] = set()
    while len(taken) < 3:
        taken.add(invent_place(rng))
    place, first, second = shuffled(rng, sorted(taken))
    return place, (kind.name.format(w=first), kind.name.format(w=second))


def _draw_facts(rng: Random, kind: Kind, plan: Plan) -> dict[Pair, Fact]:
    """A fact for each stated pair, no two alike; a thing's years come in their order."""
    facts: dict[Pair, Fact] = {}
    taken: set[str] = set()
    for thing in (0, 1):
        year = 1690 + int(rng.random() * 180)
        for key, relation in kind.relations.items():
            if (thing, key) not in plan.stated:
                continue
            year += 1 + int(rng.random() * 14)
            fact = _draw_fact(rng, relation.type, year)
            while {fact.text, fact.part or fact.text} & taken:
                year += 1
                fact = _draw_fact(rng, relation.type, year)
            taken |= {fact.text, fact.part or fact.text}
            facts[thing, key] = fact
    return facts


def _draw_fact(rng: Random, fact_type: str, year: int) -> Fact:
    """The year, where a year is wanted, or something new."""
    return Fact(str(year)) if fact_type == "year" else invent_fact(rng, fact_type)


def _order_facts(rng: Random, stated: list[Pair]) -> list[Pair]:
    """Mostly one thing after the other, sometimes mixed."""
    mixed = shuffled(rng, stated)
    if rng.random() < MIXED_SHARE:
        return mixed
    leading = int(rng.random() * 2)
    return sorted(mixed, key=lambda pair: pair[0] != leading)


def _make_example(
    split: str, number: int, kind: Kind, district: str, passage: Passage, ask: Ask
) -> Example:
    """The question with its gold answers."""
    name = passage.names[ask.pair[0]]
    given = passage.facts[ask.given] if ask.given else Fact("")
    question = fill(ask.template, Fact(given.text), x=name, n=kind.noun).text
    answers: dict[str, int] = {}
    if ask.is_answerable:
        if ask.given:
            fact = Fact(name.removeprefix("the "), "the " if name.startswith("the ") else "")
            start = passage.text.index(fact.text)
        else:
            fact, start = passage.facts[ask.pair], passage.starts[ask.pair]
        answers = gold_answers(passage.text, start, fact, all_forms=split == "validation")
    return Example(
        id=f"almanac-{split}-{number:06d}",
        title=kind.title.format(w=district),
        context=passage.text,
        question=question,
        answers=tuple(answers),
        answer_starts=tuple(answers.values()),
    )
