# SPDX-License-Identifier: Apache-2.0
"""Lame ducks: who answers reports that were made for a former quoting enclave."""

import unittest

from tests.support import aesm, control
from tests.support.cases import GenerationCase
from tests.support.quoted import Quote

E015 = 0xE015

setUpModule = GenerationCase.open_module


class LameDucks(GenerationCase):
    def setUp(self):
        super().setUp()
        self.old, self.new = self.generation(), self.generation(self.NEW)
        self.serve(self.old)
        self.old_target = self.target_info()
        self.old_report = self.stage.report(self.old_target, bytes(range(64)))

    def swap(self, **more):
        self.serve(self.new, [self.old], **more)
        self.drain(self.old)

    def test_reports_for_both_enclaves_are_answered_after_a_swap(self):
        self.swap()
        new_target = self.target_info()
        self.assertNotEqual(new_target[:32], self.old_target[:32])
        for report, target in ((self.old_report, self.old_target), (self.stage.report(new_target), new_target)):
            answer = self.quote(report)
            self.assertEqual(answer.code, 0)
            quote = Quote(answer[2])
            self.assertEqual((quote.qe_mrenclave, quote.body), (target[:32], report[:384]))
            self.assertTrue(quote.signature_is_good(self.stage.directory))
        counters = self.new.link.status()["counters"]
        self.assertEqual((counters["duck_answers"], counters["duck_refusals"]), (1, 0))
        self.assertEqual(self.old.link.status()["counters"]["relayed"], 1)

    def test_the_size_told_fits_the_quotes_of_all(self):
        self.swap()
        size = aesm.ask_answer(self.socket, aesm.size_request())[2]
        self.assertEqual(size, max(q.link.status()["quote_size"] for q in (self.old, self.new)))
        self.assertEqual(self.quote(self.old_report, size).code, 0)

    def test_the_report_of_the_duck_on_its_quote(self):
        self.swap()
        info = bytes(16) + self.old_target + bytes(432)
        answer = self.quote(self.old_report, 8192, info)
        self.assertEqual((answer.code, answer[3][:528]), (0, info[:528]))
        self.assertEqual(answer[3][528 + 64:528 + 96], self.old_target[:32])

    def test_a_report_for_nobody_is_47_or_with_reinit_42(self):
        forged = bytearray(self.old_report)
        forged[400] ^= 1
        self.swap()
        self.assertEqual(self.quote(bytes(forged)).frame, aesm.answer(aesm.QUOTE, 47))
        self.new.link.call(control.DUCKS, {"ducks": [self.duck(self.old)], "reinit": True})
        self.assertEqual(self.quote(bytes(forged)).frame, aesm.answer(aesm.QUOTE, 42))
        self.assertEqual(self.quote(self.old_report).code, 0)
        self.new.link.call(control.DUCKS, {"ducks": []})
        self.assertEqual(self.quote(self.old_report).code, 47)
        self.new.link.call(control.DUCKS, {"ducks": [], "reinit": True})
        self.assertEqual(self.quote(self.old_report).code, 42)

    def test_ducks_are_asked_newest_first_until_one_answers(self):
        third = self.generation(self.stage.bundle("3.1", 10))
        self.swap()
        self.serve(third, [self.new, self.old])
        self.drain(self.new)
        self.assertEqual(self.quote(self.old_report).code, 0)
        relayed = [q.link.status()["counters"]["relayed"] for q in (self.old, self.new)]
        self.assertEqual(relayed, [1, 0])

    def test_a_dead_duck_costs_its_own_clients_only(self):
        third = self.generation(self.stage.bundle("3.2", 10))
        self.swap()
        middle_report = self.stage.report(self.target_info())
        self.serve(third, [self.new, self.old])
        self.drain(self.new)
        self.new.process.kill()
        self.new.process.wait(60)
        self.assertEqual(self.quote(self.old_report).code, 0)
        self.assertNotEqual(self.quote(middle_report).code, 0)
        self.assertEqual(self.quote(self.stage.report(self.target_info())).code, 0)

    def test_an_unreachable_duck_is_an_alarm_and_no_failure(self):
        self.new.link.call(control.WATCH)
        gone = {"generation": 99, "control": str(self.stage.path("gone.sock"))}
        status = self.new.link.call(control.ACCEPT, {"ducks": [gone, self.duck(self.old)]}, self.listener.fileno()).json()
        self.assertEqual(status["state"], "serving")
        self.assertEqual(self.new.link.event(control.ALARM).json()["kind"], "unavailable")
        self.drain(self.old)
        self.assertEqual(self.quote(self.old_report).code, 0)

    def test_a_generation_asked_for_a_quote_answers_from_its_own_engine(self):
        self.swap()
        code, quote, _ = self.old.link.quote(self.old_report, 8192)
        self.assertEqual((code, Quote(quote).qe_mrenclave), (0, self.old_target[:32]))
        self.assertEqual(len(quote), self.old.link.status()["quote_size"])
        self.assertEqual(self.new.link.quote(self.old_report, 8192)[0], E015)
        self.assertEqual(self.old.link.quote(self.old_report, 1000)[0], 0xE002)
        code, _, info = self.old.link.quote(self.old_report, 8192, bytes(16) + self.old_target + bytes(432))
        self.assertEqual((code, len(info)), (0, 960))

    def test_the_ring_of_two_generations_does_not_ask_for_ever(self):
        self.swap()
        self.old.link.call(control.DUCKS, {"ducks": [self.duck(self.new)]})
        self.assertEqual(self.quote(bytes(432)).code, 47)

    def test_swapping_back_and_forth_serves_both_kinds_of_reports(self):
        self.swap()
        new_report = self.stage.report(self.target_info())
        for _ in range(5):
            for up, down in ((self.old, self.new), (self.new, self.old)):
                up.link.call(control.RESUME, {"ducks": [self.duck(down)]})
                self.drain(down)
                self.assertEqual(self.target_info()[:32], bytes.fromhex(up.link.status()["qe"]["mrenclave"]))
                self.assertEqual(self.quote(self.old_report).code, 0)
                self.assertEqual(self.quote(new_report).code, 0)


if __name__ == "__main__":
    unittest.main()
