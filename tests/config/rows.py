"""The edge cases of the configuration are written in a short hand; this is how they are read.

An arrow stands for a line break, M in angle quotes for a model with a fixed address, P for one that takes a port.
"""

from typing import Any

import pytest

from llamaswap.config.load import Loaded, expanded, load_text
from llamaswap.config.schema import ModelConfig
from llamaswap.config.text.nodes import Map, Node, Scalar
from llamaswap.config.text.place import Source
from llamaswap.config.text.problems import Problems
from llamaswap.errors import ConfigError

ENVIRON = {
    "LS_HOST": "10.1.2.3",
    "LS_NUM": "7100",
    "LS_EMPTY": "",
    "LS_WIN": r"D:\gguf\x",
    "LS_MULTI": "one\ntwo",
    "LS_MACRO": "${who}",
    "LS_COLON": "k: v",
}
M = '{cmd: srv, proxy: "http://127.0.0.1:1"}'
P = '{cmd: "srv --port ${PORT}"}'


def plain(row: str) -> str:
    return row.replace("↵", "\n").replace("‹M›", M).replace("‹P›", P)


def config(row: str) -> Loaded:
    return load_text(plain(row), "c.yaml", ENVIRON)


def models(row: str) -> dict[str, ModelConfig]:
    return {str(name): model for name, model in config(row).config.models.items()}


def warned(row: str) -> str:
    return "\n".join(map(str, config(row).warnings))


def refused(row: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config(row)
    return str(caught.value)


def start_port(row: str) -> int:
    proxy = models(row + "↵models: {p: ‹P›}")["p"].proxy
    return int(proxy.rpartition(":")[2])


def global_ttl(row: str) -> float:
    return models(row + "↵models: {m: ‹M›}")["m"].ttl


def raw(row: str, *path: str) -> Any:
    """The value at *path* before it is decoded."""
    problems = Problems()
    node: Node = expanded([Source("c.yaml", plain(row))], ENVIRON, problems).root
    problems.raise_errors()
    for step in path:
        assert isinstance(node, Map)
        node = node.entries[step].value
    return node.value if isinstance(node, Scalar) else node


def time_format(row: str) -> Any:
    return raw(row, "logTimeFormat")


def m(body: str) -> str:
    """One model `a` with a fixed address and *body*."""
    return f'models: {{a: {{cmd: srv, proxy: "http://127.0.0.1:1", {body}}}}}'
