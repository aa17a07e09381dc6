"""The words after the script -> flags and their values, as run_qa's own parser takes them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from qarank.config.flags.catalogue import (
    BOOLS,
    LISTS,
    VALUE_OPTIONAL,
    find_flag,
    suggest_flag,
)
from qarank.config.flags.words import make_printable
from qarank.errors import RecipeError

TRUE_WORDS = ("yes", "true", "t", "y", "1")
FALSE_WORDS = ("no", "false", "f", "n", "0")


@dataclass(frozen=True)
class Given:
    """One flag of the command line.

    Attributes:
        shown: as it was written: "--beta2 0.00".
        value: its text; "true" or "false" of a switch.
    """

    shown: str
    value: str


@dataclass
class Asked:
    """All flags of a command line, by their name here, and what is wrong with the others.

    Attributes:
        flags: name -> what was given last.
        unknown: as written -> what may have been meant.
        repeated: as written last, of flags given before with another value.
    """

    flags: dict[str, Given] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether the flag was given."""
        return name in self.flags

    def shown(self, name: str) -> str:
        """The flag as it was written; its name where it was not."""
        return self.flags[name].shown if name in self.flags else f"--{name}"

    def is_on(self, name: str) -> bool:
        """Whether a switch was given, and not switched off."""
        return self.has(name) and self.flags[name].value == "true"

    def text(self, name: str) -> str | None:
        """Its text; None where it was not given, or is empty.

        Raises:
            RecipeError: it holds a variable that nothing assigns.
        """
        value = self.flags[name].value if self.has(name) else ""
        if "$" in value:
            raise RecipeError(
                f"{self.shown(name)} holds a variable of the shell: write its value, or assign it"
                " in front, as in NAME=value run_qa.py ..."
            )
        return value or None

    def whole(self, name: str) -> int | None:
        """Its whole number; None where it was not given.

        Raises:
            RecipeError: it is none.
        """
        value = self.text(name)
        try:
            return None if value is None else int(value)
        except ValueError:
            self._refuse(name, "a whole number")

    def number(self, name: str) -> int | float | None:
        """Its number, an int where it is whole; None where it was not given.

        Raises:
            RecipeError: it is none, or not finite.
        """
        value = self.text(name)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            self._refuse(name, "a number")
        if not math.isfinite(number):
            self._refuse(name, "a finite number")
        return int(number) if number.is_integer() else number

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of the words allowed; None where it was not given.

        Raises:
            RecipeError: it is another.
        """
        value = self.text(name)
        if value is not None and value not in allowed:
            self._refuse(name, f"one of {', '.join(allowed)}")
        return value

    def _refuse(self, name: str, allowed: str) -> NoReturn:
        raise RecipeError(f"{self.shown(name)}: it must be {allowed}")


def read_flags(words: Sequence[str]) -> Asked:
    """Take each flag with its value; of a flag given twice the last holds.

    Raises:
        RecipeError: a flag lacks its value, or a switch has one that is neither true nor false.
    """
    asked = Asked()
    place = 0
    while place < len(words):
        end = place + 1
        while end < len(words) and not _is_flag(words[end]):
            end += 1
        _read_one(asked, words[place], list(words[place + 1 : end]))
        place = end
    return asked


def _is_flag(word: str) -> bool:
    """As argparse: a number is a value, whatever its sign, and so is a text with a space."""
    try:
        float(word)
    except ValueError:
        return word.startswith("-") and len(word) > 1 and " " not in word
    return False


def _read_one(asked: Asked, word: str, following: list[str]) -> None:
    written, equals, value = word.partition("=")
    found = find_flag(written.removeprefix("--")) if written.startswith("--") else None
    if found is None:
        advice = "no flag takes it; leave it out"
        advice = suggest_flag(written.lstrip("-")) if _is_flag(word) else advice
        asked.unknown[_show(word, *following)] = advice
        return
    name, is_negated = found
    if equals:
        values, stray = [value], following
    else:
        count = _count_values(name, is_negated, following)
        values, stray = following[:count], following[count:]
    given = Given(_show(word, *([] if equals else values)), " ".join(values))
    given = _settle(given, name, is_negated=is_negated)
    if asked.has(name) and asked.flags[name].value != given.value:
        asked.repeated.append(given.shown)
    asked.flags[name] = given
    if stray:
        asked.unknown[_show(*stray)] = f"it stands after {given.shown}, which takes no more"


def _show(*words: str) -> str:
    return make_printable(" ".join(words))


def _count_values(name: str, is_negated: bool, following: list[str]) -> int:
    """How many of the words that follow a flag are its value."""
    if name in LISTS:
        return len(following)
    if name in BOOLS:
        is_said = bool(following) and following[0].lower() in TRUE_WORDS + FALSE_WORDS
        return 1 if is_said and not is_negated else 0
    return min(1, len(following))


def _settle(given: Given, name: str, *, is_negated: bool) -> Given:
    """The value as its kind has it."""
    word = given.value.lower()
    if name not in BOOLS:
        if not given.value and "=" not in given.shown and name not in VALUE_OPTIONAL:
            raise RecipeError(f"{given.shown} needs a value")
        return given
    if word in ("", *TRUE_WORDS):
        return Given(given.shown, "false" if is_negated else "true")
    if word in FALSE_WORDS:
        return Given(given.shown, "true" if is_negated else "false")
    raise RecipeError(f"{given.shown}: it is a switch, true or false")
