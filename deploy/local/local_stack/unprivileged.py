"""Whom PostgreSQL runs as: it refuses to run as root."""

import os
import pwd
import stat
from pathlib import Path

from local_stack.errors import LocalStackError


def server_user(server_dir: Path) -> tuple[int, int] | None:
    """(uid, gid) for a server whose files are in `server_dir`, or None for the present user.

    Root, as in most containers, gives way to the owner of the existing files, or else to `nobody`: every
    system has that user, so nothing is added to the machine's accounts.
    """
    if os.geteuid() != 0:
        if server_dir.exists() and server_dir.stat().st_uid != os.geteuid():
            raise LocalStackError(
                f"{server_dir} belongs to another user; run as that one, or set UNION_DATA to another folder."
            )
        return None
    if server_dir.exists() and server_dir.stat().st_uid != 0:
        owner = server_dir.stat()
        return owner.st_uid, owner.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise LocalStackError(
            "PostgreSQL does not run as root and this system has no user `nobody`; run as an ordinary user."
        ) from None
    return nobody.pw_uid, nobody.pw_gid


def let_enter(folder: Path) -> None:
    """Lets other users pass through `folder` and the folders above it: passing only (o+x), not listing."""
    for step in [folder, *folder.parents]:
        mode = step.stat().st_mode
        if not mode & stat.S_IXOTH:
            step.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Lets other users read programs that were installed under a strict umask; else does nothing."""
    if not tree.exists() or tree.stat().st_mode & stat.S_IROTH:
        return
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            runs = stat.S_IXOTH if mode & stat.S_IXUSR else 0
            path.chmod(stat.S_IMODE(mode) | stat.S_IROTH | runs)
