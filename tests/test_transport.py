"""Densities along an ODE: a linear field has its flow, its log-determinant and their gradients in closed form."""

import gc
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.scipy.linalg import expm

import genjax
from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.transport import carry, divergence, hutchinson_divergence, integrate

A = np.array([[0.3, -0.8, 0.1], [0.5, -0.7, 0.2], [-0.4, 0.6, 0.9]])
X = np.array([1.0, -2.0, 0.5])


def along(A, x, **options):
    return carry(lambda x, t: A @ x, x, start=0.5, end=2.0, **options)


ADAPTIVE = {"rtol": 1e-10, "atol": 1e-10}


def swirl(x, t):
    """A field whose divergence depends on place and time: Σ t cos(x_i)."""
    return t * jnp.sin(x) + jnp.roll(x, 1)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("options", [ADAPTIVE, pytest.param({"num_steps": 60}, marks=pytest.mark.slow)])
def test_a_linear_field_by_value_and_gradient(options):
    solved = lambda A, x: along(A, x, **options)[:2]
    exact = lambda A, x: (expm(1.5 * A) @ x, 1.5 * jnp.trace(A))

    def both(f):
        def scalar(A, x):
            end, log_det = f(A, x)
            return jnp.sum(jnp.sin(end)) + log_det**2, (end, log_det)

        gradient, value = jax.jit(jax.grad(scalar, (0, 1), has_aux=True))(jnp.asarray(A), jnp.asarray(X))
        return value, gradient

    (value, gradient), (exact_value, exact_gradient) = both(solved), both(exact)
    for a, b in zip(value, exact_value, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8)
    for a, b in zip(gradient, exact_gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_float32_reaches_its_tolerance():
    x, log_det, _ = along(jnp.asarray(A, jnp.float32), jnp.asarray(X, jnp.float32))
    assert x.dtype == log_det.dtype == jnp.float32
    np.testing.assert_allclose(x, scipy.linalg.expm(1.5 * A) @ X, rtol=1e-4)
    np.testing.assert_allclose(log_det, 1.5 * np.trace(A), rtol=1e-4)


@pytest.mark.usefixtures("x64")
def test_the_log_determinant_is_that_of_the_map_and_the_way_back_is_the_inverse():
    x = jnp.array([[0.3, -1.0], [2.0, 0.7]])  # an event of any shape
    tight = partial(carry, swirl, rtol=1e-10, atol=1e-10)

    def there(flat):
        end, log_det, _ = tight(flat.reshape(2, 2), start=0.0, end=1.0)
        return jnp.ravel(end), (end, log_det)

    jacobian, (end, log_det) = jax.jit(jax.jacrev(there, has_aux=True))(jnp.ravel(x))
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian)[1], rtol=1e-7)
    back, back_log_det, _ = tight(end, start=1.0, end=0.0)
    np.testing.assert_allclose(back, x, rtol=1e-8)
    np.testing.assert_allclose(back_log_det, -log_det, rtol=1e-8)


@pytest.mark.usefixtures("x64")
def test_fixed_steps_converge_at_the_order_of_the_method():
    exact = scipy.linalg.expm(1.5 * A) @ X
    error = lambda n: np.linalg.norm(along(jnp.asarray(A), jnp.asarray(X), num_steps=n)[0] - exact)
    order = np.log(error(16) / error(64)) / np.log(4)
    assert 4.5 < order < 5.5, order  # of order 5


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_all_rademacher_directions_average_to_the_exact_divergence():
    x, t = jnp.asarray(X), jnp.array(0.7)
    directions = jnp.array(list(product([-1.0, 1.0], repeat=3)))
    estimates = jax.jit(jax.vmap(lambda e: hutchinson_divergence(swirl, x, t, e)))(directions)
    expected = 0.7 * np.cos(X).sum()
    np.testing.assert_allclose(divergence(swirl, x, t), expected, rtol=1e-12)
    np.testing.assert_allclose(np.mean(estimates), expected, rtol=1e-12)
    # The field is nonlinear, and yet the path does not depend on the direction: so the solve averages too.
    solve = partial(carry, swirl, x, start=0.0, end=1.0, rtol=1e-10, atol=1e-10)
    ends, log_dets, _ = jax.jit(jax.vmap(lambda e: solve(direction=e)))(directions)
    end, log_det, _ = solve()
    np.testing.assert_allclose(ends, np.broadcast_to(end, ends.shape), rtol=1e-8)
    np.testing.assert_allclose(np.mean(log_dets), log_det, rtol=1e-8)
    assert np.std(log_dets) > 0.1


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_a_direction_of_any_real_dtype_is_cast_to_that_of_the_event():
    signs = np.array([1, -1, -1])
    for precision in (jnp.float32, jnp.float64):
        x, t = jnp.asarray(X, precision), jnp.asarray(0.7, precision)
        estimates = [
            hutchinson_divergence(swirl, x, t, jnp.asarray(signs, dtype))
            for dtype in (jnp.int8, jnp.int32, jnp.int64, jnp.float16, jnp.float32, jnp.float64)
        ]
        assert {estimate.dtype for estimate in estimates} == {jnp.dtype(precision)}
        assert len(set(map(float, estimates))) == 1
    solve = lambda e: carry(swirl, x, start=0.0, end=1.0, direction=e, num_steps=2).log_det
    assert solve(jnp.asarray(signs)) == solve(jnp.asarray(signs, float))


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("dtype", [jnp.bool_, jnp.complex64])
def test_a_direction_of_signs_that_are_no_numbers_is_refused(dtype):
    e, t = jnp.ones(2, dtype), jnp.ones(())
    message = f"direction must be integer or floating point.*direction {jnp.dtype(dtype)}, x float32"
    with pytest.raises(TypeError, match=message):
        hutchinson_divergence(swirl, jnp.ones(2), t, e)
    with pytest.raises(TypeError, match=message):
        carry(swirl, jnp.ones(2), start=0.0, end=1.0, direction=e)


@pytest.mark.usefixtures("x64")
def test_a_gaussian_is_carried_to_a_gaussian():
    # v = x log 3 scales by 3 in unit time, so N(0, I) becomes N(0, 9 I).
    x = jnp.asarray(X)
    z, log_det, _ = carry(lambda x, t: np.log(3.0) * x, x, start=1.0, end=0.0, rtol=1e-10, atol=1e-10)
    expected = normal_log_prob(x, jnp.zeros(3), jnp.full(3, np.log(9.0)))
    np.testing.assert_allclose(standard_normal_log_prob(z) + log_det, expected, rtol=1e-9)


def linear_path(A, x, **options):
    return integrate(lambda x, t: A @ x, x, start=0.5, end=2.0, **options)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("options", [ADAPTIVE, {"num_steps": 60}])
def test_integrate_is_the_linear_flow_by_value_and_gradient_at_every_time(options):
    A_, x_, times = jnp.asarray(A), jnp.asarray(X), [0.5, 0.9, 1.7, 1.7, 2.0]
    solved = lambda A, x: linear_path(A, x, times=times, **options).x
    exact = lambda A, x: jnp.stack([expm((t - 0.5) * A) @ x for t in times])
    np.testing.assert_allclose(solved(A_, x_), exact(A_, x_), rtol=2e-7)  # between steps of order four
    gradients = [
        jax.jit(jax.grad(lambda A, x, f=f: jnp.sum(jnp.sin(f(A, x))), (0, 1)))(A_, x_)
        for f in (solved, exact)
    ]
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.usefixtures("x64")
@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"num_steps": 8}])
def test_integrate_runs_backwards_and_is_carry_without_the_volume(options):
    x = jnp.array([[0.3, -1.0], [2.0, 0.7]])  # an event of any shape
    times = np.array([1.0, 0.4, 0.0])
    path, num_calls = integrate(swirl, x, start=1.0, end=0.0, times=times, **options)
    whole = integrate(swirl, x, start=1.0, end=0.0, **options)
    assert path.shape == (3, 2, 2)
    np.testing.assert_array_equal(path[0], x)
    np.testing.assert_allclose(path[2], whole.x, rtol=1e-12)
    assert num_calls == whole.num_calls  # saving costs none
    carried = carry(swirl, x, start=1.0, end=0.0, **options)
    np.testing.assert_allclose(
        whole.x, carried.x, rtol=1e-4 if not options else 1e-12
    )  # their steps may differ
    # Half way is a start of its own: the way on from there is the same.
    rest = integrate(swirl, path[1], start=0.4, end=0.0, rtol=1e-10, atol=1e-10).x
    np.testing.assert_allclose(rest, whole.x, atol=1e-3)


@pytest.mark.slow
def test_integrate_maps_over_events_and_over_times():
    x = jax.random.normal(jax.random.key(0), (3, 2))
    times = jnp.array([[0.1, 0.2], [0.3, 1.0], [1.0, 1.0]])
    solve = lambda x, times: integrate(swirl, x, start=0.0, end=1.0, times=times)
    batch = jax.jit(jax.vmap(solve))(x, times)
    for i in range(3):
        alone = solve(x[i], times[i])
        np.testing.assert_allclose(batch.x[i], alone.x, rtol=1e-5)
        assert batch.num_calls[i] == alone.num_calls
        assert batch.num_calls.dtype == alone.num_calls.dtype == jnp.int32


@pytest.mark.parametrize(
    ("options", "sharp", "compiled"),
    [
        ({"num_steps": 5}, 1.0, True),
        ({}, 1.0, True),
        ({}, 1.0, False),
        ({}, 2000.0, True),  # the first steps are refused
        ({"rtol": 1e-7, "atol": 1e-7, "max_steps": 4}, 3.0, True),  # given up
    ],
)
@pytest.mark.parametrize("solver", ["carry", pytest.param("hutchinson", marks=pytest.mark.slow), "integrate"])
def test_calls_are_counted_as_they_are_made(solver, options, sharp, compiled):
    calls = []

    def velocity(x, t):
        jax.debug.callback(lambda t: calls.append(float(t)), t)
        return sharp * (jnp.sin(20 * t) - x)

    x, limits = jnp.array([0.3, -1.0]), {"start": 0.25, "end": 0.5, **options}
    solvers = {
        "carry": lambda x: carry(velocity, x, **limits).num_calls,
        "hutchinson": lambda x: carry(velocity, x, direction=jnp.array([1.0, -1.0]), **limits).num_calls,
        "integrate": lambda x: integrate(velocity, x, **limits).num_calls,
    }
    num_calls = (jax.jit(solvers[solver]) if compiled else solvers[solver])(x)
    jax.effects_barrier()
    assert num_calls == len(calls) > 6
    assert num_calls.dtype == jnp.int32
    if sharp == 2000.0:  # after the six stages of the first try the solver goes back
        assert calls[7] < calls[6]


@pytest.mark.slow
def test_integrate_never_differentiates_the_velocity():
    @jax.custom_jvp
    def velocity(x, t):
        return jnp.sin(x) * t

    @velocity.defjvp
    def refuse(primals, tangents):
        raise AssertionError("a derivative was asked for")

    x = jnp.ones(2)
    for options in ({}, {"num_steps": 3}, {"times": [0.5]}):
        integrate(velocity, x, start=0.0, end=1.0, **options)
    with pytest.raises(AssertionError, match="a derivative was asked for"):
        carry(velocity, x, start=0.0, end=1.0)


def test_steps_by_tolerance_compile_no_callback():
    for solver in (carry, integrate):
        program = jax.make_jaxpr(lambda x, solver=solver: solver(swirl, x, start=0.0, end=1.0))(jnp.ones(2))
        assert "callback" not in str(program)


@pytest.mark.usefixtures("untyped", "x64")
@pytest.mark.parametrize("solver", [carry, integrate])
@pytest.mark.parametrize("num_steps", [None, 4])
def test_a_velocity_of_another_dtype_is_refused(solver, num_steps):
    rate = jnp.array([2.0])
    velocity = lambda x, t: jnp.float64(rate) * x.astype(float)
    with pytest.raises(TypeError, match="velocity float64, x float32"):
        solver(velocity, jnp.ones(1, jnp.float32), start=0.0, end=1.0, num_steps=num_steps)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("solver", [carry, integrate])
def test_faults(solver):
    x = jnp.ones(2)
    go = partial(solver, start=0.0, end=1.0)
    with pytest.raises(ValueError, match=r"x \(2,\), velocity \(1,\)"):
        go(lambda x, t: x[:1], x)
    with pytest.raises(ValueError, match="num_steps must be at least 1; got 0"):
        go(lambda x, t: x, x, num_steps=0)
    with pytest.raises(TypeError, match="x must be float32 or float64"):
        go(lambda x, t: x, x.astype(jnp.bfloat16))
    with pytest.raises(ValueError, match="x must not be NaN"):
        go(lambda x, t: x, x.at[1].set(jnp.nan))
    stiff = lambda x: go(lambda x, t: 1e4 * x, x, max_steps=5)
    with pytest.raises(ValueError, match=r"the solver must reach t = 1.0 within 5 steps; got 5"):
        stiff(x)
    with pytest.raises(ValueError, match=r"the solver must reach t = 1.0 within 5 steps; got 5"):
        genjax.checked(stiff)(x)
    *values, num_calls = jax.jit(stiff)(x)
    assert all(jnp.isnan(leaf).all() for leaf in values)
    assert num_calls == 31


@pytest.mark.usefixtures("untyped")
def test_a_direction_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"x \(2,\), direction \(3,\)"):
        carry(swirl, jnp.ones(2), start=0.0, end=1.0, direction=jnp.ones(3))


@pytest.mark.usefixtures("untyped")
def test_times_out_of_order_or_range_are_refused():
    solve = lambda times: integrate(swirl, jnp.ones(2), start=0.0, end=1.0, times=times).x
    faults = (
        (
            [0.5, 0.2],
            r"times must run from start to end in the order of travel; got 0\.2\S* at flat position 1",
        ),
        ([-0.1, 0.2], r"got -0\.1\S* at flat position 0"),
        ([0.5, 1.5], r"got 1\.5 at flat position 1"),
        ([0.5, np.nan], r"got nan at flat position 1"),
    )
    for times, message in faults:
        with pytest.raises(ValueError, match=message):
            solve(times)
        with pytest.raises(ValueError, match=message):
            jax.jit(lambda times=times: solve(times))()  # a constant is seen while tracing
    solve_compiled, solve_checked = jax.jit(solve), genjax.checked(solve)
    for times, message in faults:
        with pytest.raises(ValueError, match=message):
            solve_checked(jnp.array(times))
        assert jnp.isnan(solve_compiled(jnp.array(times))).all()
    for times in ([], 0.5, [[0.5]]):
        with pytest.raises(ValueError, match="times must be a vector of at least one time; got shape"):
            solve(times)


@pytest.mark.skipif(
    jax.__version_info__ >= (0, 11),
    reason="from JAX 0.11 on, diffrax 0.7.2 keeps tracers of each solve, also of a field that holds nothing",
)
@pytest.mark.parametrize("direction", [None, jnp.ones(3)])
def test_nothing_of_a_trace_outlives_it(direction):
    """A field that holds what is being traced, of any dtype, as that of a conditional model does."""

    def log_det(a, label, x):
        return carry(lambda x, t: a[label] @ x, x, start=0.0, end=1.0, direction=direction).log_det

    gc.freeze()  # the end of each trace is a collection of all that is not frozen
    with jax.checking_leaks():
        found = jax.jit(jax.vmap(log_det, (None, 0, None)))(jnp.stack([A, -A]), jnp.arange(2), jnp.asarray(X))
    gc.unfreeze()
    rate = np.trace(A) if direction is None else A.sum()
    np.testing.assert_allclose(found, [rate, -rate], rtol=1e-4)
