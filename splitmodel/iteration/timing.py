"""The plug-in that turns a batch into seconds."""

from __future__ import annotations

import abc

import equinox as eqx

from splitmodel.iteration.instance import Instance
from splitmodel.roofline.batch import Batch
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Flag, Scalar


class Timing(eqx.Module):
    """Time of one iteration. Subclass it to plug in another model or a measurement."""

    @abc.abstractmethod
    def iteration_s(self, batch: Batch, model: Transformer, instance: Instance) -> Scalar:
        """Time of one iteration of `batch` [s], in the shape of the batch's leaves."""

    @abc.abstractmethod
    def known(self, model: Transformer, instance: Instance) -> Flag:
        """True where the timing knows this model, GPU and tensor parallelism."""
