# SPDX-License-Identifier: Apache-2.0
"""The check of the service that the certificate provider asks: what pswctl doctor says of each way it can answer."""

import json
import os
import pathlib
import shutil
import socket
import tempfile
import unittest
from unittest import mock

from tests.support.collateral import Collateral
from tests.support.node import Platform, run
from tests.support.pcs import Pcs
from tests.support.tls_site import make_certificate


class Reach(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-provider-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        make_certificate(cls.directory)
        cls.collateral = Collateral(Platform(cls.directory / "platform").directory)

    def pcs(self, tls=False):
        """A service; with TLS by a certificate that no authority signed."""
        keys = {"certificate": self.directory / "cert.pem", "key": self.directory / "cert.key"} if tls else {}
        pcs = Pcs(self.collateral, **keys)
        self.addCleanup(pcs.close)
        return pcs

    def reach(self, url, **config):
        """(id, status) and text of the check."""
        path = self.directory / "qcnl.conf"
        path.write_text(json.dumps({"pccs_url": url, **config}), encoding="ascii")
        with mock.patch.dict(os.environ, {"QCNL_CONF_PATH": str(path), "no_proxy": "*"}):
            report = json.loads(run("pswctl", "doctor", "--json", check=False).stdout)
        return next((check["status"], check["text"]) for check in report["checks"] if check["id"] == "provider.reach")

    def test_a_service_that_answers_with_a_crl_passes(self):
        pcs = self.pcs()
        self.assertEqual(("provider.reach", self.reach(pcs.url + "/")[0]), ("provider.reach", "pass"))
        pcs.faults = {"rootcacrl": "404"}  # as Intel's own
        status, text = self.reach(pcs.url + "/")
        self.assertEqual((status, text), ("pass", f"{pcs.url}/ answers with a CRL"))

    def test_every_way_to_go_wrong_is_told_apart(self):
        pcs = self.pcs()
        for fault, words in (("html", "web page"), ("big", "more than"), ("503", "status 503"), ("404", "path is wrong, or its cache"),
                             ("cut", "fails: "), ("hang", "answers nothing within 5 s")):
            with self.subTest(fault=fault):
                pcs.faults = {"/": fault}
                status, text = self.reach(pcs.url + "/")
                self.assertEqual(status, "warn")
                self.assertIn(words, text)
        pcs.released.set()

    def test_a_port_where_nothing_listens_refuses(self):
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            status, text = self.reach(f"https://127.0.0.1:{unheard.getsockname()[1]}/")
        self.assertEqual(status, "warn")
        self.assertIn("refuses connections", text)

    def test_tls_counts_unless_the_provider_does_not_verify(self):
        pcs = self.pcs(tls=True)
        status, text = self.reach(pcs.url + "/")
        self.assertEqual(status, "warn")
        self.assertIn("fails in TLS: ", text)
        self.assertEqual(self.reach(pcs.url + "/", use_secure_cert=False)[0], "pass")
        status, text = self.reach(pcs.url.replace("https", "http") + "/")
        self.assertEqual(status, "warn")
        self.assertIn("http and https mixed up", text)
        plain = self.pcs()
        self.assertIn("fails in TLS: ", self.reach(plain.url.replace("http", "https") + "/")[1])


if __name__ == "__main__":
    unittest.main()
