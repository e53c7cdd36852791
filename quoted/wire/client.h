/* SPDX-License-Identifier: Apache-2.0
 *
 * Client: asking a quote daemon, ours or Intel's, over its AESM socket. One connection a request, blocking,
 * with a deadline for the whole exchange. The daemon's own refusal is an outcome (AesmCode), a broken
 * exchange is an Error.
 */
#ifndef QUOTED_WIRE_CLIENT_H
#define QUOTED_WIRE_CLIENT_H

#include <stdint.h>

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"
#include "bundles/sgx/report.h"
#include "quoted/wire/code.h"

typedef struct AesmClient {
    const char *path; /* of the socket; '@' first for an abstract name */
    int timeout_ms;   /* for one exchange, connect included */
    /* Where there is no path to connect to: gives the connection of an exchange, -1 on failure; `path` is
     * only its name then. */
    int (*connect)(void *context, Error *err);
    void *context;
} AesmClient;

/* Request 15 with b_pub_key_id true. ret_pub_key_id (32 bytes) may be NULL. */
bool aesm_client_init_quote(const AesmClient *client, AesmCode *ret_code, SgxTargetInfo *ret_target_info,
                            uint8_t *ret_pub_key_id, Error *err) __attribute__((warn_unused_result));
/* Request 16. */
bool aesm_client_quote_size(const AesmClient *client, AesmCode *ret_code, uint32_t *ret_size, Error *err)
    __attribute__((warn_unused_result));
/* Request 17; info may be NULL and is filled in on success. The quote replaces the buffer's contents. */
bool aesm_client_quote(const AesmClient *client, const SgxReport *report, uint32_t buffer_size,
                       SgxQeReportInfo *info, AesmCode *ret_code, Buffer *ret_quote, Error *err)
    __attribute__((warn_unused_result));

#endif
