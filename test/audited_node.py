"""
The node, with a record of what it does to the system.

``audited_node.py FILE ...``: Python tells of each program that is started, connection, unpickled
object and file that is opened for writing (docs.python.org, "Audit events table"); these are
written to the file, imports included. What the middleware does in C++ is not seen.
"""

from __future__ import annotations

import os
import sys

WATCHED = (
    *('os.chmod', 'os.exec', 'os.fork', 'os.link', 'os.mkdir', 'os.posix_spawn'),
    *('os.remove', 'os.rename', 'os.rmdir', 'os.spawn', 'os.symlink', 'os.system', 'os.truncate'),
    *('pickle.', 'pty.', 'shutil.', 'socket.', 'subprocess.', 'tempfile.', 'urllib.'),
)


def _record(report: int) -> None:
    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == 'open':
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR):
                return
        elif not event.startswith(WATCHED):
            return
        os.write(report, f'{event} {arguments!r}\n'.encode())

    sys.addaudithook(hear)


if __name__ == '__main__':
    _record(os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    from squeezedet_ros.ros.detector_node import main

    sys.exit(main())
