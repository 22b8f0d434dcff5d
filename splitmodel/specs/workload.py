"""Requests that arrive at a cluster: their rate and the joint distribution of their sizes."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.errors import InputError, check_choice, check_range, unknown_name
from splitmodel.specs.host_only import HostOnly
from splitmodel.specs.quadrature import PROBABILITIES, quadrature
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.specs.request_files import read_requests
from splitmodel.specs.requests import Requests
from splitmodel.units import Scalar


class Workload(eqx.Module):
    """Arrival rate and sizes; sizes as cells of equal shapes for every workload.

    Cells of either column lie between its quantiles at `quadrature.PROBABILITIES`. Within a cell
    sizes are spread evenly between the edges, except that the cell's mean is given exactly.
    """

    rate_rps: Scalar
    """Arrival rate of the whole cluster [requests/s]."""
    prompt_edges_tokens: Scalar
    """Quantiles of the prompt sizes, shape [17]."""
    prompt_tokens: Scalar
    """Mean prompt size in each cell, shape [16]."""
    output_edges_tokens: Scalar
    """Quantiles of the output sizes, shape [17]."""
    output_tokens: Scalar
    """Mean output size in each cell, shape [16]."""
    weight: Scalar
    """Probability of each (prompt cell, output cell), shape [16, 16]; the sum is 1."""
    source: HostOnly[Requests] = eqx.field(static=True)
    """Requests that a request-level run replays or draws from."""
    label: HostOnly[str] = eqx.field(static=True)

    @classmethod
    def azure(
        cls, service: str, rate_rps: Any = None, *, independent: bool = False, raw: bool = False
    ) -> Workload:
        """One of the two production services of Azure of November 2023.

        Args:
            service: "conv" (conversation) or "code" (coding).
            rate_rps: arrival rate [requests/s]; may be left out for the raw trace, which has one.
            independent: draw prompt and output sizes independently of each other, as the authors'
                generator does.
            raw: read the published trace, from `SPLITMODEL_DATA` or by download, instead of the
                digest that ships with the library.

        Raises:
            InputError: for an unknown service, a bad rate, or a trace that is not to be had.

        References:
            Patel et al., Splitwise, ISCA 2024, Section III; data at
            github.com/Azure/AzurePublicDataset, CC-BY 4.0.
        """
        trace = AZURE_TRACES[check_choice("workload", service, AZURE_TRACES)]
        if raw:
            requests = read_requests(trace.path())
        else:
            digest = files("splitmodel.specs") / "catalog" / f"azure_{service}.csv"
            with as_file(digest) as path:
                requests = read_requests(path)
        return cls.from_requests(requests, rate_rps, service, independent=independent)

    @classmethod
    def named(cls, name: str, rate_rps: Any = None, *, independent: bool = False) -> Workload:
        """The workload that a name or a path means.

        Args:
            name: "conv" or "code", as for `azure`, or a CSV file, as for `from_csv`.
            rate_rps: arrival rate [requests/s]; by default that of the file's arrivals.
            independent: draw the two sizes independently of each other.

        Raises:
            InputError: for an unknown name, a bad file or a bad rate.
        """
        if name in AZURE_TRACES:
            return cls.azure(name, rate_rps, independent=independent)
        if Path(name).suffix != ".csv":
            raise unknown_name("workload", name, [*AZURE_TRACES, "FILE.csv"])
        return cls.from_csv(name, rate_rps, independent=independent)

    @classmethod
    def from_csv(
        cls, path: str | Path, rate_rps: Any = None, *, independent: bool = False
    ) -> Workload:
        """Requests of a CSV file.

        Args:
            path: file with columns prompt_tokens, output_tokens and, if there, arrival_s and
                weight; or with those of the Azure traces.
            rate_rps: arrival rate [requests/s]; by default that of the file's arrivals.
            independent: draw the two sizes independently of each other.

        Raises:
            InputError: for a file that is malformed, or a bad rate.
        """
        requests = read_requests(path)
        return cls.from_requests(requests, rate_rps, Path(path).stem, independent=independent)

    @classmethod
    def from_arrays(
        cls,
        prompt_tokens: Any,
        output_tokens: Any,
        rate_rps: Any,
        weight: Any = None,
        *,
        independent: bool = False,
    ) -> Workload:
        """Requests of given sizes.

        Args:
            prompt_tokens: shape [requests], at least 1 [tokens].
            output_tokens: shape [requests], at least 1 [tokens].
            rate_rps: arrival rate [requests/s].
            weight: shape [requests], how often each occurs; equal by default.
            independent: draw the two sizes independently of each other.

        Raises:
            InputError: for a bad value, naming its row, or a bad rate.
        """
        requests = Requests.checked(prompt_tokens, output_tokens, weight)
        return cls.from_requests(requests, rate_rps, "arrays", independent=independent)

    @classmethod
    def from_trace(
        cls, arrival_s: Any, prompt_tokens: Any, output_tokens: Any, rate_rps: Any = None
    ) -> Workload:
        """Recorded requests, for replay.

        Args:
            arrival_s: shape [requests], ascending [s].
            prompt_tokens: shape [requests], at least 1 [tokens].
            output_tokens: shape [requests], at least 1 [tokens].
            rate_rps: arrival rate [requests/s]; by default that of the arrivals.

        Raises:
            InputError: for a bad value, naming its row, or a bad rate.
        """
        requests = Requests.checked(prompt_tokens, output_tokens, arrival_s=arrival_s)
        return cls.from_requests(requests, rate_rps, "trace")

    @classmethod
    def from_requests(
        cls, requests: Requests, rate_rps: Any, label: str, *, independent: bool = False
    ) -> Workload:
        """Workload of checked requests; without a rate, at that of their recorded arrivals."""
        if rate_rps is None and (rate_rps := requests.recorded_rps) is None:
            raise InputError("rate_rps: must be given, there are no arrivals to take it from")
        if independent:
            requests = replace(requests, independent=True)
            label = f"{label}, independent"
        return cls(
            _checked_rate(rate_rps),
            **quadrature(requests)._asdict(),
            source=HostOnly(requests),
            label=HostOnly(label),
        )

    def with_rate(self, rate_rps: Any) -> Workload:
        """The same requests at another rate [requests/s]; a traced rate will do."""
        return eqx.tree_at(lambda load: load.rate_rps, self, _checked_rate(rate_rps))

    def mean_tokens(self, column: str) -> Scalar:
        """Mean size [tokens] of the "prompt" or the "output"."""
        _, means = self._column(column)
        return jnp.asarray(np.diff(PROBABILITIES), dtype=float) @ jnp.asarray(means, dtype=float)

    def percentile_tokens(self, column: str, percentile: Any) -> Scalar:
        """Percentile (0 to 100) of the size [tokens] of the "prompt" or the "output"."""
        edges, _ = self._column(column)
        return jnp.interp(jnp.asarray(percentile) / 100.0, PROBABILITIES, edges)

    def _column(self, column: str) -> tuple[Scalar, Scalar]:
        check_choice("column", column, ("prompt", "output"))
        if column == "prompt":
            return self.prompt_edges_tokens, self.prompt_tokens
        return self.output_edges_tokens, self.output_tokens


def _checked_rate(rate_rps: Any) -> Any:
    """The rate as a leaf; arrays of jax pass as they are, since they may be traced."""
    if isinstance(rate_rps, jax.Array):
        return rate_rps
    return np.asarray(check_range("rate_rps", rate_rps), dtype=np.float64)[()]
