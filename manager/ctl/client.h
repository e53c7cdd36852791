/* SPDX-License-Identifier: Apache-2.0
 *
 * Client: pswctl's requests to the manager's API: HTTP over its Unix socket, JSON in and out.
 */
#ifndef MANAGER_CTL_CLIENT_H
#define MANAGER_CTL_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"

typedef struct CtlClient CtlClient;

/* ERROR_UNAVAILABLE if the manager does not run, ERROR_PERMISSION if its socket is not for us. */
CtlClient *ctl_client_open(const char *socket_path, Error *err) __attribute__((warn_unused_result));
void ctl_client_close(CtlClient *client);
CLEANUP_DEFINE(CtlClient, ctl_client_close)

/* One request; body: NULL for none. What the manager refuses comes back as its own kind and sentence. The
 * caller owns the answer. */
json_t *ctl_client_call(CtlClient *client, const char *method, const char *path, const json_t *body,
                        Error *err) __attribute__((warn_unused_result));

/* POST with an open file as the body. `progress` (may be NULL) is told bytes sent and bytes in all. */
typedef void (*CtlProgressFn)(void *context, uint64_t done, uint64_t total);
json_t *ctl_client_upload(CtlClient *client, const char *path, int fd, CtlProgressFn progress, void *context,
                          Error *err) __attribute__((warn_unused_result));

#endif
