"""One self-contained page a run, with the entries of a fair evaluation."""

import base64
from typing import Any

import jinja2

from genjax.training.run import RunFolder

__all__ = ["write_report"]


def write_report(
    run: RunFolder, *, title: str, sections: list[dict[str, Any]], figures: dict[str, str]
) -> None:
    """Write `report.html`.

    Args:
        run: the folder.
        title: the page's title.
        sections: each with `heading`, `text` and `rows`, a list of (name, value) pairs.
        figures: file name in the folder to caption; the pictures are put into the page itself.
    """
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("genjax.training", "templates"), autoescape=True
    ).get_template("report.html")
    pictures = [
        {"caption": caption, "data": base64.b64encode((run.path / name).read_bytes()).decode()}
        for name, caption in figures.items()
    ]
    run.write_text("report.html", template.render(title=title, sections=sections, pictures=pictures))
