"""What the document on state persistence promises, with its own example classes."""

import json
import logging
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig.session_state import SessionStateMixin


class BaseLauncher(SessionStateMixin):
    """As much of a launcher as the document's examples need."""

    def __init__(self, param_file=None, rig_config_path=None):
        self.params = {"from": "file"}
        self.rig_config = {"rig_id": "r"}
        self.session_uuid = "first"
        self.subject_id, self.user_id = "mouse", "tester"
        self.output_session_folder = "/data/first"
        self.start_time, self.stop_time = datetime(2025, 1, 1, tzinfo=UTC), None
        self.process = None
        self.stdout_data = ["line"]
        self.logger = logging.getLogger("x")


class MyCustomLauncher(BaseLauncher):
    def __init__(self, param_file=None, rig_config_path=None):
        super().__init__(param_file, rig_config_path)
        self.experiment_phase = "initialization"
        self.trial_count = 0
        self.custom_settings = {"param1": "value1", "param2": 42}

    def create_process(self):
        pass


class ProtocolConfig:
    def __init__(self, gain=1):
        self.gain = gain

    def to_dict(self):
        return {"gain": self.gain}

    @classmethod
    def from_dict(cls, data):
        return cls(data["gain"])


class Event(ProtocolConfig):
    pass


class ExperimentTimeline:
    def __init__(self):
        self.events, self.start_time, self.duration = [], None, 0.0


class AdvancedCustomLauncher(BaseLauncher):
    def __init__(self, param_file=None, rig_config_path=None):
        super().__init__(param_file, rig_config_path)
        self.protocol_config = ProtocolConfig()
        self.experiment_timeline = ExperimentTimeline()
        self.register_state_handler(
            "protocol_config",
            serializer=lambda config: config.to_dict(),
            deserializer=lambda data: ProtocolConfig.from_dict(data),
        )
        self.register_state_handler(
            "experiment_timeline", serializer=self._serialize_timeline, deserializer=self._deserialize_timeline
        )

    def _serialize_timeline(self, timeline):
        return {
            "events": [event.to_dict() for event in timeline.events],
            "start_time": timeline.start_time.isoformat() if timeline.start_time else None,
            "duration": timeline.duration,
        }

    def _deserialize_timeline(self, data):
        timeline = ExperimentTimeline()
        timeline.events = [Event.from_dict(event) for event in data["events"]]
        timeline.start_time = datetime.fromisoformat(data["start_time"]) if data["start_time"] else None
        timeline.duration = data["duration"]
        return timeline


class SelectivePersistenceLauncher(BaseLauncher):
    def __init__(self, param_file=None, rig_config_path=None):
        super().__init__(param_file, rig_config_path)
        self.important_state = "save_this"
        self.temporary_data = "don't_save_this"

    def get_persistent_attributes(self):
        attrs = super().get_persistent_attributes()
        attrs.pop("temporary_data", None)
        attrs["important_state_backup"] = self.important_state
        return attrs

    def set_persistent_attributes(self, attrs):
        backup = attrs.pop("important_state_backup", None)
        super().set_persistent_attributes(attrs)
        if backup and not hasattr(self, "important_state"):
            self.important_state = backup


def attributes(folder):
    document = json.loads((Path(folder) / "session_state.json").read_text("utf-8"))
    (state,) = document["launcher_states"].values()
    return state["attributes"]


def test_the_documents_test_case():
    with tempfile.TemporaryDirectory() as tmpdir:
        launcher = MyCustomLauncher()
        launcher.experiment_phase = "data_collection"
        launcher.trial_count = 100
        launcher.custom_settings = {"modified": True}
        assert launcher.save_session_state(tmpdir)
        new_launcher = MyCustomLauncher()
        assert new_launcher.load_session_state(tmpdir)
        assert new_launcher.experiment_phase == "data_collection"
        assert new_launcher.trial_count == 100
        assert new_launcher.custom_settings == {"modified": True}


def test_the_file_is_the_documents(tmp_path):
    assert MyCustomLauncher().save_session_state(tmp_path)
    document = json.loads((tmp_path / "session_state.json").read_text("utf-8"))
    assert list(document) == ["version", "launcher_class", "launcher_module", "created_at", "launcher_states"]
    assert document["version"] == "1.0.0" and document["launcher_class"] == "MyCustomLauncher"
    assert document["launcher_module"] == MyCustomLauncher.__module__
    assert datetime.fromisoformat(document["created_at"]).utcoffset() == timedelta(0)
    (name,) = document["launcher_states"]
    assert name == f"{MyCustomLauncher.__module__}.MyCustomLauncher"
    assert document["launcher_states"][name]["attributes"] == {
        "experiment_phase": "initialization",
        "trial_count": 0,
        "custom_settings": {"param1": "value1", "param2": 42},
    }
    assert {path.name for path in tmp_path.iterdir()} == {"session_state.json", ".session_state.json.lock"}


def test_handlers(tmp_path):
    launcher = AdvancedCustomLauncher()
    launcher.protocol_config.gain = 7
    launcher.experiment_timeline.events = [Event(1), Event(2)]
    launcher.experiment_timeline.start_time = datetime(2025, 6, 23, 10, 30, tzinfo=UTC)
    assert launcher.save_session_state(tmp_path)
    new = AdvancedCustomLauncher()
    assert new.load_session_state(tmp_path)
    assert new.protocol_config.gain == 7
    assert [event.gain for event in new.experiment_timeline.events] == [1, 2]
    assert new.experiment_timeline.start_time == datetime(2025, 6, 23, 10, 30, tzinfo=UTC)


def test_overridden_hooks(tmp_path):
    launcher = SelectivePersistenceLauncher()
    launcher.important_state, launcher.temporary_data = "kept", "gone"
    assert launcher.save_session_state(tmp_path)
    assert attributes(tmp_path) == {"important_state": "kept", "important_state_backup": "kept"}
    new = SelectivePersistenceLauncher()
    assert new.load_session_state(tmp_path)
    assert (new.important_state, new.temporary_data) == ("kept", "don't_save_this")
    assert not hasattr(new, "important_state_backup")
    del new.important_state
    document = json.loads((tmp_path / "session_state.json").read_text("utf-8"))
    next(iter(document["launcher_states"].values()))["attributes"].pop("important_state")
    assert new.import_session_state(document) and new.important_state == "kept"


def test_what_belongs_to_one_run_is_neither_saved_nor_restored(tmp_path):
    launcher = MyCustomLauncher()
    launcher.register_state_handler("_hidden")
    launcher._hidden, launcher._private = {1: "one"}, "no"
    assert launcher.save_session_state(tmp_path)
    assert set(attributes(tmp_path)) == {"experiment_phase", "trial_count", "custom_settings", "_hidden"}
    document = launcher.export_session_state()
    (state,) = document["launcher_states"].values()
    state["attributes"] |= {"session_uuid": "x", "subject_id": "x", "_private": "x", "__class__": "x", "process": 1}
    state["attributes"] |= {"create_process": "x", "not a name": 1, "_state_handlers": {}, "never_persistent": []}
    new = MyCustomLauncher()
    new.register_state_handler("_hidden")
    assert new.import_session_state(document)
    assert (new.session_uuid, new.subject_id, new.process) == ("first", "mouse", None)
    assert new._hidden == {1: "one"} and not hasattr(new, "_private") and callable(new.create_process)
    assert not hasattr(new, "not a name") and isinstance(new, MyCustomLauncher)
    assert "session_uuid" in new.never_persistent


@pytest.mark.parametrize(
    "name", ["session_uuid", "process", "__dict__", "not a name", "", "save_session_state", "_state_handlers"]
)
def test_some_attributes_take_no_handler(name):
    with pytest.raises(BadInput):
        MyCustomLauncher().register_state_handler(name)
    with pytest.raises(BadInput, match="function"):
        MyCustomLauncher().register_state_handler("x", serializer=7)


def test_what_cannot_be_saved_is_left_out_with_a_warning(tmp_path, caplog):
    launcher = AdvancedCustomLauncher()
    launcher.protocol_config = None  # its serializer fails
    launcher.device = object()
    launcher.nested = {"a": [1, {"b": object()}]}
    launcher.loop = []
    launcher.loop.append(launcher.loop)
    launcher.callback = print
    launcher.fine = 3
    assert launcher.save_session_state(tmp_path)
    assert set(attributes(tmp_path)) == {"experiment_timeline", "fine"}
    for name in ("protocol_config", "device", "nested", "loop"):
        assert f"not saved: {name} of AdvancedCustomLauncher" in caplog.text
    assert "callback" not in caplog.text


def test_a_deserializer_that_fails_keeps_the_current_value(tmp_path, caplog):
    launcher = AdvancedCustomLauncher()
    launcher.fine = 5
    launcher.save_session_state(tmp_path)
    new = AdvancedCustomLauncher()
    config = new.protocol_config
    new.register_state_handler("protocol_config", deserializer=lambda data: 1 / 0)
    assert new.load_session_state(tmp_path)
    assert new.protocol_config is config and new.fine == 5
    assert "keeps its protocol_config" in caplog.text


@pytest.mark.parametrize(
    ("current", "saved", "taken"),
    [
        (1, 2.5, True),
        (True, 3, True),
        (1.5, False, True),
        (None, [1], True),
        ({"a": 1}, None, True),
        ({}, 7, False),
        (7, "7", False),
        ([], (1,), False),
        ("a", 1, False),
        (Path("a"), Path("b"), True),
    ],
)
def test_type_mismatch_keeps_the_current_value(tmp_path, caplog, current, saved, taken):
    launcher = MyCustomLauncher()
    launcher.value = saved
    launcher.save_session_state(tmp_path)
    new = MyCustomLauncher()
    new.value = current
    assert new.load_session_state(tmp_path)
    assert new.value == (saved if taken else current)
    assert ("keeps its value" in caplog.text) == (not taken)


def test_an_attribute_that_is_new_is_added_and_a_deserializer_may_change_the_type(tmp_path):
    launcher = MyCustomLauncher()
    launcher.later, launcher.count = [1], 3
    launcher.save_session_state(tmp_path)
    new = MyCustomLauncher()
    new.count = "none"
    new.register_state_handler("count", deserializer=lambda data: data)
    assert new.load_session_state(tmp_path)
    assert (new.later, new.count) == ([1], 3)


def test_an_attribute_that_only_the_class_has_is_compared_and_restored(tmp_path):
    class Defaults(BaseLauncher):
        trials = 3

    launcher = Defaults()
    launcher.trials = 8
    launcher.save_session_state(tmp_path)
    new = Defaults()
    assert new.load_session_state(tmp_path) and new.trials == 8
    launcher.trials = "many"
    launcher.save_session_state(tmp_path)
    new = Defaults()
    assert new.load_session_state(tmp_path) and new.trials == 3


def test_a_failing_hook_leaves_the_launcher_as_it_was(tmp_path):
    class Failing(MyCustomLauncher):
        def set_persistent_attributes(self, attrs):
            self.trial_count = -1
            super().set_persistent_attributes(attrs)
            raise RuntimeError("no")

        def get_persistent_attributes(self):
            if self.trial_count == 13:
                raise RuntimeError("no")
            return super().get_persistent_attributes()

    launcher = Failing()
    launcher.trial_count = 5
    assert launcher.save_session_state(tmp_path)
    new = Failing()
    assert not new.load_session_state(tmp_path)
    assert vars(new) == vars(Failing())
    new.trial_count = 13
    assert not new.save_session_state(tmp_path) and not new.export_session_state()
