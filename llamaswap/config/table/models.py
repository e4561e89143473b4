"""The keys of one entry of ``models``."""

from llamaswap.config.table.parts import filters, timeouts
from llamaswap.config.table.shapes import Anything, Key, Macros, Section, Switch, Text, Texts, Whole

_LATER = "recognised, but this version does not act on it yet"
_MODALITIES = ("text", "audio", "image")

_CAPABILITIES = Section(
    {
        "in": Key(Texts(choices=_MODALITIES), doc="What the model takes."),
        "out": Key(Texts(choices=_MODALITIES), doc="What the model gives."),
        "tools": Key(Switch(), doc="It can call functions."),
        "reranker": Key(Switch(), doc="It ranks documents."),
        "context": Key(Whole(0, least=0), doc="Tokens of context; 0 means that nothing is said."),
    }
)

MODEL = Section(
    {
        "cmd": Key(Text(example="llama-server --port ${PORT} -m model.gguf"), doc="The command that starts the model."),
        "cmdStop": Key(Text(example="docker stop ${MODEL_ID}"), doc="The command that stops it, instead of SIGTERM."),
        "proxy": Key(Text("http://localhost:${PORT}"), doc="Base URL of the model's server."),
        "checkEndpoint": Key(
            Text("/health"), doc="Path that answers 200 once the model is ready; none skips the check."
        ),
        "aliases": Key(Texts(), doc="Other names of the model."),
        "env": Key(Texts(secret=True), doc="NAME=value, added to the daemon's environment."),
        "ttl": Key(Whole(-1, least=-1), doc="Seconds of idleness before it is unloaded; 0 is never, -1 is globalTTL."),
        "unloadTimeout": Key(Whole(0, least=0), doc="As the top-level key, which 0 stands for."),
        "name": Key(Text(), doc="For listings."),
        "description": Key(Text(), doc="For listings."),
        "unlisted": Key(Switch(), doc="Leave it out of listings; it can still be used."),
        "useModelName": Key(Text(), doc="The name sent to the model's server."),
        "concurrencyLimit": Key(
            Whole(0), doc="Most requests at once, waiting ones included; more get HTTP 429. 0: none."
        ),
        "parallel": Key(Whole(1, least=1), doc="How many requests the scheduler batch serves at once."),
        "deadline": Key(
            Whole(0, least=0),
            doc="Seconds within which an answer must begin, or the request fails with 503. 0: any time.",
        ),
        "sendLoadingState": Key(Switch(None), doc="As the top-level key, for this model."),
        "filters": Key(filters(legacy=True), doc="Changes to requests on their way to the model."),
        "timeouts": Key(timeouts(response_header=0), doc="Time limits of its connections, in seconds.", note=_LATER),
        "capabilities": Key(_CAPABILITIES, doc="What listings say the model can do."),
        "compat": Key(
            Section({"ignoreWebsockets": Key(Switch(), doc="Websockets neither start the model nor count.")}),
            doc="Switches for odd servers.",
        ),
        "metadata": Key(Anything(), doc="Anything; shown in listings."),
        "macros": Key(Macros(), doc="Macros of this model; they go before the global ones of the same name."),
        "healthCheckTimeout": Key(
            Whole(0), note="without effect in a model: the top-level healthCheckTimeout counts for all models"
        ),
    }
)
