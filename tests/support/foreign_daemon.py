#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon that behaves towards its socket as Intel's aesm_service does, for tests of taking over from it.

  foreign_daemon.py SOCKET BACKEND [--delay SECONDS]

It binds SOCKET anew (backlog 32, mode 0777), accepts in its main thread and reads whole requests there, blocking;
a pool of threads answers, one request a connection; SIGTERM removes the path and ends the process, whatever is in
the works. The answers come from a real daemon at BACKEND. Prints "ready".
"""

import argparse
import concurrent.futures
import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import time

PR_SET_PTRACER, PR_SET_PTRACER_ANY = 0x59616D61, ctypes.c_ulong(-1)
WORKERS = 3


def receive_frame(connection):
    """A whole frame; None if the other side has left."""
    frame = b""
    wanted = 4
    while len(frame) < wanted:
        part = connection.recv(wanted - len(frame))
        if not part:
            return None
        frame += part
        if len(frame) == 4:
            wanted = 4 + struct.unpack("<I", frame)[0]
    return frame


def answer(connection, frame, options):
    """One request, by the real daemon."""
    with connection, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as backend, contextlib.suppress(OSError):
        time.sleep(options.delay)
        backend.connect(options.backend)
        backend.sendall(frame)
        response = receive_frame(backend)
        if response is not None:
            connection.sendall(response)


def serve(listener, options):
    """The main thread's loop; connections that wait for their client are looked at with the listener."""
    waiting = []
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        while True:
            for ready in select.select([listener, *waiting], [], [])[0]:
                if ready is listener:
                    with contextlib.suppress(BlockingIOError):  # somebody else was faster
                        waiting.append(listener.accept()[0])
                    continue
                waiting.remove(ready)
                ready.setblocking(True)
                frame = receive_frame(ready)
                if frame is None:
                    ready.close()
                else:
                    pool.submit(answer, ready, frame, options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("backend")
    parser.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    # Where Yama lets only descendants be looked into, so that tests need no privileges.
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)

    def leave(*_):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(options.socket)
        os._exit(0)
    signal.signal(signal.SIGTERM, leave)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(options.socket)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(options.socket)
    os.chmod(options.socket, 0o777)
    listener.listen(32)
    print("ready", flush=True)
    serve(listener, options)


if __name__ == "__main__":
    main()
