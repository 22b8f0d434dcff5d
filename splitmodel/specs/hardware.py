"""GPUs and the machines that hold them, as pytrees of numbers."""

from __future__ import annotations

import equinox as eqx

from splitmodel.parameters.efficiency import GpuEfficiency, HostTime, PowerUse
from splitmodel.specs.host_only import HostOnly
from splitmodel.units import Scalar


class Gpu(eqx.Module):
    """One GPU: vendor's figures and the fitted efficiencies with which they are reached."""

    flop_per_s: Scalar
    """Dense fp16/bf16 matrix rate [FLOP/s]."""
    hbm_bytes: Scalar
    """HBM capacity [bytes]."""
    hbm_bytes_per_s: Scalar
    """HBM bandwidth [bytes/s]."""
    nvlink_bytes_per_s: Scalar
    """NVLink bandwidth in one direction [bytes/s]."""
    tdp_w: Scalar
    """Thermal design power [W]."""
    profile_row: Scalar
    """Row of this GPU in the published profile digest; -1 where it was not measured."""
    efficiency: GpuEfficiency
    """Fitted shares of the vendor's figures that real kernels reach."""
    power: PowerUse
    """Fitted draw by what is used."""
    label: HostOnly[str] = eqx.field(static=True)
    """Name, host side only."""
    like: HostOnly[str] = eqx.field(static=True)
    """GPU whose fit stands in where there is none of its own, host side only."""


class Machine(eqx.Module):
    """One server: its GPUs, its network, its price and its power."""

    gpu: Gpu
    gpus: Scalar
    """GPUs per machine."""
    infiniband_bytes_per_s: Scalar
    """InfiniBand bandwidth of the whole machine, one direction [bytes/s]."""
    usd_per_hour: Scalar
    """Rental price [$/h]."""
    power_provisioned_w: Scalar
    """Power to be provisioned for the uncapped machine [W]."""
    host_time: HostTime
    """Fitted host overhead of the 2023 serving stack on this machine."""
    label: HostOnly[str] = eqx.field(static=True)
    """Name, host side only."""
    like: HostOnly[str] = eqx.field(static=True)
    """Machine whose fit stands in where there is none of its own, host side only."""
