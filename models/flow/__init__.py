"""The pure core: a step graph, the state of one instance as tokens, and the decisions about it.

Belongs here: values, transition tables, `decide`, `evolve`, routing, validation. Standard library only,
synchronous, no clock, no randomness, no I/O. Must not: import anything of the shell (tables, Temporal, HTTP).
"""
