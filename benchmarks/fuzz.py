"""Random configurations of any kind, and what must hold for each of them.

    python benchmarks/fuzz.py [configurations] [seed]

Any machine and model of the catalogue in any role, 1 to 10,000 machines, 1e-3 to 1e5 requests/s,
Azure and extreme request sizes, both semantics, with and without the mixed pool. Every
configuration is evaluated at three rates: its own, one a little higher, and next to none. No
output may be NaN, none infinite where the status is 0, percentiles must be in order and not below
those of an idle cluster, but for what measured medians are faster with several requests than with
one; where decodes cannot move, TTFT must not fall as the rate grows. Prints one offender of each
kind; exit code 1 if there is any.
"""

import sys

import numpy as np
from tqdm import tqdm

import splitmodel as sm
from splitmodel.evaluate import Question, prepare
from splitmodel.iteration.interpolated_timing import Interpolated
from splitmodel.parameters.profile import published_profile
from splitmodel.specs.catalogue import machine_names, model_names
from splitmodel.specs.slo import METRICS
from splitmodel.sweep.atlas import OUTPUT
from splitmodel.sweep.chosen import Chosen
from splitmodel.sweep.compute import RESULT
from splitmodel.sweep.generate import LIMITS
from splitmodel.sweep.job import Job
from splitmodel.sweep.lattice import Kind, Lattice, block_rows
from splitmodel.sweep.rows import Rows
from splitmodel.sweep.table import Table
from splitmodel.validation.clusters import MODELS

ROUND = 65_536
"""Configurations of one kind of hardware, model and workload."""
OUTPUTS = tuple(sm.Metrics.__dataclass_fields__)
HIGHER, IDLE = 1.03, 1e-6
"""Of the rate, and of the saturation rate."""
ROUNDING = 2e-3
"""What float32 may lose, as a share."""
COARSE = 0.03
"""What the cells may lose of a slowdown, whose references may differ a hundredfold in a cell."""
PROFILE = published_profile()
FALL_S = (PROFILE.decode_s[..., 0] - PROFILE.decode_s[..., 1]) / np.diff(PROFILE.batched_tokens)[0]
LONE_S = PROFILE.decode_s[..., 0] + (PROFILE.batched_tokens[0] - 1.0) * FALL_S
FASTER = np.nanmin(PROFILE.decode_s / LONE_S[..., None])
"""Least decode iteration of the published profile over that of one request, which is extrapolated
from its first two knots."""


def workloads(rng: np.random.Generator) -> sm.Workload:
    """Azure sizes, or lognormal ones with extreme means and spreads, or all alike."""
    kind = rng.integers(4)
    if kind == 0:
        return sm.Workload.azure(rng.choice(["conv", "code"]), rate_rps=1.0)

    def sizes(most: float) -> np.ndarray:
        mean, spread = np.exp(rng.uniform(0.0, np.log(most))), rng.uniform(0.0, 2.0) * (kind > 1)
        return np.clip(np.rint(mean * np.exp(spread * rng.standard_normal(2000))), 1.0, most)

    return sm.Workload.from_arrays(sizes(100_000.0), sizes(10_000.0), rate_rps=1.0)


def hardware(rng: np.random.Generator) -> sm.Cluster:
    """A cluster of any machines, of which the counts play no role."""
    machines = machine_names()
    if rng.random() < 0.4:
        batching = str(rng.choice(["mixed", "continuous", "request"], p=[0.6, 0.2, 0.2]))
        return sm.Cluster.baseline(str(rng.choice(machines)), machines=1, batching=batching)
    return sm.Cluster.splitwise(
        prompt=(str(rng.choice(machines)), 1),
        token=(str(rng.choice(machines)), 1),
        mixed_pool=bool(rng.random() < 0.5),
        kv_transfer=str(rng.choice(["auto", "serialized", "layerwise", "none"])),
        power_cap=float(rng.uniform(0.3, 1.0)),
    )


def draw(rng: np.random.Generator) -> tuple[Question, sm.Cluster, sm.Workload, Rows]:
    """A question, the hardware, the load, and counts and rates."""
    cluster = hardware(rng)
    interpolates = rng.random() < 0.3
    question = prepare(
        [cluster],
        str(rng.choice(MODELS if interpolates else model_names())),
        "splitwise",
        timing="interpolated" if interpolates else "roofline",
        semantics=str(rng.choice(["physical", "splitwise-sim"])),
        stack=None,
        reference="DGX-A100" if interpolates else "DGX-H200",
        tier="analytic",
        must_serve=False,
    )
    first, second = np.rint(np.exp(rng.uniform(0.0, np.log(1e4), size=(2, ROUND))))
    rate_rps = np.exp(rng.uniform(np.log(1e-3), np.log(1e5), size=ROUND))
    none = np.zeros(ROUND)
    splits = bool(cluster.splits_phases > 0.0)
    counts = (first, second, none) if splits else (none, none, second)
    return question, cluster, workloads(rng), Rows(*counts, rate_rps)


def faults(
    question: Question, cluster: sm.Cluster, load: sm.Workload, rows: Rows
) -> dict[str, np.ndarray]:
    """Whether each configuration breaks each rule."""

    def at(rate_rps: np.ndarray) -> dict[str, np.ndarray]:
        dial = {**rows._asdict(), "rate_rps": rate_rps}
        lattice = Lattice([Kind({}, cluster, load, [dial])], block_rows())
        limits = np.full(len(LIMITS), np.inf)
        job = Job(Chosen(question, OUTPUTS), OUTPUTS, lattice, limits, (), {RESULT: Table()})
        found = job.run(0, lattice.blocks)[RESULT]
        return {name: found[OUTPUT + name] for name in OUTPUTS}

    own = at(rows.rate_rps)
    higher = at(HIGHER * rows.rate_rps)
    # Of what each machine does: all of them may be many times what the smaller pool does.
    each_rps = own["saturation_rps"] / np.maximum(rows.prompt + rows.token + rows.machines, 1.0)
    idle = at(np.minimum(IDLE * np.clip(each_rps, 1e-6, 1e9), rows.rate_rps))
    served = own["status"] == 0.0
    every = [leaf.reshape(ROUND, -1) for leaf in own.values()]
    told = np.stack([own[name] for name in METRICS], axis=1)
    least = np.stack([idle[name] for name in METRICS], axis=1)
    with np.errstate(invalid="ignore"):
        least *= 1.0 - np.array([[ROUNDING]] * 3 + [[COARSE]] * 3)
        if isinstance(question.timing, Interpolated):
            least[:, [not name.startswith("ttft") for name in METRICS]] *= FASTER
        lower = served & (idle["status"] == 0.0) & (told < least).any(axis=(1, 2))
        falls = (higher["ttft_s"] < own["ttft_s"] * (1.0 - ROUNDING)).any(axis=1)
        return {
            "NaN": np.any([np.isnan(leaf).any(axis=1) for leaf in every], axis=0),
            "infinite": served & ~np.all([np.isfinite(leaf).all(axis=1) for leaf in every], axis=0),
            "disordered": served & (np.diff(told, axis=2) < 0.0).any(axis=(1, 2)),
            "below idle": lower,
            "TTFT falls": served & (higher["status"] == 0.0) & falls & (cluster.mixed_pool == 0.0),
        }


def main(count: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    totals: dict[str, int] = {}
    rounds = -(-count // ROUND)
    for _ in tqdm(range(rounds), unit="round"):
        question, cluster, load, rows = draw(rng)
        for name, broken in faults(question, cluster, load, rows).items():
            if broken.any() and not totals.get(name):
                row = int(np.argmax(broken))
                counts = ", ".join(f"{each[row]:.6g}" for each in rows)
                tqdm.write(
                    f"{name}: {cluster.label.value} ({counts}) {question.provenance} "
                    f"{load.label.value} mixed_pool={float(cluster.mixed_pool):g}"
                )
            totals[name] = totals.get(name, 0) + int(broken.sum())
    print(f"{rounds * ROUND:,} configurations: {totals}")
    return int(any(totals.values()))


if __name__ == "__main__":
    given = [int(float(each)) for each in sys.argv[1:]]
    sys.exit(main(*(given + [10_000_000, 0][len(given) :])))
