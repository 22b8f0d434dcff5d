"""`splitmodel evaluate`."""

from __future__ import annotations

from pathlib import Path
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
    calibration: Annotated[Path | None, Parameter(group="Model and limits")] = None,
    interval: Annotated[float | None, Parameter(group="Model and limits")] = None,
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
        calibration: Parameters of your own, as `splitmodel calibrate` writes them; they bring the
            host time of their stack.
        interval: Probability of an interval of every metric, such as 0.9, for what the parameters
            leave open.
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
    result = evaluate(
        cluster.build(),
        sizes.build(rate),
        calibration=calibration,
        interval=interval,
        **question.arguments(),
    )
    if json:
        print_json(plain(result))
    else:
        show_configuration(result)
