"""Copies of a scheduler, and its whole state as a value: what a search over situations needs most often.

Both know the scheduler's parts, which makes them many times faster than `copy.deepcopy` and a key of everything.
Tickets and lives count up for ever, so lives are renumbered by age, and times are taken relative to now; whatever else
the machine holds is in the key as it is.
"""

from typing import Any, cast

from llamaswap.schedule.residents import Resident
from tests.schedule.surroundings import Machine


def clone_machine(machine: Machine) -> Machine:
    """An independent copy."""
    parts = getattr(machine, "parts", None)
    if parts is not None:
        twins: Any = _shallow(machine)
        twins.parts = tuple([clone_machine(part) for part in parts])
        return cast(Machine, twins)
    new: Any = _shallow(machine)
    new._requests = _requests(new._requests)
    new._residents = _residents(new._residents)
    new._unloads = _shallow(new._unloads)
    new._unloads._pending = new._unloads._pending.copy()
    new._backoff = _shallow(new._backoff)
    new._backoff._records = new._backoff._records.copy()
    own = new.__dict__
    for name in ("_swaps", "_passed_by"):
        if name in own:
            own[name] = own[name].copy()
    return cast(Machine, new)


def machine_key(machine: Any, now: float) -> tuple[Any, ...]:
    """Equal for machines between which no further event can tell, save that they number lives differently."""
    parts = getattr(machine, "parts", None)
    if parts is not None:
        return tuple([_scheduler_key(part, now) for part in parts])
    return _scheduler_key(machine, now)


def _shallow(thing: Any) -> Any:
    new = object.__new__(type(thing))
    new.__dict__.update(thing.__dict__)
    return new


def _requests(old: Any) -> Any:
    new: Any = object.__new__(type(old))
    new.queue = old.queue.copy()
    new.active = old.active.copy()
    new.outstanding = old.outstanding.copy()
    if hasattr(old, "lines"):
        new.lines = {model: line.copy() for model, line in old.lines.items()}
        new.serving = old.serving.copy()
    return new


def _residents(old: Any) -> Any:
    new = _shallow(old)
    new._by_life = lives = {}
    new._by_model = models = {}
    for life, resident in old._by_life.items():
        models[resident.model] = lives[life] = _resident(resident)
    return new


def _resident(old: Resident) -> Resident:
    new: Resident = object.__new__(type(old))
    new.model = old.model
    new.life = old.life
    new.rules = old.rules
    new.state = old.state
    new.in_flight = old.in_flight
    new.idle_since = old.idle_since
    new.kill_at = old.kill_at
    new.obsolete = old.obsolete
    new.trouble = old.trouble
    return new


def _scheduler_key(machine: Any, now: float) -> tuple[Any, ...]:
    residents, requests, own = machine._residents, machine._requests, machine.__dict__
    ages = {life: age for age, life in enumerate(residents._by_life)}
    pending, records = machine._unloads._pending, machine._backoff._records
    return (
        tuple([(ticket, model) for ticket, model, _ in requests.queue.values()]),
        tuple([(ticket, model, ages.get(life)) for ticket, (model, life) in requests.active.items()]),
        tuple(sorted(requests.outstanding.items())),
        tuple([_resident_key(resident, now) for resident in residents._by_life.values()]),
        tuple([(ask, *[ages.get(life) for life in lives]) for ask, lives in pending.items()]) if pending else (),
        tuple([_record_key(model, record, now) for model, record in records.items()]) if records else (),
        machine._closed,
        machine._draining,
        residents.most_grace,
        tuple(machine._rules),
        _sharing_key(own, now) if "_settings" in own else None,
    )


def _resident_key(resident: Resident, now: float) -> tuple[Any, ...]:
    idle = resident.idle_since - now if resident.state == "ready" and resident.rules.ttl else 0
    return (resident.model, resident.state, resident.in_flight, resident.obsolete, idle, resident.kill_at - now)


def _record_key(model: Any, record: Any, now: float) -> tuple[Any, ...]:
    return (model, record.rest, record.until - now, *[time - now for time in record.recent])


def _sharing_key(own: dict[str, Any], now: float) -> tuple[Any, ...]:
    """What only the schedulers that share have. How long anybody has waited counts where patience is limited."""
    queue = own["_requests"].queue.values() if own["_settings"].max_wait else ()
    swaps = [(swap.target, swap.victims) for swap in own.get("_swaps", {}).values()]
    return tuple(swaps), tuple(own.get("_passed_by", ())), tuple([now - arrived for _, _, arrived in queue])
