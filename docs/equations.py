"""The equations of the docstrings, from plain Unicode to LaTeX."""

import re

LETTERS = "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΦΨΩ"
NAMES = [
    "alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "kappa", "lambda",
    "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "varphi", "chi", "psi",
    "omega", "Gamma", "Delta", "Theta", "Lambda", "Phi", "Psi", "Omega",
]  # fmt: skip
GREEK = {c: f"\\{name} " for c, name in [*zip(LETTERS, NAMES, strict=True), *zip(NAMES, NAMES, strict=True)]}
LATEX_FUNCTIONS = {"log", "ln", "exp", "cos", "sin", "tan", "tanh"}
FUNCTIONS = LATEX_FUNCTIONS | {
    "max", "min", "det", "tr", "diag", "argmin", "logit", "sigmoid", "softmax",
    "softplus", "sg", "std", "mean", "Var", "Rot",
}  # fmt: skip
SYMBOLS = {
    "∇": "nabla", "∂": "partial", "∞": "infty", "ℓ": "ell", "⊙": "odot", "·": "cdot", "×": "times", "∝": "propto",
    "≈": "approx", "≤": "le", "≥": "ge", "≠": "ne", "∈": "in", "±": "pm", "→": "to", "←": "leftarrow", "∫": "int",
    "↦": "mapsto", "∏": "prod", "Π": "prod", "Σ": "sum", "…": "ldots", "..": "ldots", "⋯": "cdots", "⌊": "lfloor",
    "⌋": "rfloor", "{": "{", "}": "}", "<": "lt", ">": "gt", "*": "ast", "½": "tfrac{1}{2}", "~": "sim", "′": "prime",
}  # fmt: skip
FONTS = {"E": r"\mathbb{E}", "P": r"\mathbb{P}", "N": r"\mathcal{N}", "U": r"\mathcal{U}", "1": r"\mathbf{1}"}
ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "~": "tilde"}
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿᵀᵛ₀₁₂₃₄₅₆₇₈₉", "0123456789-+nTv0123456789")
RELATIONS = "=≤≥≈∝←→↦~<>≠"
WORD = r"[A-Za-z]+(?:[-'][A-Za-z]+)*"
ATOM = re.compile(
    # E is an expectation before [ or ‖, and an energy elsewhere; Σ_k before a comma or an exponent is a covariance.
    rf"(?P<space>\s+)|(?P<font>E(?=(?:_\w|_\{{[^{{}}]*\}})?\s?(?:\[|‖(?!\s)))|P(?=(?:_\w)?\[)|N(?=\()|U(?=[\[({{])|1(?=\[))"
    rf"|(?P<sigma>Σ(?:_\w)?(?=[⁻),;]|$))|(?P<identifier>(?!(?:{'|'.join(NAMES)})_)[a-z]{{2,}}(?:_[a-z]{{2,}})+)"
    r"|(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿᵀᵛ]+)|(?P<lowered>[₀₁₂₃₄₅₆₇₈₉]+)|(?P<script>[_^√])|(?P<bars>[‖|])"
    rf"|(?P<name>(?P<base>{WORD}|[{LETTERS}])(?P<accent>[\u0302-\u0304]|~(?=_))?(?P<index>\d+)?)"
    r"|(?P<number>\d+(?:[.,]\d+)*|\.\d+)|(?P<star>(?<=[A-Za-z])\*)|(?P<symbol>\.\.|.)"
)


def latex(formula: str) -> str:
    r"""Write one formula in LaTeX.

    >>> print(latex("‖ε − ε_θ(x_t, t)‖²"))
    \|\varepsilon -\varepsilon _{\theta}(x_{t},t)\|^{2}
    """
    out, i = "", 0
    while match := ATOM.match(formula, i):
        kind, token, i = match.lastgroup, match[0], match.end()
        before, after = formula[: match.start()], formula[i:]
        if kind == "script":
            operand, i = _operand(formula, i)
            out += _script(token, operand)
        elif kind == "space":
            out += _space(before, after)
        elif kind == "bars":  # between spaces they part the arguments of a distribution or a divergence
            names = (r"\mid ", r"\parallel ") if before[-1:] == " " == after[:1] else (r"\vert ", r"\|")
            out += names[token == "‖"]
        elif kind == "font":
            out += FONTS[token]
        elif kind == "sigma":
            out += r"\Sigma " + (_script("_", token[2:]) if token[1:] else "")
        elif kind in ("raised", "lowered"):
            out += f"{'^' if kind == 'raised' else '_'}{{{token.translate(RAISED)}}}"
        elif kind == "identifier":
            out += rf"\text{{{token}}}"
        elif kind == "name":
            name = _name(match["base"])
            out += rf"\{ACCENTS[match['accent']]}{{{name.strip()}}}" if match["accent"] else name
            index = match["index"] or ""
            if index and after.startswith("_"):  # x0_i has one subscript
                operand, i = _operand(formula, i + 1)
                index += f",{operand}"
            out += _script("_", index) if index else ""
        elif kind == "star":
            out += "^{*}"
        else:
            out += f"\\{SYMBOLS[token]} " if token in SYMBOLS else token.replace("−", "-")
    return " ".join(out.split())


def is_name(word: str) -> bool:
    """Whether a word is a letter or a differential."""
    return len(word) == 1 or word in GREEK or bool(re.fullmatch("d[a-z]", word))


def _name(base: str) -> str:
    if base in LATEX_FUNCTIONS:
        return f"\\{base} "
    if is_name(base):
        return GREEK.get(base, base)
    return rf"\mathrm{{{base}}}" if base in FUNCTIONS or base.isupper() else rf"\text{{{base}}}"


def _operand(formula: str, i: int) -> tuple[str, int]:
    """What a script or a root applies to, without its brackets, and where it ends."""
    if formula[i] in "({":
        end, depth = i + 1, 1
        while depth:
            depth += (formula[end] in "({[") - (formula[end] in ")}]")
            end += 1
        return formula[i + 1 : end - 1], end
    match = re.compile(rf"·?[A-Za-z0-9½±{LETTERS}]+(?:,[a-z](?![a-z]))?").match(formula, i)
    assert match, f"no operand: {formula[i:]}"
    return match[0], match.end()


def _script(sign: str, operand: str) -> str:
    """A subscript, a superscript or a root; `t=2..T` below a sum are its two limits."""
    low, dots, high = operand.partition("..")
    if dots and "=" in low:
        return f"_{{{latex(low)}}}^{{{latex(high)}}}"
    letters = len(operand) == 2 and set(operand) <= set("ijkl")  # two indices, and no word
    written = operand if letters else latex(operand.replace("½", "1/2") if sign == "^" else operand)
    return ("\\sqrt" if sign == "√" else sign) + f"{{{written}}}"


def _space(before: str, after: str) -> str:
    """Space is meant between words, beside a function and before dx; brackets and operators bring their own."""
    if "∫" in before and re.match(rf"d[a-z{LETTERS}](?!\w)", after):
        return r"\,"
    words = re.findall(rf"{WORD}$", before) + re.findall(rf"^{WORD}", after)
    names = [word for word in words if not is_name(word)]
    joined = before[-1:] in tuple(RELATIONS + "+−/·⊙(,;") or after[:1] in tuple(RELATIONS + "+−/·⊙½Σ∫∇√")
    if not names or joined or not before:
        return ""
    return r"\," if all(name in FUNCTIONS or name.isupper() for name in names) else r"\ "
