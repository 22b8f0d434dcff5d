"""Iterations of a server: they start, are cut short, and end."""

from __future__ import annotations

import numpy as np

from splitmodel.simulate.batching import choose, task_bytes
from splitmodel.simulate.compiled import kernel
from splitmodel.simulate.lookup import batch_time_s, run_time_s, steps_within
from splitmodel.simulate.queues import FRESH, PREEMPTED, PROMPTS, append, dequeue, enqueue
from splitmodel.simulate.state import DECODE, DECODE_END, PREFILL, REQUEST_LEVEL, set_end


@kernel
def cut(policy, times, state, m, now_s):
    """End a run of decode steps at its next boundary, so that a task can join."""
    server = state.servers[m]
    if server.cut or server.prompts or policy.batching == REQUEST_LEVEL:
        return
    server.cut = True
    elapsed_s = now_s - server.start_s
    kind, decodes, context = server.kind, server.decodes, server.context_tokens
    steps = 1 + steps_within(times, kind, decodes, context, server.run_steps, elapsed_s)
    server.run_steps = steps
    left_s = run_time_s(times, kind, decodes, context, steps) - elapsed_s
    set_end(state.servers, state.winner, m, now_s + left_s)


@kernel
def start(policy, times, state, m, now_s):
    """A scheduling point of server `m`: choose a batch and run it."""
    server = state.servers[m]
    count, kept, server.batch_tokens, server.decoding = choose(policy, state, m)
    if kept < server.decodes:
        _put_back(state, m, kept)
    server.prompts = 0
    prompt_tokens = square_tokens = 0
    for place in range(count):
        task = state.added[place]
        request = state.requests[task >> 1]
        if task & 1:
            _add_decode(policy, state, m, task, now_s)
        else:
            dequeue(server, state.ends, state.links, m, PROMPTS, task)
            take(server, task_bytes(policy, request, False))
            request.prefill_start_s = now_s
            state.slots[PREFILL, m, server.prompts] = task >> 1
            server.prompts += 1
            prompt_tokens += request.prompt_tokens
            square_tokens += request.prompt_tokens * request.prompt_tokens
    server.points += 1
    server.cut = False
    server.running = count > 0 or server.decodes > 0
    if policy.batching != REQUEST_LEVEL or count:
        server.width = server.decodes
    server.start_s = now_s
    width = server.width if server.decoding else 0
    if server.prompts:
        server.run_steps = 1
        iteration_s = batch_time_s(
            times,
            server.kind,
            prompt_tokens,
            square_tokens,
            server.prompts,
            width,
            server.context_tokens,
        )
    elif server.running:
        server.run_steps = server.next_end - server.steps
        iteration_s = run_time_s(times, server.kind, width, server.context_tokens, server.run_steps)
    else:
        iteration_s = np.inf
    set_end(state.servers, state.winner, m, now_s + iteration_s)


@kernel
def _put_back(state, m, kept):
    """Preempt the decodes of the old batch beyond the first `kept`."""
    server = state.servers[m]
    for slot in range(kept, server.decodes):
        r = state.slots[DECODE, m, slot]
        request = state.requests[r]
        request.steps_left = state.slots[DECODE_END, m, slot] - server.steps
        request.preempted = True
        # While it ran, this held the number of points missed.
        request.token_point = server.points - request.token_point
        server.context_tokens -= _context(request)
        append(state.ends, state.links, m, PREEMPTED, 2 * r + 1)
        state.put_back[slot - kept] = 2 * r + 1
    enqueue(state, m, state.put_back[: server.decodes - kept])
    server.decodes = kept
    _find_next_end(state, m)


@kernel
def _add_decode(policy, state, m, task, now_s):
    server, request = state.servers[m], state.requests[task >> 1]
    if not request.preempted:
        take(server, task_bytes(policy, request, True))
        request.decode_start_s = now_s
    which = PREEMPTED if request.preempted else FRESH
    dequeue(server, state.ends, state.links, m, which, task)
    request.preempted = False
    request.token_point = server.points - request.token_point
    end = server.steps + request.steps_left
    server.next_end = end if server.decodes == 0 else min(end, server.next_end)
    state.slots[DECODE, m, server.decodes] = task >> 1
    state.slots[DECODE_END, m, server.decodes] = end
    server.decodes += 1
    server.context_tokens += _context(request)


@kernel
def take(server, more_bytes):
    """Fill memory of a server."""
    server.used_bytes += more_bytes
    server.most_used_bytes = max(server.most_used_bytes, server.used_bytes)


@kernel
def free(server, less_bytes):
    """Empty memory of a server, and lift its reservation."""
    server.used_bytes -= less_bytes
    server.reserved_bytes -= less_bytes


@kernel
def _context(request):
    """KV tokens that a request's next decode step reads: all that came before."""
    return request.prompt_tokens + request.output_tokens - request.steps_left


@kernel
def _find_next_end(state, m):
    server = state.servers[m]
    for slot in range(server.decodes):
        end = state.slots[DECODE_END, m, slot]
        server.next_end = end if slot == 0 else min(end, server.next_end)


@kernel
def end_decodes(policy, state, m, now_s):
    """Decode steps of an iteration are done; requests whose last token has come leave."""
    server = state.servers[m]
    iteration_s = now_s - server.start_s
    if server.prompts:
        server.prefill_s += iteration_s
    else:
        server.decode_s += iteration_s
    if not (server.decoding and server.decodes):
        return
    server.decodes_times_s += server.decodes * iteration_s
    server.steps += server.run_steps
    server.context_tokens += server.width * server.run_steps
    if server.next_end > server.steps:
        return
    left = 0
    for slot in range(server.decodes):
        r, end = state.slots[DECODE, m, slot], state.slots[DECODE_END, m, slot]
        if end > server.steps:
            state.slots[DECODE, m, left] = r
            state.slots[DECODE_END, m, left] = end
            left += 1
        else:
            request = state.requests[r]
            request.steps_left = 0
            # A padded batch goes on computing what has ended.
            if policy.batching != REQUEST_LEVEL:
                server.context_tokens -= _context(request)
            leave(policy, server, request, now_s)
    server.decodes = left
    if left == 0:
        server.context_tokens = 0
    _find_next_end(state, m)


@kernel
def leave(policy, server, request, now_s):
    """A request is complete."""
    tokens = request.prompt_tokens + request.output_tokens
    server.pending_tokens -= 1
    free(server, tokens * policy.kv_bytes_per_token)
    request.end_s = now_s
