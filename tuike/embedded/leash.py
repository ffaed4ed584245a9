"""Start a program that ends with its parent: `python -I -S leash.py PARENT_PID SIGNAL USER PROGRAM ARGUMENT…`.

It runs before the program, in the program's own process, then becomes the program. USER is `-` to stay who we are.
Linux delivers SIGNAL when the parent dies; elsewhere the next start finds what was left (see `processes.sweep`).
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _change_user(name: str) -> None:
    import pwd

    entry = pwd.getpwnam(name)
    os.initgroups(name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main() -> None:
    parent_pid, signal_number, user, *command = sys.argv[1:]
    if user != "-":
        _change_user(user)
    if sys.platform == "linux":
        # After the change of user, which clears it; it survives exec.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != int(parent_pid):  # the parent died before we asked
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
