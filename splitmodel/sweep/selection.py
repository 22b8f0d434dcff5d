"""Reductions that pick configurations, and keep their outputs."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from splitmodel.errors import InputError
from splitmodel.sweep.atlas import OUTPUT
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.reduction import Block, Partial, Reduction, TooNarrow
from splitmodel.units import Flag, Scalar


class Selection(Reduction):
    """Configurations chosen by keys, of which less is better.

    Only those count that fulfil a condition and have a finite value of every key. Each is kept
    with its number, which breaks ties, and with all outputs of the sweep.
    """

    where: str

    @property
    @abc.abstractmethod
    def objectives(self) -> tuple[tuple[str, bool], ...]:
        """Expressions, and whether more of each is better."""

    @abc.abstractmethod
    def chosen(self, keys: Scalar, kept: Flag) -> Flag:
        """Those to keep, of the configurations of a block in the order of their numbers.

        Args:
            keys: less is better, shape [rows, objectives].
            kept: which count, shape [rows].
        """

    @abc.abstractmethod
    def best(self, keys: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Positions of those to keep, on the host; the order is that of results."""

    def names(self, field: str, allowed: Collection[str]) -> frozenset[str]:
        """Those of the objectives and the condition."""
        if not self.objectives:
            raise InputError(f"{field}: needs at least one objective to minimise or maximise")
        texts = [("where", self.where), *(("objective", text) for text, _ in self.objectives)]
        parsed = (Expression.of(f"{field}.{part}", text, allowed) for part, text in texts)
        return frozenset().union(*(each.names for each in parsed))

    def of_block(self, block: Block, width: int) -> dict[str, Any]:
        """Lanes that are chosen, with their keys and outputs, and how many there are."""
        keys = jnp.stack(
            [
                jnp.asarray(Expression("objective", text)(block.columns), float)
                * (-1.0 if more else 1.0)
                for text, more in self.objectives
            ],
            axis=-1,
        )
        counts = Expression("where", self.where).holds(block.columns)
        kept = block.kept & counts & jnp.isfinite(keys).all(axis=-1)
        chosen = self.chosen(keys, kept)
        lane = jnp.flatnonzero(chosen, size=width, fill_value=0)
        outputs = {OUTPUT + name: each[lane] for name, each in block.outputs.items()}
        return {"chosen": jnp.sum(chosen), "lane": lane, "keys": keys[lane], **outputs}

    def collect(self, found: Mapping[str, np.ndarray], first: np.ndarray) -> Partial:
        """The best of several blocks."""
        lane, chosen = found["lane"], found["chosen"]
        if chosen.max() > lane.shape[1]:
            raise TooNarrow(int(chosen.max()))
        there = np.arange(lane.shape[1]) < chosen[:, None]
        told = {name: each[there] for name, each in found.items() if name != "chosen"}
        told["number"] = (first[:, None] + lane)[there]
        del told["lane"]
        return self._best(told)

    def merge(self, parts: Sequence[Partial]) -> Partial:
        """The best of all."""
        return self._best({name: np.concatenate([p[name] for p in parts]) for name in parts[0]})

    def _best(self, partial: Partial) -> Partial:
        keep = self.best(partial["keys"], partial["number"])
        return {name: each[keep] for name, each in partial.items()}
