"""What holds for every test."""

import signal

from hypothesis import HealthCheck, settings

# How long an example takes, to make or to try, says more about who else uses the machine than about us.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

# Whoever starts the tests may ignore some signals, as nohup and shells in the background do; children would inherit
# that, and tests of what ends a process would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
