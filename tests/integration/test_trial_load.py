# SPDX-License-Identifier: Apache-2.0
"""Loading on trial through the programs, which meet a double of the SGX driver where the kernel would be."""

import json
import os
import pathlib
import unittest
from unittest import mock

from tests.support.cases import PlatformCase
from tests.support.node import program, run

DOUBLE = pathlib.Path(program("pswctl")).parent.parent / "tests" / "libsgx-driver-double.so"


def with_driver(words):
    """The environment of a program on a machine with this driver."""
    # A sanitizer's runtime wants to be the first library; the double has no need of it.
    options = os.environ.get("ASAN_OPTIONS", "")
    return {**os.environ, "LD_PRELOAD": str(DOUBLE), "PSW_SGX_DOUBLE": words,
            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}


def doctor(words):
    """{id: (status, text)} of the checks of loading."""
    result = run("pswctl", "doctor", "--json", "--config", "/dev/null", check=False, env=with_driver(words))
    return {check["id"]: (check["status"], check["text"])
            for check in json.loads(result.stdout)["checks"] if check["id"].startswith("load.")}


class Doctor(unittest.TestCase):
    def test_a_driver_that_answers_is_named(self):
        for flavour, node in (("in-kernel", "/dev/sgx_enclave"), ("legacy", "/dev/isgx")):
            with self.subTest(flavour):
                found = doctor(f"flavour={flavour}")
                self.assertEqual(found["load.driver"], ("pass", f"{node} answers as the {flavour} driver does"))
                self.assertEqual((found["load.probe"][0], found["load.provision"][0]), ("pass", "pass"))
                self.assertEqual(found["load.qe3"][0], "skip")  # there is no bundle

    def test_what_keeps_enclaves_from_loading_is_told(self):
        self.assertEqual(doctor("flavour=in-kernel,provision=denied")["load.provision"][0], "fail")
        self.assertEqual(doctor("flavour=in-kernel,node=denied")["load.driver"][0], "fail")
        self.assertEqual(doctor("flavour=dcap,ioctls=legacy")["load.driver"][0], "fail")

    def test_without_a_device_nothing_is_asked(self):
        found = doctor("")
        self.assertEqual((found["load.driver"][0], found["load.provision"][0]), ("skip", "skip"))
        self.assertIn("no SGX device", found["load.driver"][1])


class OnANode(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = cls.platform.bundle("1.0", qe_svn=8)

    def found(self, words):
        """{id: (status, text)} of the checks of loading that the manager makes for a bundle."""
        node = self.make_node()
        with mock.patch.dict(os.environ, with_driver(words)):
            node.start()
        node.ctl("stage", self.bundle)
        checks = node.ctl("test", "1.0")["result"]["checks"]["checks"]
        return {check["id"]: (check["status"], check["text"]) for check in checks if check["id"].startswith("load.")}

    def test_the_manager_loads_every_enclave_of_a_bundle(self):
        found = self.found("flavour=in-kernel")
        self.assertEqual({status for status, _ in found.values()}, {"pass"}, found)
        self.assertRegex(found["load.set"][1], r"^\d+ pages, \d+ KiB of EPC, in the in-kernel driver")

    def test_what_a_simulated_bundle_lacks_is_noted(self):
        found = self.found("flavour=dcap,epc=60")
        self.assertEqual({check: status for check, (status, _) in found.items()},
                         {"load.driver": "pass", "load.probe": "pass", "load.provision": "pass", "load.qe3": "info",
                          "load.id_enclave": "pass", "load.pce": "pass", "load.set": "info"}, found)
        self.assertIn("EPC was exhausted", found["load.qe3"][1])


if __name__ == "__main__":
    unittest.main()
