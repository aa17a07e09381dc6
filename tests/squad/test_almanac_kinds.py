import re

import pytest

from qarank.squad.almanac_kinds import Kind, Relation, all_kinds, parse_kind, parse_relations
from qarank.squad.almanac_words import CHOICES, MEASURES

KINDS = all_kinds()
PAINTER = """
painter: person
= {X} was painted by {v}.
? Who painted {x}?
< Which {n} did {v} paint?
"""


def slots(template: str) -> set[str]:
    return set(re.findall(r"\{(\w)\}", template.lower()))


def test_relations_are_read_line_by_line() -> None:
    assert parse_relations(PAINTER) == [
        Relation(
            "painter",
            "person",
            ["{X} was painted by {v}."],
            ["Who painted {x}?"],
            ["Which {n} did {v} paint?"],
        )
    ]


def test_a_kind_takes_shared_relations_where_it_uses_them() -> None:
    shared = {"painter": parse_relations(PAINTER)[0]}
    text = "kind: inn\nname: the {w} Inn\nscene: A.\nrooms: count\nuses: painter\nbeds: count"
    kind = parse_kind(text, shared)
    assert (kind.noun, kind.name, kind.scenes) == ("inn", "the {w} Inn", ["A."])
    assert list(kind.relations) == ["rooms", "painter", "beds"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.noun)
def test_a_kind_has_its_name_its_title_and_several_scenes(kind: Kind) -> None:
    assert slots(kind.name) == slots(kind.title) == {"w"}
    assert len(kind.scenes) >= 3
    assert all("w" in slots(scene) for scene in kind.scenes)
    assert len(kind.relations) >= 12


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.noun)
def test_each_relation_is_stated_and_asked_in_more_than_one_way(kind: Kind) -> None:
    for relation in kind.relations.values():
        assert relation.type in {"person", "year", "town", *CHOICES, *MEASURES}
        assert len(relation.statements) >= 2
        assert len(relation.questions) >= 2
        assert bool(relation.reverse) == (relation.type in {"person", "year"})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.noun)
def test_each_template_has_its_slots(kind: Kind) -> None:
    for relation in kind.relations.values():
        assert all(slots(text) == {"x", "v"} for text in relation.statements)
        assert all(slots(text) == {"x"} for text in relation.questions)
        assert all(slots(text) == {"n", "v"} for text in relation.reverse)
        assert all(text.endswith("?") for text in relation.questions + relation.reverse)
        assert all(text[1] in "VX" or text[0] != "{" for text in relation.statements)


def test_no_wording_asks_for_two_things_of_one_kind() -> None:
    for kind in KINDS:
        asked = [q for r in kind.relations.values() for q in r.questions + r.reverse]
        assert len(set(asked)) == len(asked)


def test_a_kind_offers_several_persons_and_years_to_confuse() -> None:
    for kind in KINDS:
        types = [relation.type for relation in kind.relations.values()]
        assert types.count("person") >= 4
        assert types.count("year") >= 3
