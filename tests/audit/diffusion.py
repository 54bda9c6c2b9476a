"""Noise schedules at both ends of time, weights, and the levels between."""

from functools import cache, partial

import jax.numpy as jnp
import mpmath
import numpy as np

from genjax import diffusion
from genjax.diffusion import Prediction

from ..registry.diffusion import CONTINUOUS, scales
from .case import Case
from .exact import log_sigmoid
from .grid import stack

mpf = mpmath.mpf
TIMES = np.array([1e-7, 1e-4, 0.01, 0.3, 0.5, 0.9, 1 - 2.0**-12])
ENDS = np.array([0.0, 1.0])
SIGMAS = np.array([1e-6, 0.002, 0.5, 1.0, 80.0, 1e6])
WHOLE = np.array([0, 1, 2, 3, 10, 100, 500, 900, 999, 1000])
LATE = WHOLE[1:]
VP = CONTINUOUS["VariancePreserving"]


def integral(t):
    """B(t) of the variance-preserving schedule."""
    return mpf(0.1) * t + (mpf(20) - mpf(0.1)) * t**2 / 2


def exact_vp(t):
    b = integral(t[()])
    return mpmath.exp(-b / 2), mpmath.sqrt(-mpmath.expm1(-b)), -mpmath.log(mpmath.expm1(b))


def exact_ve(t):
    log_sigma = (1 - t[()]) * mpmath.log(mpf(0.01)) + t[()] * mpmath.log(50)
    return mpf(1), mpmath.exp(log_sigma), -2 * log_sigma


def exact_log_snr_linear(t):
    log_snr = 8 - 16 * t[()]
    return mpmath.exp(log_sigmoid(log_snr) / 2), mpmath.exp(log_sigmoid(-log_snr) / 2), log_snr


def exact_line(t):
    t, log = t[()], lambda x: mpmath.log(x) if x > 0 else -mpmath.inf
    return 1 - t, t, 2 * (log(1 - t) - log(t))


def exact_edm(t):
    return mpf(1), t[()], -2 * mpmath.log(t[()])


EXACT = {
    "Edm": exact_edm,
    "LogSnrLinear": exact_log_snr_linear,
    "Rectified": exact_line,
    "VarianceExploding": exact_ve,
    "VariancePreserving": exact_vp,
}
# A log SNR of zero is a difference of such terms.
SCALES_TERMS = {
    "LogSnrLinear": lambda t: [8.0, 8.0],
    "VarianceExploding": lambda t: [10.0, 0.0],
    "VariancePreserving": lambda t: [1.0, 0.0],
    "Rectified": lambda t: [1.0, 0.0],
}


@cache
def bars(name):
    """alpha², exactly, of the betas of 1,000 steps."""
    if name == "linear":
        start, end = mpf(0.1) / 1000, mpf(20) / 1000
        betas = [start + (end - start) * i / 999 for i in range(1000)]
    else:
        f = [mpmath.cos((mpf(i) / 1000 + mpf(0.008)) / mpf(1.008) * mpmath.pi / 2) ** 2 for i in range(1001)]
        betas = [min(1 - f[i + 1] / f[i], mpf(0.999)) for i in range(1000)]
    return products(betas)


def products(betas):
    bar, found = mpf(1), [mpf(1)]
    for beta in betas:
        bar *= 1 - beta
        found.append(bar)
    return found


def rescaled_bars():
    roots = [mpmath.sqrt(bar) for bar in bars("linear")]
    scale = roots[1] / (roots[1] - roots[-1])
    return [mpf(1), *[((root - roots[-1]) * scale) ** 2 for root in roots[1:]]]


def of_bar(bar):
    log = lambda x: mpmath.log(x) if x > 0 else -mpmath.inf
    return mpmath.sqrt(bar), mpmath.sqrt(1 - bar), log(bar) - log(1 - bar)


def table(schedule, exact_bars, times=WHOLE):
    """A table of float32 against the exact one, at both ends and between."""
    return Case(
        scales(schedule), (times,), lambda t: of_bar(exact_bars()[int(t)]), gradient=False, in_float64=False
    )


ODD_BETAS = [1e-7, 1e-3, 0.5, 0.999, 0.02]


def exact_karras(i):
    first, last = (mpf(end) ** (1 / mpf(7)) for end in (80, 0.002))
    return (first + mpf(int(i)) / 39 * (last - first)) ** 7


def exact_log_snr_time(i):
    """The time of the variance-preserving schedule whose log SNR is a share of the way between two others."""
    ends = [exact_vp(np.array(mpf(t), object))[2] for t in (1.0, float(np.float32(1e-3)))]
    b = mpmath.log1p(mpmath.exp(-(ends[0] + mpf(int(i)) / 7 * (ends[1] - ends[0]))))
    rate = mpf(20) - mpf(0.1)
    return (mpmath.sqrt(mpf(0.1) ** 2 + 2 * rate * b) - mpf(0.1)) / rate


def exact_min_snr(t):
    snr = 1 / mpmath.expm1(integral(t[()]))
    capped = min(snr, mpf(5))
    return capped / snr, capped, capped / (snr + 1)


CASES = {
    f"genjax.diffusion.{name}": [
        Case(
            scales(schedule),
            (SIGMAS if name == "Edm" else TIMES,),
            EXACT[name],
            terms=SCALES_TERMS.get(name),
        ),
        Case(scales(schedule), (ENDS,), EXACT[name], gradient=False, terms=SCALES_TERMS.get(name)),
    ]
    for name, schedule in CONTINUOUS.items()
} | {
    "genjax.diffusion.linear_schedule": [table(diffusion.linear_schedule(), partial(bars, "linear"))],
    "genjax.diffusion.cosine_schedule": [table(diffusion.cosine_schedule(), partial(bars, "cosine"))],
    "genjax.diffusion.rescale_zero_terminal_snr": [
        table(diffusion.rescale_zero_terminal_snr(diffusion.linear_schedule()), rescaled_bars)
    ],
    "genjax.diffusion.schedule_from_betas": [
        table(diffusion.schedule_from_betas(ODD_BETAS), lambda: products(map(mpf, ODD_BETAS)), np.arange(6))
    ],
    "genjax.diffusion.edm": [
        Case(lambda i: diffusion.edm().times(40)[i], (np.arange(40),), exact_karras, gradient=False)
    ],
    "genjax.diffusion.log_snr_times": [
        Case(
            lambda i: diffusion.log_snr_times(VP, 8, first=1.0, last=1e-3)[i],
            (np.arange(8),),
            exact_log_snr_time,
            gradient=False,
            in_float64=False,
        )
    ],
    "genjax.diffusion.snr_weight": [
        Case(lambda t: diffusion.snr_weight(VP, t), (TIMES,), lambda t: 1 / mpmath.expm1(integral(t[()])))
    ],
    "genjax.diffusion.min_snr_weight": [
        Case(
            lambda t: jnp.stack(
                [
                    diffusion.min_snr_weight(p)(VP, t)
                    for p in (Prediction.NOISE, Prediction.DATA, Prediction.V)
                ]
            ),
            (TIMES,),
            lambda t: np.array(exact_min_snr(t), object),
            gradient=False,
        )
    ],
    "genjax.diffusion.edm_weight": [
        Case(
            lambda sigma: diffusion.edm_weight()(diffusion.edm(), sigma),
            (SIGMAS,),
            lambda sigma: 1 / sigma[()] ** 2 + 4,
        )
    ],
    "genjax.diffusion.likelihood_weight": [
        Case(
            lambda t: diffusion.likelihood_weight(VP, t),
            (TIMES,),
            # B′ / (1 − exp(−B)) / 2
            lambda t: (mpf(0.1) + (mpf(20) - mpf(0.1)) * t[()]) / -mpmath.expm1(-integral(t[()])) / 2,
            terms=lambda t: [0.0, 1 / t**2],
        )
    ],
    "genjax.diffusion.transition_variance": [
        Case(
            lambda t: diffusion.transition_variance(diffusion.linear_schedule(), t - 1, t),
            (LATE,),
            lambda t: 1 - bars("linear")[int(t)] / bars("linear")[int(t) - 1],
            gradient=False,
            in_float64=False,
        )
    ],
    "genjax.diffusion.posterior_variance": [
        Case(
            lambda s, t: diffusion.posterior_variance(VP, s, t),
            stack(*[(share * t, t) for t in TIMES for share in (0.0, 0.5, 0.999)]),
            lambda s, t: (
                mpmath.expm1(-integral(s[()]))
                * mpmath.expm1(integral(s[()]) - integral(t[()]))
                / -mpmath.expm1(-integral(t[()]))
            ),
            gradient=False,
            # A difference of two log SNR, which near time 0 are 20 and nearly equal.
            terms=lambda s, t: [
                (lambda b: b * np.exp(-b / 2) * np.abs(np.log(np.expm1(b))))(0.1 * s + 9.95 * s**2 + 1e-30)
            ],
        ),
        Case(
            lambda t: diffusion.posterior_variance(diffusion.linear_schedule(), t - 1, t),
            (LATE,),
            lambda t: (
                (1 - bars("linear")[int(t) - 1])
                / (1 - bars("linear")[int(t)])
                * (1 - bars("linear")[int(t)] / bars("linear")[int(t) - 1])
            ),
            gradient=False,
            in_float64=False,
        ),
    ],
}

EXEMPT = {
    name: reason
    for names, reason in (
        (
            ("BoundTerms", "DiscreteSchedule", "Level", "Prediction", "Sampler", "ScheduleReport"),
            "a record, a protocol or names",
        ),
        (("check_schedule", "preflight"), "a report on schedules"),
        (
            ("log_snr_linear", "rectified", "variance_exploding", "variance_preserving"),
            "makes a schedule that is audited by the name of its class",
        ),
        (("logit_normal_time", "low_discrepancy_times", "prior_sample"), "a draw"),
        (("inpainting", "predictor_corrector"), "calls a sampler and a step that are audited"),
    )
    for name in (f"genjax.diffusion.{short}" for short in names)
}
