"""Power of an instance in each phase, from what its GPUs achieve.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 8 and Insight VI. The coefficients are least squares
    on the A100 rows of the published profile (44 configurations; mean error 2.8% of the average
    draw during a request, 8.1% of the peak), H100 has no power data and takes the same shares.
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.power_cap import IDLE_SHARE
from splitmodel.roofline.batch import Batch
from splitmodel.roofline.operations import matrix_flop, operations
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar

DECODE_PER_BANDWIDTH_USE = 0.713
DECODE_PER_COMPUTE_USE = 2.66
PREFILL_BASE = 0.295
PREFILL_PER_COMPUTE_USE = 1.69
PREFILL_MOST = 1.03


def _compute_use(
    batch: Batch, model: Transformer, instance: Instance, iteration_s: Scalar
) -> Scalar:
    """Share of the GPU's matrix rate in use."""
    listed = operations(batch, model, instance.tensor_parallel, instance.pipeline_parallel)
    return matrix_flop(listed) / (instance.machine.gpu.flop_per_s * iteration_s)


def prefill_share(
    batch: Batch, model: Transformer, instance: Instance, iteration_s: Scalar
) -> Scalar:
    """GPU draw during a prefill iteration, as a fraction of TDP."""
    used = _compute_use(batch, model, instance, iteration_s)
    draw = jnp.minimum(PREFILL_BASE + PREFILL_PER_COMPUTE_USE * used, PREFILL_MOST)
    return jnp.minimum(draw, instance.power_cap)


def decode_share(
    batch: Batch, model: Transformer, instance: Instance, iteration_s: Scalar
) -> Scalar:
    """GPU draw during decode iterations, as a fraction of TDP."""
    gpu = instance.machine.gpu
    read_s = model.weight_bytes / (instance.tensor_parallel * gpu.hbm_bytes_per_s)
    draw = (
        IDLE_SHARE
        + DECODE_PER_BANDWIDTH_USE * read_s / iteration_s
        + DECODE_PER_COMPUTE_USE * _compute_use(batch, model, instance, iteration_s)
    )
    return jnp.minimum(draw, instance.power_cap)


def machine_power_w(instance: Instance, busy: Scalar, busy_share: Scalar) -> Scalar:
    """Mean power of a machine [W] whose GPUs are busy a fraction `busy` of the time.

    What is provisioned beyond the GPUs' TDP (CPUs, switches, fans) is taken as drawn all the time,
    which is an upper bound; a cap scales it too, as it scales the provisioned power.
    """
    machine = instance.machine
    gpus_w = machine.gpus * machine.gpu.tdp_w
    rest_w = jnp.maximum(machine.power_provisioned_w - gpus_w, 0.0) * instance.power_cap
    return rest_w + gpus_w * (IDLE_SHARE + busy * (busy_share - IDLE_SHARE))
