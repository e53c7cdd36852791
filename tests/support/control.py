# SPDX-License-Identifier: Apache-2.0
"""The control protocol of a generation in plain Python, for tests (docs/protocol.md)."""

import array
import contextlib
import json
import os
import socket
import struct

STATUS, WATCH, ACCEPT, DRAIN, RESUME, DUCKS, LISTENER, TRIAL, RETIRE, RESCUE, ADOPT, COUNTS, CLIENTS = range(1, 14)
QUOTE = 16
READY, FAILED, DRAINED, ALARM, ENDING_COUNTS, RECALL = range(32, 38)
PAYLOAD_MAX = 32 * 1024
DEADLINE = 60.0


class Refused(Exception):
    """A reply whose status is not 0: the kind's number and the text."""

    def __init__(self, status, text):
        super().__init__(f"status {status}: {text}")
        self.status, self.text = status, text


class Message:
    """One message; who takes `fd` closes it."""

    def __init__(self, content, fds):
        self.type, self.request, self.status, size = struct.unpack("<IIII", content[:16])
        self.payload = content[16:]
        if len(self.payload) != size:
            raise ValueError(f"a message of {len(self.payload)} bytes says it has {size}")
        self.fd = fds[0] if fds else -1

    def json(self):
        """The payload as an object."""
        return json.loads(self.payload) if self.payload else {}


class Control:
    """A connection to a generation's control socket."""

    def __init__(self, path, timeout=DEADLINE, connected=None):
        self.socket = connected or socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        try:
            if connected is None:
                self.socket.connect(str(path))
        except BaseException:
            self.socket.close()
            raise
        self.last = 0
        self.events = []  # those that came while a reply was waited for

    def send(self, kind, payload=b"", fd=-1, request=None):
        """One request; its number. A payload that is not bytes is sent as JSON."""
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        self.last += 1
        number = self.last if request is None else request
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd >= 0 else []
        self.socket.sendmsg([struct.pack("<IIII", kind, number, 0, len(payload)) + payload], ancillary)
        return number

    def receive(self):
        """The next message; None at the end of the stream."""
        content, ancillary, _, _ = self.socket.recvmsg(16 + PAYLOAD_MAX, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for level, kind, part in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(part[:len(part) - len(part) % fds.itemsize])
        return Message(content, list(fds)) if content else None

    def call(self, kind, payload=b"", fd=-1):
        """One request and its reply; Refused if its status is not 0."""
        number = self.send(kind, payload, fd)
        while True:
            message = self.receive()
            if message is None:
                raise ConnectionError("the generation closed the control connection")
            if message.request == number:
                break
            self.events.append(message)
        if message.status != 0:
            raise Refused(message.status, message.payload.decode())
        return message

    def event(self, kind):
        """The next event of this kind; earlier ones of other kinds are dropped."""
        while True:
            message = self.events.pop(0) if self.events else self.receive()
            if message is None:
                raise ConnectionError("the generation closed the control connection")
            if message.request == 0 and message.type == kind:
                return message

    def status(self):
        """The status document."""
        return self.call(STATUS).json()

    def quote(self, report, size, info=None):
        """CONTROL_QUOTE: (quote3 code, quote, info)."""
        payload = struct.pack("<II", size, info is not None) + report + (info or b"")
        reply = self.call(QUOTE, payload).payload
        code, made = struct.unpack("<II", reply[:8])
        return code, reply[8:8 + made], reply[8 + made:]

    def close(self):
        """Leaves; descriptors of unread events are closed."""
        for message in self.events:
            if message.fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(message.fd)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
