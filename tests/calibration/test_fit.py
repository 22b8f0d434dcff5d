"""The fit: one optimum from any start and solver, what ships, and known parameters recovered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import splitmodel as sm
from splitmodel.errors import InputError
from splitmodel.parameters.calibration import shipped
from splitmodel_calibration.evaluation.splits import configurations_of
from splitmodel_calibration.fit.bootstrap import bootstrap
from splitmodel_calibration.fit.fit import fit
from splitmodel_calibration.fit.priors import pinned, priors
from splitmodel_calibration.fit.problem import ROBUST, make_problem, robust
from splitmodel_calibration.fit.solvers import SOLVERS
from splitmodel_calibration.fit.uncertainty import uncertainty

pytestmark = pytest.mark.numerics


def float64():
    return jax.config.read("jax_enable_x64")


def parameters(fitted):
    return dict(zip(fitted.problem.keys, np.exp(fitted.log_parameters), strict=True))


def test_modelled_times_are_those_that_the_library_gives(problem, profile):
    """The fit differentiates what users evaluate: at the shipped parameters both agree."""
    value = {f"gpu.{name}.{field}": getattr(fit, field) for name, fit in shipped().gpus.items()
             for field in problem.gpu_fields}  # fmt: skip
    value |= {f"host.{name}.{field}": getattr(fit, field) for name, fit in shipped().hosts.items()
              for field in problem.host_fields}  # fmt: skip
    log_parameters = jnp.log(jnp.asarray([value[key] for key in problem.keys]))
    modelled_s = np.exp(problem.log_times(log_parameters))
    rows = profile.rows
    for (phase, model, machine), group in rows.groupby(["phase", "model", "machine"]):
        tokens = "prompt_tokens" if phase == "prefill" else "context_tokens"
        given_s = sm.iteration_time(
            phase,
            model=model,
            machine=machine,
            tensor_parallel=group.tensor_parallel.to_numpy(),
            batch_size=group.batch_size.to_numpy(),
            **{tokens: group.tokens.to_numpy()},
        )
        np.testing.assert_allclose(modelled_s[group.index], given_s, rtol=2e-5)


def test_what_ships_is_this_fit(fitted):
    """To 1e-4 in float64; in float32 the predictions agree to 1e-3."""
    assert fitted.converged
    ships = shipped()
    for key, value in parameters(fitted).items():
        kind, name, field = key.split(".")
        stored = getattr((ships.gpus if kind == "gpu" else ships.hosts)[name], field)
        if float64():
            assert value == pytest.approx(stored, rel=1e-4), key
    stored = fitted.problem.log_times(jnp.log(jnp.asarray([
        getattr((ships.gpus if key[0] == "g" else ships.hosts)[key.split(".")[1]],
                key.split(".")[2])
        for key in fitted.problem.keys])))  # fmt: skip
    found = fitted.problem.log_times(jnp.asarray(fitted.log_parameters))
    np.testing.assert_allclose(np.exp(found), np.exp(stored), rtol=1e-3)


def test_any_start_ends_at_the_same_parameters(problem, fitted):
    other = fit(problem, starts=3, seed=7, scans={})
    assert other.reached == other.starts == 3
    assert other.loss == pytest.approx(fitted.loss, rel=1e-5)
    np.testing.assert_allclose(
        np.exp(other.log_parameters),
        np.exp(fitted.log_parameters),
        rtol=1e-4 if float64() else 2e-2,
    )


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "lm"])
def test_other_solvers_end_there_too(problem, fitted, solver):
    other = fit(problem, solver=solver, starts=1, scans={})
    assert other.converged
    assert other.loss == pytest.approx(fitted.loss, rel=1e-5)
    moved = fitted.problem.log_times(jnp.asarray(other.log_parameters))
    stayed = fitted.problem.log_times(jnp.asarray(fitted.log_parameters))
    np.testing.assert_allclose(np.exp(moved), np.exp(stayed), rtol=1e-3)


def test_the_scan_finds_the_thresholds_that_ship(problem):
    shifted = problem.pinned(collective_step_bytes=300e6, crowd_requests=8.0)
    found = fit(
        shifted,
        starts=1,
        scans={"collective_step_bytes": (40e6, 65e6, 125e6), "crowd_requests": (16.0, 32.0)},
    )
    machines = found.problem.machines
    assert machines.gpu.efficiency.collective_step_bytes[0] == pinned()["collective_step_bytes"]
    assert machines.host_time.crowd_requests[0] == pinned()["crowd_requests"]


def test_an_unknown_solver_is_named(problem):
    with pytest.raises(InputError, match=r"solver.*newton.*lm"):
        fit(problem, solver="newton")


def test_the_robust_residual_is_the_square_near_zero_and_the_size_far_away():
    near, far = 0.01 * ROBUST, 1e3 * ROBUST
    assert float(robust(jnp.asarray(near))) == pytest.approx(near, rel=1e-4)
    loss = 0.5 * float(robust(jnp.asarray(far))) ** 2
    assert loss == pytest.approx(ROBUST * far, rel=2e-3)
    assert float(robust(jnp.asarray(-far))) == -float(robust(jnp.asarray(far)))


def synthetic(problem, profile, seed, noise=0.02):
    """Times made from drawn parameters, with noise."""
    random = np.random.default_rng(seed)
    z = 0.5 * random.standard_normal(problem.unknowns)
    truth = problem.log_parameters(jnp.asarray(z, dtype=float))
    times_s = np.exp(problem.log_times(truth)) * np.exp(noise * random.standard_normal(204))
    return np.asarray(truth), make_problem(profile.rows.assign(time_s=times_s), priors())


def test_known_parameters_are_recovered_within_their_intervals(problem, profile):
    """90% intervals of those that the data determine hold 80% or more, over four data sets."""
    inside = []
    for seed in range(4):
        truth, made = synthetic(problem, profile, seed)
        found = fit(made, starts=1, scans={})
        sure = uncertainty(found)
        count = len(problem.keys)
        determined = sure.determined[:count]
        off = np.abs(found.log_parameters - truth)[determined]
        inside += list(off <= 1.645 * sure.sd[:count][determined])
        assert determined.sum() > 15
    assert 0.8 <= np.mean(inside) <= 1.0


def test_without_data_the_prior_is_left(problem):
    nothing = fit(problem, np.zeros(204), starts=1, scans={})
    sure = uncertainty(nothing)
    np.testing.assert_allclose(nothing.z, 0.0, atol=1e-5)
    np.testing.assert_allclose(sure.sd, sure.prior_sd, rtol=1e-4)
    assert not sure.determined.any()


def test_what_the_data_determine(sure):
    """GEMM, HBM, host time; not the attention's compute rate, which only long prompts see."""
    determined = dict(zip(sure.keys, sure.determined, strict=True))
    for gpu in ("A100-80GB", "H100-80GB"):
        assert determined[f"gpu.{gpu}.gemm_compute"]
        assert determined[f"gpu.{gpu}.hbm"]
        assert not determined[f"gpu.{gpu}.attention_compute"]
    assert determined["host.DGX-A100.decode_layer_s"]
    np.testing.assert_allclose(np.diag(sure.correlation), 1.0, rtol=1e-6)
    assert np.abs(sure.correlation).max() <= 1.0 + 1e-6
    stored = shipped()
    assert stored.keys == sure.keys
    np.testing.assert_allclose(np.sqrt(np.diag(stored.covariance)), sure.sd, rtol=0.05)


def test_resampled_fits_scatter_as_the_covariance_says(fitted, profile, sure):
    """Of the parameters that the data determine well: within a factor of two, 24 fits."""
    ensemble = bootstrap(fitted, configurations_of(profile.rows), count=24)
    assert ensemble.shape == (24, len(fitted.problem.keys))
    count = len(fitted.problem.keys)
    well = sure.sd[:count] < 0.15 * sure.prior_sd[:count]
    ratio = ensemble.std(axis=0)[well] / sure.sd[:count][well]
    assert 0.5 < np.median(ratio) < 2.0
    assert (
        np.abs(ensemble.mean(axis=0) - fitted.log_parameters)[well] < 2 * sure.sd[:count][well]
    ).all()
