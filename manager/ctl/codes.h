/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes: the numbers by which AESM, Intel's quote libraries and the SGX runtime tell what went wrong, each
 * with what it means and what to do.
 *
 * Numbers and names: Intel's public headers (aesm_error.h, sgx_ql_lib_common.h, sgx_error.h, sgx_pce.h and
 * sgx_default_qcnl_wrapper's; https://github.com/intel/linux-sgx and
 * https://github.com/intel/SGXDataCenterAttestationPrimitives). The words are ours.
 */
#ifndef MANAGER_CTL_CODES_H
#define MANAGER_CTL_CODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Code {
    uint32_t number;
    const char *name;
    const char *meaning;
    const char *remedy;
} Code;

typedef struct CodeSpace {
    const char *name;   /* "quote3" */
    const char *title;  /* what speaks so */
    const char *prefix; /* of its names: "SGX_QL_" */
    bool is_decimal;    /* its numbers are written so */
    const Code *codes;
    size_t count;
} CodeSpace;

extern const CodeSpace code_space_aesm, code_space_quote3, code_space_sgx_status, code_space_pce,
    code_space_qcnl, code_space_verdict;
extern const CodeSpace *const code_spaces[];
extern const size_t code_spaces_count;

/* Is the code what `text` names: its number (decimal or 0x...), or its name with or without the prefix, in
 * either case? */
bool code_is_named(const CodeSpace *space, const Code *code, const char *text);

#endif
