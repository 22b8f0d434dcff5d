"""Which machines, how many, in which roles? The whole public API."""

from splitmodel.cluster.highest_rate import highest_rate
from splitmodel.cluster.metrics import Metrics, metrics
from splitmodel.codes import Bound, Status
from splitmodel.errors import InputError
from splitmodel.evaluate import evaluate
from splitmodel.iteration.estimate import iteration_time
from splitmodel.plotting import plot_design_space, plot_timeline
from splitmodel.provision.compare import compare_semantics
from splitmodel.provision.infeasible import InfeasibleError
from splitmodel.provision.max_rate import max_rate
from splitmodel.provision.pareto import pareto
from splitmodel.provision.provision import provision
from splitmodel.specs.catalogue import machine, machine_names, model_names, transformer
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.design import DESIGN_NAMES, cluster_of
from splitmodel.specs.hardware import Machine
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.sweep.design_space import DesignSpace
from splitmodel.sweep.pareto_front import Pareto
from splitmodel.sweep.run import sweep
from splitmodel.sweep.tallies import Count, Histogram
from splitmodel.sweep.top_k import TopK

__all__ = [
    "DESIGN_NAMES",
    "SLO",
    "Bound",
    "Cluster",
    "Count",
    "DesignSpace",
    "Histogram",
    "InfeasibleError",
    "InputError",
    "Machine",
    "Metrics",
    "Pareto",
    "Status",
    "TopK",
    "Transformer",
    "Workload",
    "cluster_of",
    "compare_semantics",
    "evaluate",
    "highest_rate",
    "iteration_time",
    "machine",
    "machine_names",
    "max_rate",
    "metrics",
    "model_names",
    "pareto",
    "plot_design_space",
    "plot_timeline",
    "provision",
    "sweep",
    "transformer",
]
