"""The highest rate of one cluster."""

from __future__ import annotations

from splitmodel.cluster.highest_rate import highest_rate
from splitmodel.compilation import quick_jit
from splitmodel.evaluate import Question, prepare
from splitmodel.iteration.timing import Timing
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar


def max_rate(
    cluster: Cluster,
    *,
    model: str | Transformer,
    workload: str | Workload = "conv",
    slo: str | SLO | None = "splitwise",
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    reference: str | Machine | None = None,
    tier: str = "analytic",
) -> float:
    """Highest rate at which a cluster meets all limits [requests/s].

    The first crossing from below: 0 where the limits fail at any rate, and almost the saturation
    rate where they never do. `splitmodel.highest_rate` is the same, for `jit`, `vmap` and `grad`.

    Args:
        cluster: machines, roles and policies.
        model: name in the catalogue, a file (TOML or Hugging Face config.json) or a `Transformer`.
        workload: "conv" or "code" (Azure), a CSV file, or a `Workload`, of which the rate plays no
            role.
        slo: "splitwise" (the paper's nine limits), a TOML file, an `SLO` or None.
        timing: "roofline", "interpolated" or a `Timing`; by default that of the semantics.
        semantics: "physical" or "splitwise-sim".
        stack: serving stack, "splitwise-2023" or "graphs".
        reference: machine of the slowdowns' denominator; by default that of the SLO, DGX-A100.
        tier: "analytic".

    Raises:
        InputError: for a bad name or value, or a model that does not fit a machine.
    """
    load = workload if isinstance(workload, Workload) else Workload.named(workload, rate_rps=1.0)
    question = prepare(
        [cluster],
        model,
        slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
        tier=tier,
    )
    return float(_compiled(question, cluster, load))


@quick_jit
def _compiled(question: Question, cluster: Cluster, load: Workload) -> Scalar:
    return highest_rate(
        cluster,
        load,
        question.model,
        slo=question.slo,
        timing=question.timing,
        semantics=question.semantics,
        stack=question.stack,
        reference=question.reference,
    )
