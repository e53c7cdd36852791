# SPDX-License-Identifier: Apache-2.0
"""AESM in plain Python for tests: frames and messages written field by field, sound or not, and a raw client.

Nothing here comes from the code under test, so that both can be wrong only independently. A message is bytes;
number(), data() and the other field functions give parts of one, request() and body() put them together.
"""

import socket
import struct

INIT, SIZE, QUOTE, SELECT, NUM, IDS = 15, 16, 17, 19, 21, 22
BUSY = 18
DEADLINE = 60.0  # seconds for one exchange, on a slow machine too

# The ECDSA P-256 attestation key identity: 158 bytes that count, filled up to 256.
KEY_ID = (struct.pack("<HHH", 0, 0, 32)
          + bytes.fromhex("8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff") + bytes(16)
          + struct.pack("<I", 1) + bytes(16 + 64 + 16) + struct.pack("<I", 2) + bytes(98))


def varint(value):
    """Base 128, lowest group first."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(field, wire_type):
    """A field's tag; wire types 0 varint, 1 fixed64, 2 bytes, 3 and 4 group, 5 fixed32."""
    return varint(field << 3 | wire_type)


def number(field, value):
    """A varint field."""
    return tag(field, 0) + varint(value)


def data(field, value):
    """A bytes field."""
    return tag(field, 2) + varint(len(value)) + value


def fixed32(field, value=0):
    """A field of four bytes, which AESM has none of."""
    return tag(field, 5) + struct.pack("<I", value)


def fixed64(field, value=0):
    """A field of eight bytes, which AESM has none of."""
    return tag(field, 1) + struct.pack("<Q", value)


def group(field, content=b""):
    """A group, which AESM has none of."""
    return tag(field, 3) + content + tag(field, 4)


def body(request_number, *fields):
    """A request's body: one sub-message of these fields."""
    return data(request_number, b"".join(fields))


def frame(content):
    """A body with its length before it."""
    return struct.pack("<I", len(content)) + content


def request(request_number, *fields):
    """A whole frame."""
    return frame(body(request_number, *fields))


def init_request(buf_size=32, key_id=KEY_ID, flag=1):
    """Target info and key id as all clients ask for them."""
    return request(INIT, data(1, key_id), number(3, flag), number(4, buf_size), number(9, 15000))


def size_request(key_id=KEY_ID):
    """The quote's size."""
    return request(SIZE, data(1, key_id), number(9, 15000))


def quote_request(report, buf_size, info=None, key_id=KEY_ID):
    """A quote of a report; `info` is the QE report info."""
    parts = [data(1, report), data(2, key_id)]
    if info is not None:
        parts.append(data(3, info))
    return request(QUOTE, *parts, number(4, buf_size), number(9, 15000))


def key_list(*key_ids, version=(0, 0), count=None):
    """The list of request 19."""
    return struct.pack("<HHI", *version, len(key_ids) if count is None else count) + b"".join(key_ids)


def answer(response_number, code, *fields):
    """The frame that a server sends: the code, then these fields."""
    return request(response_number, number(1, code), *fields)


def read_varint(message, at):
    """Value and the offset behind it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def read_fields(message):
    """All fields of a message as (number, value) in their order; only varints and bytes."""
    fields, at = [], 0
    while at < len(message):
        key, at = read_varint(message, at)
        if key & 7 == 0:
            value, at = read_varint(message, at)
        elif key & 7 == 2:
            size, at = read_varint(message, at)
            value, at = message[at:at + size], at + size
            if len(value) != size:
                raise ValueError("bytes field is cut")
        else:
            raise ValueError(f"field {key >> 3} has wire type {key & 7}")
        fields.append((key >> 3, value))
    return fields


class Answer:
    """A whole answer: its frame, its number, and its fields by number."""

    def __init__(self, whole):
        self.frame = whole
        outer = read_fields(whole[4:])
        if len(outer) != 1:
            raise ValueError(f"an answer of {len(outer)} messages")
        self.number, message = outer[0]
        inner = read_fields(message)
        self.order = [field for field, _ in inner]
        self.fields = dict(inner)
        self.code = self.fields.get(1)

    def __getitem__(self, field):
        return self.fields[field]


class Connection:
    """One connection; everything has a deadline."""

    def __init__(self, path, timeout=DEADLINE):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(path))
        except BaseException:
            self.socket.close()
            raise

    def send(self, content):
        """All of it."""
        self.socket.sendall(content)
        return self

    def end_sending(self):
        """Half-closes: nothing more comes."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def receive(self, size):
        """Exactly so many bytes, fewer at the end of the stream."""
        content = bytearray()
        while len(content) < size:
            part = self.socket.recv(min(size - len(content), 1 << 20))
            if not part:
                break
            content += part
        return bytes(content)

    def frame(self):
        """The next frame with its length; b"" if the server closes instead. A cut one is an error."""
        head = self.receive(4)
        if not head:
            return b""
        size = struct.unpack("<I", head)[0]
        content = self.receive(size)
        if len(content) != size:
            raise EOFError(f"an answer of {size} bytes ends after {len(content)}")
        return head + content

    def answer(self):
        """The answer, None if the server closed without one."""
        whole = self.frame()
        return Answer(whole) if whole else None

    def is_closed(self):
        """Waits for the server to close; anything that still comes is an error."""
        return self.receive(1) == b""

    def close(self):
        """Leaves."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(path, whole, timeout=DEADLINE):
    """One request on a connection of its own, as all clients do it; the answer's frame, b"" if there is none."""
    with Connection(path, timeout) as connection:
        return connection.send(whole).frame()


def ask_answer(path, whole, timeout=DEADLINE):
    """As ask, taken apart; None if the server closed without an answer."""
    content = ask(path, whole, timeout)
    return Answer(content) if content else None
