"""What is done with one example at one level: noise, posteriors, predictions, errors and bounds."""

import jax.numpy as jnp
import mpmath
import numpy as np

from genjax import diffusion
from genjax.diffusion import Prediction

from ..registry.row import KEY
from .case import Case
from .diffusion import TIMES, VP, bars, exact_vp, integral, mpf
from .grid import product, stack

LINEAR = diffusion.linear_schedule()
LATE = [1, 2, 10, 500, 999, 1000]
CHANGES = [(1.0, 1.0), (1e-3, -5.0), (-30.0, 2.0), (0.0, 1e-6)]
PREDICTIONS = (Prediction.NOISE, Prediction.DATA, Prediction.V, Prediction.SCORE, Prediction.VELOCITY)


def scales(t):
    alpha, sigma, _ = exact_vp(np.asarray(t, object))
    return alpha, sigma


def at_whole(t):
    bar = bars("linear")[int(t)]
    return mpmath.sqrt(bar), mpmath.sqrt(1 - bar)


def exact_posterior(bar_s, bar_t, x0, x_t):
    """By the textbook's alpha and sigma, not by log SNR."""
    kept = bar_t / bar_s
    mean = mpmath.sqrt(bar_s) * (1 - kept) / (1 - bar_t) * x0
    mean += mpmath.sqrt(kept) * (1 - bar_s) / (1 - bar_t) * x_t
    return mean, (1 - bar_s) / (1 - bar_t) * (1 - kept)


def line(t, prediction):
    """a and b of a prediction a·x0 + b·ε, and the slopes of the scales by hand."""
    alpha, sigma = scales(t)
    rate = mpf(0.1) + (mpf(20) - mpf(0.1)) * t[()]
    return {
        Prediction.NOISE: (0, 1),
        Prediction.DATA: (1, 0),
        Prediction.V: (-sigma, alpha),
        Prediction.SCORE: (0, -1 / sigma),
        Prediction.VELOCITY: (-rate * alpha / 2, rate * alpha**2 / (2 * sigma)),
    }[prediction]


def conversions(source):
    """To every other prediction: by the data and the noise that a prediction stands for."""
    targets = [target for target in PREDICTIONS if target is not source]

    def exact(value, x, t):
        alpha, sigma = scales(t)
        a, b = line(t, source)
        determinant = alpha * b - sigma * a
        x0, noise = (b * x - sigma * value) / determinant, (alpha * value - a * x) / determinant
        return np.array([c * x0 + d * noise for c, d in (line(t, target) for target in targets)], object)

    def largest(value, x, t):
        """From one line to another x_t has a difference as its factor, of 0 from V to VELOCITY."""
        return [
            np.array([of_line(*map(mpf, map(float, one))) for one in zip(value, x, t, strict=True)], float)
        ]

    def of_line(v, y, t):
        t = np.array(t, object)
        alpha, sigma = scales(t)
        a, b = line(t, source)
        # sigma is the exponential of a logarithm, and its slope has the round-off of that.
        unit = (1 + abs(mpmath.log(sigma))) / abs(alpha * b - sigma * a)
        return [
            unit * max(abs(c * b * y), abs(d * a * y), abs(alpha * d * v), abs(sigma * c * v))
            for c, d in (line(t, target) for target in targets)
        ]

    return Case(
        lambda value, x, t: jnp.stack(
            [diffusion.convert(VP, value, x, t, source=source, target=target) for target in targets]
        ),
        product([0.7, -20.0, 1e-6], [1.3, 0.0], list(map(float, TIMES))),
        exact,
        terms=largest,
        gradient=False,
        # XLA's float64 log1p is right to 20 units in the last place alone, where V and VELOCITY cancel.
        in_float64=source not in (Prediction.V, Prediction.VELOCITY),
    )


def exact_edm_denoiser(x, sigma):
    """The raw network of the case is 0.25 x + c."""
    total = mpmath.sqrt(sigma**2 + mpf(1) / 4)
    value = x / total / 4 + mpmath.log(sigma[()]) / 4
    return x / 4 / total**2 + sigma / 2 / total * value


def exact_edm_error(x0, sigma, noise):
    x, weight = x0 + sigma * noise, (sigma**2 + mpf(1) / 4) / (sigma / 2) ** 2
    return weight * (exact_edm_denoiser(x, sigma) - x0) ** 2


def raw(x, c):
    return 0.25 * x + c


EDM = product([1.0, -0.3, 0.0], [1e-5, 0.002, 0.5, 1.5, 80.0, 1e5], [1.0, -4.0])
STEPS = stack(*[(x0, x, t) for x0, x in CHANGES for t in LATE])

CASES = {
    "genjax.diffusion.add_noise": [
        Case(
            lambda x0, noise, t: diffusion.add_noise(VP, x0, t, noise),
            stack(*[(x0, e, t) for x0, e in CHANGES for t in TIMES]),
            lambda x0, noise, t: (lambda alpha, sigma: alpha * x0 + sigma * noise)(*scales(t)),
            terms=lambda x0, noise, t: [np.maximum(abs(x0), abs(noise)), 0.0, 0.0, 20 * np.abs(x0)],
        ),
        Case(
            lambda x0, noise, t: diffusion.add_noise(LINEAR, x0, t, noise),
            STEPS,
            lambda x0, noise, t: (lambda alpha, sigma: alpha * x0 + sigma * noise)(*at_whole(t)),
            in_float64=False,
        ),
    ],
    "genjax.diffusion.posterior": [
        Case(
            lambda x0, x, t: diffusion.posterior(LINEAR, x0, x, t - 1, t),
            STEPS,
            lambda x0, x, t: exact_posterior(bars("linear")[int(t) - 1], bars("linear")[int(t)], x0, x),
            in_float64=False,
        ),
        Case(
            lambda x0, x, s, t: diffusion.posterior(VP, x0, x, s, t),
            stack(*[(x0, x, k * t, t) for x0, x in CHANGES[:3] for t in TIMES for k in (0.01, 0.5)]),
            lambda x0, x, s, t: exact_posterior(*(mpmath.exp(-integral(time[()])) for time in (s, t)), x0, x),
            terms=lambda x0, x, s, t: [np.maximum(np.abs(x0), np.abs(x)) * (np.abs(np.log(s)) > 0)],
            gradient=False,
        ),
    ],
    "genjax.diffusion.convert": [conversions(source) for source in PREDICTIONS],
    "genjax.diffusion.denoising_error": [
        Case(
            lambda x0, noise, t: diffusion.denoising_error(
                lambda x, t: LINEAR.sigma(t) * x, LINEAR, x0, t, noise
            ),
            STEPS,
            lambda x0, noise, t: (lambda alpha, sigma: alpha**2 * (alpha * noise - sigma * x0) ** 2)(
                *at_whole(t)
            ),
            # The optimal noise differs from the drawn one by alpha alone, the square by its square.
            terms=lambda x0, noise, t: [
                (lambda size, alpha: size**2 * alpha + 1e-6 * size**2)(
                    np.abs(x0) + np.abs(noise), np.asarray(LINEAR.alphas)[t]
                ),
                *[np.abs(x0) + np.abs(noise)] * 2,
            ],
            in_float64=False,
        )
    ],
    "genjax.diffusion.variational_bound": [
        Case(
            lambda x0: (
                diffusion.variational_bound(
                    KEY, lambda x, t: x, LINEAR, x0, prediction=Prediction.DATA, num_times=1
                ).prior
            ),
            (np.array([0.0, 1e-3, 1.0, -30.0]),),
            lambda x0: (bars("linear")[-1] * (x0**2 - 1) - mpmath.log1p(-bars("linear")[-1])) / 2,
            in_float64=False,
        )
    ],
    "genjax.diffusion.edm_denoiser": [
        Case(
            diffusion.edm_denoiser(raw),
            EDM[:2],
            exact_edm_denoiser,
            terms=lambda x, sigma: [np.maximum(np.abs(x), 1.0), 0.0, np.abs(x) / (sigma + 1) + 1],
        )
    ],
    "genjax.diffusion.edm_error": [
        Case(
            lambda x0, sigma, noise: diffusion.edm_error(raw, x0, sigma, noise, sigma_data=0.5),
            EDM,
            exact_edm_error,
            terms=lambda x0, sigma, noise: [
                (np.abs(x0) + np.abs(noise) + 3) ** 2,
                *[(np.abs(x0) + np.abs(noise) + 3) ** 2 * slope for slope in (1.0, 1 / sigma + 1, 1.0)],
            ],
        )
    ],
    "genjax.diffusion.interpolated_variance": [
        Case(
            lambda share, t: diffusion.interpolated_variance(share)(LINEAR, t - 1, t),
            product([0.0, 0.4, 1.0], LATE[1:]),
            lambda share, t: (lambda bar, beta: beta**share * (beta * bar) ** (1 - share))(
                (1 - bars("linear")[int(t) - 1]) / (1 - bars("linear")[int(t)]),
                1 - bars("linear")[int(t)] / bars("linear")[int(t) - 1],
            ),
            terms=lambda share, t: [0.0, 20 * 0.02],
            in_float64=False,
        )
    ],
}

EXEMPT = {}
