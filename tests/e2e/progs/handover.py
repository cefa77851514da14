# SPDX-License-Identifier: Apache-2.0
"""
handover.py PORT: answers 3 requests of a connection, then a child inherits it and becomes another
program, handed.py, which answers the rest.
"""
import os
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from handed import answer  # noqa: E402


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        sock, _ = listener.accept()
        for _ in range(3):
            answer(sock)
        pid = os.fork()
        if pid == 0:
            os.set_inheritable(sock.fileno(), True)
            os.execv(sys.executable, [sys.executable, os.path.join(HERE, "handed.py"),
                                      str(sock.fileno())])
        sock.close()
        os.waitpid(pid, 0)


main()
