"""What a sweep of the focus collects for a Z-LUT."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.scope.memory.errors import BadValue, BufferOverflow, DatasetNotReadyError, SegmentMissing
from opticstream.scope.memory.fence import fence
from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer, whole_numbers
from opticstream.scope.memory.sweep_rows import SweepRows
from opticstream.scope.memory.sweep_state import SweepState

_ATTACHABLE = (SweepState.READY, SweepState.CAPTURING, SweepState.COMPLETE)


class ZLUTSweepDataset(SharedBuffer):
    """Rows of a bead's profile at a step of the focus; they are only ever appended.

    The Z-LUT process makes it, sets its :attr:`state` and destroys it; the video processor attaches and appends;
    anybody may look. Rows are counted when they are whole, so an appender that is killed leaves no half row, and the
    next goes on behind the last whole one. If the Z-LUT process is killed, the parent removes the segment by
    :func:`~opticstream.scope.memory.unlink_segment`.

    Args:
        name: of the segment.
        create: make it; otherwise attach.
        capacity: rows; needed to create.
        profile_length: bins of a profile; needed to create.

    Raises:
        BadValue: (a ValueError) a parameter is missing or impossible, or the segment is of another schema version.
        DatasetNotReadyError: attaching while it is not READY, CAPTURING or COMPLETE, or there is none.
        NotEnoughMemory: larger than what is free.
    """

    def __init__(
        self, name: str, create: bool, *, capacity: int | None = None, profile_length: int | None = None
    ) -> None:
        parameters: Sequence[int] = ()
        if create:
            parameters = whole_numbers("Z-LUT sweep", capacity=capacity, profile_length=profile_length)
        try:
            arrays = self._open(name, create, parameters)
        except SegmentMissing:
            raise _not_ready(name, SweepState.ABSENT) from None
        self.capacity, self.profile_length = self._parameters[:2]
        self._state, self._count, self._columns = arrays.pop("state"), arrays.pop("count"), arrays
        if create:
            self.state = SweepState.READY
        elif self.state not in _ATTACHABLE:
            found = self.state
            self.close()
            raise _not_ready(name, found)

    def _fields(self, parameters: Sequence[int]) -> Fields:
        n, bins = parameters[:2]
        return {
            "state": (np.uint64, (1,)),
            "count": (np.uint64, (1,)),
            "bead_ids": (np.uint32, (n,)),
            "steps": (np.uint32, (n,)),
            "timestamps": (np.float64, (n,)),
            "motor_z": (np.float64, (n,)),
            "valid": (np.uint8, (n,)),
            "profiles": (np.float64, (n, bins)),
        }

    @staticmethod
    def state_of(name: str) -> SweepState:
        """Return the state of the dataset of this name, ABSENT if there is none."""
        with suppress(SegmentMissing):
            dataset = object.__new__(ZLUTSweepDataset)
            state = dataset._open(name, create=False)["state"]
            return SweepState(int(state[0]))
        return SweepState.ABSENT

    @property
    def state(self) -> SweepState:
        """How far it is; only the creator may set it."""
        return SweepState(int(self._state[0]))

    @state.setter
    def state(self, state: SweepState) -> None:
        self._check_creator()
        self._state[0] = int(state)
        fence()

    def _check_creator(self) -> None:
        if not self.created:
            raise DatasetNotReadyError(
                f"Z-LUT sweep {self.name}", found="a process that only attached", expected="the process that made it"
            )

    def destroy(self) -> None:
        """Remove it; who has it attached finds it DESTROYED, and what he holds stays valid.

        Raises:
            DatasetNotReadyError: this process did not make it.
        """
        if self.closed:
            return
        self.state = SweepState.DESTROYING
        self.unlink()
        self.state = SweepState.DESTROYED
        self.close()

    @property
    def count(self) -> int:
        """Whole rows."""
        count = int(self._count[0])
        fence()
        return count

    def append(
        self, bead_ids: ArrayLike, steps: ArrayLike, timestamps: ArrayLike, motor_z: ArrayLike, valid: ArrayLike,
        profiles: ArrayLike,
    ) -> None:  # fmt: skip
        """Append rows; one process only.

        Args:
            bead_ids: (n,), or one for all.
            steps: likewise.
            timestamps: likewise, s since 1970 UTC.
            motor_z: likewise, nm.
            valid: likewise, whether the bead was tracked.
            profiles: (n, bins), or one of (bins,).

        Raises:
            BadValue: profiles of another length, or columns that do not fit together.
            BufferOverflow: they do not all fit; none is appended.
            DatasetNotReadyError: it is not READY or CAPTURING.
        """
        if self.state not in (SweepState.READY, SweepState.CAPTURING):
            raise _not_ready(self.name, self.state)
        rows = np.atleast_2d(np.asarray(profiles, np.float64))
        if rows.ndim != 2 or rows.shape[1] != self.profile_length:
            raise BadValue(
                f"Z-LUT sweep {self.name}: profiles", found=f"shape {np.shape(profiles)}",
                expected=f"(n, {self.profile_length})",
            )  # fmt: skip
        start = self.count
        end = start + len(rows)
        if end > self.capacity:
            raise BufferOverflow(
                f"Z-LUT sweep {self.name}", found=f"{end} rows", expected=f"{self.capacity} at most"
            )  # fmt: skip
        given = {"bead_ids": bead_ids, "steps": steps, "timestamps": timestamps, "motor_z": motor_z, "valid": valid}
        for column, values in given.items():
            if np.shape(values) not in ((), (1,), (len(rows),)):
                raise BadValue(
                    f"Z-LUT sweep {self.name}: {column}", found=f"shape {np.shape(values)}", expected=f"({len(rows)},)"
                )
            self._columns[column][start:end] = values
        self._columns["profiles"][start:end] = rows
        fence()
        self._count[0] = end

    def peak(self) -> SweepRows:
        """Return copies of all rows."""
        count = self.count
        return SweepRows(**{column: values[:count].copy() for column, values in self._columns.items()})

    def read_preview(self, bead: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what is known of one bead so far: by step, the mean motor z, nm (n,), and mean profile (n, bins).

        Only valid rows count, and of a profile's bins those that are not NaN; steps without a valid row are left out.
        """
        count = self.count
        mine = (self._columns["bead_ids"][:count] == bead) & (self._columns["valid"][:count] == 1)
        steps = self._columns["steps"][:count][mine]
        found, where = np.unique(steps, return_inverse=True)
        motor_z = self._columns["motor_z"][:count][mine]
        profiles = self._columns["profiles"][:count][mine]
        z = np.array([motor_z[where == i].mean() for i in range(len(found))], np.float64)
        mean = np.full((len(found), self.profile_length), np.nan)
        for i in range(len(found)):
            rows = profiles[where == i]
            known = ~np.isnan(rows)
            np.divide(np.where(known, rows, 0).sum(axis=0), known.sum(axis=0), out=mean[i], where=known.any(axis=0))
        return z, mean


def _not_ready(name: str, state: SweepState) -> DatasetNotReadyError:
    return DatasetNotReadyError(
        f"Z-LUT sweep {name}", found=state.name, expected=" or ".join(kind.name for kind in _ATTACHABLE)
    )
