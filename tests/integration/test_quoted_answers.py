# SPDX-License-Identifier: Apache-2.0
"""Each answering rule of docs/protocol.md, byte for byte, over the real daemon."""

import hashlib
import json
import struct
import unittest

from tests.support import aesm
from tests.support.aesm import IDS, INIT, KEY_ID, NUM, QUOTE, SELECT, SIZE, answer, body, data, frame, number, request
from tests.support.node import run
from tests.support.quoted import Quote, Stage

OTHER_ID = KEY_ID[:154] + struct.pack("<I", 1) + KEY_ID[158:]  # EPID
LIKE_ID = KEY_ID[:158] + bytes(range(98))                      # the same identity, other bytes behind it
REPORT = bytes(432)
INFO = bytes(range(256)) * 3 + bytes(192)

STAGE = None
DAEMON = None


def setUpModule():
    global STAGE, DAEMON
    STAGE = Stage()
    unittest.addModuleCleanup(STAGE.close)
    DAEMON = STAGE.start(STAGE.bundle("1.0", 8)).wait_serving()


def ask(whole):
    return aesm.ask(DAEMON.socket, whole)


class Answers(unittest.TestCase):
    def check(self, cases):
        for name, whole, expected in cases:
            with self.subTest(name):
                self.assertEqual(ask(whole).hex(), expected.hex())

    def test_number_and_ids(self):
        self.check([
            ("number", request(NUM), answer(NUM, 0, number(2, 1))),
            ("number with time limit", request(NUM, number(9, 15000)), answer(NUM, 0, number(2, 1))),
            ("ids", request(IDS, number(1, 256)), answer(IDS, 0, data(2, KEY_ID))),
            ("ids, low 32 bits of the size", request(IDS, number(1, 2**32 + 256)), answer(IDS, 0, data(2, KEY_ID))),
            ("ids, size 0", request(IDS, number(1, 0)), answer(IDS, 3)),
            ("ids, size 255", request(IDS, number(1, 255)), answer(IDS, 3)),
            ("ids, size 512", request(IDS, number(1, 512)), answer(IDS, 3)),
            ("ids, no size", request(IDS), answer(IDS, 1)),
            ("ids, size as bytes", request(IDS, data(1, b"\0\1")), answer(IDS, 1)),
        ])

    def test_select(self):
        listed = aesm.key_list
        self.check([
            ("no list", request(SELECT), answer(SELECT, 0, data(2, KEY_ID))),
            ("its time limit is field 2", request(SELECT, number(2, 15000)), answer(SELECT, 0, data(2, KEY_ID))),
            ("one", request(SELECT, data(1, listed(KEY_ID))), answer(SELECT, 0, data(2, KEY_ID))),
            ("the caller's own bytes", request(SELECT, data(1, listed(LIKE_ID))), answer(SELECT, 0, data(2, LIKE_ID))),
            ("the first match", request(SELECT, data(1, listed(OTHER_ID, LIKE_ID, KEY_ID))),
             answer(SELECT, 0, data(2, LIKE_ID))),
            ("ten", request(SELECT, data(1, listed(*[OTHER_ID] * 9, KEY_ID))), answer(SELECT, 0, data(2, KEY_ID))),
            ("eleven", request(SELECT, data(1, listed(*[KEY_ID] * 11))), answer(SELECT, 3)),
            ("none known", request(SELECT, data(1, listed(OTHER_ID))), answer(SELECT, 38)),
            ("empty field", request(SELECT, data(1, b"")), answer(SELECT, 3)),
            ("only a header", request(SELECT, data(1, listed())), answer(SELECT, 3)),
            ("one byte short", request(SELECT, data(1, listed(KEY_ID)[:-1])), answer(SELECT, 3)),
            ("one byte long", request(SELECT, data(1, listed(KEY_ID) + b"\0")), answer(SELECT, 3)),
            ("count too small", request(SELECT, data(1, listed(KEY_ID, KEY_ID, count=1))), answer(SELECT, 3)),
            ("count too large", request(SELECT, data(1, listed(KEY_ID, count=2))), answer(SELECT, 3)),
            ("count of 2^32 - 1", request(SELECT, data(1, listed(KEY_ID, count=2**32 - 1))), answer(SELECT, 3)),
            ("id 1", request(SELECT, data(1, listed(KEY_ID, version=(1, 0)))), answer(SELECT, 3)),
            ("version 1", request(SELECT, data(1, listed(KEY_ID, version=(0, 1)))), answer(SELECT, 3)),
        ])

    def test_init_without_key(self):
        zeros = answer(INIT, 0, data(2, bytes(512)), number(3, 32))
        self.check([
            ("plain", request(INIT, data(1, KEY_ID), number(3, 0)), zeros),
            ("any buffer size", request(INIT, data(1, KEY_ID), number(3, 0), number(4, 2**64 - 1)), zeros),
            ("identity with other bytes behind", request(INIT, data(1, LIKE_ID), number(3, 0)), zeros),
            ("longer identity", request(INIT, data(1, KEY_ID + b"x"), number(3, 0)), zeros),
            ("fields in another order", request(INIT, number(9, 1), number(3, 0), data(1, KEY_ID)), zeros),
        ])

    def test_init_errors(self):
        def init(*fields):
            return request(INIT, *fields)
        self.check([
            ("no flag", init(data(1, KEY_ID), number(4, 32)), answer(INIT, 1, number(3, 0))),
            ("no flag and nothing else", init(), answer(INIT, 1, number(3, 0))),
            ("no id", init(number(3, 1), number(4, 32)), answer(INIT, 3, number(3, 32))),
            ("no id and no size", init(number(3, 1)), answer(INIT, 3, number(3, 0))),
            ("empty id", init(data(1, b""), number(3, 1), number(4, 7)), answer(INIT, 3, number(3, 7))),
            ("short id", init(data(1, KEY_ID[:255]), number(3, 0)), answer(INIT, 3, number(3, 0))),
            ("unknown id", init(data(1, OTHER_ID), number(3, 0), number(4, 9)), answer(INIT, 38, number(3, 9))),
            ("zero id", init(data(1, bytes(256)), number(3, 1), number(4, 32)), answer(INIT, 38, number(3, 32))),
            ("id before size", init(data(1, OTHER_ID), number(3, 1), number(4, 31)), answer(INIT, 38, number(3, 31))),
            ("no size", init(data(1, KEY_ID), number(3, 1)), answer(INIT, 3, number(3, 0))),
            ("size 31", init(data(1, KEY_ID), number(3, 1), number(4, 31)), answer(INIT, 3, number(3, 31))),
            ("size 33", init(data(1, KEY_ID), number(3, 1), number(4, 33)), answer(INIT, 3, number(3, 33))),
            ("all 64 bits of the size", init(data(1, KEY_ID), number(3, 1), number(4, 2**32 + 32)),
             answer(INIT, 3, number(3, 2**32 + 32))),
            ("flag 2", init(data(1, KEY_ID), number(3, 2), number(4, 5)), answer(INIT, 3, number(3, 5))),
            ("flag 2^32", init(data(1, KEY_ID), number(3, 2**32), number(4, 5)), answer(INIT, 3, number(3, 5))),
        ])

    def test_size_errors(self):
        self.check([
            ("no id", request(SIZE), answer(SIZE, 3, number(2, 0))),
            ("short id", aesm.size_request(KEY_ID[:255]), answer(SIZE, 3, number(2, 0))),
            ("unknown id", aesm.size_request(OTHER_ID), answer(SIZE, 38, number(2, 0))),
        ])

    def test_quote_errors(self):
        def quote(*fields):
            return request(QUOTE, *fields)
        report, key, size = data(1, REPORT), data(2, KEY_ID), number(4, 8192)
        echo = data(3, INFO)
        self.check([
            ("nothing", quote(), answer(QUOTE, 1)),
            ("no report", quote(key, echo, size), answer(QUOTE, 1)),
            ("no size", quote(report, key, echo), answer(QUOTE, 1)),
            ("no id", quote(report, size), answer(QUOTE, 3)),
            ("no id, echo", quote(report, echo, size), answer(QUOTE, 3, echo)),
            ("unknown id, echo of any length", quote(report, data(2, OTHER_ID), data(3, b"xyz"), size),
             answer(QUOTE, 38, data(3, b"xyz"))),
            ("unknown id before report", quote(data(1, b""), data(2, OTHER_ID), size), answer(QUOTE, 38)),
            ("empty report", quote(data(1, b""), key, size), answer(QUOTE, 3)),
            ("report of 431", quote(data(1, REPORT[1:]), key, size), answer(QUOTE, 3)),
            ("report of 433", quote(data(1, REPORT + b"x"), key, echo, size), answer(QUOTE, 3, echo)),
            ("empty info", quote(report, key, data(3, b""), size), answer(QUOTE, 3)),
            ("info of 959", quote(report, key, data(3, INFO[1:]), size), answer(QUOTE, 3, data(3, INFO[1:]))),
            ("info of 961", quote(report, key, data(3, INFO + b"x"), size), answer(QUOTE, 3, data(3, INFO + b"x"))),
            ("size 0", quote(report, key, number(4, 0)), answer(QUOTE, 3)),
            ("size 0 hides a bad report", quote(report, key, echo, number(4, 0)), answer(QUOTE, 3, echo)),
            ("size 1000", quote(report, key, number(4, 1000)), answer(QUOTE, 3)),
            ("low 32 bits of the size", quote(report, key, number(4, 2**32)), answer(QUOTE, 3)),
            ("bad report", quote(report, key, size), answer(QUOTE, 47)),
            ("bad report, echo", quote(report, key, echo, size), answer(QUOTE, 47, echo)),
        ])

    def test_legacy(self):
        some = data(1, b"x"), number(2, 0), data(3, b"y"), number(6, 500)
        three = data(1, b"x"), data(2, b"y"), data(3, b"z")
        codes = data(1, b"x"), number(2, 5), number(3, 12)
        self.check([
            ("init", request(1), answer(1, 30)),
            ("quote", request(2, *some), answer(2, 30)),
            ("quote with a list and 4 GiB", request(2, *some[:3], data(5, bytes(500)), number(6, 2**32 - 1)), answer(2, 30)),
            ("quote without spid", request(2, *some[:2], some[3]), answer(2, 1)),
            ("token", request(3, *three), answer(3, 30)),
            ("token without signer", request(3, three[0], three[2]), answer(3, 1)),
            ("report error", request(4, *codes), answer(4, 30)),
            ("report error with 4 GiB", request(4, codes[0], codes[1], number(3, 2**32 - 1)), answer(4, 30)),
            ("report error without size", request(4, *codes[:2]), answer(4, 1)),
            ("white list size", request(10), answer(10, 30, number(2, 0))),
            ("white list", request(11, number(1, 100)), answer(11, 30)),
            ("white list without size", request(11), answer(11, 30)),
            ("get group", request(12), answer(12, 30, number(2, 0))),
            ("switch group", request(13), answer(13, 30)),
            ("register", request(14, data(1, b"x"), number(2, 0)), answer(14, 30)),
            ("register type 1", request(14, data(1, b"x"), number(2, 1)), answer(14, 3)),
            ("register without type", request(14, data(1, b"x")), answer(14, 1)),
            ("update status", request(18, data(1, b"x"), number(2, 5), number(3, 1)), answer(18, 30, number(3, 0))),
            ("update status without platform info", request(18, number(2, 5), number(3, 1)), answer(18, 30, number(3, 0))),
            ("update status without mask", request(18, number(2, 5)), answer(18, 1, number(3, 0))),
        ])

    def test_which_request_is_it(self):
        num = answer(NUM, 0, number(2, 1))
        cut = aesm.size_request()[4:]
        size = ask(aesm.size_request())
        self.check([
            ("rubbish behind", frame(body(NUM) + b"\0\1\2\3"), num),
            ("open group behind", frame(body(NUM) + b"\x2b"), num),
            ("stray end of group behind", frame(body(NUM) + b"\x2c"), num),
            ("rubbish inside", frame(data(NUM, b"\0\xff\xff")), num),
            ("length beyond the end", frame(aesm.tag(NUM, 2) + b"\x7f"), num),
            ("no length at all", frame(aesm.tag(NUM, 2)), num),
            ("unknown fields around", frame(number(40, 1) + data(5, b"?") + aesm.group(7, number(1, 1)) + aesm.fixed32(8)
                                            + aesm.fixed64(9) + body(NUM)), num),
            ("as varint it is not there", frame(number(INIT, 1) + body(NUM)), num),
            ("as group it is not there", frame(aesm.group(INIT) + body(NUM)), num),
            ("twice is merged, the last value wins", frame(body(IDS, number(1, 7)) + body(IDS, number(1, 256))),
             answer(IDS, 0, data(2, KEY_ID))),
            ("merged from two halves", frame(body(INIT, number(3, 1), number(4, 5)) + body(INIT, data(1, OTHER_ID))),
             answer(INIT, 38, number(3, 5))),
            ("nothing counts behind an error", frame(body(INIT, number(3, 1)) + b"\0" + body(INIT, number(4, 32))),
             answer(INIT, 3, number(3, 0))),
            ("an identity cut by 16 bytes is filled with zeros", frame(body(SIZE, data(1, KEY_ID))[:-16]), size),
            ("one cut by 17 is short", frame(body(SIZE, data(1, KEY_ID))[:-17]), answer(SIZE, 3, number(2, 0))),
            ("a time limit cut off", frame(cut[:-1]), size),
        ])

    def test_the_order_of_several_requests(self):
        order = [3, 1, 2, 4, 18, 10, 11, 12, 13, 14, 15, 16, 17, 19, 21, 22]
        for first, second in zip(order, order[1:]):
            with self.subTest(f"{first} before {second}"):
                both = aesm.ask_answer(DAEMON.socket, frame(body(second) + body(first)))
                self.assertEqual(both.number, first)

    def test_nothing_known_is_closed_without_an_answer(self):
        for name, content in [("empty", b""), ("rubbish", b"\xff" * 20), ("number 20", body(20)), ("number 5", body(5)),
                              ("tag 0 first", b"\0" + body(NUM)), ("end of group first", b"\x0c" + body(NUM)),
                              ("only a varint", number(NUM, 1))]:
            with self.subTest(name):
                self.assertEqual(ask(frame(content)), b"")

    def test_a_client_that_ends_too_early_is_closed_without_an_answer(self):
        whole = request(NUM)
        for size in range(len(whole)):
            with aesm.Connection(DAEMON.socket) as connection:
                self.assertEqual(connection.send(whole[:size]).end_sending().frame(), b"")

    def test_a_client_that_only_ends_sending_is_answered(self):
        with aesm.Connection(DAEMON.socket) as connection:
            self.assertEqual(connection.send(request(NUM)).end_sending().answer().code, 0)
            self.assertTrue(connection.is_closed())

    def test_bytes_behind_the_request_are_ignored(self):
        for behind in (b"\0", request(NUM), bytes(5000)):
            with aesm.Connection(DAEMON.socket) as connection:
                connection.send(request(IDS, number(1, 256)) + behind)
                self.assertEqual(connection.answer().number, IDS)
                self.assertTrue(connection.is_closed())


class Quotes(unittest.TestCase):
    """From target info to quote, as every client does it."""

    def setUp(self):
        self.init = aesm.ask_answer(DAEMON.socket, aesm.init_request())
        self.size = aesm.ask_answer(DAEMON.socket, aesm.size_request())
        self.report = STAGE.report(self.init[2], bytes(range(64)))

    def quote(self, buf_size, info=None):
        return aesm.ask_answer(DAEMON.socket, aesm.quote_request(self.report, buf_size, info))

    def test_init_gives_this_bundles_enclave_and_key(self):
        self.assertEqual(self.init.frame, answer(INIT, 0, data(2, self.init[2]), number(3, 32), data(4, self.init[4])))
        files = json.loads(run("psw-bundle", "verify", STAGE.directory / "1.0.pswb", "--json").stdout)["files"]
        enclave, = [file["path"] for file in files if file["role"] == "qe3"]
        self.assertIn(self.init[2][:32], (STAGE.directory / "bundle-1.0" / enclave).read_bytes())
        key = Quote(self.quote(self.size[2])[2]).key
        self.assertEqual(self.init[4], hashlib.sha256(key + bytes(range(32))).digest())

    def test_size_is_that_of_a_quote(self):
        self.assertEqual(self.size.frame, answer(SIZE, 0, number(2, self.size[2])))
        self.assertEqual(Quote(self.quote(self.size[2])[2]).size, self.size[2])

    def test_a_quote_says_what_the_report_says(self):
        made = self.quote(self.size[2])
        self.assertEqual((made.code, made.order), (0, [1, 2]))
        quote = Quote(made[2])
        self.assertEqual((quote.version, quote.key_type, quote.qe_svn, quote.pce_svn), (3, 2, 8, 13))
        self.assertEqual(quote.body, self.report[:384])
        self.assertEqual(quote.qe_mrenclave, self.init[2][:32])
        self.assertTrue(quote.key_is_bound())
        self.assertTrue(quote.signature_is_good(STAGE.directory))

    def test_a_larger_buffer_is_filled_with_zeros(self):
        for size in (self.size[2] + 1, 8192, 100000):
            made = self.quote(size)
            self.assertEqual(made.frame, answer(QUOTE, 0, data(2, made[2])))
            self.assertEqual(len(made[2]), size)
            self.assertFalse(any(made[2][self.size[2]:]))
            self.assertTrue(Quote(made[2]).signature_is_good(STAGE.directory))

    def test_a_buffer_one_byte_too_small_is_a_parameter_error(self):
        self.assertEqual(self.quote(self.size[2] - 1, INFO).frame, answer(QUOTE, 3, data(3, INFO)))

    def test_the_qe_reports_on_its_quote(self):
        nonce = bytes(range(100, 116))
        info = nonce + self.init[2] + bytes(432)
        made = self.quote(8192, info)
        self.assertEqual((made.code, made.order), (0, [1, 2, 3]))
        self.assertEqual(made[3][:528], info[:528])
        self.assertEqual(made[3][528 + 64:528 + 96], self.init[2][:32])
        said = made[3][528 + 320:528 + 384]
        self.assertIn(said[:32], [hashlib.sha256(nonce + made[2][:size]).digest() for size in (self.size[2], 8192)])

    def test_a_report_that_was_changed_is_refused(self):
        changed = bytearray(self.report)
        changed[320] ^= 1
        refused = aesm.ask(DAEMON.socket, aesm.quote_request(bytes(changed), 8192))
        self.assertEqual(refused, answer(QUOTE, 47))

    def test_a_buffer_beyond_the_enclaves_heap_is_out_of_memory(self):
        for size in (147456, 2**24, 2**31 - 1, 2**32 - 1):
            self.assertEqual(self.quote(size).frame, answer(QUOTE, 21))


if __name__ == "__main__":
    unittest.main()
