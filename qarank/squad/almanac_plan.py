"""What an almanac passage asks and states, decided before a word of it is written.

The question comes first, and with it whether it has an answer, so the question alone tells nothing.
Then the passage is made to fit: a question without an answer finds its relation told of the
neighbour, or a like relation told of its own thing.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from qarank.squad.almanac_kinds import Kind
from qarank.squad.almanac_text import pick, shuffled

NUM_FACTS = 7  # stated in a passage, or more where its questions want them
REVERSE_SHARE = 0.2  # of the questions on relations that can be asked backwards
NEIGHBOUR_SHARE = 0.3  # of the distractors: same relation, other thing

Pair = tuple[int, str]  # which of the passage's two things, 0 or 1, and the relation's key


@dataclass(frozen=True)
class Ask:
    """One question to be.

    Attributes:
        pair: what is asked; a reverse question asks for the thing of it.
        template: the question's wording.
        is_reverse: whether it names a fact and wants the thing.
        is_answerable: whether the passage tells.
        given: the pair whose fact a reverse question names; None for a plain question.
    """

    pair: Pair
    template: str
    is_reverse: bool
    is_answerable: bool
    given: Pair | None = None


@dataclass
class Plan:
    """What one passage asks, states and must not state."""

    asks: list[Ask] = field(default_factory=list)
    stated: list[Pair] = field(default_factory=list)
    banned: set[Pair] = field(default_factory=set)

    def state(self, pair: Pair) -> bool:
        """Add the pair unless it is banned; whether it is stated now."""
        if pair not in self.banned and pair not in self.stated:
            self.stated.append(pair)
        return pair in self.stated


class AnswerQuota:
    """Says of each use of a wording whether it has an answer: every third has none."""

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()
        self._total = self._unanswerable = 0

    def is_answerable(self, template: str) -> bool:
        """Count one use. A new wording starts at the phase that brings the whole to a third."""
        if template not in self._uses:
            is_short = 3 * self._unanswerable < self._total
            self._uses[template] = 2 if is_short else len(self._uses) % 2
        self._uses[template] += 1
        answerable = self._uses[template] % 3 != 0
        self._total += 1
        self._unanswerable += not answerable
        return answerable


def plan_passage(rng: Random, kind: Kind, quota: AnswerQuota, *, num_asks: int) -> Plan:
    """Draw the questions, then the facts that answer or tempt."""
    pairs = shuffled(rng, [(thing, key) for thing in (0, 1) for key in kind.relations])
    asks = [_draw_question(rng, kind, pair, quota) for pair in pairs[:num_asks]]
    plan = Plan(
        stated=[ask.pair for ask in asks if ask.is_answerable],
        banned={ask.pair for ask in asks if not ask.is_answerable and not ask.is_reverse},
    )
    for ask in asks:
        given = ask.pair
        if not ask.is_answerable:
            given = _add_distractor(rng, kind, plan, ask)
        elif len(plan.stated) < NUM_FACTS:
            _add_distractor(rng, kind, plan, ask)
        plan.asks.append(replace(ask, given=given) if ask.is_reverse else ask)
    for pair in shuffled(rng, pairs):
        is_untold = all(thing != pair[0] for thing, _ in plan.stated)  # it must at least be named
        if is_untold or len(plan.stated) < NUM_FACTS:
            plan.state(pair)
    return plan


def _draw_question(rng: Random, kind: Kind, pair: Pair, quota: AnswerQuota) -> Ask:
    """A wording for the pair, and whether it will have an answer."""
    relation = kind.relations[pair[1]]
    is_reverse = bool(relation.reverse) and rng.random() < REVERSE_SHARE
    template = pick(rng, relation.reverse if is_reverse else relation.questions)
    return Ask(pair, template, is_reverse, quota.is_answerable(template))


def _add_distractor(rng: Random, kind: Kind, plan: Plan, ask: Ask) -> Pair:
    """State a pair that could be taken for the one asked; the pair itself if none is free."""
    thing, key = ask.pair
    neighbour = (1 - thing, key)
    rivals = [
        (side, other.key)
        for side in (thing, 1 - thing)
        for other in shuffled(rng, list(kind.relations.values()))
        if other.type == kind.relations[key].type and other.key != key
    ]
    order = [*rivals, neighbour]
    if not ask.is_reverse and rng.random() < NEIGHBOUR_SHARE:
        order = [neighbour, *rivals]
    return next((option for option in order if plan.state(option)), ask.pair)
