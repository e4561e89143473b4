"""What no value can tell alone: names, ports, and references from one key to another. Ends in the finished `Config`."""

from types import MappingProxyType
from urllib.parse import urlsplit

from llamaswap.config.argv import BLANKS
from llamaswap.config.decode import Decoded, DecodedModel
from llamaswap.config.fields import Item
from llamaswap.config.problems import Problems
from llamaswap.config.schema import Config, ModelId
from llamaswap.config.suggest import closest

_MOST_PORT = 65535


def finish(decoded: Decoded, problems: Problems) -> Config:
    """Compare the values with each other; the result is of use only if *problems* holds no error."""
    _check_ports(decoded.models, problems)
    names = _names(decoded.models, problems)
    return Config(
        models=MappingProxyType({d.model.id: d.model for d in decoded.models}),
        names=MappingProxyType(names),
        routing=decoded.routing,
        preload=_preload(decoded.preload, names, problems),
        api_keys=_texts(decoded.api_keys),
        include_aliases_in_list=decoded.include_aliases_in_list,
        log_level=decoded.log_level,
        log_time_format=decoded.log_time_format,
        log_to_stdout=decoded.log_to_stdout,
        cors_origins=_texts(decoded.cors_origins),
        allowed_hosts=_texts(decoded.allowed_hosts),
        stall_timeout=decoded.stall_timeout,
        max_request_body=decoded.max_request_body,
    )


def _texts(items: list[Item]) -> tuple[str, ...]:
    return tuple(item.text for item in items)


def _names(models: list[DecodedModel], problems: Problems) -> dict[str, ModelId]:
    """Every name -> model. An alias may occur once; one that equals an ID is dead, because IDs win."""
    ids = {str(d.model.id): d.model.id for d in models}
    names = dict(ids)
    first: dict[str, Item] = {}
    for d in models:
        for alias in d.aliases:
            if alias.text in first:
                other = first[alias.text]
                what = f"this alias is given twice, first to the model {other.path[1]} at {other.mark}"
                remedy = "keep one of them: an alias belongs to one model"
                problems.error("alias", alias.path, alias.mark, what, value=repr(alias.text), remedy=remedy)
                continue
            first[alias.text] = alias
            if alias.text in ids:
                what = "this alias has no effect: a model has this very ID"
                problems.warn("alias", alias.path, alias.mark, what, value=repr(alias.text), remedy="remove the alias")
            elif not alias.text:
                problems.warn("alias", alias.path, alias.mark, "an empty alias", remedy="remove it")
            names.setdefault(alias.text, d.model.id)
    return names


def _check_ports(models: list[DecodedModel], problems: Problems) -> None:
    """Warn of ports that do not exist, and of a port written by hand that is also given out."""
    given_out = {port: d for d in models if d.model.owns_port and (port := _port(d.model.proxy)) is not None}
    for d in models:
        port = _port(d.model.proxy)
        path = ("models", d.model.id, "proxy")
        if port is not None and port > _MOST_PORT:
            remedy = "lower startPort" if d.model.owns_port else f"write a port up to {_MOST_PORT}"
            problems.warn("port", path, d.proxy_mark, f"there is no port {port}", remedy=remedy)
        elif port in given_out and not d.model.owns_port:
            what = f"the port {port} is also given out to the model {given_out[port].model.id}"
            problems.warn("port", path, d.proxy_mark, what, remedy="use ${PORT} here too, or move startPort away")


def _port(url: str) -> int | None:
    """The port that *url* names, if it names one."""
    try:
        digits = urlsplit(url).netloc.rpartition("@")[2].rpartition(":")[2]
    except ValueError:
        return None
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None


def _preload(items: list[Item], names: dict[str, ModelId], problems: Problems) -> tuple[ModelId, ...]:
    found = []
    for item in items:
        name = item.text.strip(BLANKS)
        if name in names:
            found.append(names[name])
        elif name:
            near = closest(name, names)
            remedy = f"did you mean {near}?" if near else "use the ID or an alias of a model"
            problems.warn("preload", item.path, item.mark, "no such model, left out", value=repr(name), remedy=remedy)
    return tuple(found)
