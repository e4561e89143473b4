"""Sections that models and peers have in common, addresses, and mappings of any content."""

from types import MappingProxyType
from typing import Any

from llamaswap.config.commands.argv import BLANKS
from llamaswap.config.parts import Filters, JsonObject, Timeouts
from llamaswap.config.reading.fields import Fields
from llamaswap.config.reading.urls import why_no_url
from llamaswap.config.text.jsonable import jsonable
from llamaswap.config.text.nodes import Map, Scalar, is_null, kind_of, shown
from llamaswap.config.text.problems import KeyPath

_PROTECTED = "model"


def filters(fields: Fields) -> Filters:
    """``filters``. The name of the model is protected from all of them."""
    names = fields.text("stripParams")
    if "strip_params" in fields.shape.keys:
        legacy = fields.text("strip_params")
        names = names or legacy
    return Filters(
        strip_params=_strip(fields, names),
        set_params=anything(fields, "setParams"),
        set_params_by_id=_by_id(fields),
    )


def timeouts(fields: Fields) -> Timeouts:
    """``timeouts``, in seconds."""
    for key in fields.shape.keys:
        if fields.given(key) and fields.whole(key) < 0 and key != "keepalive":
            what = "a negative time limit: nothing can be done in it"
            fields.warn(key, what, "write 0 for no limit", code="negative-timeout")
    return Timeouts(
        connect=fields.whole("connect"),
        keepalive=fields.whole("keepalive"),
        response_header=fields.whole("responseHeader"),
        tls_handshake=fields.whole("tlsHandshake"),
        expect_continue=fields.whole("expectContinue"),
        idle_conn=fields.whole("idleConn"),
    )


def address(fields: Fields, key: str = "proxy") -> str:
    """The base URL of a server. One that can be parsed is taken, even if nothing can be sent there."""
    text = fields.text(key)
    if fields.problems.broken(fields.path_of(key)):
        return text
    reason = why_no_url(text)
    if reason:
        meant = f"http://{text}"
        usable = why_no_url(meant) is None and fields.value_of(key)
        remedy = f"write {meant if usable else 'http://127.0.0.1:PORT'}"
        fields.error(key, f"this is no URL: {reason}", remedy, code="url")
    elif not text.startswith(("http://", "https://")) or not text.partition("://")[2].lstrip("/"):
        fields.warn(key, "requests cannot be sent to this address", "write http://127.0.0.1:PORT", code="unusable-url")
    return text


def anything(fields: Fields, key: str) -> JsonObject:
    """A mapping of any content, as JSON will show it."""
    return _json(fields, fields.anything(key), fields.path_of(key))


def _by_id(fields: Fields) -> MappingProxyType[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    for name, entry in fields.named_anything("setParamsByID").entries.items():
        path = (*fields.path_of("setParamsByID"), name)
        if isinstance(entry.value, Map):
            found[name] = _json(fields, entry.value, path)
        elif is_null(entry.value):
            found[name] = MappingProxyType({})
        else:
            what = f"this must be a mapping, not {kind_of(entry.value)}"
            value, remedy = shown(entry.value, path), "write the keys to set below the name, indented"
            fields.problems.error("type", path, entry.value.mark, what, value=value, remedy=remedy)
    return MappingProxyType(found)


def _json(fields: Fields, node: Map, path: KeyPath) -> JsonObject:
    def no_number(where: KeyPath, scalar: Scalar) -> None:
        what, remedy = "JSON has no such number, so this becomes null", "write a number, or quote it"
        fields.problems.warn("no-json", where, scalar.mark, what, value=scalar.shown(), remedy=remedy)

    value: Any = jsonable(node, path, no_number)
    return MappingProxyType(value)


def _strip(fields: Fields, names: str) -> tuple[str, ...]:
    listed = [name.strip(BLANKS) for name in names.split(",")]
    if _PROTECTED in listed:
        key = "stripParams" if fields.text("stripParams") else "strip_params"
        fields.warn(key, "the key model cannot be deleted, it is left as it is", "leave it out", code="protected-key")
    return tuple(sorted({name for name in listed if name and name != _PROTECTED}, key=_bytes))


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogatepass")
