"""Request sizes by name, or mixed from several: "0.7 conv + 0.3 code"."""

from __future__ import annotations

from typing import Any

import numpy as np

from splitmodel.errors import InputError, check_range
from splitmodel.specs.requests import Requests
from splitmodel.specs.workload import Workload


def check_mix(field: str, value: Any) -> str:
    """The text of a mix, of which the shares are checked; files are read when it is used."""
    if not isinstance(value, str):
        raise InputError(f"{field}: {value!r} is not a name")
    _shares(value, field)
    return value


def mix(text: str, rate_rps: float, *, independent: bool = False) -> Workload:
    """The workload that a name, or shares of several, means.

    Args:
        text: a name as `Workload.named` takes it; or shares of requests before names, joined by
            plus signs, such as "0.7 conv + 0.3 code". They need not add up to 1.
        rate_rps: arrival rate [requests/s].
        independent: draw prompt and output sizes independently of each other.

    Raises:
        InputError: for an unknown name, a bad file or a share that is not positive.
    """
    shares = _shares(text, "workload")
    if len(shares) == 1:
        return Workload.named(shares[0][1], rate_rps, independent=independent)
    sources = [(share, Workload.named(name, rate_rps).source.value) for share, name in shares]
    weight = [share * each.weight / each.weight.sum() for share, each in sources]
    requests = Requests.checked(
        np.concatenate([each.prompt_tokens for _, each in sources]),
        np.concatenate([each.output_tokens for _, each in sources]),
        np.concatenate(weight),
    )
    return Workload.from_requests(requests, rate_rps, text, independent=independent)


def _shares(text: str, field: str) -> list[tuple[float, str]]:
    """Shares and names; one name alone has all."""
    parts = [part.split() for part in text.split(" + ")]
    if len(parts) == 1 and len(parts[0]) == 1:
        return [(1.0, parts[0][0])]
    try:
        shares = [(float(share), name) for share, name in parts]
    except ValueError as problem:
        raise InputError(
            f"{field}: {text!r} is neither a name nor shares of several, such as "
            '"0.7 conv + 0.3 code"'
        ) from problem
    check_range(field, [share for share, _ in shares])
    return shares
