"""Known defects in who waits for what and how long: deadlines, turns, priorities, changes of the scheduler."""

from tests.sim.planted import Defect

WAITING = (
    # Deadlines
    Defect(
        "sleeps through the deadlines of those who wait",
        "schedule.scheduler",
        "        if self._deadlines.next is not None:\n            due.append(self._deadlines.next)\n",
        "",
        seed=15,
    ),
    Defect(
        "keeps whoever waits at his deadline",
        "schedule.deadlines",
        "            if ticket in waiting:\n",
        "            if False:\n",
        seed=25,
    ),
    Defect(
        "takes milliseconds for seconds",
        "proxy.deadline",
        "return int(told) / 1000",
        "return float(int(told))",
        seed=25,
    ),
    Defect(
        "forgets the deadline that is configured", "proxy.deadline", "return default_s or None", "return None", seed=15
    ),
    Defect(
        "lets wait who cannot make it",
        "schedule.deadlines",
        "    if earliest is None or earliest < deadline:",
        "    if True:",
        seed=53,
    ),
    Defect(
        "refuses whoever would have to wait",
        "schedule.deadlines",
        "    if earliest is None or earliest < deadline:",
        "    if earliest is None or earliest <= now:",
        seed=25,
    ),
    Defect(
        "says nothing of when to try again",
        "proxy.envelope",
        "    if error.retry_after_s is not None:",
        "    if error.retry_after_s is not None and error.status == 429:",
        seed=25,
    ),
    # Turns
    Defect(
        "takes models in the order of their first requests alone",
        "schedule.fifo",
        "return not late, 0 if late else -self.priority(first.model), first.ticket",
        "return not late, 0, first.ticket",
        seed=53,
    ),
    Defect(
        "prefers the lowest priority",
        "schedule.fifo",
        "return not late, 0 if late else -self.priority(first.model), first.ticket",
        "return not late, 0 if late else self.priority(first.model), first.ticket",
        seed=53,
    ),
    Defect(
        "never thinks that somebody has waited too long",
        "schedule.fifo",
        "return 0 < self._settings.max_wait <= now - first.arrived_at",
        "return False",
        seed=15,
    ),
    Defect(
        "lets the ready model serve on whoever is overdue",
        "schedule.fifo",
        "        if overdue is not None and self._hinders(claim, overdue):\n            return []\n"
        "        own = self._residents.of(claim.target)\n",
        "        own = self._residents.of(claim.target)\n"
        "        if own is None and overdue is not None and self._hinders(claim, overdue):\n            return []\n",
        seed=15,
    ),
    Defect(
        "lets one more pass",
        "schedule.batch",
        "len(self._passed_by) < self._settings.max_overtakes",
        "len(self._passed_by) <= self._settings.max_overtakes",
        seed=51,
    ),
    Defect(
        "lets others pass however long somebody has waited",
        "schedule.batch",
        "        patient = now - oldest.arrived_at < self._settings.max_wait\n",
        "        patient = True\n",
        seed=2,
    ),
    # A change of scheduler
    Defect(
        "forgets deadlines when the scheduler changes",
        "schedule.books",
        "        self._deadlines = other._deadlines\n",
        "",
        seed=29,
    ),
    Defect(
        "turns the queue round when the scheduler changes",
        "schedule.requests",
        "        for waiting in other.queue.values():\n",
        "        for waiting in reversed(other.queue.values()):\n",
    ),
    Defect(
        "goes on with the old scheduler after a reload",
        "dispatcher.core",
        "            self._scheduler = scheduler\n",
        "",
    ),
    # A life whose guard is lost
    Defect(
        "sends requests to what is being swept",
        "models.process",
        "        self._mourn(leader)\n        while True:",
        "        while True:",
        seed=57,
    ),
)
