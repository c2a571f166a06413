"""Group commit for anything: while one call is under way, those that come meanwhile wait and go as one.

Nobody waits for a timer: who comes alone goes at once, and under load the groups grow by themselves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Together(Generic[Key, Asked, Given]):
    """Calls of one kind, grouped by key; the groups of one key go one after the other."""

    def __init__(self, work: Callable[[Key, Sequence[Asked]], Awaitable[Sequence[Given]]]) -> None:
        """Nothing is under way.

        Args:
            work: Does a whole group; one result for each, in order. What it raises is raised to each.
        """
        self._work = work
        self._waiting: dict[Key, list[tuple[Asked, asyncio.Future[Given]]]] = {}
        self._working: dict[Key, asyncio.Task[None]] = {}

    async def ask(self, key: Key, asked: Asked) -> Given:
        """The result for one, from the group that it goes with."""
        given: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append((asked, given))
        if key not in self._working:
            self._working[key] = asyncio.create_task(self._empty(key))
        return await given

    async def _empty(self, key: Key) -> None:
        try:
            while group := self._waiting.pop(key, None):
                try:
                    results = await self._work(key, [asked for asked, _ in group])
                except Exception as error:  # noqa: BLE001 - each of those who wait hears of it
                    for _, given in group:
                        if not given.done():
                            given.set_exception(error)
                    continue
                for (_, given), result in zip(group, results, strict=True):
                    if not given.done():
                        given.set_result(result)
        finally:
            del self._working[key]
