"""Power of an instance in each phase, from what its GPUs achieve.

Draw is a fraction of TDP, by the coefficients in `splitmodel.parameters.efficiency.PowerUse`.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 8 and Insight VI.
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.roofline_timing import Roofline
from splitmodel.roofline.batch import Batch
from splitmodel.roofline.operations import matrix_products
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar


def prefill_share(batch: Batch, model: Transformer, instance: Instance) -> Scalar:
    """GPU draw while a prefill iteration computes, as a fraction of TDP.

    It rises with the share of the time outside collectives that computing alone would take.
    """
    power = instance.machine.gpu.power
    seconds = Roofline().resources_s(batch, model, instance)
    used = seconds.compute_s / (seconds.total_s - seconds.collective_s)
    draw = power.prefill_base + power.prefill_per_compute_use * used
    return jnp.minimum(jnp.minimum(draw, power.prefill_most), instance.power_cap)


def decode_share(
    batch: Batch, model: Transformer, instance: Instance, iteration_s: Scalar
) -> Scalar:
    """GPU draw during decode iterations, as a fraction of TDP."""
    gpu = instance.machine.gpu
    read_s = model.weight_bytes / (instance.tensor_parallel * gpu.hbm_bytes_per_s)
    products = matrix_products(batch, model, instance.tensor_parallel)
    compute_s = jnp.sum(products.flop, axis=0) / gpu.flop_per_s
    draw = (
        gpu.power.idle
        + gpu.power.decode_per_bandwidth_use * read_s / iteration_s
        + gpu.power.decode_per_compute_use * compute_s / iteration_s
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
    idle = machine.gpu.power.idle
    return rest_w + gpus_w * (idle + busy * (busy_share - idle))
