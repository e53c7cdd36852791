# SPDX-License-Identifier: Apache-2.0
"""What several tests begin with: a simulated platform that is made once, because its keys take long to make."""

import os
import pathlib
import shutil
import tempfile
import unittest

from tests.support import aesm, stub
from tests.support.node import Node, Platform
from tests.support.quoted import Stage


class PlatformCase(unittest.TestCase):
    """All tests of the class share `directory`, which anybody may read, and the `platform` in it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        cls.directory.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.platform = Platform(cls.directory / "platform")

    def make_node(self, settings=None):
        """A node on the platform; not started, and stopped at the end of the test."""
        node = Node(settings, platform=self.platform)
        self.addCleanup(node.stop)
        return node


class StubCase(unittest.TestCase):
    """All tests of the module share a stage and a bundle of the stub libraries, `packed`; each has wishes of its
    own, which whoever it starts obeys."""

    stage = packed = None

    @classmethod
    def open_module(cls):
        """For setUpModule."""
        cls.stage = Stage()
        unittest.addModuleCleanup(cls.stage.close)
        cls.packed = stub.make_bundle(cls.stage.platform, cls.stage.directory, cls.stage.directory / "stub.pswb")

    def setUp(self):
        self.wishes = stub.Wishes(self.stage.path("wishes"))
        os.environ["PSW_STUB"] = str(self.wishes.directory)
        self.addCleanup(os.environ.pop, "PSW_STUB", None)

    def bundle(self, packed=None):
        """A copy of its own of the bundle, unpacked."""
        return self.stage.unpack(packed or self.packed, self.stage.path("copy").name)

    @staticmethod
    def request(data=b""):
        """For a quote with a nonce."""
        return aesm.quote_request(stub.report(data), 8192, b"n" * 16 + bytes(944))
