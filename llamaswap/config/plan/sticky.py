"""Ports that survive a reload: a model keeps its own, and no two models that live ever have the same."""

from collections.abc import Callable, Collection

from llamaswap.config.load import Loaded
from llamaswap.config.plan.plan import Alive
from llamaswap.config.schema import Config
from llamaswap.config.text.expand import PortsInUse
from llamaswap.errors import ConfigError

#: Loads the configuration anew, given what is known of ports. Raises `ConfigError`.
Load = Callable[[PortsInUse], Loaded]


def load_again(load: Load, current: Config, alive: Collection[Alive], *, careful: bool = False) -> Loaded:
    """Load what is to replace *current*. Blocks; raises `ConfigError`, also for files that have become empty.

    What lives keeps its port, configured or not; everybody else does unless ``startPort`` changes. While this runs,
    models may be started with their current ports: whether that makes the result unusable is for `fits` to say.
    *careful*: no other model gets a port of *current*, so that the result fits whatever is started meanwhile.
    """
    living: dict[str, int] = {each.model: each.port for each in alive if each.port is not None}
    own: dict[str, int] = {name: model.port for name, model in current.models.items() if model.port is not None}
    busy = frozenset(living.values()).union(own.values() if careful else ())
    loaded = load(PortsInUse(kept=own | living, busy=busy))
    _refuse_emptied(loaded, current)
    if loaded.config.start_port == current.start_port:
        return loaded
    return load(PortsInUse(kept=living, busy=busy))


def _refuse_emptied(loaded: Loaded, current: Config) -> None:
    """A full disk or a generator that failed leaves files without content; nobody wants all models gone for that."""
    root = loaded.written.root
    if current.models and root is not None and not root.entries:
        what = "the configuration has become empty; nothing was changed"
        raise ConfigError(f"{what}; to remove all models write models: {{}}")


def fits(new: Config, alive: Collection[Alive]) -> bool:
    """Whether *new* lets everything *alive* keep its port, and gives that to no other model."""
    owners = {model.port: name for name, model in new.models.items() if model.port is not None}
    for each in alive:
        if each.port is None:
            continue
        model = new.models.get(each.model)
        if owners.get(each.port, each.model) != each.model:
            return False
        if model is not None and model.port not in (None, each.port):
            return False
    return True
