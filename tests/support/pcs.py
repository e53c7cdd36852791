# SPDX-License-Identifier: Apache-2.0
"""A provisioning certification service (PCS v4, or a PCCS) for a simulated platform, on a loopback port.

Its answers have the form of Intel's: bodies as signed, issuer chains in headers. What it says can be changed while
it runs; `faults` maps a part of a path to what becomes of it: "html", "404", "503", "hang", "cut", "big".
"""

import contextlib
import http.server
import ssl
import threading
import urllib.parse


class Pcs:
    """`standard` and `early` are Collateral (tests/support/collateral.py) and may be replaced at any time; with a
    certificate and its key over TLS."""

    def __init__(self, collateral, early=None, certificate=None, key=None):
        self.standard = collateral
        self.early = early or collateral
        self.faults = {}
        self.paths = []
        self.released = threading.Event()
        pcs = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802
                """One answer."""
                pcs.paths.append(self.path)
                with contextlib.suppress(ConnectionError):  # who asked has heard enough
                    pcs.answer(self)

            def log_message(self, *_):
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.handle_error = lambda *_: None  # a client that leaves is no news
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_address[1]}/sgx/certification/v4"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        """Ends it, and whoever hangs in it."""
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def fault(self, path):
        """What is wrong with this path; "" if nothing."""
        return next((fault for part, fault in self.faults.items() if part in path), "")

    def content(self, path):
        """(body, header, chain) or None."""
        url = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(url.query))
        data = self.early if query.get("update") == "early" else self.standard
        name = url.path.removeprefix("/sgx/certification/v4/")
        if name == "tcb" and "fmspc" in query:
            return data.tcb_info_answer().encode(), "TCB-Info-Issuer-Chain", data.tcb_chain
        if name == "qe/identity":
            return data.qe_identity_answer().encode(), "SGX-Enclave-Identity-Issuer-Chain", data.tcb_chain
        if name == "pckcrl":
            return data.pck_crl, "SGX-PCK-CRL-Issuer-Chain", data.pck_chain
        if name == "rootcacrl":
            return data.root_crl.hex().encode(), None, None
        return None

    def answer(self, request):
        """Writes the answer, or what is to go wrong."""
        fault, content = self.fault(request.path), self.content(request.path)
        if fault == "hang":
            self.released.wait(60)
        if content is None or fault in ("404", "503"):
            request.send_error(int(fault or 404))
            return
        body, header, chain = content
        if fault == "html":
            body = b"<html><body>Please log in</body></html>"
        if fault == "forged":  # the signature stands at the end of a CRL
            body = body[:-3] + bytes([body[-3] ^ 1]) + body[-2:]
        if fault == "big":
            body = b" " * (3 * 1024 * 1024)
        request.send_response(200)
        request.send_header("Content-Length", str(len(body) + (100 if fault == "cut" else 0)))
        request.send_header("Request-ID", "00")
        if header:
            request.send_header(header, urllib.parse.quote(chain, safe=""))
        request.end_headers()
        request.wfile.write(body)
        if fault == "cut":
            request.close_connection = True
