"""Selectors whose choice costs more than it gains, or is none."""

from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint


def selector_thrash(facts: Facts) -> Iterator[Lint]:
    """Spreading requests over models of which one runs at a time."""
    if not facts.is_serial:
        return
    for selector in facts.config.selectors.values():
        local = {facts.config.names[name] for name in selector.targets if name in facts.config.names}
        if selector.strategy == "spillover" and len(local) > 1:
            what = "spillover under serial: a second request goes to a model that is not loaded, which is a swap"
            remedy = "write routing: {scheduler: {use: fifo}}, or strategy: warm, which takes the loaded one"
            yield Lint("selector-thrash", ("selectors", selector.id, "strategy"), what, remedy)


def pin_ignores_targets(facts: Facts) -> Iterator[Lint]:
    """Targets that are never taken."""
    for selector in facts.config.selectors.values():
        if selector.strategy == "pin" and len(selector.targets) > 1:
            what = f"the strategy pin always takes {selector.targets[0]}; the others are never used"
            yield Lint("pin-ignores-targets", ("selectors", selector.id, "targets"), what, "remove them, or use warm")


RULES = (selector_thrash, pin_ignores_targets)
