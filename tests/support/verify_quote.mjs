// SPDX-License-Identifier: Apache-2.0
//
// usage: node verify_quote.mjs NPM_DIRECTORY ROOT_PEM COLLATERAL_JSON QUOTE...
//
// Asks Phala's verifier, which is none of ours, about each quote under that root, at the present time. One JSON
// object a line: {"status": "UpToDate", "advisories": [...]} or {"error": "..."}.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { X509Certificate } from "node:crypto";

const [npm, rootPath, collateralPath, ...quotePaths] = process.argv.slice(2);
const require = createRequire(`${resolve(npm)}/`);
const { QuoteVerifier } = require("@phala/dcap-qvl");

const root = new X509Certificate(readFileSync(rootPath));
const collateral = JSON.parse(readFileSync(collateralPath, "utf8"));
for (const name of ["root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature"]) {
  collateral[name] = Buffer.from(collateral[name], "hex");
}
const verifier = QuoteVerifier.newWithRootCa(root.raw);
const now = Math.floor(Date.now() / 1000);
for (const path of quotePaths) {
  try {
    const verdict = verifier.verify(readFileSync(path), collateral, now);
    console.log(JSON.stringify({ status: verdict.status, advisories: verdict.advisory_ids }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message ?? error) }));
  }
}
