"""The lists in which tasks wait at a server.

A task is one phase of a request: twice the request's number, plus 1 for its decode. Every waiting
task is in the list OVERDUE of its server and, once it can begin, in one of the others.
"""

from __future__ import annotations

import numpy as np

from splitmodel.simulate.compiled import kernel

# Of numba's own type for such numbers: of Python's, it makes a version of every function for each.
PROMPTS, FRESH, PREEMPTED, OVERDUE = np.arange(4)
"""Prompts, decodes that have not begun, decodes that were put back, and all of them in the order
of scheduling points missed."""
LISTS = 4
NOBODY = -1
"""End of a list."""
UNDER_WAY = -1
"""Point of a decode whose prompt is still to be computed on the same server: it misses nothing."""

# `ends` holds first and last task of each list, [servers, lists, 2]; `links` the next and the
# previous task of each task, in OVERDUE and in the other list that it is in, [tasks, 2, 2].


@kernel
def append(ends, links, m, which, task):
    """Put a task at the end of a list of server `m`."""
    _insert(ends, links, m, which, ends[m, which, 1], task)


@kernel
def insert_by_arrival(ends, links, m, which, task):
    """Put a task into a list, other than OVERDUE, that is in the order of arrival."""
    before = ends[m, which, 1]
    while before > task:
        before = links[before, 0, 1]
    _insert(ends, links, m, which, before, task)


@kernel
def _insert(ends, links, m, which, before, task):
    lane = int(which == OVERDUE)
    after = ends[m, which, 0] if before == NOBODY else links[before, lane, 0]
    _join(ends, links, m, which, before, task)
    _join(ends, links, m, which, task, after)


@kernel
def remove(ends, links, m, which, task):
    """Take a task out of a list."""
    lane = int(which == OVERDUE)
    _join(ends, links, m, which, links[task, lane, 1], links[task, lane, 0])


@kernel
def _join(ends, links, m, which, before, after):
    """Make two tasks neighbours in a list; NOBODY is its end."""
    lane = int(which == OVERDUE)
    if before == NOBODY:
        ends[m, which, 0] = after
    else:
        links[before, lane, 0] = after
    if after == NOBODY:
        ends[m, which, 1] = before
    else:
        links[after, lane, 1] = before


@kernel
def missed(requests, server, task):
    """Scheduling points of its server that a waiting task has missed."""
    request = requests[task >> 1]
    point = request.token_point if task & 1 else request.prompt_point
    return 0 if point == UNDER_WAY else server.points - point


@kernel
def enqueue(state, m, tasks):
    """Insert tasks among all that wait at server `m`, by points missed, then arrival.

    What a task missed grows while it waits, so that the list need not be in order. The place is
    that of a binary search all the same, as in the authors' simulator.
    """
    server, order = state.servers[m], state.order
    task = state.ends[m, OVERDUE, 0]
    for place in range(server.waiting):
        order[place] = task
        task = state.links[task, 1, 0]
    for task in tasks:
        own = missed(state.requests, server, task)
        low, high = 0, server.waiting
        while low < high:
            middle = (low + high) // 2
            other = missed(state.requests, server, order[middle])
            if own < other or (own == other and task >> 1 < order[middle] >> 1):
                high = middle
            else:
                low = middle + 1
        before = order[low - 1] if low else NOBODY
        _insert(state.ends, state.links, m, OVERDUE, before, task)
        for place in range(server.waiting, low, -1):
            order[place] = order[place - 1]
        order[low] = task
        server.waiting += 1


@kernel
def dequeue(server, ends, links, m, which, task):
    """Take a task out of both of its lists."""
    remove(ends, links, m, which, task)
    remove(ends, links, m, OVERDUE, task)
    server.waiting -= 1
