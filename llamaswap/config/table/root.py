"""Every key there is, with its type, default and meaning: the one place from which everything else is derived."""

from llamaswap.config.regexes import DEFAULT_PATTERN
from llamaswap.config.table.models import MODEL
from llamaswap.config.table.parts import filters, timeouts
from llamaswap.config.table.routing import GROUP, MATRIX, ROUTING
from llamaswap.config.table.shapes import (
    Anything,
    Duration,
    Each,
    Key,
    Macros,
    NamedAnything,
    Names,
    Section,
    Switch,
    Text,
    Texts,
    Whole,
)

_LATER = "recognised, but this version does not act on it yet"

_PEER = Section(
    {
        "proxy": Key(Text(required=True), doc="Base URL of the peer."),
        "models": Key(Texts(required=True), doc="The models that the peer offers."),
        "apiKey": Key(Text(secret=True), doc="Sent to the peer instead of the client's key."),
        "filters": Key(filters(legacy=False), doc="Changes to requests on their way to the peer."),
        "timeouts": Key(timeouts(response_header=60), doc="Time limits of connections to the peer, in seconds."),
    }
)
_SELECTOR = Section(
    {
        "strategy": Key(
            Text(choices=("pin", "warm", "spillover"), required=True),
            doc="pin: always the first target; warm: one that is loaded; spillover: the least busy one.",
        ),
        "targets": Key(Texts(required=True), doc="The names of models to choose from, best first."),
        "settings": Key(
            Section({"spillover": Key(Whole(1), doc="Requests a target takes before the next one is started.")}),
            doc="Settings of the strategy.",
        ),
        "name": Key(Text(), doc="For listings."),
        "description": Key(Text(), doc="For listings."),
        "unlisted": Key(Switch(), doc="Leave it out of listings; it can still be used."),
        "metadata": Key(Anything(), doc="Anything; shown in listings."),
    }
)
_PROFILE = Section(
    {
        "description": Key(Text(), doc="For people."),
        "pins": Key(Names(Text()), doc="Requested name -> name to use instead; an empty one switches the name off."),
    }
)
_LOG_TIME_FORMATS = (
    "ansic", "unixdate", "rubydate", "rfc822", "rfc822z", "rfc850", "rfc1123", "rfc1123z", "rfc3339", "rfc3339nano",
    "kitchen", "stamp", "stampmilli", "stampmicro", "stampnano",
)  # fmt: skip
_LEVELS = ("debug", "info", "warn", "error")
_SINKS = ("proxy", "upstream", "both", "none")
_SESSION_HEADERS = ("X-Session-ID", "X-Litellm-Session-Id")

#: The whole configuration.
ROOT = Section(
    {
        "healthCheckTimeout": Key(Whole(120), doc="Seconds a model may take to start; at least 15."),
        "globalTTL": Key(Whole(0, least=0), doc="Seconds of idleness after which a model is unloaded; 0 means never."),
        "unloadTimeout": Key(Whole(10, least=0), doc="Seconds between asking a model to stop and killing it."),
        "startPort": Key(Whole(5800, least=1), doc="The first port given out for ${PORT}."),
        "logLevel": Key(Text("info", _LEVELS, lenient=True, fold=True), doc="The least level that is logged."),
        "logTimeFormat": Key(
            Text("", ("", *_LOG_TIME_FORMATS), lenient=True, fold=True),
            doc="Time at the start of log lines; none if empty.",
        ),
        "logToStdout": Key(Text("proxy", _SINKS), doc="Whose output is printed."),
        "logRequests": Key(Switch(), note="deprecated and without effect"),
        "metricsMaxInMemory": Key(Whole(1000), doc="Rows of activity kept in memory.", note=_LATER),
        "captureBuffer": Key(Whole(5), doc="MiB for captured requests and answers; 0 is off.", note=_LATER),
        "sendLoadingState": Key(Switch(), doc="Tell streaming clients, in comments, what to expect while they wait."),
        "includeAliasesInList": Key(Switch(), doc="List aliases as models of their own."),
        "apiKeys": Key(Texts(secret=True), doc="Keys of which a client must send one; without any, all are let in."),
        "macros": Key(Macros(), doc="Texts to use as ${name} elsewhere."),
        "models": Key(Each(MODEL, "model"), doc="The models, by ID."),
        "profiles": Key(Each(_PROFILE, "profile"), doc="Sets of names that can be switched at run time.", note=_LATER),
        "selectors": Key(Each(_SELECTOR, "selector"), doc="Names that choose among models."),
        "peers": Key(Each(_PEER, "peer"), doc="Other servers whose models are offered too.", note=_LATER),
        "groups": Key(Each(GROUP, "group"), doc="The older place of routing.router.settings.groups."),
        "matrix": Key(MATRIX, doc="The older place of routing.router.settings.matrix."),
        "routing": Key(ROUTING, doc="Who may run beside whom, and in which order requests run."),
        "hooks": Key(
            Section(
                {
                    "on_startup": Key(
                        Section({"preload": Key(Texts(), doc="Models to load at the start, one after the other.")}),
                        doc="What happens at the start and after each reload.",
                    )
                }
            ),
            doc="What the daemon does by itself.",
        ),
        "upstream": Key(
            Section(
                {
                    "ignorePaths": Key(
                        Texts((DEFAULT_PATTERN,), patterns=True),
                        doc="Paths below /upstream that are not logged, as RE2 expressions.",
                        note=_LATER,
                    )
                }
            ),
            doc="Settings of /upstream/.",
        ),
        "store": Key(
            Section({"path": Key(Text(required=True), doc="The database file.")}, absent="none"),
            doc="Where activity is kept over restarts.",
            note=_LATER,
        ),
        "journal": Key(
            Section(
                {
                    "path": Key(Text(), doc="A directory; it is made if it is not there. Empty is no journal."),
                    "maxMiB": Key(Whole(16, least=1), doc="A file that has grown so large is followed by the next."),
                    "files": Key(Whole(8, least=2), doc="As much is kept as so many full files hold."),
                }
            ),
            doc="The scheduler's facts and orders, written down to be replayed and simulated.",
        ),
        "performance": Key(
            Section(
                {
                    "disabled": Key(Switch(), doc="Do not watch the machine."),
                    "every": Key(Duration(5.0, least=5.0), doc="How often; at least 5s."),
                }
            ),
            doc="Figures about the machine.",
            note=_LATER,
        ),
        "ui": Key(
            Section(
                {
                    "activity": Key(
                        Section({"session_id": Key(Texts(_SESSION_HEADERS), doc="Headers that name a session.")}),
                        doc="The activity page.",
                    )
                }
            ),
            doc="The pages.",
            note=_LATER,
        ),
        "cors": Key(
            Section({"origins": Key(Texts(), doc="Origins accepted beyond those of this machine; * accepts all.")}),
            doc="Which web pages may use the daemon.",
        ),
        "allowedHosts": Key(Texts(), doc="Host names accepted beyond the machine's own while listening on loopback."),
        "stallTimeout": Key(Whole(60, least=1), doc="Seconds after which a client that takes no byte is dropped."),
        "maxRequestBody": Key(Whole(1024, least=1), doc="Most MiB of a request's body."),
        "reload": Key(
            Section(
                {
                    "keepModels": Key(
                        Switch(True), doc="Keep unchanged models running; false stops all, as llama-swap does."
                    )
                }
            ),
            doc="What a reload does.",
        ),
    }
)
TOP_LEVEL = frozenset(ROOT.keys)

__all__ = ["ROOT", "TOP_LEVEL", "NamedAnything"]
