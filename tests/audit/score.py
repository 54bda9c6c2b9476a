"""Score matching of linear scores, Langevin steps, and errors of flow matching."""

import mpmath
import numpy as np

from genjax import flow_matching, score

from .case import Case
from .grid import stack

mpf = mpmath.mpf
POINTS = [(1.0, 0.3), (1e-6, -2.0), (-30.0, 1.0), (0.0, 0.0)]
TIMES = [1e-7, 0.01, 0.5, 1 - 2.0**-12, 1.0]
RATES = [1e-6, 0.5, 1.0, 1e4]
LINEAR = stack(*[(k, [x, -0.5], [v, 1.0]) for k in RATES for x, v in POINTS])
NOISED = stack(*[(s, [x, -0.5], [v, 1.0]) for s in (1e-4, 0.01, 1.0, 50.0, 1e4) for x, v in POINTS])
LINES = stack(*[(k, [x, 0.2], t, [e, -1.0]) for k in (0.0, 1e-6, 2.0) for x, e in POINTS for t in TIMES])
PATHS = stack(*[(k, [x, -1.0]) for k in (1e-3, 0.5, 2.0) for x, _ in POINTS])


def matched(sigma, x, noise):
    """The score of N(0, 1) data with noise of level sigma against that of one example."""
    return np.sum((-(x + sigma * noise) / (1 + sigma**2) + noise / sigma) ** 2) / 2


def size(*arrays):
    return sum(np.abs(a).max(1) for a in arrays)


def of_matching(sigma, x, noise):
    """The terms of the difference of scores, of its square and of the slopes of either."""
    step = size(noise) / sigma + size(x) + 1
    left = (size(noise) / sigma + size(x)) / (1 + sigma**2) + step * 1e-7
    return [left * size(noise) / sigma, step**2 * (1 + 1 / sigma), *[step * (1 + 1 / sigma)] * 2]


def exact_path(k, noise, n):
    """Euler's rule on a linear velocity, backwards in time."""
    states = [noise * (1 - k / n) ** j for j in range(n + 1)]
    whole = noise - states[-1]
    square = lambda shift: sum(np.sum((k * x - shift) ** 2) for x in states[:-1]) / n
    return square(0 * whole), square(whole)


CASES = {
    "genjax.score.langevin_step": [
        Case(
            lambda k, x, noise, eta=eta: score.langevin_step(lambda y: -k * y, x, noise, step_size=eta),
            LINEAR,
            lambda k, x, noise, eta=eta: x - mpf(eta) * k * x + mpmath.sqrt(2 * mpf(eta)) * noise,
            terms=lambda k, x, noise, eta=eta: [
                size(x) * (1 + eta * k) + eta**0.5 * size(noise),
                0.0,
                1 + eta * k,
                0.0,
            ],
        )
        for eta in (2.0**-30, 2.0**-10, 1.0)
    ],
    "genjax.score.denoising_score_matching": [
        Case(
            lambda sigma, x, noise: score.denoising_score_matching(
                lambda y: -y / (1 + sigma**2), x, noise, sigma=sigma
            ),
            NOISED,
            matched,
            terms=of_matching,
        )
    ],
    "genjax.score.implicit_score_matching": [
        Case(
            lambda k, x: score.implicit_score_matching(lambda y: -k * y, x),
            LINEAR[:2],
            lambda k, x: -2 * k + k**2 * np.sum(x**2) / 2,
            terms=lambda k, x: [k + k**2 * size(x) ** 2, 1 + k * size(x) ** 2, 0.0],
        )
    ],
    "genjax.score.sliced_score_matching": [
        Case(
            lambda k, x, v: score.sliced_score_matching(lambda y: -k * y, x, v),
            LINEAR,
            lambda k, x, v: -k * np.sum(v**2) + k**2 * np.sum(v * x) ** 2 / 2,
            terms=lambda k, x, v: (
                lambda a, b: [
                    k * b**2 + (k * a * b) ** 2,
                    b**2 + k * (a * b) ** 2,
                    k**2 * a * b**2,
                    k * b + k**2 * a**2 * b,
                ]
            )(size(x), size(v)),
        )
    ],
    "genjax.score.sliced_score_matching_vr": [
        Case(
            lambda k, x, v: score.sliced_score_matching_vr(lambda y: -k * y, x, v),
            LINEAR,
            lambda k, x, v: -k * np.sum(v**2) + k**2 * np.sum(x**2) / 2,
            terms=lambda k, x, v: [
                k * size(v) ** 2 + (k * size(x)) ** 2,
                size(v) ** 2 + k * size(x) ** 2,
                0.0,
                0.0,
            ],
        )
    ],
    "genjax.flow_matching.flow_matching_error": [
        Case(
            lambda k, x0, t, noise: flow_matching.flow_matching_error(lambda x, t: k * x, x0, t, noise),
            LINES,
            lambda k, x0, t, noise: np.sum((noise - x0 - k * ((1 - t) * x0 + t * noise)) ** 2),
            terms=lambda k, x0, t, noise: [
                0.0,
                *[(size(x0, noise) * (1 + k)) ** 2] * 2,
                (size(x0, noise) * (1 + k)) ** 2,
                size(x0, noise) * (1 + k) ** 2,
            ],
        )
    ],
    "genjax.flow_matching.mean_flow_error": [
        Case(
            lambda k, x0, t, noise: flow_matching.mean_flow_error(
                lambda x, r, t: k * x * (t - r), x0, 0.5 * t, t, noise
            ),
            LINES,
            # u = k x_t h with h = t − r, and du/dt = k (ε − x0) h + k x_t
            lambda k, x0, t, noise: (
                lambda x, h: np.sum((k * x * h - (noise - x0) + h * (k * (noise - x0) * h + k * x)) ** 2)
            )((1 - t) * x0 + t * noise, t / 2),
            gradient=False,  # its gradient is not that of its value
        )
    ],
    "genjax.flow_matching.path_energy": [
        Case(
            lambda k, noise, n=n: flow_matching.path_energy(lambda x, t: k * x, noise, num_steps=n),
            PATHS,
            lambda k, noise, n=n: exact_path(k, noise, n),
            # Straight paths leave a difference of velocities.
            terms=lambda k, noise: [
                k * (k + 1e-3) * size(noise) ** 2,
                k * size(noise) ** 2 * 10,
                10 * k**2 * size(noise),
            ],
        )
        for n in (1, 16)
    ],
}

EXEMPT = {}
