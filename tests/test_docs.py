"""The reference: equations become mathematics, and the migration tables name what exists."""

import doctest
import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

import genjax

DOCS = Path(__file__).parent.parent / "docs"
sys.path.insert(0, str(DOCS))

import docstrings  # noqa: E402
import equations  # noqa: E402
from docstrings import clauses, document, is_equation  # noqa: E402
from equations import latex  # noqa: E402

FLOORS_0_AND_1 = [
    *("densities", "divergences", "batching", "likelihood", "transport", "structures"),
    *("vae", "autoencoder", "autoregressive", "flow", "energy", "gan", "score", "diffusion", "flow_matching"),
]
PROSE = {  # the paragraph after the first line says in words what the function does
    "assert_causal", "hierarchical_elbo", "made_masks", "Bijector", "RationalQuadraticSpline", "Split", "fit_actnorm",
    "rational_quadratic_spline", "Game", "sample", "preflight", "ReplayBuffer",
}  # fmt: skip


def paragraphs():
    """The paragraph after the first line of every public function and class, where there is one."""
    for room in FLOORS_0_AND_1:
        module = importlib.import_module(f"genjax.{room}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                blocks = inspect.cleandoc(value.__doc__).split("\n\n")[1:]
                if blocks and not blocks[0].startswith(("Args:", ">>>", "Source")):
                    yield f"{room}.{name}", blocks[0]


def test_every_paragraph_after_the_first_line_is_an_equation_or_is_known_to_be_prose():
    for name, paragraph in paragraphs():
        assert is_equation(paragraph) or name.rpartition(".")[2] in PROSE, (name, paragraph)


def test_every_equation_is_cut_without_loss_and_written_in_latex():
    count = 0
    for name, paragraph in paragraphs():
        if is_equation(paragraph):
            count += 1
            parts = clauses(paragraph)
            assert "".join(part for _, part in parts) == " ".join(paragraph.split()), name
            for formula in [latex(part) for kind, part in parts if kind == "math"]:
                assert formula, name
                assert formula.isascii(), (name, formula)
                braces = re.sub(r"\\[{}]", "", formula)
                assert braces.count("{") == braces.count("}"), (name, formula)
    assert count > 140


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("z = μ + σ ε", r"z=\mu +\sigma \varepsilon"),
        ("x_t = alpha(t) x0 + sigma(t) ε", r"x_{t}=\alpha (t)x_{0}+\sigma (t)\varepsilon"),
        ("‖ε − ε_θ(x_t, t)‖²", r"\|\varepsilon -\varepsilon _{\theta}(x_{t},t)\|^{2}"),
        ("½ [log 2π + log σ_i²]", r"\tfrac{1}{2} [\log \,2\pi +\log \,\sigma _{i}^{2}]"),
        (
            "KL(q(z|x) ‖ p(z)) = E_q[log q(z|x) − log p(z)]",
            r"\mathrm{KL}(q(z\vert x)\parallel p(z))=\mathbb{E}_{q}[\log \,q(z\vert x)-\log \,p(z)]",
        ),
        ("Σ_{t=2..T} log p(x_{t−1}|x_t)", r"\sum _{t=2}^{T}\,\log \,p(x_{t-1}\vert x_{t})"),
        ("x ← x + η s(x) + √(2η) ε", r"x\leftarrow x+\eta s(x)+\sqrt{2\eta}\varepsilon"),
        ("log |det dx/dz| = Σ log_scale", r"\log \,\vert \mathrm{det}\,dx/dz\vert =\sum \,\text{log_scale}"),
        ("alpha_s x̂0 + √(sigma_s² − d²) ε̂", r"\alpha _{s}\hat{x}_{0}+\sqrt{\sigma _{s}^{2}-d^{2}}\hat{\varepsilon}"),
        ("t_i^(1/ρ)", r"t_{i}^{1/\rho}"),
        ("−∫₀¹ ∇·v dt", r"-\int _{0}^{1}\nabla \cdot v\,dt"),
        ("(A^½ B A^½)^½", r"(A^{1/2}BA^{1/2})^{1/2}"),
        ("N(x; μ_k, Σ_k)", r"\mathcal{N}(x;\mu _{k},\Sigma _{k})"),
        ("loss = E(x_data) − E(x_model)", r"\text{loss}=E(x_{\text{data}})-E(x_{\text{model}})"),
    ],
)  # fmt: skip
def test_a_formula_in_latex(formula, expected):
    assert latex(formula) == expected


@pytest.mark.parametrize("module", [docstrings, equations])
def test_the_examples_of_the_converter(module):
    assert doctest.testmod(module) == (0, 1)


def test_words_stand_beside_formulas():
    assert clauses("x_i = z_i where the mask is true, mean of a row; see `flow.log_prob`") == [
        ("math", "x_i = z_i "),
        ("text", "where the mask is true, mean of a row; see `flow.log_prob`"),
    ]
    assert not is_equation("Zero parameters give the identity. Widths are at least 10⁻³ of the box.")


def test_a_docstring_as_restructuredtext():
    lines = document(
        """Squared *error* of `sample`.

        ‖x‖², for any x

        Args:
            x: of shape `[n]`.
            *more: others.

        Returns:
            Nats: summed.

        Source: Ho et al. (2020).

        >>> 1 + 1
        2
        """.replace("\n        ", "\n"),
        "genjax.score",
    )
    assert [line for line in lines if line] == [
        r"Squared \*error\* of ``sample``\ .",
        ".. rst-class:: equation",
        r":math:`\displaystyle \|x\|^{2}\text{,}` for any :math:`\displaystyle x`",
        r":param x: of shape ``[n]``\ .",
        r":param \*more: others.",
        ":returns: Nats: summed.",
        r"*Source:* Ho et al. (2020).",
        ">>> 1 + 1",
        "2",
    ]
    assert (
        document("See `langevin`.", "genjax.score")[0] == r"See :py:obj:`langevin <genjax.score.langevin>`\ ."
    )


@pytest.mark.parametrize("page", ["index.md", "migration.md"])
def test_every_name_of_ours_exists(page):
    names = set(re.findall(r"\bgenjax((?:\.[A-Za-z_]\w*)+)", (DOCS / page).read_text()))
    assert len(names) > 15
    for name in names:
        parts = name.split(".")[1:]
        home = importlib.import_module(".".join(["genjax", *parts[:-1]]))
        if parts[-1] not in home.__all__:
            importlib.import_module(f"genjax{name}")
    for prediction in re.findall(r"`Prediction\.(\w+)`", (DOCS / page).read_text()):
        assert prediction in genjax.diffusion.Prediction.__members__


def test_every_room_has_a_page():
    rooms = set(re.findall(r"^   genjax\.([\w.]+)$", (DOCS / "index.md").read_text(), re.M))
    modules = {name for name in genjax.__all__ if inspect.ismodule(getattr(genjax, name))}
    assert modules <= rooms


def test_the_example_of_the_first_page_prints_what_stands_beside_it(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "index.md").read_text(), re.S)
    exec(block, {})
    assert capsys.readouterr().out.split() == re.findall(r"\)  # (\S+)$", block, re.M)
