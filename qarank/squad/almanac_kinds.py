"""The almanac's templates as objects: kinds of thing and the relations that can hold of them."""

from dataclasses import dataclass, field
from functools import cache

from qarank.squad.almanac_buildings import BUILDINGS, SHARED
from qarank.squad.almanac_journeys import JOURNEYS
from qarank.squad.almanac_ventures import VENTURES


@dataclass
class Relation:
    """What can be said and asked about one property of a thing.

    Attributes:
        key: its name within a kind.
        type: what kind of fact it takes: person, year, or a key of almanac_words.
        statements: sentences that state it.
        questions: questions whose answer is the fact.
        reverse: questions that give the fact and want the thing.
    """

    key: str
    type: str
    statements: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    reverse: list[str] = field(default_factory=list)


@dataclass
class Kind:
    """A kind of thing, such as a bridge: how it is called, and its relations in order."""

    noun: str
    name: str = ""
    title: str = ""
    scenes: list[str] = field(default_factory=list)
    relations: dict[str, Relation] = field(default_factory=dict)

    def add(self, relations: list[Relation]) -> None:
        """Append relations under their keys."""
        self.relations.update({relation.key: relation for relation in relations})


def parse_relations(text: str) -> list[Relation]:
    """Relations in the order of the text."""
    relations: list[Relation] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        mark, _, rest = line.partition(" ")
        if mark in "=?<":
            relation = relations[-1]
            lists = {"=": relation.statements, "?": relation.questions, "<": relation.reverse}
            lists[mark].append(rest)
        else:
            relations.append(Relation(mark.rstrip(":"), rest))
    return relations


def parse_kind(text: str, shared: dict[str, Relation]) -> Kind:
    """One kind; a `uses:` line takes shared relations at that place in the order."""
    kind = Kind(noun="")
    own: list[str] = []
    for line in text.strip().splitlines():
        key, _, rest = line.partition(": ")
        if key == "kind":
            kind.noun = rest
        elif key == "name":
            kind.name = rest
        elif key == "title":
            kind.title = rest
        elif key == "scene":
            kind.scenes.append(rest)
        elif key == "uses":
            kind.add(parse_relations("\n".join(own)))
            own.clear()
            kind.add([shared[name] for name in rest.split()])
        else:
            own.append(line)
    kind.add(parse_relations("\n".join(own)))
    return kind


@cache
def all_kinds() -> tuple[Kind, ...]:
    """Every kind of thing in the almanac, parsed once."""
    shared = {relation.key: relation for relation in parse_relations(SHARED)}
    text = BUILDINGS + VENTURES + JOURNEYS
    parts = text.split("kind: ")[1:]
    return tuple(parse_kind(f"kind: {part}", shared) for part in parts)
