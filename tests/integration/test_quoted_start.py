# SPDX-License-Identifier: Apache-2.0
"""How quoted starts, why it does not, and how it ends."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import unittest

from tests.support import aesm
from tests.support.node import program, run, wait_until
from tests.support.quoted import Stage, listener

USAGE, CONFIG, NOT_FOUND, CONFLICT, PERMISSION, ENGINE = 2, 3, 7, 8, 9, 16
FUNCTIONS = ["sgx_ql_set_path", "sgx_qe_set_enclave_load_policy", "sgx_qe_get_target_info", "sgx_qe_get_quote_size",
             "sgx_qe_get_quote", "sgx_qe_cleanup_by_policy"]
SIMULATED = "requires: {drivers: [{flavour: simulated}]}\nsimulated: true\n"

STAGE = None
BUNDLE = None


def setUpModule():
    global STAGE, BUNDLE
    STAGE = Stage()
    unittest.addModuleCleanup(STAGE.close)
    BUNDLE = STAGE.bundle("1.0", 8)


def broken_bundle(name, files):
    """The simulated bundle with other files in it, made anew; its directory."""
    source = STAGE.path(f"{name}-source")
    shutil.copytree(BUNDLE, source)
    lines = (source / "manifest.yaml").read_text().splitlines()
    for path, content in files.items():
        (source / path).write_bytes(content)
    recipe = [line for line in lines if not line.strip().startswith(("size:", "sha256:"))]
    (source / "bundle.yaml").write_text("\n".join(recipe) + "\n")
    (source / "manifest.yaml").unlink()
    packed = STAGE.path(f"{name}.pswb")
    run("psw-bundle", "make", source, "-o", packed)
    return STAGE.unpack(packed, name)


def library(source):
    """A shared library compiled from this C text."""
    text, made = STAGE.path("library.c"), STAGE.path("library.so")
    text.write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(made), str(text)], check=True, capture_output=True)
    return made.read_bytes()


class Refusals(unittest.TestCase):
    def refused(self, status, *texts, arguments=None, bundle=None, config=None, socket_path=None):
        """quoted ends by itself with this status and one line that has these texts."""
        if arguments is None:
            arguments = ["--bundle", bundle or BUNDLE, "--socket", socket_path or STAGE.path("aesm.socket")]
        if config is not None:
            path = STAGE.path("quoted.yaml")
            path.write_text(config)
            arguments += ["--config", path]
        result = run("quoted", *arguments, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        for text in texts:
            self.assertIn(str(text), result.stderr)
        ours = [line for line in result.stderr.splitlines() if not line.startswith("libsgx_")]
        self.assertEqual(len(ours), 1, result.stderr)

    def test_usage(self):
        for arguments in ([], ["--bundle", BUNDLE], ["--socket", "/x"], ["--bundle", BUNDLE, "--socket", "/x", "more"],
                          ["--bundle", BUNDLE, "--control", "/x"], ["--bundle", BUNDLE, "--generation", "1"],
                          ["--bundle", BUNDLE, "--generation", "0", "--control", "/x"],
                          ["--bundle", BUNDLE, "--socket", "/x", "--generation", "1", "--control", "/y"],
                          ["--bundle", BUNDLE, "--socket", "/x", "--control-fd", "0"],
                          ["--bundle", BUNDLE, "--generation", "1", "--control", "/y", "--control-fd", "999"],
                          ["--bundle", BUNDLE, "--generation", "1", "--control", "/y", "--control-fd", "2"],
                          ["--bundle", BUNDLE, "--socket", "relative/aesm.socket"]):
            with self.subTest(" ".join(map(str, arguments))):
                self.refused(USAGE, "quoted --help", arguments=arguments)

    def test_help_and_version(self):
        self.assertIn("--bundle", run("quoted", "--help").stdout)
        self.assertRegex(run("quoted", "--version").stdout, r"^quoted \d+\.\d+")

    def test_configuration(self):
        self.refused(NOT_FOUND, "/nonexistent.yaml", arguments=["--bundle", BUNDLE, "--socket", STAGE.path("s"),
                                                               "--config", "/nonexistent.yaml"])
        for text, wanted in [("treads: 4\n", "treads"), ("threads: many\n", "threads"), ("threads: 2\n", "threads"),
                             ("queue: 0\n", "queue"), ("connections: 1000001\n", "connections"),
                             ("idle_timeout: 30\n", "idle_timeout"), ("idle_timeout: 2h\n", "idle_timeout"),
                             ("request_size: 1MiB\n", "request_size"), ("log_level: loud\n", "log_level"),
                             ("socket_mode: 0888\n", "socket_mode"), ("threads: 4\nengine_calls: 3\n", "engine_calls"),
                             ("threads: [1]\n", "line 1"), ("threads 4\n", "quoted.yaml")]:
            with self.subTest(text):
                self.refused(CONFIG, "quoted.yaml", wanted, config=text)
        self.refused(CONFIG, "socket_group", "no-such-group", config="socket_group: no-such-group\n")

    def test_an_unknown_key_is_told_with_line_and_column(self):
        self.refused(CONFIG, "treads", "line 2, column 1", config="queue: 5\ntreads: 4\n")

    def test_a_bundle_that_is_missing_or_none(self):
        self.refused(NOT_FOUND, "/nonexistent/bundle", bundle="/nonexistent/bundle")
        empty = STAGE.path("empty")
        empty.mkdir()
        self.refused(NOT_FOUND, empty, "manifest.yaml", bundle=empty)

    def test_a_library_that_does_not_load(self):
        for name, content in [("text", b"this is no library\n"), ("nothing", b""),
                              ("unresolved", library("int missing(void); int f(void) { return missing(); }"))]:
            with self.subTest(name):
                bundle = broken_bundle(f"library-{name}", {"lib/libsgx_dcap_ql.so.1": content})
                self.refused(ENGINE, "libsgx_dcap_ql.so.1", "does not load", bundle=bundle)

    def test_a_library_that_lacks_a_function(self):
        for i, name in enumerate(FUNCTIONS):
            with self.subTest(name):
                source = "".join(f"unsigned {other}(void) {{ return 0; }}\n" for other in FUNCTIONS if other != name)
                bundle = broken_bundle(f"lacks-{i}", {"lib/libsgx_dcap_ql.so.1": library(source)})
                self.refused(ENGINE, "libsgx_dcap_ql.so.1", name, bundle=bundle)

    def test_a_quoting_enclave_that_is_refused(self):
        enclave = bytearray((BUNDLE / "lib/libsgx_qe3.signed.so.1").read_bytes())
        at = enclave.index(bytes.fromhex("06000000e10000000000010000000000")) + 600  # in SIGSTRUCT's signature
        enclave[at] ^= 1
        bundle = broken_bundle("qe-refused", {"lib/libsgx_qe3.signed.so.1": bytes(enclave)})
        self.refused(ENGINE, "0xe016", bundle=bundle)

    def test_a_bundle_that_does_not_quote(self):
        self.refused(ENGINE, "0xe012", bundle=STAGE.bundle("2.2", 8, "--fault", "load:0xe012"))
        self.refused(ENGINE, "0xe001", bundle=STAGE.bundle("2.3", 8, "--fault", "quote:0xe001"))

    def test_a_failed_start_leaves_no_socket_behind_that_was_not_there(self):
        path = STAGE.path("aesm.socket")
        self.refused(ENGINE, bundle=STAGE.bundle("2.4", 8, "--fault", "size:0xe001"), socket_path=path)
        # The path may stay, but nobody listens there and the next one takes it over.
        daemon = STAGE.start(BUNDLE, socket_path=path).wait_serving()
        self.assertEqual(daemon.end(), 0)

    def test_a_socket_directory_that_is_missing_or_not_ours(self):
        self.refused(NOT_FOUND, "/nonexistent", socket_path=pathlib.Path("/nonexistent/aesm.socket"))
        open_to_all = STAGE.path("open")
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        self.refused(PERMISSION, open_to_all, socket_path=open_to_all / "aesm.socket")
        if os.geteuid() == 0:
            foreign = STAGE.path("foreign")
            foreign.mkdir()
            os.chown(foreign, 12345, 12345)
            self.refused(PERMISSION, foreign, "12345", socket_path=foreign / "aesm.socket")

    def test_a_path_that_is_taken(self):
        path = STAGE.path("taken.socket")
        with listener(path):
            inode = path.stat().st_ino
            self.refused(CONFLICT, path, "listens", socket_path=path)
            self.assertEqual(path.stat().st_ino, inode)
        plain = STAGE.path("plain")
        plain.write_text("precious")
        self.refused(CONFLICT, plain, socket_path=plain)
        self.assertEqual(plain.read_text(), "precious")


class Life(unittest.TestCase):
    def test_a_socket_left_by_a_dead_daemon_is_replaced(self):
        path = STAGE.path("left.socket")
        listener(path).close()
        STAGE.start(BUNDLE, socket_path=path).wait_serving()

    def test_the_socket_has_the_configured_mode_whatever_the_umask(self):
        path = STAGE.path("mode.socket")
        daemon = STAGE.start(BUNDLE, socket_path=path, config={"socket_mode": "0660"}, preexec=lambda: os.umask(0o077))
        daemon.wait_serving()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
        default = STAGE.start(BUNDLE, preexec=lambda: os.umask(0o077)).wait_serving()
        self.assertEqual(stat.S_IMODE(default.socket.stat().st_mode), 0o777)

    def test_a_client_that_connects_during_the_warm_up_is_answered(self):
        daemon = STAGE.start(BUNDLE)
        wait_until(daemon.socket.exists, "the socket")
        self.assertEqual(aesm.ask_answer(daemon.socket, aesm.init_request()).code, 0)

    def test_a_passed_listener_is_used_and_its_inode_kept(self):
        path = STAGE.path("passed.socket")
        log = STAGE.path("log")
        with listener(path) as made, open(log, "wb") as output:
            inode = path.stat().st_ino
            script = f'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@" 3<&{made.fileno()}'
            process = subprocess.Popen(["/bin/sh", "-c", script, program("quoted"), "--bundle", str(BUNDLE), "--socket",
                                        str(path)], pass_fds=[made.fileno()], stdin=subprocess.DEVNULL, stderr=output)
            try:
                self.assertEqual(aesm.ask_answer(path, aesm.request(aesm.NUM)).code, 0)
                self.assertEqual(path.stat().st_ino, inode)
            finally:
                process.terminate()
                self.assertEqual(process.wait(60), 0, log.read_text())
            self.assertEqual(path.stat().st_ino, inode)

    def test_sgx_aesm_addr_does_not_lead_the_library_away(self):
        daemon = STAGE.start(BUNDLE, preexec=lambda: os.environ.__setitem__("SGX_AESM_ADDR", "1"))
        self.assertEqual(aesm.ask_answer(daemon.wait_serving().socket, aesm.init_request()).code, 0)

    def test_sigterm_ends_with_status_0_and_leaves_the_socket(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = STAGE.start(BUNDLE).wait_serving()
            inode = daemon.socket.stat().st_ino
            self.assertEqual(daemon.end(number), 0, daemon.log())
            self.assertEqual(daemon.socket.stat().st_ino, inode)
            with self.assertRaises(ConnectionRefusedError):
                aesm.ask(daemon.socket, aesm.request(aesm.NUM))

    def test_sigterm_during_the_warm_up_ends_at_once(self):
        bundle = STAGE.bundle("2.1", 8, "--fault", "load:hang")
        daemon = STAGE.start(bundle)
        wait_until(daemon.socket.exists, "the socket")
        self.assertEqual(daemon.end(), 0)

    def test_sigterm_finishes_what_was_accepted(self):
        daemon = STAGE.start(BUNDLE).wait_serving()
        target = aesm.ask_answer(daemon.socket, aesm.init_request())[2]
        whole = aesm.quote_request(STAGE.report(target), 8192)
        with STAGE.platform.knobs(quote=300000), aesm.Connection(daemon.socket) as first, \
                aesm.Connection(daemon.socket) as second, aesm.Connection(daemon.socket) as half:
            first.send(whole)
            second.send(whole)
            half.send(whole[:100])
            self.assertEqual(aesm.ask_answer(daemon.socket, aesm.request(aesm.NUM)).code, 0)  # all are accepted
            daemon.process.send_signal(signal.SIGTERM)
            half.send(whole[100:])
            for connection in (first, second, half):
                self.assertEqual(connection.answer().code, 0)
            self.assertEqual(daemon.process.wait(60), 0)

    def test_sighup_and_sigpipe_do_not_end_it(self):
        daemon = STAGE.start(BUNDLE).wait_serving()
        for number in (signal.SIGHUP, signal.SIGPIPE):
            daemon.process.send_signal(number)
        daemon.process.send_signal(signal.SIGHUP)
        self.assertEqual(aesm.ask_answer(daemon.socket, aesm.request(aesm.NUM)).code, 0)

    def test_status_lines_say_simulated(self):
        daemon = STAGE.start(BUNDLE).wait_serving()
        wait_until(lambda: "simulated" in daemon.log(), "the line that says ready")


if __name__ == "__main__":
    unittest.main()
