/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of enclave share: enclave (form, signature, measurement) and enclave_role (who may have
 * signed it, as what).
 */
#ifndef BUNDLES_SGX_ENCLAVE_PRIVATE_H
#define BUNDLES_SGX_ENCLAVE_PRIVATE_H

#include "bundles/sgx/enclave.h"

/* What one examination works with; too large for the stack. */
typedef struct Examination {
    Elf elf;
    Metadata metadata;
    ElfSoname soname;
    bool has_form;
    Image images[METADATA_ENTRIES_MAX];
    size_t same[METADATA_ENTRIES_MAX]; /* the first image that is the same */
    uint64_t hashed_bytes;             /* that measuring all of them takes */
    Sigstruct sigstruct;
    const SignerRole *role;
    const EnclaveOptions *options;
    EnclaveReport *report;
} Examination;

/* These return false only when out of memory; the verdicts are in the report. */
bool enclave_conclude(EnclaveReport *report, EnclaveCheckId id, bool good, const char *text,
                      const Error *failure, Error *err) __attribute__((warn_unused_result));
bool enclave_examine_denied(Examination *exam, Error *err) __attribute__((warn_unused_result));
bool enclave_examine_role(Examination *exam, Error *err) __attribute__((warn_unused_result));

#endif
