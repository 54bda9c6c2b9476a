"""How the docstrings of the package become pages: prose, equations, examples and lists of arguments.

The docstrings are written to be read as they stand, in plain Unicode with Markdown's backticks; Sphinx reads
reStructuredText. The equation is a paragraph between the first line and the arguments.
"""

import importlib
import inspect
import re
from itertools import accumulate
from textwrap import dedent
from typing import Any

from equations import FUNCTIONS, RELATIONS, WORD, is_name, latex

TOKEN = re.compile(rf"`[^`]*`|{WORD}(?:_\w+)*|[,;:.](?=\s|$)|\s+|.")
OPERATOR = re.compile(rf"[{RELATIONS}+−/·⊙^_∇√‖|½Σ∫(]")
SCRIPT = re.compile(r"[_^√\u0302-\u0304]|\b(alpha|beta|sigma)\b(?!`)")
FIELDS = {"Args": "param", "Returns": "returns", "Yields": "yields", "Raises": "raises"}


def is_equation(paragraph: str) -> bool:
    """Whether a paragraph states an equation: it begins with a formula, or nearly so, and is not all words."""
    parts = clauses(paragraph)
    formulas = [part for kind, part in parts if kind == "math"]
    share = sum(map(len, formulas)) / len(paragraph)
    if parts[0][0] == "math":
        return share > 0.13 and any(OPERATOR.search(part) for part in formulas)
    return share > 0.3 and len(parts[0][1].split()) <= 2


def clauses(paragraph: str) -> list[tuple[str, str]]:
    """Cut a paragraph into `("math", formula)` and `("text", words)`, in pieces that fit a narrow page.

    >>> clauses("z = μ + σ ε, for any μ")
    [('math', 'z = μ + σ ε'), ('text', ', for any '), ('math', 'μ')]
    """
    tokens = TOKEN.findall(" ".join(paragraph.split()))
    remarks = _remarks(tokens)
    parts, depth = [], 0
    for i, token in enumerate(tokens):
        depth -= token in ")]}" and i not in remarks
        stop = token in ",;:." and (tokens[i + 1 :] or [" "])[0].isspace()
        text = token[0] == "`" or i in remarks or stop or _is_text(tokens, i)
        kind, before = "text" if text and depth == 0 else "math", parts[-1] if parts else ("", "")
        ends = kind != before[0] or (depth == 0 and _ends(before[1], token))
        if not parts or (ends and not token.isspace()):
            parts.append((kind, ""))
        parts[-1] = (parts[-1][0], parts[-1][1] + token)
        depth += token in "([{" and i not in remarks
    return parts


def _remarks(tokens: list[str]) -> set[int]:
    """Where the brackets stand that hold words of English, two in a row, or code."""
    found, open_ = set(), []
    for i, token in enumerate(tokens):
        if token in "([{":
            open_.append(i)
        elif token in ")]}" and open_:
            start = open_.pop()
            inside = "".join(tokens[start:i])
            worded = "`" in inside or any(
                _is_word(tokens, j) and re.match(r" [A-Za-z]{2}", "".join(tokens[j + 1 : i]))
                for j in range(start, i)
            )
            if worded and (start == 0 or tokens[start - 1].isspace()):
                found |= {start, i}
    return found


def _is_text(tokens: list[str], i: int) -> bool:
    """Whether a token is a word beside no operator: in `loss = −log p` the word is a name."""
    beside = re.search(rf"[{RELATIONS}+−/·⊙^_]\s*$", "".join(tokens[:i]))
    beside = beside or re.match(rf"\s*([{RELATIONS}/·⊙^_]|[+−]\s)", "".join(tokens[i + 1 :]))
    return _is_word(tokens, i) and not beside


def _is_word(tokens: list[str], i: int) -> bool:
    """Whether a token is a word of English and no name, function or differential."""
    word, after, following = (*tokens[i : i + 3], "", "", "")[:3]
    if not re.fullmatch(WORD, word):
        return False
    if word in "aA":
        return len(following) > 1 and following.isalpha()
    if word in FUNCTIONS:
        return after.isspace() and _is_word(tokens, i + 2)  # "the mean of", but not "mean w"
    return word[1:].islower() and after not in ("(", "[") and not is_name(word)


def _ends(formula: str, token: str) -> bool:
    """Whether a formula is long enough to let the line end before this relation, sum or difference."""
    whole = formula.count("‖") % 2 == formula.count("|") % 2 == 0 and formula.endswith(" ")
    return whole and len(formula) > (12 if token in RELATIONS else 32) and token in RELATIONS + "+−"


def equation(paragraph: str, scope: str) -> list[str]:
    """An equation with its words, as reStructuredText."""
    pieces, before = [], "text"
    for kind, part in clauses(paragraph):
        words, space = part.rstrip(), " " if part.endswith(" ") else r"\ "
        if kind == "text" and before == "math" and words[0] in ",;:.":  # no line begins with a comma
            pieces[-2] = rf"{pieces[-2][:-1]}\text{{{words[0]}}}`"
            pieces[-1], words = (" ", words[1:].lstrip())
        left = ""
        if kind == before == "math":  # a line may end here; the sign has a left side there, and its own space
            left, pieces[-1] = "{}", "\\ \u200b\\ "
        if words:
            formula = rf":math:`\displaystyle {left}{latex(words)}`" if kind == "math" else None
            pieces += [formula or prose(words, scope), space]
        before = kind
    return [".. rst-class:: equation", "", "".join(pieces).strip().removesuffix("\\"), ""]


def prose(text: str, scope: str) -> str:
    """Text as reStructuredText: code in backticks, of which public names become links, and formulas with scripts."""
    pieces = [r"\ "] if re.match(r"(\w|\d+)[.)](\s|$)", text) else []  # "D." is no list
    for kind, part in clauses(text):
        words, space = part.rstrip(), part[len(part.rstrip()) :]
        if kind == "math" and SCRIPT.search(words):
            pieces.append(rf"\ :math:`{latex(words)}`\ {space}")
            continue
        for piece in re.split(r"(`[^`]*`)", words):
            if not piece.startswith("`"):
                pieces.append(re.sub(r"([*|\\_])", r"\\\1", piece))
            elif target := public(piece.strip("`"), scope):
                pieces.append(rf":py:obj:`{piece[1:-1]} <{target}>`\ ")
            else:
                pieces.append(rf"`{piece}`\ ")
        pieces.append(space)
    return "".join(pieces)


def public(name: str, scope: str) -> str | None:
    """The full name of a public function, class or value that is called `name` in a module or a package above it."""
    if not re.fullmatch(r"[A-Za-z][\w.]*", name):
        return None
    above = accumulate(scope.split("."), "{}.{}".format)
    for full in [name] if name.startswith("genjax.") else [f"{module}.{name}" for module in above][::-1]:
        module, _, attribute = full.rpartition(".")
        try:
            home = importlib.import_module(module)
        except ImportError:
            continue
        if attribute in getattr(home, "__all__", ()) and not inspect.ismodule(getattr(home, attribute)):
            return full
    return None


def document(docstring: str, scope: str, obj: Any = None) -> list[str]:
    """A docstring as lines of reStructuredText."""
    first, *blocks = re.split(r"\n\s*\n", docstring.strip())
    lines = [prose(first, scope), ""]
    for block in blocks:
        head, _, body = block.partition("\n")
        if head.rstrip(":") in FIELDS and head.endswith(":"):
            lines += [*fields(FIELDS[head[:-1]], body, scope, obj), ""]
        elif block.startswith(">>>"):
            lines += [*block.splitlines(), ""]
        elif block.startswith("|") and "\n|---" in block:
            lines += [*table(block, scope), ""]
        elif is_equation(block) and not block.startswith(("Source", "- ")):
            lines += equation(block, scope)
        else:
            lines += [re.sub(r"^(Sources?):", r"*\1:*", prose(block, scope)), ""]
    return lines


def fields(kind: str, body: str, scope: str, obj: Any) -> list[str]:
    """A list of arguments, results or errors."""
    text = dedent(body)
    if kind in ("returns", "yields"):
        return [f":{kind}: {prose(' '.join(text.split()), scope)}"]
    lines = []
    for item in re.split(r"\n(?=\S)", text):
        name, _, meaning = " ".join(item.split()).partition(": ")
        lines.append(f":{kind} {name}: {prose(meaning, scope)}".replace(f"{kind} *", rf"{kind} \*"))
        if kind == "param" and (shape := array(obj, name)):
            lines.append(f":type {name}: ``{shape}``")
    return lines


def array(obj: Any, name: str) -> str | None:
    """The dtype and shape of an array argument: `Float[*event]`."""
    annotation = getattr(obj, "__annotations__", {}).get(name)
    match = re.search(r"(\w+)\[[\w.]*Array, '(.+?)'\]", str(annotation))
    return (
        f"{match[1]}[{match[2]}]"
        if match and match[1] in ("Float", "Int", "Bool", "Num", "Integer")
        else None
    )


def table(block: str, scope: str) -> list[str]:
    """A table of Markdown."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in block.splitlines():
        if not row.startswith("|---"):
            cells = [prose(cell.strip(), scope) for cell in row.strip("| ").split("|")]
            lines += [f"   {'  ' if i else '* '}- {cell}" for i, cell in enumerate(cells)]
    return lines
