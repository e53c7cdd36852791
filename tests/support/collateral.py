# SPDX-License-Identifier: Apache-2.0
"""Collateral of a simulated platform, changed at will and signed anew with the platform's own keys."""

import copy
import datetime
import json
import pathlib
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def compact(value):
    """JSON as Intel's service writes it."""
    return json.dumps(value, separators=(",", ":"))


def stamp(moment):
    """A datetime as collateral has it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def split_chain(pem):
    """The certificates of a PEM text, each as text."""
    return ["-----BEGIN" + part for part in pem.split("-----BEGIN")[1:]]


class Collateral:
    """The parts as Python values: `tcb_info` and `qe_identity` are dictionaries, `root_crl` and `pck_crl` DER."""

    def __init__(self, platform):
        self.platform = pathlib.Path(platform)
        single = json.loads((self.platform / "collateral.json").read_text(encoding="ascii"))
        self.tcb_info = json.loads(single["tcb_info"])
        self.qe_identity = json.loads(single["qe_identity"])
        self.tcb_chain = single["tcb_info_issuer_chain"]
        self.pck_chain = single["pck_crl_issuer_chain"]
        self.root_crl = bytes.fromhex(single["root_ca_crl"])
        self.pck_crl = bytes.fromhex(single["pck_crl"])
        self.keys = {name: self.read_key(name) for name in ("root", "ca", "tcb-signer")}

    def read_key(self, name):
        """A private key of the platform's PKI."""
        return serialization.load_pem_private_key((self.platform / "pki" / f"{name}.key").read_bytes(), None)

    def copy(self):
        """One that can be changed without changing this one."""
        other = copy.copy(self)
        other.tcb_info = copy.deepcopy(self.tcb_info)
        other.qe_identity = copy.deepcopy(self.qe_identity)
        return other

    def sign(self, text):
        """128 hex digits over the text, by the TCB signer."""
        r, s = decode_dss_signature(self.keys["tcb-signer"].sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{r:064x}{s:064x}"

    def single(self):
        """All of it in one file, as dcap-qvl takes it."""
        tcb_info, qe_identity = compact(self.tcb_info), compact(self.qe_identity)
        return {"pck_crl_issuer_chain": self.pck_chain, "root_ca_crl": self.root_crl.hex(), "pck_crl": self.pck_crl.hex(),
                "tcb_info_issuer_chain": self.tcb_chain, "tcb_info": tcb_info, "tcb_info_signature": self.sign(tcb_info),
                "qe_identity_issuer_chain": self.tcb_chain, "qe_identity": qe_identity,
                "qe_identity_signature": self.sign(qe_identity)}

    def tcb_info_answer(self):
        """The body of an answer to /tcb."""
        text = compact(self.tcb_info)
        return f'{{"tcbInfo":{text},"signature":"{self.sign(text)}"}}'

    def qe_identity_answer(self):
        """The body of an answer to /qe/identity."""
        text = compact(self.qe_identity)
        return f'{{"enclaveIdentity":{text},"signature":"{self.sign(text)}"}}'

    def header(self, chain):
        """An issuer chain as it travels in a header."""
        return urllib.parse.quote(chain, safe="")

    def shift(self, **delta):
        """Moves the dates of TCB info and QE identity."""
        for part in (self.tcb_info, self.qe_identity):
            for key in ("issueDate", "nextUpdate"):
                moment = datetime.datetime.strptime(part[key], "%Y-%m-%dT%H:%M:%SZ")
                part[key] = stamp(moment + datetime.timedelta(**delta))

    def crl(self, issuer, certificates=(), start=datetime.timedelta(days=-1), end=datetime.timedelta(days=30)):
        """A CRL (DER) of "root" or "ca" that revokes these certificates (PEM); dates are relative to now."""
        chain = split_chain(self.pck_chain)
        authority = x509.load_pem_x509_certificate(chain[-1 if issuer == "root" else 0].encode())
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(authority.subject).last_update(now + start)
                   .next_update(now + end).add_extension(x509.CRLNumber(1), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False))
        for pem in certificates:
            serial = x509.load_pem_x509_certificate(pem.encode()).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now + start).build())
        return builder.sign(self.keys[issuer], hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def renewed_signer(self, start, end):
        """Another certificate (PEM) for the key of the TCB signer, valid from and until these days from now."""
        signer = x509.load_pem_x509_certificate(split_chain(self.tcb_chain)[0].encode())
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(signer.subject).issuer_name(signer.issuer)
                   .public_key(signer.public_key()).serial_number(signer.serial_number + 1)
                   .not_valid_before(now + datetime.timedelta(days=start))
                   .not_valid_after(now + datetime.timedelta(days=end)))
        for extension in signer.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(self.keys["root"], hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
