# SPDX-License-Identifier: Apache-2.0
"""pswctl verify: genuine quotes under Intel's root, simulated ones under theirs, and what is wrong with either."""

import base64
import datetime
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import unittest

from tests.support.collateral import Collateral, split_chain, stamp
from tests.support.node import Platform, run
from tests.support.sim_take import take_quote

SOURCE = pathlib.Path(os.environ.get("PSW_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
DATA = SOURCE / "tests" / "data" / "dcap"
PHALA, AUTOMATA, MOBILECOIN = (DATA / name for name in ("phala-00A067110000-qe10", "automata-00606A000000-qe9",
                                                        "mobilecoin-00906ED50000-qe9"))
PHALA_TIME, AUTOMATA_TIME = "2025-07-01T00:00:00Z", "2025-09-01T00:00:00Z"


def verify(quote, *options):
    """The exit status and the JSON of pswctl verify."""
    result = run("pswctl", "verify", quote, "--json", *options, check=False)
    return result.returncode, json.loads(result.stdout) if result.stdout else None, result.stderr


class Files(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def write(self, name, content):
        """A file of the test's."""
        path = self.directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


class GenuineQuotes(Files):
    def check(self, directory, time, expected_exit, **expected):
        code, verdict, error = verify(directory / "quote.bin", "--collateral", directory, "--time", time)
        self.assertEqual(code, expected_exit, error)
        for key, value in expected.items():
            self.assertEqual(verdict[key], value)
        return verdict

    def test_they_have_the_status_that_independent_verifiers_give(self):
        for directory, time, status, advisories, fmspc in (
                (PHALA, PHALA_TIME, "ConfigurationAndSWHardeningNeeded", ["INTEL-SA-00289", "INTEL-SA-00615"],
                 "00A067110000"),
                (AUTOMATA, AUTOMATA_TIME, "SWHardeningNeeded", ["INTEL-SA-00615"], "00606A000000")):
            with self.subTest(directory=directory.name):
                verdict = self.check(directory, time, 1, status=status, advisories=advisories, problems=[],
                                     result="not-current")
                self.assertEqual(verdict["platform"]["fmspc"], fmspc)
                self.assertEqual(verdict["qe"]["status"], "UpToDate")

    def test_after_its_time_collateral_is_refused_and_the_status_still_said(self):
        verdict = self.check(PHALA, "2025-08-01T00:00:00Z", 5, result="not-verifiable",
                             status="ConfigurationAndSWHardeningNeeded")
        self.assertEqual({(problem["what"], problem["problem"]) for problem in verdict["problems"]},
                         {("PCK CRL", "expired"), ("TCB info", "expired"), ("QE identity", "expired")})

    def test_before_its_time_too(self):
        verdict = self.check(MOBILECOIN, "2023-05-01T00:00:00Z", 5)
        self.assertEqual({(problem["what"], problem["problem"]) for problem in verdict["problems"]},
                         {("PCK certificate", "not yet valid"), ("TCB info", "not yet valid"),
                          ("QE identity", "not yet valid")})

    def test_one_expired_crl_is_enough(self):
        verdict = self.check(MOBILECOIN, "2023-07-20T00:00:00Z", 5, status="SWHardeningNeeded")
        self.assertEqual([problem["what"] for problem in verdict["problems"]], ["PCK CRL"])

    def test_collateral_of_another_kind_of_platform_is_named(self):
        code, verdict, error = verify(PHALA / "quote.bin", "--collateral", AUTOMATA, "--time", PHALA_TIME)
        self.assertEqual((code, verdict["result"]), (5, "not-verifiable"))
        self.assertIn("00606a000000", error)

    def test_without_collateral_the_signatures_are_checked_and_nothing_is_promised(self):
        code, verdict, _ = verify(PHALA / "quote.bin", "--time", PHALA_TIME)
        self.assertEqual((code, verdict["status"], verdict["result"]), (5, "Unknown", "not-verifiable"))
        self.assertEqual({problem["what"] for problem in verdict["problems"]},
                         {"root CRL", "PCK CRL", "TCB info", "QE identity"})

    def test_a_quote_may_be_text_or_padded_or_come_through_a_pipe(self):
        raw = (PHALA / "quote.bin").read_bytes()
        forms = {"hex": raw.hex(), "HEX": "0x" + raw.hex().upper() + "\n", "base64": base64.b64encode(raw),
                 "lines": base64.encodebytes(raw), "url": base64.urlsafe_b64encode(raw).rstrip(b"="),
                 "padded": raw + bytes(8192 - len(raw))}
        for name, content in forms.items():
            with self.subTest(form=name):
                code, verdict, error = verify(self.write(name, content), "--collateral", PHALA, "--time", PHALA_TIME)
                self.assertEqual(code, 1, error)
                self.assertEqual(verdict["quote"]["size"], len(raw))
        program = str(pathlib.Path(os.environ["PSW_BIN"]) / "pswctl")
        result = subprocess.run([program, "verify", "-", "--collateral", PHALA, "--time", PHALA_TIME], input=raw,
                                capture_output=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 1, result.stderr)

    def test_seconds_since_1970_are_a_time_too(self):
        code, verdict, _ = verify(PHALA / "quote.bin", "--collateral", PHALA, "--time", "1751328000")
        self.assertEqual((code, verdict["time"]), (1, PHALA_TIME))

    def test_the_text_says_what_counts(self):
        result = run("pswctl", "verify", PHALA / "quote.bin", "--collateral", PHALA, "--time", PHALA_TIME, check=False)
        for part in ("ConfigurationAndSWHardeningNeeded", "INTEL-SA-00615", "00A067110000", "QE ISVSVN 10", "2025-07-19",
                     "hyper-threading"):
            self.assertIn(part, result.stdout)

    def test_a_flipped_bit_anywhere_is_refused(self):
        genuine = (PHALA / "quote.bin").read_bytes()
        # body, signature, attestation key, QE report, its signature, authentication data, PCK certificate, a mark in
        # the chain, PCK CA certificate, root certificate
        marks = genuine.index(b"-----END"), genuine.rindex(b"-----BEGIN")
        for place in (60, 440, 520, 600, 960, 1020, 1400, *marks, marks[0] + 300, marks[1] + 300):
            with self.subTest(byte=place):
                changed = bytearray(genuine)
                changed[place] ^= 1
                code, _, _ = verify(self.write("flipped", bytes(changed)), "--collateral", PHALA, "--time", PHALA_TIME)
                self.assertIn(code, (4, 5))

    def test_the_certificates_of_a_chain_may_stand_on_one_line(self):
        genuine = (PHALA / "quote.bin").read_bytes()
        start = genuine.index(b"-----BEGIN")
        chain = genuine[start:].replace(b"-\n-", b"--")
        changed = bytearray(genuine[:start] + chain)
        changed[start - 4:start] = len(chain).to_bytes(4, "little")
        changed[432:436] = (len(changed) - 436).to_bytes(4, "little")
        code, verdict, error = verify(self.write("joined", bytes(changed)), "--collateral", PHALA, "--time", PHALA_TIME)
        self.assertEqual((code, verdict["status"]), (1, "ConfigurationAndSWHardeningNeeded"), error)

    def test_a_changed_digit_in_signed_json_is_refused(self):
        single = json.loads((PHALA / "collateral.json").read_text(encoding="ascii"))
        for member, what in (("tcb_info", "TCB info"), ("qe_identity", "QE identity")):
            with self.subTest(member=member):
                changed = dict(single)
                changed[member] = single[member].replace('"OutOfDate"', '"UpToDate"', 1)
                path = self.write("changed.json", json.dumps(changed))
                code, _, error = verify(PHALA / "quote.bin", "--collateral", path, "--time", PHALA_TIME)
                self.assertEqual(code, 5)
                self.assertIn(what, error)

    def test_what_is_malformed_is_said_with_its_place(self):
        raw = (PHALA / "quote.bin").read_bytes()
        tdx = raw[:0] + b"\x04\x00\x02\x00\x81\x00\x00\x00" + raw[8:]
        for name, quote, collateral, part in (
                ("short", b"\x03\x00", PHALA, "too few"), ("tdx", tdx, PHALA, "TDX"), ("prose", "a quote!", PHALA, "hex"),
                ("json", raw, self.write("broken.json", "{"), "broken.json"),
                ("other", raw, self.write("other.json", "{}"), "no collateral"),
                ("empty", raw, self.write("empty/README", "x").parent, "collateral")):
            with self.subTest(case=name):
                code, _, error = verify(self.write("quote", quote), "--collateral", collateral)
                self.assertEqual(code, 4, error)
                self.assertIn(part, error)
        self.assertEqual(verify(self.directory / "none")[0], 7)
        self.assertEqual(verify(PHALA / "quote.bin", "--time", "yesterday")[0], 2)
        self.assertEqual(verify(PHALA / "quote.bin", "--root", PHALA / "quote.bin")[0], 4)


class SimulatedQuotes(Files):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="psw-verify-"))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.platform = Platform(cls.home / "platform")
        cls.base = Collateral(cls.platform.directory)
        cls.quote = cls.home / "quote"
        cls.old_quote = cls.home / "old"
        take_quote(cls.platform.bundle("1.0", 8, 13), cls.quote, cls.home)
        take_quote(cls.platform.bundle("0.9", 6, 13), cls.old_quote, cls.home)
        cls.chain = split_chain(cls.pck_chain())

    @classmethod
    def pck_chain(cls):
        """The PEM chain within the quote."""
        quote = cls.quote.read_bytes()
        return quote[quote.index(b"-----BEGIN"):].rstrip(b"\0").decode()

    def verify(self, collateral, quote=None, *options):
        """The verdict under the platform's own root; `collateral` is a Collateral or a path."""
        path = collateral
        if isinstance(collateral, Collateral):
            path = self.write("collateral.json", json.dumps(collateral.single()))
        return verify(quote or self.quote, "--collateral", path, "--root", self.platform.directory / "root.pem",
                      *options)

    def expect(self, collateral, status, code, quote=None):
        """That this is what comes of it."""
        got, verdict, error = self.verify(collateral, quote)
        self.assertEqual((verdict.get("status"), got), (status, code), error)
        return verdict

    def test_a_platform_s_directory_is_collateral_under_its_own_root_only(self):
        self.assertEqual(self.verify(self.platform.directory)[1]["status"], "UpToDate")
        code, _, error = verify(self.quote, "--collateral", self.platform.directory)
        self.assertEqual(code, 5)
        self.assertIn("--root", error)

    def test_all_statuses_are_merged_as_relying_parties_do(self):
        current = {"UpToDate": ("OutOfDate", 0), "SWHardeningNeeded": ("OutOfDate", 1),
                   "ConfigurationNeeded": ("OutOfDateConfigurationNeeded", 1),
                   "ConfigurationAndSWHardeningNeeded": ("OutOfDateConfigurationNeeded", 1),
                   "OutOfDate": ("OutOfDate", 1), "OutOfDateConfigurationNeeded": ("OutOfDateConfigurationNeeded", 1),
                   "Revoked": ("Revoked", 5)}
        for platform, (with_old_qe, code) in current.items():
            with self.subTest(platform=platform):
                collateral = self.base.copy()
                collateral.tcb_info["tcbLevels"][0]["tcbStatus"] = platform
                self.expect(collateral, platform, code)
                self.expect(collateral, with_old_qe, 5 if platform == "Revoked" else 1, self.old_quote)
                for level in collateral.qe_identity["tcbLevels"]:
                    level["tcbStatus"] = "Revoked"
                self.expect(collateral, "Revoked", 5)

    def test_below_every_level_it_is_not_supported(self):
        for part in ("tcb_info", "qe_identity"):
            with self.subTest(part=part):
                collateral = self.base.copy()
                for level in getattr(collateral, part)["tcbLevels"]:
                    level["tcb"]["pcesvn" if part == "tcb_info" else "isvsvn"] = 99
                self.expect(collateral, "NotSupported", 5)

    def test_what_is_short_is_said_and_where_it_comes_from(self):
        collateral = self.base.copy()
        level = collateral.tcb_info["tcbLevels"][0]["tcb"]
        level["sgxtcbcomponents"][1] = {"svn": 16, "category": "OS/VMM", "type": "SGX Late Microcode Update"}
        level["pcesvn"] = 16
        verdict = self.expect(collateral, "OutOfDate", 1)
        self.assertIn("component 2 (OS/VMM, SGX Late Microcode Update) is 14, needed 16", verdict["advice"][0])
        self.assertIn("PCESVN 13, needed 16", verdict["advice"][1])
        verdict = self.expect(self.base, "OutOfDate", 1, self.old_quote)
        self.assertIn("ISVSVN 6, needed 8", verdict["advice"][0])

    def test_every_certificate_in_a_chain_of_the_collateral_belongs_to_it(self):
        single = self.base.single()
        for member in ("tcb_info_issuer_chain", "qe_identity_issuer_chain", "pck_crl_issuer_chain"):
            for at, pem in enumerate(split_chain(single[member])):
                with self.subTest(member=member, certificate=at):
                    der = bytearray(ssl.PEM_cert_to_DER_cert(pem))
                    der[-1] ^= 1
                    changed = single[member].replace(pem, ssl.DER_cert_to_PEM_cert(bytes(der)))
                    code, _, error = self.verify(self.write("one.json", json.dumps(dict(single, **{member: changed}))))
                    self.assertEqual(code, 5, error)
                    self.assertIn("certificate", error)

    def test_a_damaged_mark_in_a_chain_of_the_collateral_is_malformed(self):
        single = self.base.single()
        chain = single["tcb_info_issuer_chain"]
        for damaged in (chain.replace("-----END", "-----ENT", 1), chain.replace("-----END", "-----", 1),
                        chain[::-1].replace("NIGEB-----", "NIGEB)----", 1)[::-1], chain + "x"):
            with self.subTest(damaged=damaged):
                code, _, error = self.verify(self.write("one.json", json.dumps(dict(single,
                                                                                    tcb_info_issuer_chain=damaged))))
                self.assertEqual(code, 4)
                self.assertIn("tcb_info_issuer_chain", error)

    def test_levels_may_come_in_any_order(self):
        collateral = self.base.copy()
        collateral.tcb_info["tcbLevels"].reverse()
        collateral.qe_identity["tcbLevels"].reverse()
        self.expect(collateral, "UpToDate", 0)

    def test_revoked_certificates_are_refused(self):
        signer = split_chain(self.base.tcb_chain)[0]
        for name, issuer, certificate, what in (("root_crl", "root", self.chain[1], "PCK CA certificate"),
                                                ("pck_crl", "ca", self.chain[0], "PCK certificate"),
                                                ("root_crl", "root", signer, "TCB signing certificate")):
            with self.subTest(what=what):
                collateral = self.base.copy()
                setattr(collateral, name, collateral.crl(issuer, [certificate]))
                verdict = self.expect(collateral, "UpToDate", 5)
                self.assertEqual([(problem["what"], problem["problem"]) for problem in verdict["problems"]],
                                 [(what, "revoked")])

    def test_a_crl_by_the_wrong_hand_does_not_count(self):
        collateral = self.base.copy()
        collateral.keys = dict(collateral.keys, ca=collateral.keys["root"])
        collateral.pck_crl = collateral.crl("ca")
        verdict = self.expect(collateral, "UpToDate", 5)
        self.assertEqual([(problem["what"], problem["problem"]) for problem in verdict["problems"]],
                         [("PCK CRL", "missing")])

    def test_dates_are_judged_one_by_one(self):
        hour = datetime.timedelta(hours=1)
        for name, issuer, what in (("root_crl", "root", "root CRL"), ("pck_crl", "ca", "PCK CRL")):
            for start, end, problem in ((-2 * hour, -hour, "expired"), (hour, 2 * hour, "not yet valid")):
                with self.subTest(what=what, problem=problem):
                    collateral = self.base.copy()
                    setattr(collateral, name, collateral.crl(issuer, start=start, end=end))
                    verdict = self.expect(collateral, "UpToDate", 5)
                    self.assertEqual([(each["what"], each["problem"]) for each in verdict["problems"]],
                                     [(what, problem)])

    def test_a_qe_that_is_not_the_identity_s_is_refused(self):
        for member, value in (("mrsigner", "00" * 32), ("isvprodid", 2), ("miscselect", "01000000"),
                              ("attributes", "15" + "00" * 15)):
            with self.subTest(member=member):
                collateral = self.base.copy()
                collateral.qe_identity[member] = value
                code, _, error = self.verify(collateral)
                self.assertEqual(code, 5)
                self.assertIn(member.upper(), error)

    def test_malformed_collateral_is_refused_even_if_signed(self):
        changes = ({"version": 4}, {"id": "TDX"}, {"fmspc": "51"}, {"issueDate": "yesterday"}, {"tcbLevels": []},
                   {"tcbLevels": "x"}, {"tcbType": 1}, {"tcbEvaluationDataNumber": -1}, {"pceId": 0})
        for change in changes:
            with self.subTest(change=change):
                collateral = self.base.copy()
                collateral.tcb_info.update(change)
                code, _, error = self.verify(collateral)
                self.assertEqual(code, 4, error)
                self.assertIn("collateral.json: TCB info", error)
                self.assertIn("fetch it anew", error)
        for change in ({"version": 1}, {"id": "TD_QE"}, {"tcbLevels": [dict(self.base.qe_identity["tcbLevels"][0],
                                                                            tcbStatus="SWHardeningNeeded")]}, {"mrsigner": "zz"}, {"tcbLevels": [{}]}, {"isvprodid": 70000}):
            with self.subTest(change=change):
                collateral = self.base.copy()
                collateral.qe_identity.update(change)
                code, _, error = self.verify(collateral)
                self.assertEqual(code, 4, error)
                self.assertIn("QE identity", error)

    def test_of_a_renewed_certificate_of_the_signer_the_one_that_is_valid_counts(self):
        signer, root = split_chain(self.base.tcb_chain)
        single = self.base.single()
        for start, end in ((-200, -100), (100, 200)):
            other = self.base.renewed_signer(start, end)
            for chain, status in ((other + signer, "good"), (signer + other, "good"), (other, "not-verifiable")):
                with self.subTest(start=start, status=status):
                    single["tcb_info_issuer_chain"] = single["qe_identity_issuer_chain"] = chain + root
                    path = self.write("renewed.json", "\ufeff" + json.dumps(single))
                    self.assertEqual(self.verify(path)[1]["result"], status)

    def test_tcb_info_of_version_2_is_read(self):
        collateral = self.base.copy()
        info = collateral.tcb_info
        info["version"] = 2
        del info["id"]
        for level in info["tcbLevels"]:
            components = level["tcb"].pop("sgxtcbcomponents")
            level["tcb"].update({f"sgxtcbcomp{at:02}svn": each["svn"] for at, each in enumerate(components, 1)})
        self.expect(collateral, "UpToDate", 0)

    def test_a_directory_of_answers_is_collateral(self):
        base = self.base
        answers = self.directory / "answers"
        pem = "-----BEGIN X509 CRL-----\n" + base64.encodebytes(base.pck_crl).decode() + "-----END X509 CRL-----\n"
        self.write("answers/tcb", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTCB-Info-Issuer-Chain: "
                   f"{base.header(base.tcb_chain)}\r\n\r\n{base.tcb_info_answer()}")
        self.write("answers/identity.json", base.qe_identity_answer())
        self.write("answers/root.crl.hex", base.root_crl.hex())
        self.write("answers/notes.txt", "not collateral")
        self.write("answers/quote.bin", self.quote.read_bytes())
        for name, crl in (("der", base.pck_crl), ("pem", pem), ("hex", base.pck_crl.hex())):
            with self.subTest(crl=name):
                self.write("answers/pck.crl", crl)
                self.expect(answers, "UpToDate", 0)
        (answers / "tcb").unlink()
        self.write("answers/tcb.json", base.tcb_info_answer())
        self.assertEqual(self.verify(answers)[0], 5)
        self.write("answers/headers", f"HTTP/2 200\nSGX-Enclave-Identity-Issuer-Chain: {base.header(base.tcb_chain)}\n")
        self.expect(answers, "UpToDate", 0)
        self.expect(self.platform.directory / "collateral", "UpToDate", 0)

    def test_a_single_file_comes_in_the_forms_of_several_libraries(self):
        base, single = self.base, self.base.single()
        prefixed, lists, encoded, served, objects = (dict(single) for _ in range(5))
        for member in ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature"):
            prefixed[member] = "0x" + single[member]
            lists[member] = list(bytes.fromhex(single[member]))
        for member in ("root_ca_crl", "pck_crl"):
            encoded[member] = base64.b64encode(bytes.fromhex(single[member])).decode()
        for member, answer in (("tcb_info", base.tcb_info_answer()), ("qe_identity", base.qe_identity_answer())):
            served[member] = objects[member] = answer
            del served[member + "_signature"], objects[member + "_signature"]
        forms = {name: json.dumps(form) for name, form in
                 (("0x", prefixed), ("lists", lists), ("base64", encoded), ("served", served))}
        # the answers themselves in place of their text: their bytes are what is signed
        forms["objects"] = json.dumps(dict(objects, tcb_info=1, qe_identity=2)).replace(
            '"tcb_info": 1', '"tcb_info": ' + objects["tcb_info"]).replace(
            '"qe_identity": 2', '"qe_identity": ' + objects["qe_identity"])
        for name, text in forms.items():
            with self.subTest(form=name):
                self.expect(self.write("form.json", text), "UpToDate", 0)
        for member, value in (("pck_crl", [48, 256]), ("pck_crl", ["x"]), ("tcb_info_signature", [1, 2]), ("tcb_info", 7),
                              ("pck_crl", "MIIB!"), ("tcb_info_signature", "0x12")):
            with self.subTest(member=member, value=value):
                code, _, error = self.verify(self.write("form.json", json.dumps(dict(single, **{member: value}))))
                self.assertEqual(code, 4)
                self.assertIn(member.removesuffix("_signature"), error)

    def test_of_several_tcb_infos_the_platform_s_newest_counts(self):
        answers = self.directory / "answers"
        shutil.copytree(self.platform.directory / "collateral", answers)
        other, newer = self.base.copy(), self.base.copy()
        other.tcb_info["fmspc"] = "00906ED50000"
        newer.tcb_info["tcbEvaluationDataNumber"] = 18
        newer.tcb_info["tcbLevels"][0]["tcbStatus"] = "SWHardeningNeeded"
        self.write("answers/other.json", other.tcb_info_answer())
        self.expect(answers, "UpToDate", 0)
        self.write("answers/newer.json", newer.tcb_info_answer())
        self.expect(answers, "SWHardeningNeeded", 1)

    def test_parts_that_are_missing_are_named(self):
        for member, what in (("root_ca_crl", "root CRL"), ("pck_crl", "PCK CRL")):
            with self.subTest(member=member):
                single = self.base.single()
                single[member] = ""
                _, verdict, _ = self.verify(self.write("part.json", json.dumps(single)))
                self.assertEqual([problem["what"] for problem in verdict["problems"]], [what])

    def test_a_chain_beside_the_quote_serves_where_the_quote_has_none(self):
        single = self.base.single()
        single["pck_certificate_chain"] = self.pck_chain()
        # type 3 instead of the chain
        quote = bytearray(self.quote.read_bytes())
        size = int.from_bytes(quote[1048:1052], "little")
        quote = quote[:1046] + (3).to_bytes(2, "little") + (404).to_bytes(4, "little") + bytes(404)
        quote[432:436] = (len(quote) - 436).to_bytes(4, "little")
        self.assertGreater(size, 3000)
        path = self.write("type3", bytes(quote))
        self.assertEqual(self.verify(self.write("chain.json", json.dumps(single)), path)[1]["status"], "UpToDate")
        answers = self.directory / "answers"
        shutil.copytree(self.platform.directory / "collateral", answers)
        for name in os.listdir(self.platform.directory / "pck"):
            shutil.copy(self.platform.directory / "pck" / name, answers)
        self.expect(answers, "UpToDate", 0, path)
        code, _, error = self.verify(self.base, path)
        self.assertEqual(code, 5)
        self.assertIn("certification data of type 3", error)

    def test_the_order_of_a_chain_does_not_matter(self):
        quote = self.quote.read_bytes()
        chain = "".join(reversed(self.chain)).encode()
        self.assertEqual(len(quote.rstrip(b"\0")) - quote.index(b"-----BEGIN"), len(chain))
        changed = quote.replace(self.pck_chain().encode(), chain)
        self.expect(self.base, "UpToDate", 0, self.write("reversed", changed))

    def test_an_expired_certificate_is_a_matter_of_time(self):
        later = stamp(datetime.datetime.utcnow() + datetime.timedelta(days=3000))
        verdict = self.verify(self.base, None, "--time", later)[1]
        self.assertIn(("PCK certificate", "expired"),
                      [(problem["what"], problem["problem"]) for problem in verdict["problems"]])


if __name__ == "__main__":
    unittest.main()
