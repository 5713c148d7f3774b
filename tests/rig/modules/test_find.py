"""Modules by name: ours, those of installed packages, and names nobody has."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig import LaunchParameters
from opticstream.rig.modules import LACKING, Lacking, describe, find_module, list_modules
from opticstream.rig.modules.find import forget_modules
from opticstream.rig.parameter_names import ALIASES, KNOWN_ELSEWHERE

OURS = [
    *("disk_space_check", "wait_for_user_input", "mouse_weight_pre_prompt", "experiment_notes_editor"),
    *("metadata_subject_fetch", "metadata_procedures_fetch", "metadata_project_validator"),
    *("metadata_protocol_validator", "instrument_json_fetch", "zmq_ready_publisher", "zmq_ready_waiter"),
    "example_pre_acquisition_module",
]
AFTER = [
    *("mouse_weight_post_prompt", "experiment_notes_post_prompt", "experiment_notes_finalize"),
    "example_post_acquisition_module",
]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of an installed package; entry points are in its ``.dist-info``."""
    site = tmp_path / "site"
    info = site / "our_lab-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-lab\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    forget_modules()
    yield site
    forget_modules()
    for name in [name for name in sys.modules if name.partition(".")[0] == "our_lab"]:
        del sys.modules[name]


def _install(site: Path, points: str, **files: str) -> None:
    (site / "our_lab-1.0.dist-info" / "entry_points.txt").write_text(points)
    for name, text in {
        "our_lab/__init__.py": "",
        **{f"{k.replace('__', '/')}.py": v for k, v in files.items()},
    }.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    forget_modules()


@pytest.mark.parametrize("name", OURS)
def test_ours_before(name: str) -> None:
    module = find_module("pre_acquisition", name)
    module.check("pre_acquisition")
    assert module.summary and module.distribution == "opticstream"


@pytest.mark.parametrize("name", AFTER)
def test_ours_after(name: str) -> None:
    module = find_module("post_acquisition", name)
    module.check("post_acquisition")
    assert module.summary


def test_the_list_has_both_stages_and_can_be_narrowed() -> None:
    names = {module.name for module in list_modules()}
    assert {*OURS, *AFTER} <= names
    before = {module.name for module in list_modules("pre_acquisition")}
    assert before >= set(OURS) and not before & set(AFTER)


def test_listing_imports_no_module_and_no_library_of_theirs() -> None:
    code = (
        "import sys; from opticstream.rig.modules import list_modules; found = [m.summary for m in list_modules()];"
        "assert len(found) > 10 and all(found);"
        "print([m for m in sys.modules if m.count('.') > 2 and 'acquisition' in m or m in ('httpx', 'zmq', 'prefect')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_module_that_serves_both_stages_is_found_in_both() -> None:
    assert find_module("post_acquisition", "disk_space_check") == find_module("pre_acquisition", "disk_space_check")


def test_a_module_of_the_other_stage_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"mouse_weight_post_prompt.*found a module of post_acquisition.*pre_acquisition"
    ):
        find_module("pre_acquisition", "mouse_weight_post_prompt")


@pytest.mark.parametrize("name", ["mouse_wieght_pre_prompt", "Mouse_Weight_Pre_Prompt"])
def test_an_unknown_name_is_told_what_is_close(name: str) -> None:
    with pytest.raises(BadInput, match=r"Did you mean .*mouse_weight_pre_prompt") as caught:
        find_module("pre_acquisition", name)
    assert not isinstance(caught.value, Lacking)


@pytest.mark.parametrize("name", LACKING)
def test_a_known_name_that_is_lacking_is_an_error_of_its_own(name: str) -> None:
    with pytest.raises(Lacking, match=name):
        find_module("post_acquisition", name)


def test_another_package_brings_a_folder_and_single_modules(lab: Path) -> None:
    _install(
        lab,
        "[opticstream.module_packages]\npost_acquisition.more = our_lab.after\n"
        "[opticstream.modules]\nreward = our_lab.single:check\npre_acquisition.only_before = our_lab.single\n",
        our_lab__after____init__="",
        our_lab__after__flatten='"""Flatten."""\ndef run(): return 0\n',
        our_lab__after__behavior_videos_flatten="STAGES = ('pre_acquisition', 'post_acquisition')\ndef run(): return 0\n",
        our_lab__after___private="raise RuntimeError\n",
        our_lab__single='"""Reward."""\ndef check(context): return 0\ndef run(context): return 0\n',
    )
    flatten = find_module("post_acquisition", "flatten")
    assert (flatten.summary, flatten.distribution) == ("Flatten.", "our-lab")
    assert find_module("pre_acquisition", "behavior_videos_flatten").distribution == "our-lab"
    reward = find_module("pre_acquisition", "reward")
    assert reward.entry_point("pre_acquisition").__name__ == "check" and len(reward.stages) == 2
    assert find_module("pre_acquisition", "only_before").entry_point("pre_acquisition").__name__ == "run"
    with pytest.raises(BadInput, match="pre_acquisition"):
        find_module("post_acquisition", "only_before")
    assert "_private" not in {module.name for module in list_modules()}


def test_two_packages_with_one_name_are_refused(lab: Path) -> None:
    _install(lab, "[opticstream.modules]\ndisk_space_check = our_lab.single\n", our_lab__single="def run(): return 0\n")
    with pytest.raises(BadInput, match=r"our-lab.*one module of that name"):
        find_module("pre_acquisition", "disk_space_check")


def test_a_package_that_does_not_import_hides_no_other(lab: Path) -> None:
    points = "[opticstream.modules]\nbroken = our_lab.broken\n[opticstream.module_packages]\npre_acquisition = our_lab.no.way\n"
    _install(lab, points, our_lab__broken="import does_not_exist\n")
    assert "disk_space_check" in {module.name for module in list_modules()}
    with pytest.raises(BadInput, match=r"our_lab\.broken, which cannot be imported: ModuleNotFoundError"):
        find_module("pre_acquisition", "broken").check("pre_acquisition")


def test_a_folder_for_no_stage_is_refused(lab: Path) -> None:
    _install(lab, "[opticstream.module_packages]\nbefore = our_lab\n")
    with pytest.raises(BadInput, match=r"before.*pre_acquisition or post_acquisition"):
        list_modules()


def test_a_module_without_a_function_names_those_it_has(lab: Path) -> None:
    _install(lab, "[opticstream.modules]\nodd = our_lab.odd\n", our_lab__odd="def go(): return 0\n")
    with pytest.raises(BadInput, match="functions go; expected a function run_pre_acquisition or run"):
        find_module("pre_acquisition", "odd").check("pre_acquisition")


def test_parameters_are_declared_described_and_known_to_the_launch() -> None:
    unknown, bare = set(), set()
    for module in list_modules():
        for one in describe(module).parameters:
            bare |= {f"{module.name}.{one.name}"} if not one.description.endswith(".") else set()
            unknown |= {one.name, *one.spellings} - {*LaunchParameters.model_fields, *ALIASES, *KNOWN_ELSEWHERE}
    assert not bare, f"without a description: {sorted(bare)}"
    assert not unknown, f"rig/parameter_names.py, KNOWN_ELSEWHERE: {sorted(unknown)} would be taken for mistakes"


def test_description_says_types_defaults_and_spellings() -> None:
    rows = {one.name: one for one in describe(find_module("pre_acquisition", "metadata_subject_fetch")).parameters}
    assert rows["metadata_subject_id"].spellings == ("metadata_mouse_id",)
    assert (rows["metadata_service_timeout"].type, rows["metadata_service_timeout"].default) == ("number", "10")
    disk = {one.name: one for one in describe(find_module("pre_acquisition", "disk_space_check")).parameters}
    assert disk["required_free_gb"].required and disk["disk_space_check_path"].type == "path"
