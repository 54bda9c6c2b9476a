"""What other libraries offer of the same quantities, on the same inputs: the end of `python -m tests.audit`.

A peer takes what its documentation recommends: logits where it takes logits, a scale where it takes a scale, its own
function of a loss where it has one. Cases are numbered as in `CASES`, the row of the registry first.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from . import peers_diffusers
from .peer import Lazy, Peer

optax, torch = Lazy("optax"), Lazy("torch")
numpyro, distrax, laws = Lazy("numpyro.distributions"), Lazy("distrax"), Lazy("torch.distributions")
functional = Lazy("torch.nn.functional")
SCALE = "takes a scale: exp(log_var / 2)"

optax_entropy = lambda logit, label: optax.sigmoid_binary_cross_entropy(logit, jnp.full_like(logit, label))
torch_entropy = lambda logit, label: functional.binary_cross_entropy_with_logits(
    logit, torch.full_like(logit, label), reduction="sum"
)


def torch_normal(x: Any, mean: Any, log_var: Any) -> Any:
    return laws.Normal(mean, (log_var / 2).exp()).log_prob(x).sum()


def torch_mixture(x: Any, logits: Any, means: Any, log_vars: Any) -> Any:
    components = laws.Normal(means, (log_vars / 2).exp())
    return laws.MixtureSameFamily(laws.Categorical(logits=logits), components).log_prob(x)


def numpyro_mixture(x: Any, logits: Any, means: Any, log_vars: Any) -> Any:
    components = numpyro.Normal(means, jnp.exp(log_vars / 2))
    return numpyro.MixtureSameFamily(numpyro.CategoricalLogits(logits), components).log_prob(x)


def distrax_mixture(x: Any, logits: Any, means: Any, log_vars: Any) -> Any:
    components = distrax.Normal(means, jnp.exp(log_vars / 2))
    return distrax.MixtureSameFamily(distrax.Categorical(logits=logits), components).log_prob(x)


def torch_kl(mean_q: Any, log_var_q: Any, mean_p: Any, log_var_p: Any) -> Any:
    laws_of = (laws.Normal(m, (v / 2).exp()) for m, v in ((mean_q, log_var_q), (mean_p, log_var_p)))
    return laws.kl_divergence(*laws_of).sum()


def numpyro_kl(mean_q: Any, log_var_q: Any, mean_p: Any, log_var_p: Any) -> Any:
    laws_of = (numpyro.Normal(m, jnp.exp(v / 2)) for m, v in ((mean_q, log_var_q), (mean_p, log_var_p)))
    return jnp.sum(numpyro.kl_divergence(*laws_of))


def distrax_kl(mean_q: Any, log_var_q: Any, mean_p: Any, log_var_p: Any) -> Any:
    q, p = (distrax.Normal(m, jnp.exp(v / 2)) for m, v in ((mean_q, log_var_q), (mean_p, log_var_p)))
    return jnp.sum(q.kl_divergence(p))


def knots(widths: Any, heights: Any) -> tuple[Any, Any]:
    return tuple(
        jnp.concatenate([jnp.zeros(1, a.dtype), jnp.cumsum(a)]) - jnp.sum(a) / 2 for a in (widths, heights)
    )


def distrax_spline(x: Any, widths: Any, heights: Any, slopes: Any) -> Any:
    module = Lazy("distrax._src.bijectors.rational_quadratic_spline")
    return module._rational_quadratic_spline_fwd(x, *knots(widths, heights), slopes)


def games(entropy: Any) -> dict[str, Callable[..., Any]]:
    """The losses of both players from a cross-entropy of a logit with a label."""
    real_and_fake = lambda r, f, target=1.0: entropy(r, target) + entropy(f, 0.0)
    return {
        "minimax": lambda r, f: (real_and_fake(r, f), -entropy(f, 0.0)),
        "minimax_value": lambda r, f: -real_and_fake(r, f),
        "non_saturating": lambda r, f: (real_and_fake(r, f), entropy(f, 1.0)),
        "relativistic": lambda r, f: (entropy(r - f, 1.0), entropy(f - r, 1.0)),
        "smoothed": lambda r, f: (real_and_fake(r, f, 0.875), entropy(f, 1.0)),
    }


def by_torch(name: str, call: Any, cases: Any = None, note: str = "") -> Peer:
    return Peer("torch", name, call, cases, "torch", note=note)


PEERS: dict[str, list[Peer]] = {
    "genjax.densities.normal_log_prob": [
        Peer(
            "numpyro",
            "Normal.log_prob",
            lambda x, m, v: jnp.sum(numpyro.Normal(m, jnp.exp(v / 2)).log_prob(x)),
            note=SCALE,
        ),
        Peer(
            "distrax",
            "Normal.log_prob",
            lambda x, m, v: jnp.sum(distrax.Normal(m, jnp.exp(v / 2)).log_prob(x)),
            note=SCALE,
        ),
        by_torch("distributions.Normal.log_prob", torch_normal, note=SCALE),
        by_torch(
            "gaussian_nll_loss",
            lambda x, m, v: (
                -functional.gaussian_nll_loss(m, x, v.exp() + 0 * x, full=True, eps=1e-30, reduction="sum")
            ),
            note="takes a variance; eps = 1e-30 in place of 1e-6",
        ),
    ],
    "genjax.densities.standard_normal_log_prob": [
        Peer("numpyro", "Normal.log_prob", lambda x: jnp.sum(numpyro.Normal(0.0, 1.0).log_prob(x))),
        Peer("distrax", "Normal.log_prob", lambda x: jnp.sum(distrax.Normal(0.0, 1.0).log_prob(x))),
        by_torch("distributions.Normal.log_prob", lambda x: laws.Normal(0.0, 1.0).log_prob(x).sum()),
    ],
    "genjax.densities.bernoulli_log_prob": [
        Peer(
            "optax",
            "sigmoid_binary_cross_entropy",
            lambda x, g: -jnp.sum(optax.sigmoid_binary_cross_entropy(g, x)),
            (1,),
        ),
        Peer(
            "numpyro", "BernoulliLogits", lambda x, g: jnp.sum(numpyro.BernoulliLogits(g).log_prob(x)), (1,)
        ),
        Peer("distrax", "Bernoulli", lambda x, g: jnp.sum(distrax.Bernoulli(logits=g).log_prob(x)), (1,)),
        by_torch(
            "binary_cross_entropy_with_logits",
            lambda x, g: -functional.binary_cross_entropy_with_logits(g, x + 0.0 * g, reduction="sum"),
            (1,),
        ),
    ],
    "genjax.densities.continuous_bernoulli_log_prob": [
        by_torch(
            "distributions.ContinuousBernoulli",
            lambda x, g: laws.ContinuousBernoulli(logits=g).log_prob(x).sum(),
            note="documents a Taylor series for probabilities within (0.499, 0.501)",
        ),
    ],
    "genjax.densities.categorical_log_prob": [
        Peer(
            "optax",
            "softmax_cross_entropy_with_integer_labels",
            lambda x, g: -jnp.sum(optax.softmax_cross_entropy_with_integer_labels(g, x)),
            (1, 2, 3),
        ),
        Peer(
            "numpyro",
            "CategoricalLogits",
            lambda x, g: jnp.sum(numpyro.CategoricalLogits(g).log_prob(x)),
            (1, 2, 3),
        ),
        Peer(
            "distrax",
            "Categorical",
            lambda x, g: jnp.sum(distrax.Categorical(logits=g).log_prob(x)),
            (1, 2, 3),
        ),
        by_torch(
            "cross_entropy",
            lambda x, g: (
                -functional.cross_entropy(g.reshape(-1, g.shape[-1]), x.reshape(-1), reduction="sum")
            ),
            (1, 2, 3),
        ),
    ],
    "genjax.densities.mixture_log_prob": [
        Peer("numpyro", "MixtureSameFamily", numpyro_mixture, (1,), note=SCALE),
        Peer("distrax", "MixtureSameFamily", distrax_mixture, (1,), note=SCALE),
        by_torch("distributions.MixtureSameFamily", torch_mixture, (1,), SCALE),
    ],
    "genjax.divergences.kl_standard_normal": [
        Peer("numpyro", "kl_divergence", lambda m, v: numpyro_kl(m, v, 0 * m, 0 * m), note=SCALE),
        Peer("distrax", "Normal.kl_divergence", lambda m, v: distrax_kl(m, v, 0 * m, 0 * m), note=SCALE),
        by_torch("distributions.kl_divergence", lambda m, v: torch_kl(m, v, 0 * m, 0 * m), note=SCALE),
        *peers_diffusers.KL_STANDARD,
    ],
    "genjax.divergences.kl_normal": [
        Peer("numpyro", "kl_divergence", numpyro_kl, note=SCALE),
        Peer("distrax", "Normal.kl_divergence", distrax_kl, note=SCALE),
        by_torch("distributions.kl_divergence", torch_kl, note=SCALE),
        *peers_diffusers.KL,
    ],
    "genjax.divergences.kl_categorical": [
        Peer(
            "optax",
            "convex_kl_divergence",
            lambda p, q: optax.losses.convex_kl_divergence(jnp.log(q), p),
            (1,),
            gradient=False,
            note="takes log q; documents positive p, which the case has",
        ),
        Peer(
            "optax",
            "kl_divergence",
            lambda p, q: optax.losses.kl_divergence(jnp.log(q), p),
            (1,),
            gradient=False,
            note="takes log q; documents positive p, which the case has",
        ),
        Peer(
            "distrax",
            "Categorical.kl_divergence",
            lambda p, q: distrax.Categorical(probs=p).kl_divergence(distrax.Categorical(probs=q)),
            (1, 2),
            gradient=False,
        ),
        Peer(
            "torch",
            "distributions.kl_divergence",
            lambda p, q: laws.kl_divergence(laws.Categorical(probs=p), laws.Categorical(probs=q)),
            (1, 2),
            "torch",
            gradient=False,
            note="documents probabilities clamped to [1.2e-7, 1 - 1.2e-7]",
        ),
    ],
    "genjax.gan.least_squares": [
        Peer(
            "optax",
            "l2_loss",
            lambda r, f: (
                optax.l2_loss(r, jnp.ones_like(r)) + optax.l2_loss(f),
                optax.l2_loss(f, jnp.ones_like(f)),
            ),
        )
    ],
    "genjax.gan.hinge": [
        Peer(
            "optax",
            "hinge_loss",
            lambda r, f: (optax.hinge_loss(r, jnp.ones_like(r)) + optax.hinge_loss(f, -jnp.ones_like(f)), -f),
            gradient=False,
        )
    ],
    "genjax.flow.rational_quadratic_spline": [
        Peer(
            "distrax",
            "RationalQuadraticSpline",
            distrax_spline,
            (1, 2, 3),
            note="its own function of knots, below the softmax of its parameters",
        )
    ],
    "genjax.flow.Sigmoid": [
        Peer(
            "distrax", "Sigmoid.forward_and_log_det", lambda z: distrax.Sigmoid().forward_and_log_det(z), (1,)
        ),
        Peer(
            "numpyro",
            "SigmoidTransform",
            lambda z: (lambda t: (t(z), t.log_abs_det_jacobian(z, t(z))))(
                numpyro.transforms.SigmoidTransform()
            ),
            (1,),
        ),
        by_torch(
            "distributions.SigmoidTransform",
            lambda z: (lambda t: (t(z), t.log_abs_det_jacobian(z, t(z))))(laws.SigmoidTransform()),
            (1,),
            "documents values clamped inside (0, 1)",
        ),
    ],
    "genjax.flow.Logit": [
        Peer(
            "distrax", "Sigmoid.inverse_and_log_det", lambda z: distrax.Sigmoid().inverse_and_log_det(z), (1,)
        ),
        by_torch(
            "distributions.SigmoidTransform.inv",
            lambda z: (lambda t: (t(z), t.log_abs_det_jacobian(z, t(z))))(laws.SigmoidTransform().inv),
            (1,),
        ),
    ],
    "genjax.autoregressive.log_prob": [
        Peer(
            "optax",
            "softmax_cross_entropy_with_integer_labels",
            lambda t: -jnp.sum(optax.softmax_cross_entropy_with_integer_labels(t, jnp.array([2, 0, 1]))),
            (1,),
        ),
        by_torch(
            "cross_entropy",
            lambda t: -functional.cross_entropy(t, torch.tensor([2, 0, 1]), reduction="sum"),
            (1,),
        ),
    ],
} | peers_diffusers.PEERS

for _name in games(None):
    _cases = (1,) if _name == "smoothed" else None
    PEERS[f"genjax.gan.{_name}"] = [
        Peer("optax", "sigmoid_binary_cross_entropy", games(optax_entropy)[_name], _cases),
        by_torch("binary_cross_entropy_with_logits", games(torch_entropy)[_name], _cases),
    ]
