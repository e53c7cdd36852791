/* SPDX-License-Identifier: Apache-2.0
 *
 * Fingerprint: what of this platform must stay as it was for a bundle to go on working: kernel, driver,
 * device nodes, microcode, EPC, the provider's configuration, the host's quoting libraries.
 *
 * A JSON object of short texts by name, the same on every reading while nothing changes. Cheap enough to be
 * read every few seconds.
 */
#ifndef MANAGER_CHECKS_FINGERPRINT_H
#define MANAGER_CHECKS_FINGERPRINT_H

#include <jansson.h>

#include "bundles/base/buffer.h"
#include "bundles/base/digest.h"
#include "manager/checks/host.h"

/* NULL: out of memory. */
json_t *fingerprint_read(const Host *host);

bool fingerprint_digest(const json_t *fingerprint, Digest *ret_digest) __attribute__((warn_unused_result));

/* "kernel: 6.1.0 -> 6.1.1; node /dev/sgx_enclave: gone"; "" if nothing differs. False: out of room. */
bool fingerprint_compare(const json_t *was, const json_t *is, Buffer *ret_text)
    __attribute__((warn_unused_result));

#endif
