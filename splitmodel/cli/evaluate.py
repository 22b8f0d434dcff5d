"""`splitmodel evaluate`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from splitmodel.cli.options import ClusterOptions, Flag, QuestionOptions, SizesOptions
from splitmodel.cli.show import plain, print_json, show_configuration
from splitmodel.evaluate import evaluate


def evaluate_command(
    *,
    cluster: ClusterOptions,
    sizes: SizesOptions,
    rate: Annotated[float | None, Parameter(group="Workload")] = None,
    question: QuestionOptions,
    json: Flag = False,
) -> None:
    r"""Every metric of one cluster under one load.

    A status of 0 (ok) means that the cluster serves the load. With any other (1 unstable, 2 out of
    memory, 3 no profile) its latencies are infinite.

    Args:
        cluster: The machines and what they do.
        sizes: The requests.
        rate: Arrival rate [requests/s]. Without it, that of the arrivals in the CSV file.
        question: The model and what is asked about it.
        json: Print JSON: the names of the Python API, null for infinite and undefined numbers.

    Examples:
        ::

            splitmodel evaluate --design HA --prompt 25 --token 26 \
                --workload conv --rate 70 --model bloom-176b
            splitmodel evaluate --design baseline-A100 --machines 70 \
                --workload code --rate 40 --model llama2-70b --semantics splitwise-sim
            splitmodel evaluate --design DGX-H200+mine.toml#B200 --prompt 8 --token 9 \
                --workload requests.csv --rate 5 --model config.json --json
    """
    result = evaluate(cluster.build(), sizes.build(rate), **question.arguments())
    if json:
        print_json(plain(result))
    else:
        show_configuration(result)
