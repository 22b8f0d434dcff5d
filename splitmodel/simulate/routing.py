"""Which server a request goes to.

References:
    Patel et al., Splitwise, ISCA 2024, section IV-A (cluster-level scheduling, mixed pool);
    thresholds and order as in the authors' simulator, see `batching`.
"""

from __future__ import annotations

from splitmodel.simulate.batching import cache_bytes
from splitmodel.simulate.compiled import kernel
from splitmodel.simulate.queues import NOBODY
from splitmodel.simulate.state import MIXED, OUT, PROMPT, TOKEN

BY_TOKENS, BY_MEMORY, CENTRAL = 0, 1, 2
"""Shortest queue by pending tokens, by reserved memory, and one queue for all servers; the order
of ROUTINGS."""


@kernel
def route(policy, state, r):
    """Assign request `r` to servers; NOBODY where it waits in the central queue."""
    request = state.requests[r]
    if policy.splits_phases:
        prompt, token = _split(policy, state, request)
    elif policy.routing == CENTRAL:
        prompt = token = NOBODY
    elif policy.routing == BY_MEMORY:
        prompt = token = _least_reserved(state, MIXED)
    else:
        prompt = token = _shortest(state, MIXED, request)
    assign(policy, state, request, prompt, token)


@kernel
def assign(policy, state, request, prompt, token):
    """Send a request to its servers and book its tokens and memory there."""
    request.prompt_server, request.token_server = prompt, token
    if prompt == NOBODY:
        return
    servers = state.servers
    servers[prompt].pending_tokens += request.prompt_tokens
    servers[prompt].reserved_bytes += cache_bytes(policy, request, False)
    servers[token].pending_tokens += 1
    servers[token].reserved_bytes += cache_bytes(policy, request, True)
    if prompt != token:
        servers[token].reserved_bytes += cache_bytes(policy, request, False)


@kernel
def leave_mixed_pool(state, m):
    """An empty server returns to its own pool."""
    if state.servers[m].pool != state.servers[m].home:
        _move(state, m, state.servers[m].home)


@kernel
def _split(policy, state, request):
    """Prompt and token server of a request; one server for both if there is one token only."""
    decodes = request.output_tokens > 1
    if not policy.mixed_pool:
        prompt = _shortest(state, PROMPT, request)
        return prompt, _least_reserved(state, TOKEN) if decodes else prompt
    prompt = _with_short_queue(policy, state, PROMPT, request)
    if prompt == NOBODY:
        prompt = _with_short_queue(policy, state, MIXED, request)
    token = _with_memory(policy, state, TOKEN, request)
    if token == NOBODY:
        token = _with_memory(policy, state, MIXED, request)
    if prompt == NOBODY and state.sizes[TOKEN]:
        prompt = _shortest(state, TOKEN, request)
        _move(state, prompt, MIXED)
    if not decodes:
        token = prompt
    if token == NOBODY and state.sizes[PROMPT]:
        token = _least_reserved(state, PROMPT)
        _move(state, token, MIXED)
    if prompt == NOBODY or token == NOBODY:
        prompt = _shortest_of_all(state, request)
        token = prompt
    return prompt, token


@kernel
def _shortest(state, pool, request):
    """Server of a pool with the fewest pending tokens; of several, the first whose link is free.

    Where none of their links is, it is the one that will be first.
    """
    best, fewest, least_s = NOBODY, 0, 0.0
    for place in range(state.sizes[pool]):
        m = state.members[pool, place]
        tokens = state.servers[m].pending_tokens
        free_s = max(state.free_s[state.servers[m].port, OUT], request.arrival_s)
        if best == NOBODY or tokens < fewest or (tokens == fewest and free_s < least_s):
            best, fewest, least_s = m, tokens, free_s
    return best


@kernel
def _least_reserved(state, pool):
    """Server of a pool with the least reserved memory; the first of several."""
    best, least_bytes = NOBODY, 0.0
    for place in range(state.sizes[pool]):
        m = state.members[pool, place]
        reserved_bytes = state.servers[m].reserved_bytes
        if best == NOBODY or reserved_bytes < least_bytes:
            best, least_bytes = m, reserved_bytes
    return best


@kernel
def _shortest_of_all(state, request):
    best, fewest = NOBODY, 0
    for pool in (PROMPT, MIXED, TOKEN):
        m = _shortest(state, pool, request)
        if m != NOBODY and (best == NOBODY or state.servers[m].pending_tokens < fewest):
            best, fewest = m, state.servers[m].pending_tokens
    return best


@kernel
def _with_short_queue(policy, state, pool, request):
    """Server of a pool for a prompt, unless its queue is long."""
    m = _shortest(state, pool, request)
    if m != NOBODY:
        server = state.servers[m]
        tokens = server.pending_tokens + request.prompt_tokens
        if server.waiting and tokens > policy.max_pending_tokens:
            return NOBODY
    return m


@kernel
def _with_memory(policy, state, pool, request):
    """Server of a pool for a decode, unless its memory is reserved."""
    m = _least_reserved(state, pool)
    if m != NOBODY:
        server = state.servers[m]
        needed_bytes = cache_bytes(policy, request, False) + cache_bytes(policy, request, True)
        if server.reserved_bytes + needed_bytes >= server.capacity_bytes:
            return NOBODY
    return m


@kernel
def _move(state, m, pool):
    """Take a server out of its pool and put it at the end of another."""
    server = state.servers[m]
    old = server.pool
    place = 0
    while state.members[old, place] != m:
        place += 1
    state.sizes[old] -= 1
    for later in range(place, state.sizes[old]):
        state.members[old, later] = state.members[old, later + 1]
    state.members[pool, state.sizes[pool]] = m
    state.sizes[pool] += 1
    server.pool = pool
