"""Tasks come to a server; what it then has to do is left to the event loop."""

from __future__ import annotations

from splitmodel.simulate.batching import cache_bytes, task_bytes
from splitmodel.simulate.compiled import kernel
from splitmodel.simulate.iteration import leave
from splitmodel.simulate.queues import (
    FRESH,
    NOBODY,
    OVERDUE,
    PROMPTS,
    UNDER_WAY,
    append,
    enqueue,
    insert_by_arrival,
    remove,
)
from splitmodel.simulate.routing import assign
from splitmodel.simulate.state import REQUEST_LEVEL

NOTHING, START, CUT = 0, 1, 2
"""What a server has to do: nothing, start an iteration, end its run of decode steps early."""


@kernel
def prompt_comes(policy, state, m, r):
    """The prompt of request `r` comes to server `m`."""
    server, request = state.servers[m], state.requests[r]
    request.prompt_point = server.points
    append(state.ends, state.links, m, PROMPTS, 2 * r)
    enqueue(state, m, (2 * r,))
    if not server.running:
        return _start_if_fits(policy, state, m, 2 * r)
    # It may put decodes back, but not other prompts, and no longer one waits for both.
    return CUT if request.prompt_tokens <= policy.max_batch_tokens else NOTHING


@kernel
def decode_follows(policy, state, m, r):
    """The decode of request `r` comes to server `m` together with its prompt."""
    state.requests[r].token_point = UNDER_WAY
    return _decode_waits(policy, state, m, r)


@kernel
def decode_comes(policy, state, m, r):
    """The KV cache of request `r` has come to server `m`."""
    state.requests[r].token_point = state.servers[m].points
    insert_by_arrival(state.ends, state.links, m, FRESH, 2 * r + 1)
    return _decode_waits(policy, state, m, r)


@kernel
def _decode_waits(policy, state, m, r):
    server = state.servers[m]
    enqueue(state, m, (2 * r + 1,))
    if not server.running:
        return _start_if_fits(policy, state, m, 2 * r + 1)
    return CUT if _has_room(policy, server) else NOTHING


@kernel
def memory_is_free(policy, state, m):
    """A KV cache has left server `m`: what waits may fit now."""
    server = state.servers[m]
    if not server.waiting:
        return NOTHING
    if not server.running:
        return _start_if_fits(policy, state, m, state.ends[m, OVERDUE, 0])
    return CUT if _has_room(policy, server) else NOTHING


@kernel
def _start_if_fits(policy, state, m, task):
    server = state.servers[m]
    more_bytes = task_bytes(policy, state.requests[task >> 1], task & 1 == 1)
    return START if server.used_bytes + more_bytes <= server.capacity_bytes else NOTHING


@kernel
def _has_room(policy, server):
    """Whether one more decode could be in the batch that runs."""
    size = server.decodes + server.prompts
    return size < policy.max_batch_size and server.batch_tokens < policy.max_batch_tokens


@kernel
def prompt_ends(policy, state, m, r, now_s):
    """The first token of request `r` has come.

    Returns:
        Whether its KV cache is to move.
    """
    server, request = state.servers[m], state.requests[r]
    request.prefill_end_s = now_s
    server.pending_tokens -= request.prompt_tokens
    if request.output_tokens == 1:
        leave(policy, server, request, now_s)
        return False
    if request.token_server != m:
        return True
    request.token_point = server.points
    insert_by_arrival(state.ends, state.links, m, FRESH, 2 * r + 1)
    return False


@kernel
def pull(policy, state, m):
    """Move prompts from the central queue to server `m` as far as its next batch has room."""
    server, central = state.servers[m], len(state.servers)
    holds = policy.batching == REQUEST_LEVEL and (server.decodes or server.waiting)
    if holds or state.ends[m, PROMPTS, 0] != NOBODY:
        return
    tokens = 0
    size = server.decodes + server.waiting
    task = state.ends[central, PROMPTS, 0]
    while task != NOBODY and size < policy.max_batch_size:
        request = state.requests[task >> 1]
        needed_bytes = cache_bytes(policy, request, False) + cache_bytes(policy, request, True)
        if (
            tokens and tokens + request.prompt_tokens > policy.max_batch_tokens
        ) or server.reserved_bytes + needed_bytes > server.capacity_bytes:
            break
        remove(state.ends, state.links, central, PROMPTS, task)
        assign(policy, state, request, m, m)
        prompt_comes(policy, state, m, task >> 1)
        if request.output_tokens > 1:
            decode_follows(policy, state, m, task >> 1)
        size += 1
        tokens += request.prompt_tokens
        task = state.ends[central, PROMPTS, 0]
