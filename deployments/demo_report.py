"""The demo's HTML report: one file, pictures inside, readable without a network."""

import base64
from html import escape
from pathlib import Path

from opticstream.core.files import write_text
from opticstream.deployments.demo import DemoResult
from opticstream.deployments.demo_stage import DemoPart

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
h1{font-size:1.7rem;margin-bottom:.2rem} table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.3rem .9rem;border-bottom:1px solid #d8dee6;text-align:left} td.n{text-align:right}
img{max-width:100%;border-radius:6px;margin:.4rem 0 1.4rem} code{background:#eef2f6;padding:.1rem .3rem;border-radius:3px}
"""


def write_report(path: Path, result: DemoResult, total_s: float) -> None:
    """Write the report.

    Args:
        path: HTML file, replaced as a whole.
        result: what the demo made.
        total_s: seconds the demo took, server start included.
    """
    parts = "".join(_part(part) for part in result.parts)
    write_text(
        path,
        f"<!doctype html><html lang=en><meta charset=utf-8><title>opticstream demo</title><style>{_STYLE}</style>"
        f"<h1>opticstream demo</h1><p>{len(result.parts)} rigs in {total_s:.0f} s. Prefect UI: "
        f"<code>{escape(result.ui_url)}</code></p>{parts}</html>\n",
    )


def _part(part: DemoPart) -> str:
    rows = "".join(
        f"<tr><td>{escape(key)}</td><td class=n>{seconds:.1f}</td></tr>" for key, seconds in part.seconds.items()
    )
    products = "".join(
        f"<tr><td>{escape(kind)}</td><td class=n>{number}</td><td class=n>{size / 1e6:.1f}</td></tr>"
        for kind, number, size in product_table(part)
    )
    pictures = "".join(_picture(picture) for picture in part.pictures)
    return (
        f"<h2>{escape(part.title)}</h2><p>{len(part.seconds)} {escape(part.noun)}, {len(part.products)} products, "
        f"{part.failed} failed.</p>"
        f"<table><tr><th>{escape(part.noun)}</th><th>seconds</th></tr>{rows}</table>"
        f"<table><tr><th>product</th><th>number</th><th>MB</th></tr>{products}</table>{pictures}"
    )


def product_table(part: DemoPart) -> list[tuple[str, int, int]]:
    """Return each kind of product with its number and bytes."""
    table: dict[str, tuple[int, int]] = {}
    for path in part.products:
        number, size = table.get(part.kind_of(path), (0, 0))
        table[part.kind_of(path)] = number + 1, size + part.size_of(path)
    return [(kind, number, size) for kind, (number, size) in table.items()]


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"<h3>{escape(path.stem)}</h3><img alt='{escape(path.stem)}' src='data:image/png;base64,{data}'>"
