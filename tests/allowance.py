"""What is granted to a machine that others use."""

#: Seconds by which tests with real processes or connections let a promised time be exceeded: the machine may stand
#: still for some. What breaks a promise takes far longer in these tests; the figures themselves are for the rigs.
ALLOWANCE_S = 10.0
