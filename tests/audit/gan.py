"""Adversarial games."""

import mpmath
import numpy as np

from genjax import gan

from ..registry.gan import GAMES, losses
from .case import Case
from .exact import exp, log_sigmoid

EXTREMES = (0.0, 1e-6, -1e-6, 0.7, -3.0, 20.0, -20.0, 80.0, -80.0, 300.0, -300.0)
PAIRS = np.array([(r, f) for r in EXTREMES for f in EXTREMES])
LOGITS = (PAIRS[:, 0], PAIRS[:, 1])
WITHIN = np.array([v for v in EXTREMES if abs(v) <= 80])  # exp(300) is beyond float32

EXACT = {
    "minimax": lambda r, f: (-log_sigmoid(r) - log_sigmoid(-f), log_sigmoid(-f)),
    "non_saturating": lambda r, f: (-log_sigmoid(r) - log_sigmoid(-f), -log_sigmoid(f)),
    "least_squares": lambda r, f: ((r - 1) ** 2 / 2 + f**2 / 2, (f - 1) ** 2 / 2),
    "hinge": lambda r, f: (max(0, 1 - r) + max(0, 1 + f), -f),
    "wasserstein": lambda r, f: (f - r, -f),
    "relativistic": lambda r, f: (-log_sigmoid(r - f), -log_sigmoid(f - r)),
}


def smoothed(r, f):
    t = mpmath.mpf(0.875)
    return -t * log_sigmoid(r) - (1 - t) * log_sigmoid(-r) - log_sigmoid(-f), -log_sigmoid(f)


CASES = {
    f"genjax.gan.{name}": [Case(losses(GAMES[name]), LOGITS, exact)] for name, exact in EXACT.items()
} | {
    "genjax.gan.smoothed": [Case(losses(gan.smoothed(gan.non_saturating, 0.875)), LOGITS, smoothed)],
    "genjax.gan.minimax_value": [
        Case(gan.minimax_value, LOGITS, lambda r, f: log_sigmoid(r) + log_sigmoid(-f))
    ],
    "genjax.gan.kl": [
        Case(lambda v: (gan.kl.output(v), gan.kl.conjugate(v)), (WITHIN,), lambda v: (1 + v, exp(v)))
    ],
    "genjax.gan.reverse_kl": [
        Case(
            lambda v: (gan.reverse_kl.output(v), gan.reverse_kl.conjugate(v)),
            (WITHIN,),
            lambda v: (-exp(-v), v - 1),
        )
    ],
    "genjax.gan.gradient_penalty": [
        Case(lambda w: gan.gradient_penalty(lambda x: w @ x, 0 * w), (scaled,))
        for scaled in (np.array([[s, -2 * s] for s in (0.0, 1e-30, 1e-6, 1.0, 1e6, 1e18)]),)
    ],
    "genjax.gan.squared_gradient_norm": [
        Case(
            lambda w: gan.squared_gradient_norm(lambda x: w @ x, 0 * w),
            (np.array([[s, -2 * s] for s in (0.0, 1e-15, 1e-6, 1.0, 1e6, 1e18)]),),
        )
    ],
}

EXEMPT = {"genjax.gan.FDivergence": "a record", "genjax.gan.Game": "a record"}
