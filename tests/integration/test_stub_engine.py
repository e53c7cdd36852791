# SPDX-License-Identifier: Apache-2.0
"""quoted on libraries that are built like Intel's: whose it loads, how it calls them, and what their errors become."""

import os
import unittest

from tests.support import aesm, stub
from tests.support.cases import StubCase
from tests.support.node import Node

ENGINE_STATUS = 16
# quote3 code 0xE000 + n: AESM code, as Intel's server answers; every other code becomes 1.
CODES = {0x02: 3, 0x03: 21, 0x04: 32, 0x05: 33, 0x06: 15, 0x07: 34, 0x08: 35, 0x09: 36, 0x0a: 37, 0x0b: 38, 0x0c: 39,
         0x0d: 40, 0x0e: 41, 0x0f: 42, 0x10: 43, 0x11: 44, 0x12: 29, 0x13: 45, 0x14: 46, 0x15: 47, 0x16: 48, 0x17: 49,
         0x18: 50, 0x19: 12, 0x1a: 22}


setUpModule = StubCase.open_module


class Case(StubCase):
    def start(self, bundle, config=None, **environment):
        """A quoted that has not failed yet."""
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            daemon = self.stage.start(bundle, config=config)
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.addCleanup(daemon.kill)
        return daemon

    def serve(self, bundle, config=None, **environment):
        return self.start(bundle, config, **environment).wait_serving()

    def fails(self, daemon, words):
        self.assertEqual(daemon.process.wait(60), ENGINE_STATUS, daemon.log())
        self.assertIn(words, daemon.log())

    def quote(self, daemon, report=None, size=8192, info=None):
        return aesm.ask_answer(daemon.socket, aesm.quote_request(report or stub.report(), size, info))

    def assert_quotes(self, daemon, size=stub.QUOTE_SIZE):
        report = stub.report(b"mine")
        made = self.quote(daemon, report)
        self.assertEqual(made.code, 0, daemon.log())
        self.assertEqual(made[2][48:432], report[:384])
        self.assertEqual(made[2][size - 1:size + 1], b"q\0")
        self.assertEqual(aesm.ask_answer(daemon.socket, aesm.size_request())[2], size)


class Loading(Case):
    def assert_from(self, expected, sonames=None):
        """Exactly these were loaded, each once, from there."""
        found = self.wishes.loaded()
        wanted = [(soname, str(expected / soname)) for soname in sonames or stub.SONAMES]
        self.assertEqual(sorted(found), sorted(wanted))

    def test_all_libraries_come_from_the_bundle_whatever_the_host_has(self):
        bundle = self.bundle()
        host = stub.copy_libraries(self.stage.path("host"))
        daemon = self.serve(bundle, LD_LIBRARY_PATH=str(host))
        self.assert_quotes(daemon)
        self.assert_from(bundle / "lib")

    def test_they_are_loaded_before_those_that_need_them(self):
        bundle = self.bundle()
        self.serve(bundle)
        order = [soname for soname, _ in self.wishes.loaded()]
        for first, second in [("libsgx_enclave_common.so.1", "libsgx_urts.so.2"),
                              ("libsgx_urts.so.2", "libsgx_pce_logic.so.1"),
                              ("libsgx_pce_logic.so.1", "libsgx_qe3_logic.so"),
                              ("libsgx_qe3_logic.so", "libsgx_dcap_ql.so.1"),
                              ("libsgx_default_qcnl_wrapper.so.1", "libdcap_quoteprov.so.1")]:
            self.assertLess(order.index(first), order.index(second))

    def test_paths_are_set_before_anything_is_loaded_into_the_epc(self):
        bundle = self.bundle()
        self.serve(bundle)
        lib = bundle / "lib"
        self.assertEqual(self.wishes.lines("call", "libsgx_dcap_ql.so.1", "sgx_ql_set_path"),
                         [f"0 {lib}/libsgx_qe3.signed.so.1", f"1 {lib}/libsgx_pce.signed.so.1",
                          f"3 {lib}/libsgx_id_enclave.signed.so.1", f"2 {lib}/libdcap_quoteprov.so.1"])
        self.assertEqual(self.wishes.lines("call", "libsgx_urts.so.2", "sgx_create_enclave"),
                         [f"{lib}/libsgx_{role}.signed.so.1" for role in ("qe3", "id_enclave", "pce")])
        lines = self.wishes.lines("call")
        last_path = max(i for i, line in enumerate(lines) if "set_path" in line)
        self.assertLess(last_path, min(i for i, line in enumerate(lines) if "sgx_create_enclave" in line))

    def test_sgx_aesm_addr_does_not_send_it_to_another_daemon(self):
        self.assert_quotes(self.serve(self.bundle(), SGX_AESM_ADDR=""))

    def test_a_nonce_goes_through_the_logic_library(self):
        daemon = self.serve(self.bundle())
        answer = self.quote(daemon, info=b"n" * 16 + bytes(944))
        self.assertEqual((answer.code, answer[3][:16], answer[3][528:]), (0, b"n" * 16, b"r" * 432))
        self.assertIn(f"default size {stub.QUOTE_SIZE} nonce",
                      self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_ql_get_quote"))

    def test_the_hosts_runtime_completes_a_bundle_without_one(self):
        bundle = self.bundle()
        host = stub.copy_libraries(self.stage.path("host"))
        manifest = bundle / "manifest.yaml"
        text = manifest.read_text()
        for soname in ("libsgx_urts.so.2", "libsgx_enclave_common.so.1"):
            (bundle / "lib" / soname).unlink()
            head, tail = text.split(f'  - path: "lib/{soname}"\n')
            text = head + "".join("  - path: " + part for part in tail.split("  - path: ")[1:])
        manifest.write_text(text)
        self.assert_quotes(self.serve(bundle, LD_LIBRARY_PATH=str(host)))
        origins = dict(self.wishes.loaded())
        self.assertEqual(origins["libsgx_urts.so.2"], str(host / "libsgx_urts.so.2"))
        self.assertEqual(origins["libsgx_qe3_logic.so"], str(bundle / "lib" / "libsgx_qe3_logic.so"))

    def test_a_library_that_does_not_load_is_named_and_not_replaced_by_the_hosts(self):
        for broken in ("libsgx_urts.so.2", "libdcap_quoteprov.so.1", "libsgx_dcap_ql.so.1"):
            with self.subTest(broken):
                bundle = self.bundle()
                path = bundle / "lib" / broken
                path.write_bytes(path.read_bytes().replace(b"libc.so.6\0", b"libz.so.0\0"))
                host = stub.copy_libraries(self.stage.path("host"))
                daemon = self.start(bundle, LD_LIBRARY_PATH=str(host))
                self.fails(daemon, f"library 'lib/{broken}' does not load: libz.so.0")
                self.assertEqual([path for _, path in self.wishes.loaded() if path.startswith(str(host))], [])


class Provider(Case):
    def test_the_hosts_is_used_where_the_configuration_says_so(self):
        bundle = self.bundle()
        host = stub.copy_libraries(self.stage.path("host"))
        self.assert_quotes(self.serve(bundle, {"provider": "host"}, LD_LIBRARY_PATH=str(host)))
        origins = dict(self.wishes.loaded())
        for soname in ("libdcap_quoteprov.so.1", "libsgx_default_qcnl_wrapper.so.1"):
            self.assertEqual(origins[soname], str(host / soname))
        self.assertEqual(origins["libsgx_urts.so.2"], str(bundle / "lib" / "libsgx_urts.so.2"))
        self.assertEqual(self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_set_qpl_path"), [])

    def test_a_host_without_one_is_refused_if_it_shall_be_the_hosts(self):
        self.fails(self.start(self.bundle(), {"provider": "host"}), "provider: host: ")

    def test_a_bundle_without_one_uses_the_hosts_and_else_makes_plain_quotes_and_says_so(self):
        packed = stub.make_bundle(self.stage.platform, self.stage.directory, self.stage.path("bare.pswb"), False)
        host = stub.copy_libraries(self.stage.path("host"))
        self.assert_quotes(self.serve(self.bundle(packed), LD_LIBRARY_PATH=str(host)))
        daemon = self.serve(self.bundle(packed))
        self.assert_quotes(daemon, stub.PLAIN_SIZE)
        self.assertIn("no-certificates", daemon.log())

    def test_what_the_provider_says_keeps_it_from_starting_or_reaches_the_client(self):
        daemon = self.serve(self.bundle())
        for quote3, code in (("0xe019", 12), ("0xe011", 44), ("0xe047", 1), ("0xe040", 1)):
            with self.subTest(quote3):
                self.wishes.set("certificate", quote3)
                self.assertEqual(self.quote(daemon).code, code)
                self.assertIn(quote3, daemon.log())
        self.wishes.set("certificate", "0xe019")
        self.fails(self.start(self.bundle()), "0xe019")
        self.wishes.set("certificate", None)
        self.assert_quotes(daemon)

    def test_no_other_word_is_allowed(self):
        daemon = self.start(self.bundle(), {"provider": "nobody"})
        self.assertEqual(daemon.process.wait(60), 3)
        self.assertIn("provider: 'nobody' is not allowed: write bundle or host", daemon.log())


class Errors(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.copy = cls.stage.unpack(cls.packed, "errors")

    def test_every_code_of_a_quote_becomes_intels_aesm_code(self):
        daemon = self.serve(self.copy)
        for n in list(range(0x01, 0x74)) + [0x80, 0xff]:
            self.wishes.set("quote", f"0x{0xe000 + n:x}")
            self.assertEqual(self.quote(daemon).code, CODES.get(n, 1), hex(n))
        self.wishes.set("quote", "0x1000f")  # of no library of ours
        self.assertEqual(self.quote(daemon).code, 1)
        self.wishes.set("quote", None)
        self.assert_quotes(daemon)

    def test_every_code_of_init_or_size_keeps_it_from_serving_and_is_named(self):
        for call, quote3 in (("init", "0xe012"), ("init", "0xe018"), ("size", "0xe00f"), ("size", "0xe019")):
            with self.subTest(call=call, quote3=quote3):
                self.wishes.set(call, quote3)
                self.fails(self.start(self.copy), quote3)
                self.wishes.set(call, None)

    def test_codes_of_a_renewal_become_intels_aesm_code(self):
        daemon = self.serve(self.copy)
        for call in ("init", "size"):
            for n in (0x01, *range(0x03, 0x36)):  # 02 means that the size has changed: it is asked again
                self.wishes.set("quote", "0xe00f", once=True)
                self.wishes.set(call, f"0x{0xe000 + n:x}")
                self.assertEqual(self.quote(daemon).code, CODES.get(n, 1), f"{call} {n:x}")
            self.wishes.set(call, None)
        self.assert_quotes(daemon)

    def test_a_key_to_certify_again_and_a_lost_enclave_are_mended_once_a_call(self):
        daemon = self.serve(self.copy)
        for quote3, code in (("0xe00f", 42), ("0xe014", 46)):
            self.wishes.set("quote", quote3, once=True)
            self.assert_quotes(daemon)
            self.wishes.set("quote", quote3)
            before = len(self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_ql_get_quote"))
            self.assertEqual(self.quote(daemon).code, code)
            after = len(self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_ql_get_quote"))
            self.assertEqual(after - before, 2)
            self.wishes.set("quote", None)
        policies = self.wishes.lines("call", "libsgx_pce_logic.so.1", "sgx_set_pce_enclave_load_policy")
        self.assertEqual(policies[:2], ["1", "0"])

    def test_a_wrong_report_and_a_small_buffer_are_the_clients_affair(self):
        daemon = self.serve(self.copy)
        self.assertEqual(self.quote(daemon, report=bytes(432)).code, 47)
        calls = len(self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_ql_get_quote"))
        self.assertEqual(self.quote(daemon, size=stub.QUOTE_SIZE - 1).code, 3)
        self.assertEqual(len(self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_ql_get_quote")), calls)


class EndToEnd(Case):
    def test_packages_are_imported_staged_swapped_to_and_quote(self):
        os.environ["PSW_STUB"] = str(self.wishes.directory)
        self.addCleanup(os.environ.pop, "PSW_STUB")
        with Node(platform=self.stage.platform) as node:
            node.ctl("stage", self.stage.platform.bundle("0.9", 8, output=self.stage.path("sim.pswb")))
            node.ctl("swap", "0.9")
            node.ctl("stage", self.packed)
            node.ctl("swap", stub.DCAP, "--soak", "0")
            answer = aesm.ask_answer(node.socket, aesm.quote_request(stub.report(b"mine"), 8192))
            self.assertEqual((answer.code, answer[2][stub.QUOTE_SIZE - 1:stub.QUOTE_SIZE + 1]), (0, b"q\0"))
            directory = node.bundle_directory()
            self.assertEqual({path for _, path in self.wishes.loaded()}, {str(directory / "lib" / s) for s in stub.SONAMES})
            self.assertEqual(node.serving()["status"]["trial"]["kind"], "probe")


if __name__ == "__main__":
    unittest.main()
