"""`splitmodel max-rate`."""

from __future__ import annotations

from splitmodel.cli.options import (
    NO_OPTION,
    ClusterOptions,
    Flag,
    QuestionOptions,
    SimulationOptions,
    SizesOptions,
)
from splitmodel.cli.show import plain, print_json, text
from splitmodel.provision.max_rate import max_rate


def max_rate_command(
    *,
    cluster: ClusterOptions,
    sizes: SizesOptions,
    question: QuestionOptions,
    simulation: SimulationOptions = NO_OPTION,
    json: Flag = False,
) -> None:
    r"""Highest rate at which a cluster meets all limits [requests/s].

    It is 0 where the limits fail at any rate.

    Args:
        cluster: The machines and what they do.
        sizes: The requests.
        question: The model and what is asked about it.
        simulation: With --tier simulate, how requests arrive and how many runs there are at every
            rate. By default 4 runs of 600 s, or as long as 10,000 requests take, of which those
            that arrive between 0.25 and 0.9 of the time count.
        json: Print JSON.

    Examples:
        ::

            splitmodel max-rate --design HA --prompt 25 --token 26 \
                --workload conv --model bloom-176b
            splitmodel max-rate --design HH --prompt 4 --token 3 \
                --workload code --model llama2-70b --tier simulate --seeds 8
    """
    # Any rate does: the highest one does not depend on it.
    load = sizes.build(rate_rps=1.0)
    highest_rps = max_rate(
        cluster.build(), workload=load, **question.arguments(), **simulation.given()
    )
    if json:
        print_json({"highest_rate_rps": plain(highest_rps)})
    else:
        print(f"{text(highest_rps)} requests/s")
