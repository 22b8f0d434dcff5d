"""KV caches move from the instance of the prompt to that of the decode.

Each instance has a link in both directions. A link carries one KV cache at a time, in the order in
which they could begin; a cache that has left its sender in part can already come to its receiver,
so that it takes as long as the slower end. Layer-wise transfer begins with the prefill, and what
lies in between is hidden.

References:
    Patel et al., Splitwise, ISCA 2024, section IV-C (layer-wise transfer, and the choice by batch).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from splitmodel.simulate.compiled import kernel
from splitmodel.simulate.state import IN, OUT, PREFILL
from splitmodel.specs.cluster import KV_TRANSFERS

SERIALIZED, LAYERWISE, AUTO = map(KV_TRANSFERS.index, ("serialized", "layerwise", "auto"))


class Links(NamedTuple):
    """What transfers take, by kinds of server."""

    token_s: ndarray
    """Time that the KV cache of a prompt token keeps a link busy [s], [kinds]."""
    lag_s: ndarray
    """What layer-wise transfer leaves after prefill, by sender and receiver [s], [kinds, kinds]."""


@kernel
def send_during(policy, links, state, m):
    """Let what the prompts of server `m` yield move while they are computed, if that is faster.

    Prompts of a batch end together, so that the last of them decides.
    """
    server = state.servers[m]
    if policy.kv_transfer != LAYERWISE and policy.kv_transfer != AUTO:
        return
    out_s = longest_s = lag_s = 0.0
    for place in range(server.prompts):
        request = state.requests[state.slots[PREFILL, m, place]]
        if _moves(request):
            receiver = state.servers[request.token_server]
            out_s += request.prompt_tokens * links.token_s[server.kind]
            longest_s = max(longest_s, request.prompt_tokens * links.token_s[receiver.kind])
            lag_s = max(lag_s, links.lag_s[server.kind, receiver.kind])
    longest_s = max(longest_s, out_s)
    free_s = state.free_s[server.port, OUT]
    layerwise_s = max(max(server.start_s, free_s) + longest_s, server.end_s) + lag_s
    if policy.kv_transfer == AUTO and max(server.end_s, free_s) + longest_s < layerwise_s:
        return
    for place in range(server.prompts):
        request = state.requests[state.slots[PREFILL, m, place]]
        if _moves(request):
            request.sent_s = server.start_s + _busy_s(policy, links, state, request, server.start_s)


@kernel
def transfer(policy, links, state, request, now_s):
    """Visible delay of a request whose prompt has ended [s]."""
    if request.sent_s == np.inf:
        left_s = _busy_s(policy, links, state, request, now_s)
        request.sent_s = now_s + left_s
        return left_s
    kinds = state.servers[request.prompt_server].kind, state.servers[request.token_server].kind
    return max(request.sent_s - now_s, 0.0) + links.lag_s[kinds]


@kernel
def _moves(request):
    return request.output_tokens > 1 and request.token_server != request.prompt_server


@kernel
def _busy_s(policy, links, state, request, now_s):
    """Put a KV cache on both links: how long until they are done with it [s]."""
    sender, receiver = state.servers[request.prompt_server], state.servers[request.token_server]
    out_s = request.prompt_tokens * links.token_s[sender.kind]
    in_s = request.prompt_tokens * links.token_s[receiver.kind]
    if not policy.shares_links:
        return max(out_s, in_s)
    begun_s = max(now_s, state.free_s[sender.port, OUT])
    state.free_s[sender.port, OUT] = begun_s + out_s
    begun_in_s = max(begun_s, state.free_s[receiver.port, IN])
    state.free_s[receiver.port, IN] = begun_in_s + in_s
    return max(begun_s + out_s, begun_in_s + in_s) - now_s
