"""What a flag's words mean: settings of `xllamacpp.CommonParams`, without importing xllamacpp."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class FlagError(Exception):
    """The command line is wrong; the message names the flag and what would be right."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of one of xllamacpp's enumerations, by name: the import waits until the whole command line is read."""

    enumeration: str
    name: str


#: A dotted attribute path below CommonParams, and its value.
Setting = tuple[str, object]


#: A flag's argument (empty for a switch) -> what it sets. Raises FlagError when the argument makes no sense.
Reader = Callable[[str], Iterable[Setting]]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag under all its names. `value` is what the help calls its argument; empty for a switch."""

    names: tuple[str, ...]
    value: str
    help: str
    settings: Reader = field(repr=False)


def number(kind: type[int] | type[float], *paths: str) -> Reader:
    """A number, for each of the paths."""

    def read(word: str) -> list[Setting]:
        value = _convert(kind, word)
        return [(path, value) for path in paths]

    return read


def text(path: str) -> Reader:
    """Any text, as it is."""
    return lambda word: [(path, word)]


def comma_list(path: str, kind: Callable[[list[str]], object] = list) -> Reader:
    """Several texts with commas between, as a list or another collection."""
    return lambda word: [(path, kind([part.strip() for part in word.split(",") if part.strip()]))]


def switch(path: str, value: object) -> Reader:
    """A flag without an argument."""
    return lambda _: [(path, value)]


def choice(path: str, choices: Mapping[str, object]) -> Reader:
    """One of several words."""

    def read(word: str) -> list[Setting]:
        if word not in choices:
            raise FlagError(f"expected one of {', '.join(choices)}, not {word!r}")
        return [(path, choices[word])]

    return read


def members(enumeration: str, words: str) -> dict[str, object]:
    """The words as the user writes them -> the enumeration's members of that name."""
    prefix = enumeration.upper() + "_"
    return {word: Member(enumeration, prefix + word.upper().replace("-", "_")) for word in words.split()}


def sampling(kind: type[int] | type[float], name: str) -> Reader:
    """A sampling default that also wins over what the model file recommends."""
    chosen = Member("common_params_sampling_config", f"COMMON_PARAMS_SAMPLING_CONFIG_{name.upper()}")
    return lambda word: [(f"sampling.{name}", _convert(kind, word)), ("sampling.user_sampling_config", chosen)]


def layers(word: str) -> list[Setting]:
    """A number of layers, or one of llama.cpp's two words for it."""
    special = {"auto": -1, "all": -2}
    return [("n_gpu_layers", special[word] if word in special else _convert(int, word))]


def seed(word: str) -> list[Setting]:
    """A seed; llama.cpp keeps it unsigned, so that -1, a random one, is its largest value."""
    return [("sampling.seed", int(_convert(int, word)) % 2**32)]


def folder(path: str) -> Reader:
    """A folder; llama.cpp puts file names right behind it."""
    return lambda word: [(path, word.rstrip("/") + "/")]


def file(path: str) -> Reader:
    """The contents of a file."""

    def read(word: str) -> list[Setting]:
        try:
            return [(path, Path(word).read_text(encoding="utf-8"))]
        except (OSError, UnicodeDecodeError) as problem:
            raise FlagError(f"cannot read {word}: {getattr(problem, 'strerror', None) or problem}") from None

    return read


def _convert(kind: type[int] | type[float], word: str) -> int | float:
    try:
        return kind(word)
    except ValueError:
        raise FlagError(f"expected a {'whole ' if kind is int else ''}number, not {word!r}") from None
