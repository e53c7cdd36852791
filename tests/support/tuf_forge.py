# SPDX-License-Identifier: Apache-2.0
"""What somebody can do who has stolen a key: metadata of any content under a good signature."""

import json
import pathlib
import subprocess
import tempfile


def canonical(value):
    """Canonical JSON of what our publisher writes (ASCII, no line ends in strings)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def sign(signed, key):
    """The Ed25519 signature in hex."""
    with tempfile.NamedTemporaryFile() as message:
        message.write(canonical(signed))
        message.flush()
        result = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message.name],
                                check=True, capture_output=True, timeout=20)
    return result.stdout.hex()


def forge(path, key, change):
    """Replaces a metadata file by one that `change` has been applied to, signed with the key in place of the first."""
    path = pathlib.Path(path)
    document = json.loads(path.read_text(encoding="ascii"))
    change(document["signed"])
    document["signatures"][0]["sig"] = sign(document["signed"], key)
    path.write_bytes(canonical(document))
