"""The garbage collector, told what a long-lived process of ours is like.

What was imported stays for ever, yet every full collection walks it again: some 90 ms of each bulk command (measured).
Frozen, it is left out. Young objects are looked at after 20,000 new ones instead of 700, since a command for a thousand
executions makes that many and drops them at its end.
"""

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 20


def settle() -> None:
    """Call it once, when everything is imported and before work begins."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
