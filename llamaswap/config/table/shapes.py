"""What a key takes: its type, its default, its range. `table` says which key has which; all else is derived from it.

The decoder (`fields`), the check for unknown keys (`keys`) and the published JSON schema are three readings of that one
table, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Text:
    """One text. Of `choices` one must be taken; *lenient* ones fall back to the default with a warning instead.

    Attributes:
        required: There is no default; the key must be given.
        fold: Choices are compared trimmed and in lower case.
        secret: No output may show the value.
    """

    default: str = ""
    choices: tuple[str, ...] = ()
    lenient: bool = False
    fold: bool = False
    required: bool = False
    secret: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, refused below `least`."""

    default: int = 0
    least: int | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """True or false; a default of None is neither, for switches that fall back to another key."""

    default: bool | None = False


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time with its unit, as ``1m30s``. `default` and `least` in seconds."""

    default: float
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts. `choices` are what its items may be; `patterns` says that they are regular expressions."""

    default: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    patterns: bool = False
    required: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """A mapping with any content, kept as it is."""


@dataclass(frozen=True, slots=True)
class Names:
    """A mapping whose keys are names and whose values all have one simple shape."""

    of: Text | Whole


@dataclass(frozen=True, slots=True)
class Macros:
    """A block of macros: names, and the texts, numbers or truth values they stand for."""


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with fixed keys. Where `absent` is ``none``, leaving it out is not the same as leaving it empty."""

    keys: Mapping[str, "Key"]
    absent: Literal["defaults", "none"] = "defaults"


@dataclass(frozen=True, slots=True)
class Each:
    """A mapping whose keys are names, each with a section of the same keys below it."""

    of: Section
    noun: str = "name"


@dataclass(frozen=True, slots=True)
class NamedAnything:
    """A mapping whose keys are names, each with a mapping of any content below it."""


Shape = Text | Whole | Switch | Duration | Texts | Anything | Names | Macros | Section | Each | NamedAnything


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `doc` explains it in a sentence; `note` is the warning that using it gives, if there is one."""

    shape: Shape
    doc: str = field(default="", kw_only=True)
    note: str = field(default="", kw_only=True)
