# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Autoregressive models: the chain rule, and Bayes' rule with it
#
# Any distribution over sequences is a product of conditionals,
#
# $$\log p(x) = \sum_{i=1}^{n} \log p(x_i \mid x_1, \dots, x_{i-1}),$$
#
# and an autoregressive model gives each of them by a network that sees only what comes before. The likelihood is
# exact, samples are drawn one position at a time, and with one such model for every class, Bayes' rule turns a
# generative model into a classifier.

# %% setup
import math
import os
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from genjax import autoregressive
from genjax.data import digits, views
from genjax.densities import categorical_log_prob
from genjax.nn import MADE, MLP, functional
from genjax.oracles import AutoregressiveTable
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
jax.config.update("jax_disable_most_optimizations", FAST)  # then compiling takes longer than running
np.set_printoptions(precision=4, suppress=True)

key_table, key_draws, key_classes, key_made, key_digits = jax.random.split(jax.random.key(0), 5)

# %% [markdown]
# ## The chain rule by hand (S21)
#
# Four binary positions whose observed values have the conditional probabilities $.8, .5, .25, .9$: the product is
# $.09$, and the sum of the logarithms $-2.4079456$.

# %% chain-rule
conditionals = jnp.array([0.8, 0.5, 0.25, 0.9])
logits_fn = lambda x: jnp.log(jnp.stack([1 - conditionals, conditionals], axis=1))
log_p = autoregressive.log_prob(logits_fn, jnp.ones(4, int))
print(f"log p = {log_p:.7f}, p = {jnp.exp(log_p):.7f}")
assert abs(log_p + 2.4079456) < 1e-6  # the reference's last digit, and roundings of a number of 2.4
assert abs(jnp.exp(log_p) - 0.09) < 1e-7

# %% [markdown]
# ## A model that can be written down (S21)
#
# With four positions of three levels, all conditionals fit in a table, and so do the probabilities of all $3^4 = 81$
# sequences. They sum to one, which holds for any logits: no partition function is needed, because every conditional
# is normalised by itself. The condition is that row $i$ of the logits sees only $x_{<i}$; a function that looks at
# its own position gives numbers that sum to more than one, and is caught.

# %% table-sums-to-one
keys = jax.random.split(key_table, 4)
table = AutoregressiveTable(tuple(jax.random.normal(k, (3,) * (i + 1)) for i, k in enumerate(keys)))
sequences = table.sequences()
by_rule = jax.jit(jax.vmap(partial(autoregressive.log_prob, table.logits_fn)))(sequences)
by_table = jnp.ravel(table.log_probs())
print(f"{len(sequences)} sequences, total probability {jnp.exp(by_rule).sum():.7f}")
print(f"largest difference from the table: {jnp.abs(by_rule - by_table).max():.1e} nats")
assert abs(jnp.exp(by_rule).sum() - 1) < 1e-6  # 81 rounded terms
assert jnp.abs(by_rule - by_table).max() < 5e-6  # roundings of numbers of about 10
autoregressive.assert_causal(table.logits_fn, sequences[5])

sees_itself = lambda x: 2.0 * jax.nn.one_hot(x, 3)  # row i looks at x_i
cheating = jax.jit(jax.vmap(partial(autoregressive.log_prob, sees_itself)))(sequences)
print(f"a function that sees its own position: total {jnp.exp(cheating).sum():.1f}")
assert jnp.exp(cheating).sum() > 2
try:
    autoregressive.assert_causal(sees_itself, sequences[5])
    raise AssertionError("a leak was not found")
except ValueError as error:
    print("refused:", str(error).split(";")[0])

# %% [markdown]
# ## Sampling, position by position
#
# Each position is drawn from its conditional given what was drawn before. The frequencies of 20,000 sequences
# against the table, by Pearson's statistic: for 81 cells it has mean 80 and standard deviation $\sqrt{160} \approx
# 12.6$ if the sampler is right.

# %% ancestral-sampling
num_draws = 20_000
sample = jax.jit(jax.vmap(lambda key: autoregressive.sample(key, table.logits_fn, 4)))
draws = np.asarray(sample(jax.random.split(key_draws, num_draws)))
counts = np.bincount(draws @ np.array([27, 9, 3, 1]), minlength=81)
expected = num_draws * np.exp(np.asarray(by_table))
statistic = np.sum((counts - expected) ** 2 / expected)
print(f"Pearson's statistic {statistic:.1f}; least expected count {expected.min():.1f}")
assert abs(statistic - 80) < 5 * math.sqrt(160)  # five standard deviations

# %% [markdown]
# ## Joint, marginal and posterior from one model (S16)
#
# Let a label $y$ have the prior $p(y) = (.5, .3, .2)$ and each class its own table $p(x|y)$. Bayes' rule gives, for
# one $x$,
#
# $$p(x, y) = p(x|y)\, p(y), \qquad p(x) = \sum_y p(x, y), \qquad p(y|x) = \frac{p(x, y)}{p(x)}.$$
#
# The same joint is one autoregressive model more: the chain rule with the label in front. Summing over all sequences
# and labels checks every one of the three: the joint sums to one, so does the marginal, and averaging the posterior
# over $p(x)$ gives the prior back.

# %% bayes-rule
log_prior = jnp.log(jnp.array([0.5, 0.3, 0.2]))
classes = [
    AutoregressiveTable(
        tuple(jax.random.normal(k, (3,) * (i + 1)) for i, k in enumerate(jax.random.split(key, 4)))
    )
    for key in jax.random.split(key_classes, 3)
]
stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *classes)  # one table with an axis of classes


def log_likelihood(x, y):
    """The class-conditional log p(x|y)."""
    one = jax.tree.map(lambda leaf: leaf[y], stacked)
    return autoregressive.log_prob(one.logits_fn, x)


terms = jax.jit(jax.vmap(lambda x: autoregressive.bayes_rule(log_likelihood, x, log_prior)))(sequences)
p_xy, p_x, p_y_given_x = (np.exp(np.asarray(part)) for part in terms)
counted = np.stack([np.exp(np.asarray(one.log_probs())).ravel() for one in classes], axis=1) * np.exp(
    log_prior
)
print(
    f"sum of p(x, y) {p_xy.sum():.6f}, of p(x) {p_x.sum():.6f}; mean of p(y|x) over p(x) {p_x @ p_y_given_x}"
)
few = 2e-6  # sums of 243 rounded terms, the largest of them of order one
assert np.abs(p_xy - counted).max() < few
assert abs(p_xy.sum() - 1) < few
assert abs(p_x.sum() - 1) < few
assert np.abs(p_x @ p_y_given_x - np.exp(log_prior)).max() < few
assert (
    np.abs(p_y_given_x - counted / counted.sum(axis=1, keepdims=True)).max() < 1e-5
)  # quotients of small numbers
accuracy = p_xy.max(axis=1).sum()
print(
    f"guessing the class by the largest p(y|x) is right with probability {accuracy:.4f}; by the prior alone .5000"
)
assert accuracy > 0.5  # no rule does better: this is Bayes' classifier

# %% [markdown]
# ## Maximum likelihood recovers a known distribution (S16)
#
# A masked network (MADE, Germain et al. 2015) is trained on samples of the first table alone, by gradient descent on
# $-\log p(x)$. As all 81 probabilities are known, so is the divergence of what was learned. With $n$ samples, the
# maximum-likelihood estimate of a table of 80 free numbers has an expected divergence of about $80 / (2n)$ nats,
# which is the scale to expect.

# %% maximum-likelihood
num_train = 20_000
num_steps = 10 if FAST else 3000
train = jnp.asarray(draws)
init_made, made = functional(lambda rngs: MADE(4, (64, 64), 3, rngs=rngs))
nll = lambda params, key, batch: jnp.mean(
    jax.vmap(lambda x: autoregressive.negative_log_likelihood(partial(made, params), x))(batch)
)
key_init, key_fit = jax.random.split(key_made)
init, step = make_step(nll, optax.adam(optax.cosine_decay_schedule(3e-3, num_steps)))
start = jax.jit(init_made)(key_init)
state, history = fit(key_fit, step, init(start), train, num_steps=num_steps, batch_size=512)
learned_log_probs = jax.jit(
    jax.vmap(lambda params, x: autoregressive.log_prob(partial(made, params), x), (None, 0))
)
truth = np.exp(np.asarray(by_table))
kl = lambda params: float(
    np.sum(truth * (np.asarray(by_table) - np.asarray(learned_log_probs(params, sequences))))
)
print(f"KL(truth ‖ network): {kl(start):.4f} nats at the start, {kl(state.params):.5f} at the end")
print(
    f"80 / (2n) = {80 / (2 * num_train):.5f}; entropy of the truth {-np.sum(truth * np.asarray(by_table)):.4f}"
)
if not FAST:
    # Twice the log-ratio is a χ² of 80 degrees of freedom, 80 ± 12.6; training by batches adds to it: three times.
    assert 0 <= kl(state.params) < 3 * 80 / (2 * num_train)

figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
axes.loglog(truth, np.exp(np.asarray(learned_log_probs(state.params, sequences))), ".")
axes.loglog([truth.min(), truth.max()], [truth.min(), truth.max()], "k-", linewidth=0.5)
axes.set(xlabel="true probability", ylabel="learned probability")

# %% [markdown]
# ## A generative classifier beside a discriminative one (S16)
#
# Ten MADEs, one for each class of digits (8×8 pixels, split into black and white at half of the grey scale), are
# trained on $-\log p(x|y)$, and classify by Bayes' rule with the class frequencies as the prior. Beside them stands
# a discriminative model of $p(y|x)$ alone, a linear one (logistic regression). Both see the same pixels. The
# generative model also says how probable an image is, and a shuffled one is far less so.

# %% digits-by-bayes-rule
data = digits()
view = views.binary(data, split_at=8)
observe = jax.jit(jax.vmap(lambda stored: view.observe(None, stored).ravel().astype(int)))
x_train, x_test = observe(data.train), observe(data.test)
y_train, y_test = jnp.asarray(data.train_labels), np.asarray(data.test_labels)
num_steps = 5 if FAST else 600
init_made, made = functional(lambda rngs: MADE(64, (32,), 2, direct=True, rngs=rngs))
init_linear, linear = functional(lambda rngs: MLP(64, (), 10, rngs=rngs))


def conditional(params, x, y):
    """The log p(x|y) of the class's own MADE, in nats."""
    own = jax.tree.map(lambda leaf: leaf[y], params)
    return autoregressive.log_prob(partial(made, own), x)


def generative(params, key, batch):
    """The mean of −log p(x|y)."""
    return -jnp.mean(jax.vmap(partial(conditional, params))(*batch))


def discriminative(params, key, batch):
    """The mean of −log p(y|x)."""
    return -jnp.mean(jax.vmap(lambda x, y: categorical_log_prob(y, linear(params, 1.0 * x)))(*batch))


key_made, key_linear, key_fit, key_fit_linear, key_shuffle = jax.random.split(key_digits, 5)
trained = {}
for name, loss, start, key in [
    ("generative", generative, jax.jit(jax.vmap(init_made))(jax.random.split(key_made, 10)), key_fit),
    ("discriminative", discriminative, jax.jit(init_linear)(key_linear), key_fit_linear),
]:
    init, step = make_step(loss, optax.adamw(3e-3, weight_decay=0.1))
    state, _ = fit(key, step, init(start), (x_train, y_train), num_steps=num_steps, batch_size=128)
    trained[name] = state.params

log_prior = jnp.log(jnp.bincount(y_train, length=10) / len(y_train))
rule = lambda x: autoregressive.bayes_rule(partial(conditional, trained["generative"]), x, log_prior)
rule = jax.jit(jax.vmap(rule))
terms = rule(x_test)
shuffled = rule(jax.random.permutation(key_shuffle, x_test, axis=1, independent=True))
guesses = {
    "Bayes' rule": np.asarray(terms.posterior).argmax(axis=1),
    "logistic regression": np.asarray(
        jax.vmap(lambda x: linear(trained["discriminative"], 1.0 * x))(x_test)
    ).argmax(1),
}
for name, guess in guesses.items():
    right = guess == y_test
    error = right.std(ddof=1) / math.sqrt(len(right))
    print(f"{name}: {right.mean():.3f} ± {error:.3f} of {len(right)} test digits")
    if not FAST:
        assert right.mean() - 5 * error > 0.5  # chance is .1
drop = np.asarray(terms.marginal - shuffled.marginal)
seen, mixed = terms.marginal.mean(), shuffled.marginal.mean()
print(f"log p(x) of test digits {seen:.2f}, with their pixels shuffled {mixed:.2f} nats")
if not FAST:
    assert drop.mean() > 5 * drop.std(ddof=1) / math.sqrt(len(drop))
totals = np.asarray(jax.nn.logsumexp(terms.posterior, axis=1))
assert np.abs(totals).max() < 2e-5  # differences of log-probabilities of about 100: a few roundings of those
