/* SPDX-License-Identifier: Apache-2.0
 *
 * Gate: what a bundle has to pass before it may be staged: the checks of docs/enclaves.md, in their order.
 *
 * It sees each enclave's bytes as the bundle is read, so that what is examined is what is staged, and the
 * manifest at the end. Every check has a stable id, a verdict and a sentence. Invariant: gate_finish succeeds
 * only if no check failed and all enclaves of the manifest were seen.
 */
#ifndef BUNDLES_GATE_H
#define BUNDLES_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/manifest.h"
#include "bundles/release.h"
#include "bundles/sgx/enclave.h"

typedef struct GatePolicy {
    const SignerPolicy *signers;
    const Releases *releases;
    bool allow_simulated;
    int64_t now;               /* seconds since 1970 */
    uint64_t epc_kib;          /* what a set may take; 0: not known */
    const Manifest *installed; /* what serves now; NULL: nothing. A lower ISVSVN is pointed out */
} GatePolicy;                  /* all borrowed, as long as the gate */

typedef struct GateCheck {
    const char *id;   /* "signature"; a constant */
    const char *path; /* of the enclave's file, owned by the gate; NULL: about the bundle */
    EnclaveVerdict verdict;
    char text[ENCLAVE_TEXT_MAX];
} GateCheck;

typedef struct Gate Gate;

Gate *gate_new(const GatePolicy *policy, Error *err) __attribute__((warn_unused_result));
void gate_free(Gate *gate);
CLEANUP_DEFINE(Gate, gate_free)

/* An enclave of the bundle, its digest compared already. What fails is kept for gate_finish, so that all of
 * it is told; but ERROR_VERIFY at once if its very form is bad: more of such a bundle is not worth reading.
 */
bool gate_add_enclave(Gate *gate, const ManifestFile *file, Bytes content, Error *err)
    __attribute__((warn_unused_result));

/* After the last byte of the bundle was found right. ERROR_VERIFY names the first check that failed,
 * ERROR_PERMISSION that a policy says no. */
bool gate_finish(Gate *gate, const Manifest *manifest, Error *err) __attribute__((warn_unused_result));

/* In their order; complete after gate_finish, whatever it said. Borrowed. */
size_t gate_checks_count(const Gate *gate);
const GateCheck *gate_check(const Gate *gate, size_t index);
/* [{"id", "path" (null: the bundle), "verdict", "text"}]; NULL when out of memory. */
json_t *gate_json(const Gate *gate);

/* May `offered` take the place of `installed` (NULL: of nothing)? An enclave with a lower ISVSVN has to be
 * allowed by name: its role, or the bundle's name for all of them. ERROR_PERMISSION. */
bool gate_check_downgrade(const Manifest *installed, const Manifest *offered, const char *const *allowed,
                          size_t allowed_count, Error *err) __attribute__((warn_unused_result));

/* "qe3 9 to 8, pce 15 to 14"; "" if no ISVSVN goes down. */
enum { GATE_DOWNGRADE_TEXT_MAX = 160 };
void gate_describe_downgrade(const Manifest *installed, const Manifest *offered,
                             char text[GATE_DOWNGRADE_TEXT_MAX]);

#endif
