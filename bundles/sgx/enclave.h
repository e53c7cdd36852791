/* SPDX-License-Identifier: Apache-2.0
 *
 * Enclave: everything that can be said of an enclave file without SGX hardware, from one call over its bytes.
 *
 * The file is read once by the caller; what is examined, hashed and staged has to be the same bytes. The
 * checks run from cheap to dear, and those that authenticate come before those that cost: a file whose
 * signature or signer is refused is only measured under the limits for any file. Invariant: `verified` is
 * true only if every check that applies passed. What a manifest or a node's state demands (expected role, SVN
 * now active) is compared by the caller.
 */
#ifndef BUNDLES_SGX_ENCLAVE_H
#define BUNDLES_SGX_ENCLAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/json.h"
#include "bundles/sgx/image.h"
#include "bundles/sgx/metadata.h"
#include "bundles/sgx/signers.h"

/* In the order of what says most about a file: the first failure is the one to tell. */
typedef enum EnclaveCheckId {
    ENCLAVE_CHECK_FORM,        /* ELF and metadata within bounds; a loader could load it */
    ENCLAVE_CHECK_SIGSTRUCT,   /* fixed fields of SIGSTRUCT; the same one in every metadata entry */
    ENCLAVE_CHECK_SIGNATURE,   /* RSA signature, Q1, Q2 */
    ENCLAVE_CHECK_DENIED,      /* the signer's key is not a public one */
    ENCLAVE_CHECK_SONAME,      /* names a role */
    ENCLAVE_CHECK_SIGNER,      /* may sign for that role */
    ENCLAVE_CHECK_IDENTITY,    /* product id, attributes, masks, vendor */
    ENCLAVE_CHECK_SVN,         /* not below the role's floor */
    ENCLAVE_CHECK_DATE,        /* a date, not in the future */
    ENCLAVE_CHECK_STRICT_FORM, /* the shape that the signing tool gives */
    ENCLAVE_CHECK_FIPS,        /* FIPS signature record, if there is one */
    ENCLAVE_CHECK_MEASUREMENT, /* MRENCLAVE of every entry is the signed one */
    ENCLAVE_CHECKS_COUNT
} EnclaveCheckId;

typedef enum EnclaveVerdict {
    ENCLAVE_VERDICT_SKIPPED, /* does not apply, or cannot be made because of an earlier failure */
    ENCLAVE_VERDICT_PASS,
    ENCLAVE_VERDICT_WAIVED, /* failed, and the options allow it */
    ENCLAVE_VERDICT_FAIL
} EnclaveVerdict;

enum { ENCLAVE_TEXT_MAX = 320 };

typedef struct EnclaveCheck {
    EnclaveVerdict verdict;
    char text[ENCLAVE_TEXT_MAX]; /* a sentence in any case */
} EnclaveCheck;

const char *enclave_check_name(EnclaveCheckId id); /* "strict-form"; stable */
const char *enclave_verdict_name(EnclaveVerdict verdict);

typedef struct EnclaveMeasurement {
    uint32_t major; /* of the metadata entry */
    uint32_t minor;
    bool measured; /* false: its check says why not */
    Digest mr_enclave;
    uint64_t pages;
    uint64_t measured_pages;
    uint64_t epc_kib;
} EnclaveMeasurement;

typedef struct EnclaveReport {
    bool verified;
    bool bare;      /* the bytes are a SIGSTRUCT without an enclave */
    bool too_large; /* for the limits given, and larger ones would count: it claims no role */
    EnclaveCheck checks[ENCLAVE_CHECKS_COUNT];

    bool has_sigstruct; /* then the fields from here to svn are there */
    Digest mr_signer;
    Digest mr_enclave; /* as signed */
    SgxAttributes attributes;
    SgxAttributes attributes_mask;
    uint32_t misc_select;
    uint32_t misc_mask;
    char date[SIGSTRUCT_DATE_SIZE];
    uint16_t prod_id;
    uint16_t svn;

    char soname[ELF_SONAME_MAX + 1];   /* "" if there is none */
    char role[SIGNERS_NAME_MAX + 1];   /* "" if the soname is that of no role */
    char signer[SIGNERS_NAME_MAX + 1]; /* its name, "unknown" or "denied" */
    bool simulated;                    /* the role is one of a simulated platform's policy */
    EnclaveMeasurement measurements[METADATA_ENTRIES_MAX]; /* one an entry, in the file's order */
    size_t measurements_count;
    bool match;     /* all of them equal the signed MRENCLAVE */
    uint64_t pages; /* of the entry that a current loader takes */
    uint64_t epc_kib;
} EnclaveReport;

typedef struct EnclaveOptions {
    const SignerPolicy *policy;
    int64_t now;               /* seconds since 1970 */
    const ImageLimits *limits; /* &image_limits_bundle; &image_limits_look or _any for strangers */
    bool allow_loose_form;     /* waive strict form */
} EnclaveOptions;

/* Always gives a report, however bad the file; false only when out of memory. */
bool enclave_examine(Bytes file, const EnclaveOptions *options, EnclaveReport *ret_report, Error *err)
    __attribute__((warn_unused_result));

/* The first failed check as an error: ERROR_VERIFY "check signer: …"; true if the enclave is verified. */
bool enclave_require_verified(const EnclaveReport *report, Error *err) __attribute__((warn_unused_result));

/* One object with the members of `psw-bundle inspect --json` (docs/man/psw-bundle); NULL when out of memory.
 */
json_t *enclave_report_json(const EnclaveReport *report, const char *path);

#endif
