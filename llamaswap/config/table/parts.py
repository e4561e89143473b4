"""Sections that models and peers have in common."""

from llamaswap.config.table.shapes import Anything, Key, NamedAnything, Section, Text, Whole

_LEGACY = "the older name of stripParams, used only while that is empty"


def filters(*, legacy: bool) -> Section:
    """``filters``. With *legacy*, the older spelling of `stripParams` is read too."""
    strip = Key(Text(example="temperature, top_k"), doc="Keys to delete from each request, separated by commas.")
    older = {"strip_params": Key(Text(), doc=f"{_LEGACY[0].upper()}{_LEGACY[1:]}.", note=_LEGACY)} if legacy else {}
    return Section(
        {"stripParams": strip}
        | older
        | {
            "setParams": Key(Anything(), doc="Keys to set in each request."),
            "setParamsByID": Key(NamedAnything(), doc="Name used by the client -> keys to set in its requests."),
        }
    )


def timeouts(*, response_header: int) -> Section:
    """``timeouts``, in seconds; 0 means no limit."""
    return Section(
        {
            "connect": Key(Whole(30), doc="To connect."),
            "keepalive": Key(Whole(30), doc="Between TCP keep-alive probes; 0 is the system's 15, below 0 is off."),
            "responseHeader": Key(Whole(response_header), doc="From the request to the answer's head."),
            "tlsHandshake": Key(Whole(10), doc="For the TLS handshake."),
            "expectContinue": Key(Whole(1), doc="To wait for 100-continue; 0 sends the body at once."),
            "idleConn": Key(Whole(90), doc="Life of an idle connection."),
        }
    )
