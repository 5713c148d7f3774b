"""A lock that dies with its holder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filelock import BaseFileLock


class WriterLock:
    """What ``multiprocessing.Lock`` does, on a file that the system unlocks when the holder is gone, however it went.

    No reader needs it, and no buffer of this package: each has one writer. It is there for the documented ``locks`` of
    a scope, for who writes to one from several processes of his own.

    Pickled, it is the same lock in another process. Like the documented one it is not reentrant, and any thread may
    release it.

    Args:
        path: of the file; its folder exists. :meth:`unlink` removes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._held: BaseFileLock | None = None

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take the lock and return True, or False if it is still another's after ``timeout`` s.

        Args:
            block: wait; otherwise try once.
            timeout: s; absent: for ever.
        """
        from filelock import FileLock, Timeout  # it brings asyncio, which few processes need

        # One object each time: the system then keeps also two holders of one process apart.
        lock = FileLock(self.path, thread_local=False)
        patience = -1.0 if timeout is None else max(0.0, timeout)
        try:
            lock.acquire(timeout=patience if block else 0, poll_interval=0.005)
        except Timeout:
            return False
        self._held = lock
        return True

    def release(self) -> None:
        """Give the lock back.

        Raises:
            ValueError: this object does not hold it.
        """
        held, self._held = self._held, None
        if held is None:
            raise ValueError(f"lock {self.path.name} is not held here")
        held.release()

    def unlink(self) -> None:
        """Remove the file; for the end of the scope, when nobody takes the lock any more."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return WriterLock, (self.path,)
