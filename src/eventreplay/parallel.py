"""Work done ahead, results taken in order: the one way this library runs things side by side.

`Executor.map` would read its whole input at once; here at most `ahead_max` tasks are in flight, so memory
is bounded by that many results however long the input is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def ordered(
    executor: Executor, work: Callable[[Task], Result], tasks: Iterable[Task], *, ahead_max: int
) -> Iterator[tuple[Task, Result]]:
    """Yield (task, work(task)) in the order of `tasks`, running up to `ahead_max` of them ahead.

    The first error of a task is raised where its result would have come; tasks that have not started by
    then are cancelled. `tasks` is advanced on the caller's thread only.
    """
    flying: deque[tuple[Task, Future[Result]]] = deque()
    try:
        for task in tasks:
            flying.append((task, executor.submit(work, task)))
            if len(flying) > ahead_max:
                done, future = flying.popleft()
                yield done, future.result()
        while flying:
            done, future = flying.popleft()
            yield done, future.result()
    finally:
        for _, future in flying:
            future.cancel()
