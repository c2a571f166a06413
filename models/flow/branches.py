"""Names of branches: which fork opened them, on which visit, and in which branch the fork itself stands.

A branch is called `outer/fork.visit.number`; the undivided way is the empty text. Keys hold no slash (`shape.key`), so
a name reads back.
"""

from typing import NamedTuple


class Branch(NamedTuple):
    """What the name of a branch says."""

    outer: str
    """The branch in which the fork stands."""
    fork: str
    visit: int
    number: int


def name_of(outer: str, fork: str, visit: int, number: int) -> str:
    """The name of the `number`-th branch (from 1) that a visit to `fork` opens."""
    return f"{outer}/{fork}.{visit}.{number}" if outer else f"{fork}.{visit}.{number}"


def within(branch: str, outer: str) -> bool:
    """Whether `branch` is `outer` or lies in it; everything lies in the undivided way."""
    return not outer or branch == outer or branch.startswith(f"{outer}/")


def branch_of(name: str) -> Branch:
    """Read a name back.

    Raises:
        ValueError: the undivided way, or no name of a branch.
    """
    outer, _, own = name.rpartition("/")
    fork, visit, number = own.rsplit(".", 2)
    return Branch(outer, fork, int(visit), int(number))


def fork_of(name: str) -> str:
    """What the names of all branches have in common that the same visit to a fork opened, and those inside of them."""
    return name.rpartition(".")[0] + "."


def is_within(name: str, fork: str) -> bool:
    """Whether a branch was opened by the visit to a fork that `fork_of` names, or stands inside of such a branch."""
    return name.startswith(fork)
