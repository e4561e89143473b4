"""The scheduler: facts in, orders out. Pure: no clock, no task, no I/O, no log."""
