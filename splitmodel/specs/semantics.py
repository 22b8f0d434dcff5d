"""Two bundles of conventions: physics, and what the authors' simulator computes.

References:
    Patel et al., Splitwise, ISCA 2024; github.com/Mutinifni/splitwise-sim, commit 8f99e7dc9b40.
"""

from __future__ import annotations

from dataclasses import dataclass

from splitmodel.errors import check_choice
from splitmodel.units import GIB


@dataclass(frozen=True)
class Semantics:
    """Conventions other than iteration time and limits; static, one compilation each."""

    name: str
    timing: str
    """Timing that is used unless the caller chooses one."""
    grouped_kv: bool
    """Whether KV-cache bytes know of grouped KV heads."""
    simulator_weights: bool
    """Whether weights take the bytes that the authors' simulator counts."""
    hbm_reserve: float
    """Share of HBM kept for activations and the runtime."""
    transfer_bytes_per_s: float | None
    """Bandwidth of every KV transfer, however many there are [bytes/s]; None for the machine's
    InfiniBand, which its transfers share."""
    overlap: bool
    """Whether KV transfer can overlap prefill layer by layer."""
    mixed_factor: float | None
    """Mixed iteration over the prefill of as many tokens; None to model the mixed batch itself."""
    tbt_over_all_tokens: bool
    """Whether TBT divides by the output tokens, not by the steps between them."""
    output_with_prompt: bool
    """Whether KV memory for a request's output is taken together with that for its prompt, so that
    requests that hold memory can always go on."""
    reference_decode_at_prompt: bool
    """Whether the slowdown's reference reads an interpolated decode time at x = prompt tokens."""


PHYSICAL = Semantics(
    name="physical",
    timing="roofline",
    grouped_kv=True,
    simulator_weights=False,
    hbm_reserve=0.10,
    transfer_bytes_per_s=None,
    overlap=True,
    mixed_factor=None,
    tbt_over_all_tokens=False,
    output_with_prompt=True,
    reference_decode_at_prompt=False,
)

SPLITWISE_SIM = Semantics(
    name="splitwise-sim",
    timing="interpolated",
    grouped_kv=False,
    simulator_weights=True,
    hbm_reserve=0.0,
    transfer_bytes_per_s=200.0 * GIB,
    overlap=False,
    mixed_factor=1.1,
    tbt_over_all_tokens=True,
    output_with_prompt=False,
    reference_decode_at_prompt=True,
)

SEMANTICS = {each.name: each for each in (PHYSICAL, SPLITWISE_SIM)}
"""Both bundles by name."""


def resolve_semantics(name: str | Semantics) -> Semantics:
    """The bundle of that name.

    Raises:
        InputError: for an unknown name.
    """
    if isinstance(name, Semantics):
        return name
    return SEMANTICS[check_choice("semantics", name, SEMANTICS)]
