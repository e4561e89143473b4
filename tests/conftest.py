"""What holds for every test."""

import signal

# Whoever starts the tests may ignore some signals, as nohup and shells in the background do; children would inherit
# that, and tests of what ends a process would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
