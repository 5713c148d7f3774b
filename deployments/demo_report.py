"""The demo's HTML report: one file, pictures inside, readable without a network."""

import base64
from collections import Counter
from html import escape
from pathlib import Path

from opticstream.core.files import write_text
from opticstream.deployments.demo import DemoResult

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
    kinds = Counter(product.stem.rpartition("_")[2] for product in result.products)
    size = sum(product.stat().st_size for product in result.products) / 1e6
    batches = "".join(
        f"<tr><td>{escape(key)}</td><td class=n>{seconds:.1f}</td></tr>" for key, seconds in result.seconds.items()
    )
    products = "".join(f"<tr><td>{escape(kind)}</td><td class=n>{number}</td></tr>" for kind, number in kinds.items())
    pictures = "".join(_picture(picture) for picture in result.pictures)
    write_text(
        path,
        f"<!doctype html><html lang=en><meta charset=utf-8><title>opticstream demo</title><style>{_STYLE}</style>"
        f"<h1>opticstream demo: PS-OCT</h1><p>{len(result.seconds)} batches, {len(result.products)} NIfTI files "
        f"({size:.0f} MB) in {total_s:.0f} s, {result.failed} failed. Prefect UI: <code>{escape(result.ui_url)}</code></p>"
        f"<h2>Batches</h2><table><tr><th>batch</th><th>seconds</th></tr>{batches}</table>"
        f"<h2>Products</h2><table><tr><th>modality</th><th>files</th></tr>{products}</table>"
        f"<h2>Enface maps</h2>{pictures}</html>\n",
    )


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"<h3>{escape(path.stem)}</h3><img alt='{escape(path.stem)}' src='data:image/png;base64,{data}'>"
