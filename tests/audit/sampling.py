"""One step of each sampler, of a linear network, between levels at both ends of time and to clean data."""

import jax.numpy as jnp
import mpmath
import numpy as np

from genjax import diffusion

from ..registry.row import KEY
from .case import Case
from .diffusion import VP, bars, exact_vp
from .grid import stack

PAIRS = [(1.0, 0.999), (1.0, 0.5), (0.5, 0.499), (0.3, 1e-3), (1e-3, 1e-4), (1e-4, 1e-7)]
STEPS = stack(*[(x, e, t, s) for x, e in ((1.0, -0.5), (-30.0, 2.0), (1e-6, 0.0)) for t, s in PAIRS])
CLEAN = stack(*[(x, e, t) for x, e in ((1.0, -0.5), (-30.0, 2.0)) for t in (1.0, 0.5, 1e-3, 1e-7)])


def level(t):
    t = jnp.asarray(t)
    return diffusion.Level(t, VP.alpha(t), VP.sigma(t), VP.log_snr(t))


def clean(x):
    one = jnp.ones((), x.dtype)
    return diffusion.Level(0 * one, one, 0 * one, jnp.inf * one)


def optimal(x, at):
    """The data and the noise that N(0, 1) data lead to."""
    return at.alpha * x, at.sigma * x


def carried(sampler, x, noise, now, following):
    return sampler.step(sampler.init(x), noise[None], optimal, x, now, following)[0]


def two_steps(x, t, s):
    """The multistep rule from t to the middle and on to s."""
    sampler = diffusion.dpm_solver_pp_2m()
    x, state = sampler.step(sampler.init(x), None, optimal, x, level(t), level((s + t) / 2))
    return sampler.step(state, None, optimal, x, level((s + t) / 2), level(s))[0]


def scales(t):
    alpha, sigma, _ = exact_vp(np.asarray(t, object))
    return alpha, sigma


def kept(t, s):
    """SNR(t)/SNR(s)"""
    (a, b), (c, d) = scales(t), scales(s)
    return (a * d / (b * c)) ** 2


def exact_ddim(x, noise, t, s):
    (a, b), (c, d) = scales(t), scales(s)
    return (a * c + b * d) * x


def exact_ddim_half(x, noise, t, s):
    (a, b), (c, d) = scales(t), scales(s)
    share = (1 - kept(t, s)) / 4
    return (a * c + b * d * mpmath.sqrt(1 - share)) * x + d * mpmath.sqrt(share) * noise


def exact_ancestral(x, noise, t, s):
    (a, b), (c, d) = scales(t), scales(s)
    lost = 1 - kept(t, s)
    return (c * lost * a + a / c * (d / b) ** 2) * x + d * mpmath.sqrt(lost) * noise


def exact_heun(x, noise, t, s):
    """x/alpha moves by the mean of both noises times the change of sigma/alpha."""
    (a, b), (c, d) = scales(t), scales(s)
    there = exact_ddim(x, noise, t, s)
    return c * (x / a + (d / c - b / a) * (b * x + d * there) / 2)


def exact_euler_maruyama(x, noise, t, s):
    (a, b), (c, d) = scales(t), scales(s)
    now, then = (b / a) ** 2, (d / c) ** 2
    return c * (x / a - (now - then) * b * x / (b / a) + mpmath.sqrt(now - then) * noise)


def exact_two_steps(x, t, s):
    """DPM-Solver++ 2M by its own formula, in half log SNR."""
    middle = (s + t) / 2
    (a, b), (c, d), (e, f) = scales(t), scales(middle), scales(s)
    h_before, h = (mpmath.log(c / d) - mpmath.log(a / b)), (mpmath.log(e / f) - mpmath.log(c / d))
    between = d / b * x - c * mpmath.expm1(-h_before) * a * x
    x0 = c * between
    return f / d * between - e * mpmath.expm1(-h) * (x0 + h / (2 * h_before) * (x0 - a * x))


def terms(x, noise, t, s):
    return [np.abs(x) + np.abs(noise)]


EXACT = {
    "ddim": [(diffusion.ddim(), exact_ddim), (diffusion.ddim(0.5), exact_ddim_half)],
    "ancestral": [(diffusion.ancestral(), exact_ancestral)],
    "euler": [(diffusion.euler(), exact_ddim)],
    "heun": [(diffusion.heun(), exact_heun)],
    "euler_maruyama": [(diffusion.euler_maruyama(), exact_euler_maruyama)],
}
CASES = {
    f"genjax.diffusion.{name}": [
        *[
            Case(
                lambda x, noise, t, s, sampler=sampler: carried(sampler, x, noise, level(t), level(s)),
                STEPS,
                exact,
                terms=terms,
                gradient=False,
            )
            for sampler, exact in steps
        ],
        Case(
            lambda x, noise, t, sampler=steps[0][0]: carried(sampler, x, noise, level(t), clean(x)),
            CLEAN,
            lambda x, noise, t: scales(t)[0] * x,
            gradient=False,
        ),
    ]
    for name, steps in EXACT.items()
} | {
    "genjax.diffusion.dpm_solver_pp_2m": [
        Case(
            two_steps,
            (STEPS[0], *STEPS[2:]),
            exact_two_steps,
            terms=lambda x, t, s: [10 * np.abs(x)],  # of the extrapolation, which shares a factor of up to 4
            gradient=False,
        )
    ],
    "genjax.diffusion.sample": [
        # The noise of a network 0, step by step: x / alpha stays.
        Case(
            lambda x: diffusion.sample(
                KEY,
                lambda x, t: 0 * x,
                diffusion.linear_schedule(),
                x,
                num_steps=10,
                sampler=diffusion.ddim(),
            ),
            (np.array([1.0, -30.0, 1e-6]),),
            lambda x: x / mpmath.sqrt(bars("linear")[-1]),
            in_float64=False,
        )
    ],
}

EXEMPT = {}
