"""A recipe while it is drawn up from flags: each key with where it comes from, and notes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from qarank.config.flags.asked import Asked

Kind = Literal["translated", "default", "idle", "impossible", "told"]
RUN_QA_DEFAULT = "run_qa's default"


@dataclass(frozen=True)
class Note:
    """What became of one flag, or where one key comes from.

    Attributes:
        kind: translated; default: the command is silent, and its program's value stands; idle:
            without effect here; impossible: cannot be honoured; told: worth knowing.
        flag: as it was written; "" where there is none.
        key: the recipe's, dotted; "" where there is none.
        text: why, or what to do; "" where flag and key say it.
    """

    kind: Kind
    flag: str
    key: str
    text: str


class Draft:
    """Keys and notes, in the order they were made.

    Args:
        asked: the command line's flags.

    Attributes:
        keys: the recipe's, dotted -> value.
        notes: as they were made.
        settled: names of the flags that were dealt with.
        refused: those of them that are impossible.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.keys: dict[str, Any] = {}
        self.notes: list[Note] = []
        self.settled: set[str] = set()
        self.refused: set[str] = set()

    def put(self, key: str, value: Any, *names: str, silent: str = RUN_QA_DEFAULT) -> None:
        """Set a key.

        Args:
            key: dotted.
            value: as YAML would hold it.
            names: flags it comes from; those that were given, and not refused, are noted.
            silent: where it comes from if none of them was given.
        """
        self.keys[key] = value
        given = [name for name in names if self.asked.has(name) and name not in self.refused]
        self.settled.update(given)
        if given:
            shown = " ".join(self.asked.shown(name) for name in given)
            self.notes.append(Note("translated", shown, key, ""))
        else:
            self.notes.append(Note("default", "", key, silent))

    def set_aside(self, why: str, *names: str) -> None:
        """Note the flags, those of them that were given, as without effect."""
        self._note("idle", why, names)

    def refuse(self, advice: str, *names: str) -> None:
        """Note the flags, those of them that were given, as impossible."""
        self._note("impossible", advice, names)
        self.refused.update(names)

    def refuse_words(self, shown: str, advice: str) -> None:
        """Note as impossible what is no known flag, or is missing."""
        self.notes.append(Note("impossible", shown, "", advice))

    def tell(self, text: str, *, flag: str = "", key: str = "") -> None:
        """Note something worth knowing."""
        self.notes.append(Note("told", flag, key, text))

    def list_left(self) -> Iterable[str]:
        """Flags that were given and that nothing has dealt with yet."""
        return [name for name in self.asked.flags if name not in self.settled]

    def _note(self, kind: Kind, text: str, names: Iterable[str]) -> None:
        for name in names:
            if self.asked.has(name) and name not in self.settled:
                self.settled.add(name)
                self.notes.append(Note(kind, self.asked.shown(name), "", text))
