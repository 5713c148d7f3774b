"""SQLite's locks do not hold on network file systems; such a home is refused."""

import os
from pathlib import Path

import psutil

from opticstream.core.errors import BadInput

_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smbfs",
    "smb2",
    "smb3",
    "afs",
    "9p",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "glusterfs",
}


def network_filesystem(folder: Path) -> str | None:
    """Return the type of the network file system ``folder`` lies on; None for a local one."""
    folder = folder.resolve()
    if str(folder).startswith("\\\\"):
        return "network share"
    best: tuple[int, str] = (-1, "")
    for mount in psutil.disk_partitions(all=True):
        point = mount.mountpoint
        inside = folder == Path(point) or Path(point) in folder.parents
        if inside and len(point) > best[0]:
            remote = "remote" in mount.opts.split(",")
            best = (len(point), "network drive" if os.name == "nt" and remote else mount.fstype)
    kind = best[1].lower()
    if kind in _NETWORK or kind == "network drive" or kind.startswith(("fuse.sshfs", "fuse.gluster")):
        return kind
    return None


def refuse_network_folder(folder: Path) -> None:
    """Check that SQLite may live in ``folder``.

    Raises:
        BadInput: it lies on a network file system.
    """
    kind = network_filesystem(folder)
    if kind:
        raise BadInput(
            f"state store in {folder}",
            found=f"a network file system ({kind})",
            expected="a local disk, because SQLite's locks do not hold over a network",
            action="Set OPTICSTREAM_HOME to a local folder, or OPTICSTREAM_STATE_URL to a PostgreSQL URL.",
        )
