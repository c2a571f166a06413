"""The garbage collector, told what a long-lived process of ours is like.

What was imported stays for ever, yet every full collection walks it again: some 90 ms of each bulk command (measured).
Frozen, it is left out. Young objects are looked at after 5,000 new ones instead of 700, since a command for a thousand
executions makes many and drops them at its end. The oldest generation keeps its pace: what an evicted workflow leaves
behind is cycles, and a worker grew without end while they were looked at rarely (measured).
"""

import gc

YOUNG, MIDDLE, OLD = 5_000, 10, 2


def settle() -> None:
    """Call it once, when everything is imported and before work begins."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
