# SPDX-License-Identifier: Apache-2.0
"""What several tests begin with: a simulated platform that is made once, because its keys take long to make."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import unittest

from tests.support import aesm, control, stub
from tests.support.node import Node, Platform
from tests.support.quoted import Stage, listener


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


class GenerationCase(unittest.TestCase):
    """Generations of one test, without a manager: they share the test's listener and end with it. All tests of the
    module share three bundles: OLD, NEW with another QE, and TWIN with the same enclaves as OLD."""

    stage = OLD = NEW = TWIN = None

    @classmethod
    def open_module(cls):
        """For setUpModule."""
        cls.stage = Stage()
        unittest.addModuleCleanup(cls.stage.close)
        cls.OLD, cls.NEW = cls.stage.bundle("1.0", 8), cls.stage.bundle("2.0", 9)
        cls.TWIN = cls.stage.bundle("1.1", 8, "--enclave-version", "1.0")

    def setUp(self):
        self.socket = self.stage.path("aesm.socket")
        self.listener = listener(self.socket)
        self.number = 0
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.listener.close)
        self.addCleanup(self.stack.close)

    def generation(self, bundle=None, config=None):
        """A ready generation with its control connection."""
        self.number += 1
        quoted = self.stage.start(bundle or self.OLD, generation=self.number, config=config)
        self.stack.callback(quoted.kill)
        quoted.number, quoted.link = self.number, quoted.wait_ready()
        self.stack.callback(quoted.link.close)
        return quoted

    def serve(self, quoted, ducks=(), **more):
        """ACCEPT with the listener."""
        arguments = {"ducks": [self.duck(duck) for duck in ducks], **more}
        return quoted.link.call(control.ACCEPT, arguments, self.listener.fileno()).json()

    @staticmethod
    def duck(quoted):
        return {"generation": quoted.number, "control": str(quoted.control_path)}

    def drain(self, quoted):
        quoted.link.call(control.DRAIN)
        return quoted.link.event(control.DRAINED).json()

    def num(self):
        return aesm.ask_answer(self.socket, aesm.request(aesm.NUM))

    def target_info(self):
        return aesm.ask_answer(self.socket, aesm.init_request())[2]

    def quote(self, report, buf_size=8192, info=None):
        return aesm.ask_answer(self.socket, aesm.quote_request(report, buf_size, info))
