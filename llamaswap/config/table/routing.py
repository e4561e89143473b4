"""The keys of ``routing``: groups, the matrix, and the schedulers."""

from llamaswap.config.table.shapes import Each, Key, Names, Section, Switch, Text, Texts, Whole

GROUP = Section(
    {
        "swap": Key(Switch(True), doc="Loading a member evicts the other members."),
        "exclusive": Key(Switch(True), doc="Loading a member evicts the models of other groups."),
        "persistent": Key(Switch(), doc="Other groups do not evict the members."),
        "members": Key(Texts(), doc="IDs of models."),
    }
)
MATRIX = Section(
    {
        "vars": Key(Names(Text()), doc="Short names for models, to use in sets."),
        "evict_costs": Key(Names(Whole()), doc="What it costs to evict a model; 1 if not given."),
        "sets": Key(Names(Text()), doc="Which models may run together, as in `a & (b | c)`."),
    },
    absent="none",
)
_SERIAL = Section(
    {
        "parallel": Key(Whole(1, least=1), doc="How many consecutive requests for one model may run together."),
        "abortOrphanLoads": Key(Switch(), doc="Stop a load when nobody waits for it any more."),
    }
)
_FIFO = Section(
    {
        "priority": Key(Names(Whole()), doc="Model -> number; higher ones go first, models not listed have 0."),
        "maxWait": Key(Whole(0, least=0), doc="Seconds after which a request is not overtaken any more; 0 is never."),
    }
)
_BATCH = Section(
    {
        "maxOvertakes": Key(Whole(8, least=0), doc="How many later requests may be served before an earlier one."),
        "maxWait": Key(Whole(60, least=0), doc="Seconds after which a request is not overtaken any more."),
    }
)
_SCHEDULER = Section(
    {
        "use": Key(
            Text("serial", ("", "serial", "fifo", "batch")),
            doc="serial: exact order, one at a time; fifo: as llama-swap does; batch: in between, with bounds.",
        ),
        "settings": Key(
            Section(
                {
                    "serial": Key(_SERIAL, doc="Settings of serial."),
                    "fifo": Key(_FIFO, doc="Settings of fifo."),
                    "batch": Key(_BATCH, doc="Settings of batch."),
                }
            ),
            doc="Settings of the schedulers.",
        ),
    }
)
_ROUTER = Section(
    {
        "use": Key(Text("", ("", "group", "matrix")), doc="Which of the settings decides who may run beside whom."),
        "settings": Key(
            Section(
                {
                    "groups": Key(Each(GROUP, "group"), doc="Groups of models, by name."),
                    "matrix": Key(MATRIX, doc="Sets of models that may run together."),
                }
            ),
            doc="Settings of the routers.",
        ),
    }
)
ROUTING = Section(
    {
        "router": Key(_ROUTER, doc="Who may run beside whom."),
        "scheduler": Key(_SCHEDULER, doc="In which order requests run."),
    }
)
