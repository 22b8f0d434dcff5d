"""The event loop."""

from __future__ import annotations

import heapq
from functools import partial

import numpy as np

from splitmodel.simulate.batching import cache_bytes
from splitmodel.simulate.compiled import cached_kernel, kernel
from splitmodel.simulate.iteration import cut, end_decodes, free, start, take
from splitmodel.simulate.queues import NOBODY, PROMPTS, append
from splitmodel.simulate.routing import CENTRAL, leave_mixed_pool, route
from splitmodel.simulate.state import PREFILL, new_state
from splitmodel.simulate.tasks import (
    CUT,
    NOTHING,
    START,
    decode_comes,
    decode_follows,
    memory_is_free,
    prompt_comes,
    prompt_ends,
    pull,
)
from splitmodel.simulate.transfer import send_during, transfer

FOLLOW, SEND, ARRIVE, FREE = 1, 2, 3, 4
"""What stands on the agenda for a request: its decode joins its prompt at the same server; its KV
cache tries again to move, has moved, and leaves its memory at the sender to others."""
RETRY_S = 1.0
"""Wait of a KV cache for a receiver without memory, default of the authors' simulator."""


@cached_kernel
def simulate(policy, times, links, arrivals, kind, port, pool, capacity_bytes):
    """Run all requests to their end.

    Args:
        policy: one record of `state.POLICY`.
        times: tables of iteration times.
        links: what transfers take, a `transfer.Links`.
        arrivals: arrival times [s], prompt and output sizes, each [requests].
        kind: kind of each server, [servers].
        port: instance of each server, [servers].
        pool: pool that each server belongs to, [servers].
        capacity_bytes: KV memory of each server [bytes], [servers].

    Returns:
        Records of requests and of servers, and a list of iterations if these are recorded, each
        with server, start and end [s], prompts, decodes, tokens, and memory in use [bytes].
    """
    state = new_state(policy, *arrivals, kind, port, pool, capacity_bytes)
    requests, servers = state.requests, state.servers
    agenda = [(0.0, 0, 0, 0)]
    agenda.pop()
    log = [(0, 0.0, 0.0, 0, 0, 0, 0.0)]
    log.pop()
    # Zero, as a number that changes: for a constant, numba would make versions of what it calls.
    arrived = noted = len(log)
    while True:
        arrival_s = requests[arrived].arrival_s if arrived < len(requests) else np.inf
        noted_s = agenda[0][0] if len(agenda) else np.inf
        m = state.winner[1]
        end_s = servers[m].end_s
        now_s = min(arrival_s, noted_s, end_s)
        if now_s == np.inf:
            break
        # What follows for a request, and in how many seconds.
        r, then, later_s = NOBODY, NOTHING, 0.0
        if noted_s == now_s:
            _, _, r, now = heapq.heappop(agenda)
            if now == FOLLOW:
                m = requests[r].prompt_server
                todo = decode_follows(policy, state, m, r)
            elif now == SEND:
                if arrival_s == end_s == np.inf and _stuck(policy, state, agenda, r):
                    break
                todo = NOTHING
                then, later_s = _send(policy, state, links, r, now_s)
            elif now == ARRIVE:
                sender = servers[requests[r].prompt_server]
                free(sender, cache_bytes(policy, requests[r], False))
                m = requests[r].token_server
                todo = decode_comes(policy, state, m, r)
                if sender.waiting:
                    then = FREE
            else:
                m = requests[r].prompt_server
                todo = memory_is_free(policy, state, m)
        elif end_s == now_s:
            if policy.record:
                log.append(_entry(servers[m], m))
            end_decodes(policy, state, m, now_s)
            for place in range(servers[m].prompts):
                done = state.slots[PREFILL, m, place]
                if prompt_ends(policy, state, m, done, now_s):
                    moves, in_s = _send(policy, state, links, done, now_s)
                    noted += 1
                    heapq.heappush(agenda, (now_s + in_s, noted, done, moves))
            todo = START
        else:
            r = arrived
            arrived += 1
            route(policy, state, r)
            m = requests[r].prompt_server
            if m == NOBODY:
                append(state.ends, state.links, len(servers), PROMPTS, 2 * r)
                m, todo = _taker(state)
            else:
                todo = prompt_comes(policy, state, m, r)
                if requests[r].token_server == m and requests[r].output_tokens > 1:
                    then = FOLLOW
        if then != NOTHING:
            noted += 1
            heapq.heappush(agenda, (now_s + later_s, noted, r, then))
        if todo == CUT:
            cut(policy, times, state, m, now_s)
        elif todo == START:
            if policy.routing == CENTRAL:
                pull(policy, state, m)
            start(policy, times, state, m, now_s)
            if policy.splits_phases:
                send_during(policy, links, state, m)
            if not servers[m].running and servers[m].waiting == 0:
                leave_mixed_pool(state, m)
    return requests, servers, log


@kernel
def _send(policy, state, links, r, now_s):
    """Begin to move the KV cache of request `r`, if its receiver has memory.

    Returns:
        What to put on the agenda for it, and in how many seconds.
    """
    request = state.requests[r]
    if not _can_send(policy, state, r):
        return SEND, RETRY_S
    take(state.servers[request.token_server], _moved_bytes(policy, request))
    request.transfer_s = transfer(policy, links, state, request, now_s)
    return ARRIVE, request.transfer_s


@partial(kernel, counts=True)
def _stuck(policy, state, agenda, r):
    """Whether, where nothing runs or comes, no KV cache moves or can move, that of `r` included."""
    if _can_send(policy, state, r):
        return False
    for _, _, other, then in agenda:
        if then != SEND or _can_send(policy, state, other):
            return False
    return True


@kernel
def _can_send(policy, state, r):
    request = state.requests[r]
    receiver = state.servers[request.token_server]
    return receiver.used_bytes + _moved_bytes(policy, request) <= receiver.capacity_bytes


@kernel
def _moved_bytes(policy, request):
    """Memory that a KV cache takes at its receiver [bytes]."""
    prompt_bytes = cache_bytes(policy, request, False)
    output_bytes = cache_bytes(policy, request, True)
    return prompt_bytes + output_bytes if policy.output_with_prompt else prompt_bytes


@kernel
def _taker(state):
    """The server that should look at the central queue next, and how: an idle one if any."""
    for m in range(len(state.servers)):
        if not state.servers[m].running:
            return m, START
    for m in range(len(state.servers)):
        if not state.servers[m].cut and state.servers[m].prompts == 0:
            return m, CUT
    return 0, CUT


@kernel
def _entry(server, m):
    decodes = server.decodes if server.decoding else 0
    return (
        m,
        server.start_s,
        server.end_s,
        server.prompts,
        decodes,
        server.batch_tokens,
        server.used_bytes,
    )
