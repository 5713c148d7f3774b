"""Random acquisitions: nothing is taken while it changes, and in the end everything that can be is taken once."""

import random
import shutil

import pytest

from opticstream.watch import NotNow, StripName, is_settled
from opticstream.watch.strip_tree import look

NAMES = ("Run1", "run01", "Run1_C2", "Run2_1", "Run2_C1_1", "Run3", "Run_x")
STABLE_S = 10


class Acquisition:
    """Folders that come, grow, shrink, are renamed and go; knows since when each is as it is."""

    def __init__(self, root, chance):
        self.root, self.chance, self.count = root, chance, 0
        self.changed = {}

    def step(self, now, taken):
        there = [path for path in self.root.iterdir() if path.name in NAMES]
        pick = self.chance.random()
        name = self.chance.choice(NAMES)
        folder = self.chance.choice(there) if there else None
        if folder is None or pick < 0.25:
            (self.root / name).mkdir(exist_ok=True)
            folder = self.root / name
        elif pick < 0.6:
            self.count += 1
            # In place only while it is acquired: a finished strip is not looked into for that.
            files = [path for path in folder.iterdir() if path.is_file()] if folder.name not in taken else []
            path = self.chance.choice(files) if files and pick < 0.4 else folder / f"{self.count}.dat"
            path.write_text("x" * self.count)
        elif pick < 0.7:
            (folder / "sub").mkdir(exist_ok=True)
        elif pick < 0.85 and not (self.root / name).exists():
            folder.rename(self.root / name)
            self.changed[name] = now
        elif pick < 0.9:
            shutil.rmtree(folder)
        else:
            return
        self.changed[folder.name] = now


@pytest.mark.parametrize("seed", range(40))
def test_random_acquisitions(strips, seed):
    chance = random.Random(seed)
    acquisition = Acquisition(strips.folder, chance)
    away = [False]
    known = strips.gate

    def gate(ready):
        if chance.random() < 0.2 and not away[0]:
            raise NotNow("locked")
        since = acquisition.changed[ready.folder.name]
        assert strips.now - since >= STABLE_S
        assert ready.fingerprint == look(ready.folder).digest
        return known(ready)

    def dispatch(ready):
        if chance.random() < 0.2 and not away[0]:
            raise NotNow("the API is away")

    strips.before_dispatch = dispatch
    service = strips.watch(gate=gate, stability_seconds=STABLE_S)
    now = 0.0
    for _ in range(80):
        now += chance.choice((0.5, 3, 3, 12))
        acquisition.step(now, {ready.folder.name for ready in strips.asked})
        if chance.random() < 0.05:
            aside = strips.folder.with_name("aside")
            strips.folder.rename(aside)
            assert strips.at(service, now).folder_error
            aside.rename(strips.folder)
        strips.at(service, now + 0.1)
    away[0] = True
    for _ in range(30):
        now += 5
        report = strips.at(service, now)
    assert is_settled(report)
    folders = {}
    for path in strips.folder.iterdir():
        if path.name != "Run_x" and look(path).files:
            folders.setdefault(StripName.parse(path.name), []).append(path)
    alone = {name for name, paths in folders.items() if len(paths) == 1}
    taken = {StripName(ready.ident.slice, ready.ident.channel, ready.ident.strip) for ready in strips.dispatched}
    empty_twins = {
        StripName.parse(path.name) for path in strips.folder.iterdir() if path.name != "Run_x" and not look(path).files
    }
    assert alone - empty_twins <= taken
    assert len({ready.ident for ready in strips.dispatched}) == len(strips.dispatched)
