"""Elementary functions of mpmath on arrays of its numbers."""

import mpmath
import numpy as np

exp, tanh, sinh, erfc = (
    np.frompyfunc(getattr(mpmath, name), 1, 1) for name in ("exp", "tanh", "sinh", "erfc")
)
log = np.frompyfunc(lambda x: mpmath.log(x) if x >= 0 else mpmath.nan, 1, 1)
sqrt = np.frompyfunc(mpmath.sqrt, 1, 1)
log_sigmoid = np.frompyfunc(
    lambda x: -mpmath.log1p(mpmath.exp(-x)) if x > 0 else x - mpmath.log1p(mpmath.exp(x)), 1, 1
)
sigmoid = np.frompyfunc(lambda x: 1 / (1 + mpmath.exp(-x)), 1, 1)
log_2pi = mpmath.log(2 * mpmath.pi)


def log_sum_exp(terms):
    largest = max(np.ravel(terms))
    return largest + mpmath.log(sum(mpmath.exp(t - largest) for t in np.ravel(terms)))


def log_softmax(logits):
    return logits - log_sum_exp(logits)


def normal_log_prob(x, mean, log_var):
    return -np.sum((x - mean) ** 2 * exp(-log_var) + log_var + log_2pi) / 2
