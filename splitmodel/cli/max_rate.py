"""`splitmodel max-rate`."""

from __future__ import annotations

from splitmodel.cli.options import ClusterOptions, Flag, QuestionOptions, SizesOptions
from splitmodel.cli.show import plain, print_json, text
from splitmodel.provision.max_rate import max_rate


def max_rate_command(
    *,
    cluster: ClusterOptions,
    sizes: SizesOptions,
    question: QuestionOptions,
    json: Flag = False,
) -> None:
    r"""Highest rate at which a cluster meets all limits [requests/s].

    It is 0 where the limits fail at any rate.

    Args:
        cluster: The machines and what they do.
        sizes: The requests.
        question: The model and what is asked about it.
        json: Print JSON.

    Examples:
        ::

            splitmodel max-rate --design HA --prompt 25 --token 26 \
                --workload conv --model bloom-176b
    """
    # Any rate does: the highest one does not depend on it.
    load = sizes.build(rate_rps=1.0)
    highest_rps = max_rate(cluster.build(), workload=load, **question.arguments())
    if json:
        print_json({"highest_rate_rps": plain(highest_rps)})
    else:
        print(f"{text(highest_rps)} requests/s")
