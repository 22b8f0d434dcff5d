"""What one iteration works on, as sums over its requests."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.units import Scalar


class Batch(eqx.Module):
    """One iteration's batch. Prefill, decode and mixed batches are values of it, not code paths."""

    prefill_tokens: Scalar
    """Prompt tokens computed in this iteration, all prompts together [tokens]."""
    query_key_pairs: Scalar
    """Causal query–key pairs of those prompts, Σ P²/2."""
    prompts: Scalar
    """Prompts computed; each samples its first token."""
    decoding_requests: Scalar
    """Requests that each generate one token."""
    context_tokens: Scalar
    """KV-cache tokens that the decoding requests read, all together [tokens]."""

    @property
    def tokens(self) -> Scalar:
        """Rows of every weight matrix product [tokens]."""
        return self.prefill_tokens + self.decoding_requests


def prefill_batch(prompt_tokens: Scalar, prompts: Scalar = 1.0) -> Batch:
    """`prompts` prompts of `prompt_tokens` each; shapes broadcast."""
    zero = jnp.zeros_like(prompt_tokens * prompts)
    return Batch(
        prefill_tokens=prompt_tokens * prompts,
        query_key_pairs=0.5 * prompts * prompt_tokens * prompt_tokens,
        prompts=prompts + zero,
        decoding_requests=zero,
        context_tokens=zero,
    )


def decode_batch(requests: Scalar, context_tokens: Scalar) -> Batch:
    """`requests` requests that read `context_tokens` of KV cache each; shapes broadcast."""
    zero = jnp.zeros_like(requests * context_tokens)
    return Batch(
        prefill_tokens=zero,
        query_key_pairs=zero,
        prompts=zero,
        decoding_requests=requests + zero,
        context_tokens=requests * context_tokens,
    )


def mixed_batch(prefill: Batch, decode: Batch) -> Batch:
    """Both batches in one iteration."""
    return Batch(
        prefill_tokens=prefill.prefill_tokens + decode.prefill_tokens,
        query_key_pairs=prefill.query_key_pairs + decode.query_key_pairs,
        prompts=prefill.prompts + decode.prompts,
        decoding_requests=prefill.decoding_requests + decode.decoding_requests,
        context_tokens=prefill.context_tokens + decode.context_tokens,
    )
