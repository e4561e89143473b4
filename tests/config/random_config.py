"""Whole configurations by chance, and what every accepted one must keep.

They are made to be nearly right: most sections refer to what is there, and now and then to what is not.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from llamaswap.config.load import Loaded, load_text
from llamaswap.config.routing import IMPLICIT_GROUP
from llamaswap.config.schema import Config
from llamaswap.errors import ConfigError

NAMES = ["a", "b", "A", "m9", "m10", "x/y", "a.b", "7", "Ü", "p/x"]
ALIASES = ["al", "fast", "b:hot", "x", "gpt-4o", "ü"]


def generate(seed: int) -> str:
    """The text of one configuration; equal seeds give equal ones."""
    return json.dumps(_Maker(random.Random(seed)).config())


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._models = chance.sample(NAMES, chance.randint(0, 6))
        self._aliases = chance.sample(ALIASES, chance.randint(0, 4))

    def config(self) -> dict[str, Any]:
        aliases = list(self._aliases)
        whole: dict[str, Any] = {"models": {name: self._model(aliases) for name in self._models}}
        parts: dict[str, Callable[[], Any]] = {
            "macros": lambda: {"m": "srv", "n": "${m} -x", "k": 7},
            "startPort": lambda: self._one(5800, 65530, 1, 6000.5, bad=(0,)),
            "globalTTL": lambda: self._one(0, 300, 1e3, bad=(-1, "5")),
            "unloadTimeout": lambda: self._one(0, 5),
            "peers": self._peers,
            "selectors": self._selectors,
            "profiles": lambda: {"p": {"pins": {self._name(): self._one(self._name(), "", None)}}},
            "hooks": lambda: {"on_startup": {"preload": self._some()}},
            "apiKeys": lambda: self._one([], ["k"], bad=(["a b"], [""], [None])),
            "performance": lambda: {"every": self._one("5s", "1m", "0s", bad=("4s", 5))},
            "upstream": lambda: {"ignorePaths": self._one([], [r"\.js$"], None, bad=(["(?=x)"],))},
            "x-notes": lambda: [1, {"a": None}],
        }
        whole |= {key: make() for key, make in parts.items() if self._chance.random() < 0.25}
        if self._chance.random() < 0.7:
            whole |= self._routing()
        return whole

    def _model(self, aliases: list[str]) -> Any:
        if self._chance.random() < 0.03:
            return None
        fixed = {
            "cmd": self._one("srv", "docker run x"),
            "proxy": self._one("http://127.0.0.1:9", "http://h", bad=("127.0.0.1:1",)),
        }
        asked = {
            "cmd": self._one("srv --port ${PORT}", "docker ${PORT}", 'srv "a b" ${PORT}', "srv -p ${PORT} ${MODEL_ID}")
        }
        model: dict[str, Any] = dict(self._one(fixed, asked, asked))
        extras: dict[str, Callable[[], Any]] = {
            "ttl": lambda: self._one(-1, 0, 60, bad=(-2,)),
            "aliases": lambda: [aliases.pop()] if aliases and self._chance.random() < 0.9 else self._some(ALIASES),
            "macros": lambda: {"m": "own"},
            "filters": self._filters,
            "timeouts": lambda: {self._one("connect", "keepalive", "responseHeader"): self._one(0, 5, -1)},
            "metadata": lambda: {"k": [1, 2.5, {"x": "${MODEL_ID}"}]},
            "concurrencyLimit": lambda: self._one(0, 3, -1),
            "parallel": lambda: self._one(1, 4, bad=(0,)),
            "capabilities": lambda: {"in": [self._one("text", "audio", bad=("smell",))], "context": self._one(0, 10)},
            "env": lambda: ["A=b", "NOEQ"],
            "unlisted": lambda: self._one(True, "yes", bad=("true",)),
        }
        return model | {key: make() for key, make in extras.items() if self._chance.random() < 0.15}

    def _filters(self) -> dict[str, Any]:
        return {
            "stripParams": self._one("", "a, b,a", "model"),
            "setParams": {"t": self._one(1, 0.5, None, [1])},
            "setParamsByID": {self._one("${MODEL_ID}", "${MODEL_ID}:x", bad=(self._name(),)): {"t": 1}},
        }

    def _peers(self) -> dict[str, Any]:
        chosen = self._chance.sample(["p", "q", "p/x"], self._chance.randint(1, 2))
        return {
            peer: {"proxy": "http://127.0.0.1:2", "models": self._some(["x", "y", "x/y", "a"], 1)} for peer in chosen
        }

    def _selectors(self) -> dict[str, Any]:
        strategy = self._one("pin", "warm", "spillover")
        settings = {"spillover": self._one(1, 3, bad=(0,))}
        return {
            self._one("sel", "s2", bad=(self._name(),)): {
                "strategy": strategy,
                "targets": self._some(),
                "settings": settings,
            }
        }

    def _routing(self) -> dict[str, Any]:
        scheduler = {
            "use": self._one("", "serial", "fifo", "batch", bad=("lifo",)),
            "settings": {
                "fifo": {"priority": {name: self._one(1, -5) for name in self._models[:2]}, "maxWait": self._one(0, 30)}
            },
        }
        kind = self._one("groups", "matrix")
        block = self._groups() if kind == "groups" else self._matrix()
        if self._chance.random() < 0.4:
            return {kind: block, "routing": {"scheduler": scheduler}}
        router = {"use": "group" if kind == "groups" else "matrix", "settings": {kind: block}}
        return {"routing": {"router": router, "scheduler": scheduler}}

    def _groups(self) -> dict[str, Any]:
        left = list(self._models)
        self._chance.shuffle(left)
        groups: dict[str, Any] = {}
        for name in self._chance.sample(["g", "h", IMPLICIT_GROUP], self._chance.randint(0, 2)):
            members = [left.pop() for _ in range(min(len(left), self._chance.randint(0, 3)))]
            if self._chance.random() < 0.05:
                members.append(self._name())
            switches = {key: self._chance.random() < 0.5 for key in ("swap", "exclusive", "persistent")}
            groups[name] = {**switches, "members": members}
        return groups

    def _matrix(self) -> dict[str, Any]:
        usable = [name for name in self._models if "/" not in name] or ["a"]
        pick = self._chance.choice
        sets = {"s1": f"{pick(usable)} & ({pick(usable)} | {pick(usable)})", "s2": f"+s1 | {pick(usable)}"}
        costs = {pick(usable): self._one(1, 5, bad=(0,))} if self._chance.random() < 0.3 else {}
        return {"vars": {"v": pick(self._models or ["a"])}, "evict_costs": costs, "sets": sets | {"s3": "v"}}

    def _one(self, *values: Any, bad: tuple[Any, ...] = ()) -> Any:
        return self._chance.choice(bad if bad and self._chance.random() < 0.05 else values)

    def _name(self) -> str:
        known = [*self._models, *self._aliases]
        return self._chance.choice(known) if known and self._chance.random() < 0.95 else self._chance.choice(NAMES)

    def _some(self, names: list[str] | None = None, least: int = 0) -> list[str]:
        if names is None:
            return [self._name() for _ in range(self._chance.randint(1, 3))]
        return self._chance.sample(names, self._chance.randint(least, len(names)))


def load_random(seed: int) -> Loaded | None:
    """The configuration of *seed*, checked; None if it is refused, which must be for a reason with a place."""
    try:
        loaded = load_text(generate(seed), "c.yaml", {})
    except ConfigError as error:
        assert error.problems, "refused without a reason"
        assert all(getattr(problem, "what", "") for problem in error.problems)
        return None
    check(loaded.config)
    return loaded


def check(config: Config) -> None:
    """What every accepted configuration keeps."""
    _check_names(config)
    _check_ports(config)
    _check_routing(config)
    for selector in config.selectors.values():
        assert selector.targets
        assert all(target in config.names or target in config.peer_names for target in selector.targets)
    for profile in config.profiles.values():
        known = (*config.names, *config.peer_names, *config.selectors, "")
        assert all(target in known for target in profile.pins.values())
    assert set(config.preload) <= set(config.models)
    assert all(key and " " not in key for key in config.api_keys)


def _check_names(config: Config) -> None:
    full = {f"{found.peer}/{found.model}" for found in config.peer_names.values()}
    aliases = Counter(alias for model in config.models.values() for alias in model.aliases)
    assert max(aliases.values(), default=1) == 1, "an alias twice"
    assert set(config.names) == {*config.models, *aliases}
    assert all(config.names[name] == name for name in config.models), "IDs win"
    assert not full & {*config.names, *config.selectors}
    assert not set(config.selectors) & set(config.names)


def _check_ports(config: Config) -> None:
    given = [model.port for model in config.models.values() if model.port is not None]
    assert len(set(given)) == len(given), "a port twice"
    ordered = sorted((m for m in config.models.values() if m.port is not None), key=lambda m: m.id.encode())
    assert [m.port for m in ordered] == list(range(config.start_port, config.start_port + len(ordered)))
    for model in config.models.values():
        assert model.ttl >= 0 and model.unload_timeout > 0 and model.health_check_timeout >= 15
        assert "${" not in "".join((model.cmd, model.proxy, *model.argv))


def _check_routing(config: Config) -> None:
    routing = config.routing
    members = Counter(member for group in routing.groups for member in group.members)
    if routing.router == "group":
        assert members == Counter(list(config.models)), "each model is in exactly one group"
        assert routing.groups[-1].name == IMPLICIT_GROUP
        assert routing.matrix is None
    else:
        assert not routing.groups
        assert routing.matrix is not None
        assert set(routing.matrix.costs) <= set(config.models)
        assert all(cost >= 1 for cost in routing.matrix.costs.values())
    assert set(routing.scheduler.fifo.priority) <= set(config.models)
