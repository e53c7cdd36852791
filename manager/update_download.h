/* SPDX-License-Identifier: Apache-2.0
 *
 * UpdateDownload: one target from the source into the downloads directory.
 */
#ifndef MANAGER_UPDATE_DOWNLOAD_H
#define MANAGER_UPDATE_DOWNLOAD_H

#include "bundles/base/digest.h"
#include "bundles/tuf/client.h"
#include "manager/update_source.h"

/* Length and every listed hash are checked while it comes. An attempt that was cut short is gone on with; if
 * what came in pieces is not the target, it is fetched once more from its start, by the next mirror.
 * `ret_hex` is the SHA-256 by which the file is kept. */
bool update_download(TufClient *client, UpdateSource *source, const TufTarget *target, const char *downloads,
                     char ret_hex[DIGEST_HEX_SIZE], Error *err) __attribute__((warn_unused_result));

#endif
