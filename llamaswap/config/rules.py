"""Every rule there is: the name that messages carry, and what it looks at. `docs/checks.md` shows this list. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

#: What cannot be read, or says what cannot be done.
_ERRORS = {
    # Files and YAML
    "sources": "There is no file to load, or one is named twice.",
    "file": "A file cannot be read, or is far too large.",
    "encoding": "A file is not UTF-8.",
    "yaml": "A file is not YAML.",
    "root": "A file holds something other than a mapping.",
    "key": "A key is not a text.",
    "duplicate-key": "A key stands in a mapping twice.",
    "tag": "A YAML tag does not fit its value.",
    "merge": "Two files, or `<<`, give what cannot be put together.",
    # Variables and macros
    "env": "An environment variable is not set, or cannot be used.",
    "macro": "A macro is not declared, is declared too late, refers to itself, or cannot have its name or value.",
    # Values
    "type": "A value has the wrong type.",
    "range": "A number or length of time is too small.",
    "duration": "A length of time cannot be read.",
    "url": "An address or a path cannot be read.",
    "regex": "An expression is not RE2, or there are too many.",
    "misplaced-key": "A key of the top level stands below `models`, one level too deep.",
    "missing": "A key that must be there is not, or is empty.",
    "store": "The database cannot be opened where `store.path` says.",
    "api-key": "An API key is empty or holds a blank; an empty variable would let everybody in.",
    # Names
    "alias": "Two models have the same alias.",
    "peer-name": "A name is taken by a model of a peer.",
    "selector": "A selector has a name or targets that it cannot have.",
    "profile": "A profile, or one of its pins, has a name or target that it cannot have.",
    "group": "A member of a group is no model, or is in two groups.",
    "priority": "A priority is given to what is no model.",
    "matrix": "An expression of the matrix, or what it speaks of, is wrong.",
    "two-routers": "Groups and matrix, or the older and the newer place, are both used.",
}
#: What can be an error or a warning.
_EITHER = {
    "unknown-key": "A key that nobody knows; an error with `-strict`.",
    "choice": "A value is none of those to choose from; for some keys a default is taken instead.",
    "port": "A model has no port; or, as a warning, a port that does not exist.",
}
#: What works, but probably not as meant.
_WARNINGS = {
    # YAML
    "second-document": "Below `---` a second document starts, which is not read.",
    "key-type": "A key without quotes looks like a number, a date or true, and is read as text.",
    "comment-in-value": "`#` starts a comment in the middle of a value.",
    "no-space": "A colon without a space after it makes no key.",
    "strange-blank": "A character that looks like a space and is none.",
    "typographic": "Typographic quotes or dashes, as text programs make them.",
    "canonical": "A number without quotes where a text is due loses its spelling, such as 1.10.",
    "null-item": "An empty item of a list is left out.",
    "null-entry": "A model, group or peer without anything in it.",
    "no-models": "Neither models nor peers are configured.",
    "no-json": "A number that JSON does not have, such as .inf, becomes null.",
    # Keys and values
    "no-effect": "A key that this version knows, but does not act on yet.",
    "deprecated-key": "A key of former times: it has no effect, or a newer name.",
    "raised": "`healthCheckTimeout` is raised to 15 seconds.",
    "negative-timeout": "A time limit below 0: nothing can be done in it.",
    "fraction": "A fraction where only whole numbers count, such as 0.5 seconds, is cut off.",
    "empty-is-default": "An empty list that means the default, not nothing.",
    "protected-key": "The key `model` of requests cannot be deleted.",
    "wildcard-key": "A key of requests with `*` or the like, which stands for itself only behind a backslash.",
    "unusable-url": "An address to which no request can be sent.",
    "check-url": "`checkEndpoint` is an address instead of a path.",
    "no-api-keys": "`apiKeys` is left empty, so everybody is let in.",
    "env-in-env": "The value of an environment variable refers to another one.",
    # Commands
    "reference-form": "Almost a reference, such as `$(PORT)` or `{{PORT}}`.",
    "no-shell": "Pipes, redirections, `~` or `$NAME` in a command: it sees no shell.",
    "comment-in-command": "`#` in the middle of a command is passed to the program.",
    "lost-backslashes": "A Windows path in no quotes loses its backslashes, other than on Windows.",
    "unclosed-quote": "A quotation mark in a command is never closed.",
    "lone-blank": "A line of a command ends in two backslashes, which makes an argument of one blank.",
    "no-command": "A model without a command cannot be started.",
    "no-program": "The program of a command is not on this machine.",
    "missing-file": "A model file that llama-server is told to load is not on this machine.",
    "env-item": "An item of `env` is not NAME=value.",
    "repeated-env": "`env` sets a variable twice.",
    "ttl-below-load": "A model is unloaded after less idle time than it was measured to take to load.",
    # Ports and addresses
    "port-clash": "A port written by hand is also given out to another model.",
    "shared-port": "Two models that may run at the same time have the same port written by hand.",
    "listen-clash": "A model has the port of the daemon (told by `-listen`).",
    "peer-loop": "A peer is the daemon itself (told by `-listen`).",
    "low-port": "Ports are given out on which only root may listen.",
    "port-not-used": "`cmd` takes `${PORT}`, but requests are sent to another port.",
    "port-mismatch": "`cmd` says `--port`, but requests are sent to another port.",
    "remote-proxy": "`cmd` starts a server on this machine, but requests are sent to another one.",
    # Names
    "dead-alias": "An alias that is empty, or that is a model's ID, which wins.",
    "alias-for-id": "An alias where the ID of the model is due.",
    "shadowed-peer": "An alias or selector hides a peer's model of the same name.",
    "pinned-away": "While a profile is active, no name leads to a model.",
    "preload": "A model to load at the start is none.",
    # Who may run beside whom, and in which order
    "ignored-block": "Groups, a matrix or settings that the scheduler or router in use does not look at.",
    "ignored-key": "A key that another one makes pointless.",
    "implicit-group": "A group is called `(default)`, as that of all models in no other group.",
    "empty-group": "A group without members.",
    "swap-without-effect": "`swap: false` in a group of one member, which stops all other models.",
    "exclusive-without-effect": "`exclusive` or `persistent` where there is no other group.",
    "asymmetric-groups": "A group whose models join those of another one, and go at the next request to those.",
    "unreachable-model": "A model in no set of the matrix stops every other model.",
    "unused-var": "A name in `matrix.vars` that no set uses.",
    "var-hides-model": "A name in `matrix.vars` is another model's ID.",
    "two-costs": "Two costs for one model; the larger holds.",
    "two-priorities": "Two priorities for one model; the one by ID holds.",
    "limit-under-serial": "`concurrencyLimit` under serial makes waiting requests fail and nothing else.",
    "limit-below-parallel": "`concurrencyLimit` is below `parallel`, which is then never reached.",
    "selector-thrash": "`spillover` under serial: each second request is a swap.",
    "pin-ignores-targets": "A selector that pins has more than one target.",
    "preload-thrash": "Models to load at the start stop each other.",
    # Who is let in, and what is kept
    "short-key": "An API key that can be guessed.",
    "repeated-key": "An API key is in the list twice.",
    "bearer-key": "The key for a peer begins with Bearer, which is put before it anyway.",
    "open-cors": "Every web page may use the models, and no API key is needed.",
    "cors-origin": "An origin that no browser sends: with a path, without a scheme, with `*` in it.",
    "allowed-host": "A host with a scheme, a port or a path, or with `*` in it.",
    "relative-store": "`store.path` depends on where the daemon is started from.",
}

#: Name -> what it looks at.
RULES: Mapping[str, str] = MappingProxyType(_ERRORS | _EITHER | _WARNINGS)
ALWAYS_ERRORS, ALWAYS_WARNINGS = frozenset(_ERRORS), frozenset(_WARNINGS)
