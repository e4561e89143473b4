"""What a reload will do: (the configuration in force, a new one, what is alive, what waits) -> a plan.

The plan is shown before it is carried out, and carried out as it stands: `Plan.outdated` is what the scheduler is told.

- A process goes on if what it was started with is unchanged; any other setting of its model holds at once.
- A process of a changed or removed model takes no new request. It finishes those it serves, for as long as their
  clients stay, and then stops; a changed model is started anew by its next request.
- A waiting request was resolved to a model when it arrived. It keeps its place, and its model, whatever its name means
  by now; if that model is gone, it gets a 404.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from llamaswap.config.names import ModelId
from llamaswap.config.plan.differences import changed_globals, changed_launch, changed_settings
from llamaswap.config.schema import Config, ModelConfig

Fate = Literal["kept", "restarted", "added", "removed"]

#: Settings that are read once, when the daemon starts.
NEED_RESTART = frozenset(("journal",))


@dataclass(frozen=True, slots=True)
class Alive:
    """A process tree of *model* of which something lives, on *port* if that was given out for ``${PORT}``.

    Attributes:
        requests: How many it serves.
        outdated: An earlier reload has changed or removed its model: it ends when it serves nobody.
    """

    model: ModelId
    port: int | None = None
    requests: int = 0
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What becomes of one model.

    Attributes:
        because: The settings for which a process could not go on; empty unless it is `restarted`.
        settings: Those that change for it at once.
        alive: Whether a process of it lives now, and how many `requests` that serves.
    """

    model: ModelId
    fate: Fate
    because: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    alive: bool = False
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reload will do.

    Attributes:
        models: Every model of either configuration: the new one's in its order, then those that are removed.
        waiting: How many queued requests keep their place.
        lost: How many get a 404, because their model is gone.
        settings: Those outside ``models`` that change at once.
        need_restart: Those that change only when the daemon is restarted.
        preload: What is preloaded: of the list, what is new in it, and what was added or changed.
    """

    models: tuple[ModelPlan, ...] = ()
    waiting: int = 0
    lost: int = 0
    settings: tuple[str, ...] = ()
    need_restart: tuple[str, ...] = ()
    preload: tuple[ModelId, ...] = ()

    def of(self, *fates: Fate) -> tuple[ModelPlan, ...]:
        """The models that one of *fates* awaits."""
        return tuple(each for each in self.models if each.fate in fates)

    @property
    def outdated(self) -> frozenset[ModelId]:
        """The models that stay, but whose process cannot."""
        return frozenset(each.model for each in self.of("restarted"))

    @property
    def nothing_changes(self) -> bool:
        """The new configuration means the same as the old one."""
        touched = any(each.fate != "kept" or each.settings for each in self.models)
        return not touched and not self.settings and not self.need_restart


def make_plan(
    old: Config, new: Config, alive: Iterable[Alive] = (), waiting: Mapping[ModelId, int] | None = None
) -> Plan:
    """The plan by which *new* replaces *old*. *waiting*: how many queued requests there are for each model."""
    living = {each.model: each for each in alive}
    models = [_stays(old.models.get(name), model, living.get(name), new) for name, model in new.models.items()]
    models += [_removed(name, living.get(name)) for name in old.models if name not in new.models]
    queued = waiting or {}
    lost = sum(count for name, count in queued.items() if name not in new.models)
    changed = changed_globals(old, new)
    fresh = {each.model for each in models if each.fate in ("added", "restarted")}
    return Plan(
        models=tuple(models),
        waiting=sum(queued.values()) - lost,
        lost=lost,
        settings=tuple(name for name in changed if name not in NEED_RESTART),
        need_restart=tuple(name for name in changed if name in NEED_RESTART),
        preload=tuple(name for name in new.preload if name in fresh or name not in old.preload),
    )


def _stays(old: ModelConfig | None, new: ModelConfig, alive: Alive | None, config: Config) -> ModelPlan:
    lives, requests = alive is not None, alive.requests if alive else 0
    if old is None:
        return ModelPlan(new.id, "added", alive=lives, requests=requests)
    because, settings = changed_launch(old, new), changed_settings(old, new)
    if not because and not config.keep_models:
        because = ("reload.keepModels",)
    outdated = alive is not None and alive.outdated
    fate: Fate = "restarted" if because or outdated else "kept"
    return ModelPlan(new.id, fate, because, settings, lives, requests)


def _removed(name: ModelId, alive: Alive | None) -> ModelPlan:
    return ModelPlan(name, "removed", alive=alive is not None, requests=alive.requests if alive else 0)
