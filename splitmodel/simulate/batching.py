"""Which tasks the next iteration of a server works on.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 2 (batching mechanisms); the order of choices is
    that of the authors' simulator, github.com/Mutinifni/splitwise-sim, commit 8f99e7dc9b40.
"""

from __future__ import annotations

from splitmodel.simulate.compiled import kernel
from splitmodel.simulate.queues import FRESH, NOBODY, OVERDUE, PREEMPTED, PROMPTS, missed
from splitmodel.simulate.state import CONTINUOUS, MIXES, REQUEST_LEVEL

MOST_MISSED = 4
"""Scheduling points after which a task goes first, default of the authors' simulator."""


@kernel
def choose(policy, state, m):
    """Choose the next batch of server `m`.

    Tasks to add stand in `state.added`; decodes of the old batch are kept from its start.

    Returns:
        Number of tasks to add, decodes to keep, tokens of the batch, and whether it decodes.
    """
    server = state.servers[m]
    decodes = server.decodes
    if server.waiting == 0 or (policy.batching == REQUEST_LEVEL and decodes):
        return 0, decodes, decodes, True
    state.added[-1] += 1
    count, tokens, used_bytes = 0, 0, server.used_bytes
    if policy.batching == REQUEST_LEVEL:
        # Decodes of the batch whose prompts have just ended, or else the next batch of prompts.
        if state.ends[m, FRESH, 0] == NOBODY:
            count, tokens, _ = _add_prompts(policy, state, m, count, tokens, used_bytes)
            return count, 0, tokens, False
        count, tokens = _add_others(policy, state, m, count, tokens, 0, used_bytes)
        return count, 0, tokens, True
    if policy.batching == MIXES:
        count, tokens, used_bytes = _add_overdue(policy, state, m)
    count, tokens, used_bytes = _add_prompts(policy, state, m, count, tokens, used_bytes)
    if policy.batching == CONTINUOUS and count:
        return count, decodes, tokens, False
    task = state.ends[m, PREEMPTED, 0]
    while task != NOBODY and _fits(policy, count, tokens, 1):
        if not _is_chosen(state, task):
            _add(state, count, task)
            count += 1
            tokens += 1
        task = state.links[task, 0, 0]
    room = min(policy.max_batch_size - count, policy.max_batch_tokens - tokens)
    kept = min(decodes, max(room, 0 if count else 1))
    tokens += kept
    if kept == decodes:
        count, tokens = _add_others(policy, state, m, count, tokens, kept, used_bytes)
    return count, kept, tokens, True


@kernel
def cache_bytes(policy, request, decode):
    """KV cache of a request's decode, or of its prompt and first token [bytes]."""
    tokens = request.output_tokens - 1 if decode else request.prompt_tokens + 1
    return tokens * policy.kv_bytes_per_token


@kernel
def task_bytes(policy, request, decode):
    """KV cache that a task takes when it begins [bytes]: all of its tokens at once."""
    if policy.output_with_prompt:
        if decode:
            return 0.0
        if request.prompt_server == request.token_server:
            return cache_bytes(policy, request, False) + cache_bytes(policy, request, True)
    return cache_bytes(policy, request, decode)


@kernel
def _fits(policy, size, tokens, more):
    """Whether a task of `more` tokens can join a batch; the first one always can."""
    return size < policy.max_batch_size and (size == 0 or tokens + more <= policy.max_batch_tokens)


@kernel
def _add(state, count, task):
    state.added[count] = task
    state.requests[task >> 1].chosen = state.added[-1]


@kernel
def _is_chosen(state, task):
    return state.requests[task >> 1].chosen == state.added[-1]


@kernel
def _add_overdue(policy, state, m):
    """Tasks that missed too many scheduling points, up to the first that did not."""
    server = state.servers[m]
    count, tokens, used_bytes = 0, 0, server.used_bytes
    task = state.ends[m, OVERDUE, 0]
    while task != NOBODY and missed(state.requests, server, task) >= MOST_MISSED:
        request = state.requests[task >> 1]
        decode = task & 1 == 1
        cost = 1 if decode else request.prompt_tokens
        if not _fits(policy, count, tokens, cost):
            break
        # A preempted decode has kept its memory.
        more_bytes = 0.0 if decode and request.preempted else task_bytes(policy, request, decode)
        if not _is_chosen(state, task) and used_bytes + more_bytes <= server.capacity_bytes:
            _add(state, count, task)
            count += 1
            tokens += cost
            used_bytes += more_bytes
        task = state.links[task, 1, 0]
    return count, tokens, used_bytes


@kernel
def _add_prompts(policy, state, m, count, tokens, used_bytes):
    """Waiting prompts, first come, first served."""
    server = state.servers[m]
    task = state.ends[m, PROMPTS, 0]
    while task != NOBODY:
        request = state.requests[task >> 1]
        if not _fits(policy, count, tokens, request.prompt_tokens):
            break
        if not _is_chosen(state, task):
            more_bytes = task_bytes(policy, request, False)
            if policy.batching == REQUEST_LEVEL:
                more_bytes += task_bytes(policy, request, True)
            if used_bytes + more_bytes > server.capacity_bytes:
                break
            _add(state, count, task)
            count += 1
            tokens += request.prompt_tokens
            used_bytes += more_bytes
        task = state.links[task, 0, 0]
    return count, tokens, used_bytes


@kernel
def _add_others(policy, state, m, count, tokens, kept, used_bytes):
    """Prompts and decodes that have not begun, in the order of arrival, until one does not fit."""
    server = state.servers[m]
    prompt = _not_chosen(state, state.ends[m, PROMPTS, 0])
    if policy.batching == REQUEST_LEVEL:
        prompt = NOBODY
    decode = _not_chosen(state, state.ends[m, FRESH, 0])
    while prompt != NOBODY or decode != NOBODY:
        decodes = prompt == NOBODY or (decode != NOBODY and decode < prompt)
        task = decode if decodes else prompt
        request = state.requests[task >> 1]
        cost = 1 if decodes else request.prompt_tokens
        more_bytes = task_bytes(policy, request, decodes)
        if (
            not _fits(policy, count + kept, tokens, cost)
            or used_bytes + more_bytes > server.capacity_bytes
        ):
            break
        _add(state, count, task)
        count += 1
        tokens += cost
        used_bytes += more_bytes
        if decodes:
            decode = _not_chosen(state, state.links[task, 0, 0])
        else:
            prompt = _not_chosen(state, state.links[task, 0, 0])
    return count, tokens


@kernel
def _not_chosen(state, task):
    """The first task of a list, from `task` on, that is not in the new batch."""
    while task != NOBODY and _is_chosen(state, task):
        task = state.links[task, 0, 0]
    return task
