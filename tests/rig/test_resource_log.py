"""Samples of a real acquisition, the file they go to, and the picture of it."""

import json
import os
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from opticstream.core.errors import BadFile, BadInput
from opticstream.rig.engine import ProcessEngine
from opticstream.rig.json_array_file import JsonArrayFile
from opticstream.rig.resource_log import ResourceLog
from opticstream.rig.resource_plot import draw_resources, write_resource_plot
from support.acquisition import into, script_command, until

BUSY = """
    import os, time
    if os.fork() == 0:
        x = bytearray(50_000_000)
        end = time.monotonic() + 600
        print("on")
        while time.monotonic() < end: pass
    time.sleep(600)
"""


def test_the_whole_acquisition_is_measured(tmp_path: Path) -> None:
    """The predecessor's log never had it: it was told of the process after that had ended."""
    lines: list[str] = []
    with ResourceLog(tmp_path, 0.05) as log:
        running = ProcessEngine(script_command(BUSY), on_line=into(lines)).start()
        try:
            until(lambda: lines, running)
            log.acquisition = running.tree.members
            until(
                lambda: len(found := _busy(log.path)) >= 3 and max(each["cpu_percent"] or 0 for each in found) > 10,
                running,
            )
            log.acquisition = None
            until(lambda: _samples(log.path)[-1:] and not _samples(log.path)[-1]["acquisition"], running)
        finally:
            running.stop("enough", 0)
    samples = json.loads(log.path.read_text())
    busy = _busy(log.path)
    assert all(each["processes"] == 2 for each in busy)
    assert max(each["memory_mb"] for each in busy) > 50
    assert max(each["cpu_percent"] or 0 for each in busy) > 10
    assert samples[0]["acquisition"] is None and samples[-1]["acquisition"] is None
    last = samples[-1]
    assert last["launcher"]["memory_mb"] > 5
    assert set(last["system"]) == {"cpu_percent", "memory", "disk", "io", "disks"}
    assert set(last["system"]["memory"]) == {"percent", "used_mb", "available_mb"}
    assert last["system"]["disk"]["free_gb"] > 0
    keys = {"device", "mountpoint", "fstype", "percent", "free_gb", "total_gb", "read_bps", "write_bps"}
    assert all(set(disk) == keys for disk in last["system"]["disks"])
    times = [datetime.fromisoformat(sample["timestamp"]) for sample in samples]
    assert times == sorted(times) and times[0].tzinfo is not None


def _busy(path: Path) -> list[dict[str, Any]]:
    return [sample["acquisition"] for sample in _samples(path) if sample["acquisition"]]


def _samples(path: Path) -> list[Any]:
    """Return the samples; none while one is being written."""
    with suppress(json.JSONDecodeError):
        return list(json.loads(path.read_text()))
    return []


def test_disk_rates_are_seen(tmp_path: Path) -> None:
    """The predecessor's were always null here."""
    with ResourceLog(tmp_path, 60) as log:
        with (tmp_path / "data").open("wb") as file:
            file.write(os.urandom(20_000_000))
            os.fsync(file.fileno())
    first, last = json.loads(log.path.read_text())
    assert first["system"]["io"]["write_bps"] is None
    if last["system"]["io"]["write_bps"] is not None:  # a machine may count no disks at all
        assert last["system"]["io"]["write_bps"] > 0


def test_the_end_does_not_wait_for_the_interval(tmp_path: Path) -> None:
    """The predecessor's sampler cost 2 s at each end."""
    with ResourceLog(tmp_path, 3600) as log:
        began = time.monotonic()
    assert time.monotonic() - began < 100
    assert len(json.loads(log.path.read_text())) == 2


def test_zero_is_off(tmp_path: Path) -> None:
    with ResourceLog(tmp_path, 0) as log:
        pass
    assert not log.path.exists()


@pytest.mark.parametrize("interval", [-1.0, float("nan"), float("inf")])
def test_an_interval_that_is_none_is_refused(tmp_path: Path, interval: float) -> None:
    with pytest.raises(BadInput, match="resource_log_interval"):
        ResourceLog(tmp_path, interval)


@pytest.mark.skipif(os.name == "nt", reason="the limit of a file's size is one of POSIX")
def test_a_disk_that_refuses_is_one_warning(tmp_path: Path) -> None:
    """In a process of its own, whose files may grow to 20 kB and later to more."""
    code = """
        import json, logging, resource, signal, sys, time
        from pathlib import Path
        from opticstream.rig.resource_log import ResourceLog
        logging.basicConfig(stream=sys.stdout)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        said = []
        logging.getLogger("opticstream.rig").addFilter(lambda record: said.append(record) or True)
        def read():
            try: return len(json.loads(log.path.read_text()))
            except ValueError: return 0  # one is being written
        with ResourceLog(Path(sys.argv[1]), 0.005) as log:
            while not said: time.sleep(0.01)
            time.sleep(0.1)
            full = read()
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            while read() < full + 3: time.sleep(0.01)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.count("no sample was written (") == 1, done.stdout
    assert "File too large" in done.stdout
    json.loads((tmp_path / "resource_usage.json").read_text())


ENTRIES = st.lists(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none(), st.lists(st.booleans()))))


@given(ENTRIES, ENTRIES)
def test_the_array_is_valid_after_each_entry(
    tmp_path_factory: pytest.TempPathFactory, one: list[Any], two: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("array") / "array.json"
    done: list[Any] = []
    for part in (one, two):  # the second time it goes on where the first ended
        file = JsonArrayFile(path)
        assert json.loads(path.read_text("utf-8")) == done
        for entry in part:
            file.append(entry)
            done.append(entry)
            assert json.loads(path.read_text("utf-8")) == done
        file.close()


def test_an_entry_costs_the_same_however_long_the_file_is(tmp_path: Path) -> None:
    """Counted, not timed: bytes that are written for one entry."""
    file = JsonArrayFile(tmp_path / "array.json")
    written: list[int] = []
    real = file._write
    file._write = lambda at, data: (written.append(len(data)), real(at, data))[1]  # type: ignore[method-assign]
    for _ in range(20_000):
        file.append({"value": 12345, "text": "x" * 50})
    file.close()
    assert len(json.loads((tmp_path / "array.json").read_text())) == 20_000
    assert len(written) == 20_000 and max(written) - min(written) <= 1


@pytest.mark.parametrize("content", [b"{}", b"[1, 2", b"hello"])
def test_what_is_no_array_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "resource_usage.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match="no closing bracket"):
        ResourceLog(tmp_path, 5).__enter__()
    assert path.read_bytes() == content


def _sample(second: float, **more: Any) -> dict[str, Any]:
    when = datetime(2026, 5, 1, 10, tzinfo=UTC) + timedelta(seconds=second)
    return {"timestamp": when.isoformat(), "launcher": {"cpu_percent": second, "memory_mb": 100}, **more}


def test_the_picture_has_the_curves() -> None:
    drawn = draw_resources([_sample(second) for second in range(0, 3600, 5)])
    assert drawn is not None
    picture = Image.open(BytesIO(drawn)).convert("RGB")
    assert picture.size[0] == 1000
    green = [(x, y) for x in range(84, 976) for y in range(70, 220) if _is_green(picture.getpixel((x, y)))]
    assert len({x for x, _ in green}) > 850, "the launcher's curve runs through the whole width"
    left = [y for x, y in green if x < 100]
    right = [y for x, y in green if x > 900]
    assert min(left) > max(right), "it rises"


def _is_green(colour: Any) -> bool:
    return bool(abs(colour[0] - 34) < 40 and abs(colour[1] - 139) < 40 and abs(colour[2] - 87) < 40)


JUNK = st.recursive(st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5)), lambda inner: st.one_of(
    st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["timestamp", "system", "launcher", "cpu_percent"]), inner)
), max_leaves=6)  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(st.lists(JUNK, max_size=4))
def test_junk_among_the_samples_is_left_out(junk: list[Any]) -> None:
    samples = [_sample(0, system=None), *junk, _sample(60, acquisition={"cpu_percent": float("nan"), "memory_mb": 1e9})]
    drawn = draw_resources(samples)
    assert drawn is not None and drawn.startswith(b"\x89PNG")


def test_nothing_to_draw_is_no_picture(tmp_path: Path) -> None:
    log, picture = tmp_path / "resource_usage.json", tmp_path / "plot.png"
    with pytest.raises(BadFile, match="No such file"):
        write_resource_plot(log, picture)
    for content, error in (("x", "no JSON"), ("{}", "dict"), ("[]", "")):
        log.write_text(content)
        if error:
            with pytest.raises(BadFile, match=error):
                write_resource_plot(log, picture)
        else:
            assert not write_resource_plot(log, picture)
    assert not picture.exists()
    log.write_text(json.dumps([_sample(0), _sample(5)]))
    assert write_resource_plot(log, picture)
    with Image.open(picture) as image:
        assert image.format == "PNG"
