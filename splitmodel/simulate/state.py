"""What the event loop works on: records of requests and servers, and arrays beside them."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from splitmodel.simulate.compiled import kernel
from splitmodel.simulate.queues import LISTS, NOBODY

POLICY = np.dtype(
    [
        ("kv_bytes_per_token", np.float64),
        ("max_batch_tokens", np.int64),
        ("max_batch_size", np.int64),
        ("max_pending_tokens", np.float64),
        ("batching", np.int64),
        ("routing", np.int64),
        # How KV caches move, and whether those of an instance share its link.
        ("kv_transfer", np.int64),
        ("shares_links", np.bool_),
        ("splits_phases", np.bool_),
        ("mixed_pool", np.bool_),
        # Whether memory for the output is taken together with that for the prompt.
        ("output_with_prompt", np.bool_),
        # Whether to keep every iteration.
        ("record", np.bool_),
    ],
    align=True,
)
"""What stays the same during a run."""

REQUEST = np.dtype(
    [
        ("arrival_s", np.float64),
        ("prompt_tokens", np.int64),
        ("output_tokens", np.int64),
        ("prompt_server", np.int64),
        ("token_server", np.int64),
        # Scheduling points of the server when the task began to wait, less those that it had
        # missed before; see `queues.missed`.
        ("prompt_point", np.int64),
        ("token_point", np.int64),
        ("steps_left", np.int64),
        ("preempted", np.bool_),
        # Number of the last choice of a batch that took it.
        ("chosen", np.int64),
        ("prefill_start_s", np.float64),
        ("prefill_end_s", np.float64),
        # When the links are done with its KV cache, and the visible delay of that.
        ("sent_s", np.float64),
        ("transfer_s", np.float64),
        ("decode_start_s", np.float64),
        ("end_s", np.float64),
    ],
    align=True,
)
"""One request: what arrived, where it is, and when it got there; inf for what never happened."""

SERVER = np.dtype(
    [
        ("kind", np.int64),
        # Instance, whose links all its batches in flight share.
        ("port", np.int64),
        ("home", np.int64),
        ("pool", np.int64),
        ("running", np.bool_),
        # Whether the run of decode steps is already to stop at the next boundary.
        ("cut", np.bool_),
        # Whether the decodes of the batch take part in the iteration.
        ("decoding", np.bool_),
        ("capacity_bytes", np.float64),
        ("used_bytes", np.float64),
        ("most_used_bytes", np.float64),
        ("reserved_bytes", np.float64),
        ("pending_tokens", np.int64),
        # Tasks that wait, and scheduling points so far.
        ("waiting", np.int64),
        ("points", np.int64),
        ("prompts", np.int64),
        ("decodes", np.int64),
        # Requests that a decode step computes: those of a padded batch that ended included.
        ("width", np.int64),
        ("batch_tokens", np.int64),
        # Decode steps so far, those of the run in progress, and the count at which one ends.
        ("steps", np.int64),
        ("run_steps", np.int64),
        ("next_end", np.int64),
        # KV tokens that the next decode step reads.
        ("context_tokens", np.int64),
        ("start_s", np.float64),
        ("end_s", np.float64),
        ("prefill_s", np.float64),
        ("decode_s", np.float64),
        ("decodes_times_s", np.float64),
    ],
    align=True,
)
"""One instance of the model, or one batch in flight of a pipeline."""

PROMPT, TOKEN, MIXED = np.arange(3)
"""Pools, in the order of `specs.cluster.POOLS`."""
REQUEST_LEVEL, CONTINUOUS, MIXES = 0, 1, 2
"""Batching, in the order of `specs.cluster.BATCHINGS`."""
OUT, IN = 0, 1
"""Directions of a link, which do not share its bandwidth."""
DECODE, DECODE_END, PREFILL = 0, 1, 2
"""What `State.slots` holds: decoding requests, step counts at which they end, and prompts."""


class State(NamedTuple):
    """Where a run is."""

    requests: Any
    servers: Any
    ends: Any
    links: Any
    """Linked lists of waiting tasks; see `queues`."""
    slots: Any
    """Requests in the batch of each server, [3, servers, slots]."""
    added: Any
    """Tasks that the last choice of a batch adds, [slots]; last the number of choices."""
    put_back: Any
    """Decodes that the last choice of a batch preempts, [slots]."""
    order: Any
    """Room for the tasks that wait at a server, in their order, [tasks]."""
    members: Any
    """Servers of each pool in their order, [pools, servers]."""
    sizes: Any
    """Servers in each pool, [pools]."""
    free_s: Any
    """From when on the link of each instance is free, by direction [s], [instances, 2]."""
    winner: Any
    """Tournament: at the root stands the server whose iteration ends first."""


@partial(kernel, counts=True)
def new_state(policy, arrival_s, prompt_tokens, output_tokens, kind, port, pool, capacity_bytes):
    """A cluster at rest before the first arrival; arguments as in `engine.simulate`."""
    requests = np.zeros(len(arrival_s), REQUEST)
    for r in range(len(requests)):
        request = requests[r]
        request.arrival_s = arrival_s[r]
        request.prompt_tokens = prompt_tokens[r]
        request.output_tokens = output_tokens[r]
        request.steps_left = output_tokens[r] - 1
        request.prefill_start_s = request.prefill_end_s = np.inf
        request.sent_s = request.decode_start_s = request.end_s = np.inf
    servers = np.zeros(len(kind), SERVER)
    members = np.zeros((3, len(servers)), np.int64)
    sizes = np.zeros(3, np.int64)
    for m in range(len(servers)):
        server = servers[m]
        server.kind = kind[m]
        server.port = port[m]
        server.home = server.pool = pool[m]
        server.capacity_bytes = capacity_bytes[m]
        server.end_s = np.inf
        members[server.pool, sizes[server.pool]] = m
        sizes[server.pool] += 1
    slots = min(policy.max_batch_size, len(requests))
    leaves = 1
    while leaves < len(servers):
        leaves *= 2
    winner = np.arange(2 * leaves) - leaves
    for node in range(leaves - 1, 0, -1):
        winner[node] = winner[2 * node]
    return State(
        requests,
        servers,
        # The last row is the central queue.
        np.full((len(servers) + 1, LISTS, 2), NOBODY, np.int64),
        np.empty((2 * len(requests), 2, 2), np.int64),
        np.empty((3, len(servers), slots), np.int64),
        np.zeros(slots + 1, np.int64),
        np.empty(slots, np.int64),
        np.empty(2 * len(requests), np.int64),
        members,
        sizes,
        np.zeros((port.max() + 1, 2)),
        winner,
    )


@kernel
def set_end(servers, winner, m, end_s):
    """Let server `m` end its iteration at a time."""
    servers[m].end_s = end_s
    node = (m + len(winner) // 2) // 2
    while node:
        left, right = winner[2 * node], winner[2 * node + 1]
        later = right < len(servers) and servers[right].end_s < servers[left].end_s
        winner[node] = right if later else left
        node //= 2
