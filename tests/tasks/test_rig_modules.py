"""The modules that ask, look and write: weights, notes, disk, instrument, ready signal."""

import json
import os
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.operator import NoAnswer
from opticstream.rig.modules import ModuleFailed, describe, find_module
from opticstream.tasks.modules import ready_signal
from opticstream.tasks.modules.editor import RECORD, close_editor, usual_editor
from opticstream.tasks.modules.session_text import append_line, read_session_text
from support.pipeline import Desk, module_context, run_module
from support.waiting import PATIENCE_S


def _session(root: Path) -> Path:
    return next(path.parent for path in root.glob("*/launcher_metadata"))


class TestWeight:
    def test_rows_are_added_in_the_session_folder(self, tmp_path: Path) -> None:
        before = run_module(tmp_path, "mouse_weight_pre_prompt", Desk({"mouse_weight_pre_g": "24,5 g"}))
        after = run_module(tmp_path, "mouse_weight_post_prompt", Desk({"mouse_weight_post_g": 24}))
        lines = (_session(tmp_path) / "mouse_weight.csv").read_text().splitlines()
        assert lines[0] == "timestamp,stage,weight_g" and len(lines) == 3
        assert [line.split(",")[1:] for line in lines[1:]] == [["pre", "24.5"], ["post", "24"]]
        assert lines[1].split(",")[0].endswith("+00:00") and not list(tmp_path.glob("*.csv"))
        assert before.values == {"mouse_weight_g": 24.5} and after.experiment_data == {"mouse_weight_post_g": 24}

    def test_a_parameter_answers(self, tmp_path: Path) -> None:
        desk = Desk()
        assert run_module(tmp_path, "mouse_weight_pre_prompt", desk, mouse_weight_pre_g=30).success
        assert not desk.asked

    @pytest.mark.parametrize("weight", [4.9, 101, "heavy"])
    def test_what_no_mouse_weighs(self, tmp_path: Path, weight: Any) -> None:
        with pytest.raises(ModuleFailed, match=r"from 5 up to 100 \(g\)"):
            run_module(tmp_path, "mouse_weight_pre_prompt", mouse_weight_pre_g=weight)
        assert not (_session(tmp_path) / "mouse_weight.csv").exists()

    def test_nobody_there(self, tmp_path: Path) -> None:
        with pytest.raises(ModuleFailed, match="mouse_weight_pre_g") as caught:
            run_module(tmp_path, "mouse_weight_pre_prompt")
        assert isinstance(caught.value.__cause__, NoAnswer)

    def test_another_table_of_that_name_is_left_alone(self, tmp_path: Path) -> None:
        file = module_context(tmp_path).session_folder / "mouse_weight.csv"
        file.write_text("date,weight\n")
        with pytest.raises(ModuleFailed, match="first line 'date,weight'"):
            run_module(tmp_path, "mouse_weight_pre_prompt", mouse_weight_pre_g=30)
        assert file.read_text() == "date,weight\n"

    def test_a_range_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(ModuleFailed, match="mouse_weight_minimum_g must be below"):
            run_module(tmp_path, "mouse_weight_pre_prompt", mouse_weight_minimum_g=200)


class TestDisk:
    def test_enough(self, tmp_path: Path) -> None:
        desk = Desk()
        result = run_module(tmp_path, "disk_space_check", desk, required_free_gb=0.001)
        assert result.success and "GiB free" in result.message and not desk.asked

    def test_too_little(self, tmp_path: Path) -> None:
        desk = Desk()
        with pytest.raises(ModuleFailed, match=r"at least 1e\+07 GiB"):
            run_module(tmp_path, "disk_space_check", desk, required_free_gb=1e7, allow_override=True)
        assert [question.key for question in desk.asked] == ["disk_space_freed", "disk_space_override"]
        with pytest.raises(ModuleFailed, match="at least"):
            run_module(tmp_path, "disk_space_check", Desk({"disk_space_freed": True}), required_free_gb=1e7)

    def test_room_is_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage(tmp_path)
        sizes = iter([usage._replace(free=2**30), usage._replace(free=30 * 2**30)])
        monkeypatch.setattr(shutil, "disk_usage", lambda path: next(sizes))
        result = run_module(tmp_path, "disk_space_check", Desk({"disk_space_freed": "y"}), required_free_gb=10)
        assert result.success and result.message.startswith("30.0 GiB")

    def test_the_operator_may_go_on_where_that_is_allowed(self, tmp_path: Path) -> None:
        desk = Desk({"disk_space_override": "yes"})
        parameters = {"required_free_gb": 1e7, "prompt_to_free_space": False}
        assert run_module(tmp_path, "disk_space_check", desk, allow_override=True, **parameters).success
        with pytest.raises(ModuleFailed):
            run_module(tmp_path, "disk_space_check", desk, **parameters)

    @pytest.mark.parametrize("parameters", [{}, {"required_free_gb": 0}, {"required_free_gb": True}])
    def test_bad_parameters(self, tmp_path: Path, parameters: dict[str, Any]) -> None:
        with pytest.raises(ModuleFailed, match="required_free_gb"):
            run_module(tmp_path, "disk_space_check", **parameters)

    def test_no_such_disk(self, tmp_path: Path) -> None:
        with pytest.raises(ModuleFailed, match="disk_space_check_path"):
            run_module(tmp_path, "disk_space_check", required_free_gb=1, disk_space_check_path=str(tmp_path / "none"))


def test_wait_for_user_input(tmp_path: Path) -> None:
    desk = Desk({"wait_for_user_input": ["", "late"]})
    assert run_module(tmp_path, "wait_for_user_input", desk, prompt="Lick spout in place?").success
    assert "Lick spout" in desk.asked[0].text
    assert run_module(tmp_path, "wait_for_user_input", desk).message == "answered: late"
    assert run_module(tmp_path, "wait_for_user_input").success
    assert run_module(
        tmp_path, "wait_for_user_input", Desk({"wait_for_user_input": "y"}), fail_if_no_input=True
    ).success
    with pytest.raises(ModuleFailed, match="found no; expected yes"):
        run_module(tmp_path, "wait_for_user_input", Desk({"wait_for_user_input": "n"}), fail_if_no_input=True)
    with pytest.raises(ModuleFailed, match="wait_for_user_input"):
        run_module(tmp_path, "wait_for_user_input", fail_if_no_input=True)


def test_nobody_answering_in_time_only_warns(tmp_path: Path) -> None:
    class Late(Desk):
        def ask(self, *_: Any, **__: Any) -> Any:
            raise NoAnswer("wait_for_user_input", found="nothing within 1 s")

    assert run_module(tmp_path, "wait_for_user_input", Late()).message == "nobody answered"


class TestNotes:
    def test_the_editor_runs_beside_the_session_and_is_closed(self, tmp_path: Path) -> None:
        editor = tmp_path / "editor.py"
        editor.write_text("import sys, time\nopen(sys.argv[1] + '.open', 'w').close()\ntime.sleep(600)\n")
        result = run_module(
            tmp_path,
            "experiment_notes_editor",
            experiment_notes_editor_command=sys.executable,
            experiment_notes_editor_args=[str(editor)],
        )
        notes = _session(tmp_path) / "experiment_notes.txt"
        record = json.loads((_session(tmp_path) / "launcher_metadata" / RECORD).read_text())
        process = psutil.Process(record["pid"])
        assert process.is_running() and str(record["pid"]) in result.message
        assert notes.read_text().startswith("# Experiment Notes\n# Created: 20")
        with notes.open("a") as handle:
            handle.write("saw a spike")  # as editors do: no last line end
        run_module(tmp_path, "experiment_notes_post_prompt", Desk({"experiment_notes_post": "all good"}))
        desk = Desk({"experiment_notes_confirmed": ["no", "yes"]})
        final = run_module(tmp_path, "experiment_notes_finalize", desk)
        assert "saw a spike\n[20" in desk.told[0] and len(desk.told) == 1  # nothing changed between the two questions
        assert final.experiment_data["experiment_notes"].endswith("] all good\n") and "editor closed" in final.message
        assert final.experiment_data["experiment_notes_confirmed"] is True
        process.wait(PATIENCE_S)
        assert close_editor(_session(tmp_path) / "launcher_metadata" / RECORD) == ""

    def test_a_process_that_took_over_the_pid_is_left_alone(self, tmp_path: Path) -> None:
        record = tmp_path / "record.json"
        record.write_text(json.dumps({"pid": os.getpid(), "birth": "another life", "command": []}))
        assert close_editor(record) == ""
        record.write_text("{")
        assert close_editor(record) == "" and close_editor(tmp_path / "none") == ""

    def test_an_editor_that_is_named_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(ModuleFailed, match="experiment_notes_editor_command: found no-such-editor"):
            run_module(tmp_path, "experiment_notes_editor", experiment_notes_editor_command="no-such-editor")
        assert run_module(tmp_path, "experiment_notes_editor", experiment_notes_launch_editor=False).success

    def test_without_a_screen_there_is_only_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert "no editor here" in run_module(tmp_path, "experiment_notes_editor").message
        notes = _session(tmp_path) / "experiment_notes.txt"
        text = notes.read_text()
        run_module(tmp_path, "experiment_notes_editor")
        assert notes.read_text() == text

    @pytest.mark.skipif(sys.platform != "linux", reason="which editor: by platform")
    def test_editors_that_need_the_terminal_are_not_taken(self) -> None:
        program = Path(sys.executable).name
        found = usual_editor({"DISPLAY": ":0", "VISUAL": "vim", "EDITOR": f"{sys.executable} -w"})
        assert found and found[1:] == ["-w"] and Path(found[0]).name == program
        assert usual_editor({"DISPLAY": ":0", "VISUAL": "vim", "EDITOR": "nano"}) in (None, ["xdg-open"])
        assert usual_editor({"EDITOR": sys.executable}) is None

    def test_a_name_outside_the_session_is_refused(self, tmp_path: Path) -> None:
        for name in ("../notes.txt", "a/../../notes.txt"):
            with pytest.raises(ModuleFailed, match="inside the session folder"):
                run_module(tmp_path, "experiment_notes_editor", experiment_notes_filename=name)

    def test_nothing_to_note(self, tmp_path: Path) -> None:
        assert run_module(tmp_path, "experiment_notes_post_prompt").message == "nothing noted"
        assert not (_session(tmp_path) / "experiment_notes.txt").exists()

    def test_confirmation(self, tmp_path: Path) -> None:
        desk = Desk({"experiment_notes_confirmed": [False, False]})
        with pytest.raises(ModuleFailed, match="no, 2 times"):
            run_module(tmp_path, "experiment_notes_finalize", desk, experiment_notes_confirm_max_attempts=2)
        assert desk.told == ["There are no notes."]
        result = run_module(
            tmp_path,
            "experiment_notes_finalize",
            Desk({"experiment_notes_confirmed": False}),
            experiment_notes_allow_no=True,
        )
        assert result.experiment_data["experiment_notes_confirmed"] is False
        assert run_module(tmp_path, "experiment_notes_finalize").success  # nobody there: a blank answer is yes

    def test_a_long_preview_is_cut(self, tmp_path: Path) -> None:
        (module_context(tmp_path).session_folder / "experiment_notes.txt").write_text("0123456789")
        desk = Desk()
        run_module(tmp_path, "experiment_notes_finalize", desk, experiment_notes_preview_limit=4)
        assert desk.told == ["0123\n… 6 more characters"]

    def test_encodings(self, tmp_path: Path) -> None:
        for encoding in ("utf-16", "utf-8-sig", "cp1252"):
            file = tmp_path / encoding
            append_line(file, "eins ä", header="# Kopf", encoding=encoding)
            append_line(file, "zwei", encoding=encoding)
            assert read_session_text(file, encoding) == "# Kopf\neins ä\nzwei\n"
            assert file.read_bytes().decode(encoding).count("\ufeff") == 0
        with pytest.raises(BadInput, match="no-such"):
            append_line(tmp_path / "x", "a", encoding="no-such")
        with pytest.raises(BadFile, match="ascii"):
            append_line(tmp_path / "x", "ä", encoding="ascii")
        assert not (tmp_path / "x").exists()


@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_what_is_in_a_file_stays(before: bytes, line: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "notes.txt")
        file.write_bytes(before)
        append_line(file, line, header="head")
        after = file.read_bytes()
        assert after.startswith(before) and after.endswith(line.encode() + b"\n")
        between = after[len(before) : -len(line.encode()) - 1]
        assert between == (b"head\n" if not before else b"" if before.endswith(b"\n") else b"\n")


class TestInstrument:
    def _write(self, path: Path, text: str, age_s: float = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        moment = time.time() - age_s
        os.utime(path, (moment, moment))
        return path

    def test_the_newest_is_taken_after_a_question(self, tmp_path: Path) -> None:
        root = tmp_path / "rig"
        self._write(root / "instrument.json", '{"a": "old"}', 100)
        new = self._write(root / "deep" / "er" / "instrument.json", '{"a": "new"}', 10)
        parameters = {"instrument_json_source_root": str(root)}
        desk = Desk({"instrument_json_confirmed": "y"})
        result = run_module(tmp_path, "instrument_json_fetch", desk, **parameters)
        assert str(new) in desk.asked[0].text and result.experiment_data["instrument_json_source"] == str(new)
        assert (_session(tmp_path) / "instrument.json").read_bytes() == new.read_bytes()
        run_module(tmp_path, "instrument_json_fetch", **parameters, instrument_json_recursive=False, assume_yes=True)
        assert "old" in (_session(tmp_path) / "instrument.json").read_text()
        with pytest.raises(ModuleFailed, match="found no"):
            run_module(tmp_path, "instrument_json_fetch", Desk({"instrument_json_confirmed": "n"}), **parameters)

    def test_a_given_file_under_another_name(self, tmp_path: Path) -> None:
        file = self._write(tmp_path / "x.json", "{}")
        names = {"instrument_json_source_path": str(file), "instrument_json_destination_name": "rig.json"}
        run_module(tmp_path, "instrument_json_fetch", assume_yes=True, **names)
        assert (_session(tmp_path) / "rig.json").read_text() == "{}"

    def test_none_and_broken(self, tmp_path: Path) -> None:
        parameters = {"instrument_json_source_root": str(tmp_path / "none"), "assume_yes": True}
        with pytest.raises(ModuleFailed, match="instrument_json_source_root"):
            run_module(tmp_path, "instrument_json_fetch", **parameters)
        assert run_module(tmp_path, "instrument_json_fetch", **parameters, instrument_json_required=False).success
        self._write(tmp_path / "none" / "instrument.json", "{broken")
        with pytest.raises(ModuleFailed, match="line 1, column 2"):
            run_module(tmp_path, "instrument_json_fetch", **parameters)
        assert not (_session(tmp_path) / "instrument.json").exists()


class TestReadySignal:
    def _port(self) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return int(free.getsockname()[1])

    def test_a_waiter_that_connects_late_gets_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        port, results = self._port(), []
        end = time.monotonic() + PATIENCE_S

        def now() -> float:
            """Stand still until all have got it."""
            return 3600.0 if len(results) == 2 or time.monotonic() > end else 0.0

        monkeypatch.setattr(ready_signal, "time", SimpleNamespace(monotonic=now, sleep=time.sleep))

        def wait() -> None:
            address = f"tcp://127.0.0.1:{port}"
            results.append(
                run_module(
                    tmp_path / "w",
                    "zmq_ready_waiter",
                    zmq_ready_waiter_address=address,
                    zmq_ready_waiter_timeout=PATIENCE_S,
                )
            )

        waiters = [threading.Thread(target=wait) for _ in range(2)]
        address = f"tcp://127.0.0.1:{port}"
        waiters[0].start()
        starter = threading.Timer(0.3, waiters[1].start)
        starter.start()
        sent = run_module(
            tmp_path / "p", "zmq_ready_publisher", zmq_ready_publisher_address=address, zmq_ready_publisher_wait=2
        )
        starter.join()
        for waiter in waiters:
            waiter.join(2 * PATIENCE_S)
        assert sent.success and [result.success for result in results] == [True, True]

    def test_other_messages_and_silence_time_out(self, tmp_path: Path) -> None:
        with zmq.Context() as context, context.socket(zmq.PUB) as other:
            port = other.bind_to_random_port("tcp://127.0.0.1")
            stop = threading.Event()

            def talk() -> None:
                while not stop.wait(0.02):
                    other.send(b"something else \xff")

            thread = threading.Thread(target=talk)
            thread.start()
            try:
                with pytest.raises(ModuleFailed, match=r"no 'pre_acquisition_ready' from .* within 0\.4 s"):
                    run_module(
                        tmp_path,
                        "zmq_ready_waiter",
                        zmq_ready_waiter_address=f"tcp://127.0.0.1:{port}",
                        zmq_ready_waiter_timeout=0.4,
                    )
            finally:
                stop.set()
                thread.join()

    def test_addresses_that_are_none_or_taken(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            for bad in (address, "nonsense"):
                with pytest.raises(ModuleFailed, match="zmq_ready_publisher_address"):
                    run_module(tmp_path, "zmq_ready_publisher", zmq_ready_publisher_address=bad)
        with pytest.raises(ModuleFailed, match="zmq_ready_waiter_address"):
            run_module(tmp_path, "zmq_ready_waiter", zmq_ready_waiter_address="tcp://")

    def test_the_documented_defaults(self) -> None:
        rows = {
            one.name: one.default
            for name in ("zmq_ready_publisher", "zmq_ready_waiter")
            for one in describe(find_module("pre_acquisition", name)).parameters
        }
        assert rows["zmq_ready_publisher_wait"] == "0.5" and rows["zmq_ready_waiter_timeout"] == "10"
        assert "5555" in rows["zmq_ready_publisher_address"] and "5555" in rows["zmq_ready_waiter_address"]


def test_examples_run(tmp_path: Path) -> None:
    assert run_module(tmp_path, "example_pre_acquisition_module", example_message="Hi").values == {"example_value": 2}
    assert run_module(tmp_path, "example_post_acquisition_module").success
