"""The one form of a benchmark's result: a JSON object on a line of its own."""

import json


def emit(
    benchmark: str, case: str, metric: str, value: float, unit: str, *, ratio: float | None = None, against: str = ""
) -> None:
    """Print one result; ``ratio`` is this way's figure over that of ``against``, measured in the same run."""
    row: dict[str, object] = {"benchmark": benchmark, "case": case, "metric": metric, "value": value, "unit": unit}
    if ratio is not None:
        row |= {"ratio": round(ratio, 3), "against": against}
    print(json.dumps(row, ensure_ascii=False), flush=True)
