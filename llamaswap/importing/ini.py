"""llama.cpp's preset files: sections of ``option = value``, read as its router mode reads them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTION = re.compile(r"\[[ \t]*(?P<name>[^\]]+?)[ \t]*\][ \t]*(?:[;#].*)?")
#: A value ends where a comment begins, also without a blank before it.
_OPTION = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(?P<value>.*?)[ \t]*(?:[;#].*)?")
_NOTHING = re.compile(r"[ \t]*(?:[;#].*)?")

#: The section whose options hold for all others, and the one that options before any section belong to.
EVERYWHERE, NOWHERE = "*", "default"

_TRUE, _FALSE = {"on", "enabled", "true", "1"}, {"off", "disabled", "false", "0"}

#: Short names that we have to know, since they say which model it is or are written by us too.
_LONG = {
    "m": "model", "c": "ctx-size", "a": "alias", "hf": "hf-repo", "hfr": "hf-repo", "hff": "hf-file", "mm": "mmproj",
    "mu": "model-url", "embedding": "embeddings", "rerank": "reranking", "b": "batch-size", "ub": "ubatch-size",
}  # fmt: skip
#: Short names of more than three letters; longer words are written with two dashes.
_SHORT = {"nkvo", "cmoe", "ncmoe", "cram", "hfrd", "hfrv", "hffv", "ngld", "ctkd", "ctvd", "nocb", "lora-s"}
#: Switches that can be turned off by ``--no-`` in front.
_NEGATED = {
    "jinja", "mmap", "cont-batching", "kv-offload", "op-offload", "repack", "context-shift", "warmup", "escape",
    "slots", "webui", "ui", "cache-prompt", "mmproj-auto", "mmproj-offload", "perf", "kv-unified", "prefill-assistant",
    "direct-io", "host-buffer",
}  # fmt: skip
#: Switches that cannot.
_SWITCHES = {
    "embeddings", "reranking", "mlock", "metrics", "props", "verbose", "swa-full", "cpu-moe", "check-tensors",
    "ignore-eos", "special", "log-prefix", "log-timestamps", "offline", "spec-default", "lora-init-without-apply",
    "log-disable", "v", "fit-print",
}  # fmt: skip


@dataclass(slots=True)
class Presets:
    """The sections of a file, options of ``[*]`` filled in, and the numbers of lines that make no sense."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    strange: list[int] = field(default_factory=list)


def parse(text: str) -> Presets:
    """Read a preset file. Option names lose their dashes and short forms; the last of equal ones counts."""
    presets = Presets()
    section = NOWHERE
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if found := _SECTION.fullmatch(line):
            section = found["name"]
            presets.sections[section] = {}
        elif found := _OPTION.fullmatch(line):
            key = found["key"]
            if key != "version":
                presets.sections.setdefault(section, {})[canonical(key)] = found["value"]
        elif not _NOTHING.fullmatch(line):
            presets.strange.append(number)
    common = presets.sections.pop(EVERYWHERE, {})
    for name, options in presets.sections.items():
        presets.sections[name] = common | options
    if not any(key in presets.sections.get(NOWHERE, {}) for key in ("model", "hf-repo", "model-url")):
        presets.sections.pop(NOWHERE, None)
    return presets


def canonical(key: str) -> str:
    """An option's long name: presets may also use its short one, or that of its environment variable."""
    if key.startswith("LLAMA_ARG_"):
        key = key.removeprefix("LLAMA_ARG_").lower().replace("_", "-")
    key = key.lstrip("-")
    return _LONG.get(key, key)


def is_true(value: str) -> bool:
    """As llama.cpp understands a switch's value."""
    return value.lower() in _TRUE


def words(options: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """*options* as a command line has them, each with its value."""
    return tuple(option for option in (_words(key, value) for key, value in options.items()) if option)


def _words(key: str, value: str) -> tuple[str, ...]:
    positive = key.removeprefix("no-")
    switch = positive in _NEGATED or key in _SWITCHES or key.startswith("no-") or value.lower() in ("true", "false")
    if not switch or value.lower() not in _TRUE | _FALSE:
        return (_dashed(key), value) if value else (_dashed(key),)
    if is_true(value):
        return (_dashed(key),)
    if key != positive:
        return (_dashed(positive),)
    return (_dashed(f"no-{key}"),) if key in _NEGATED else ()


def _dashed(key: str) -> str:
    short = (len(key) <= 3 and key != "ui") or key in _SHORT
    return f"-{key}" if short else f"--{key}"
