/* SPDX-License-Identifier: Apache-2.0
 *
 * Source: the bundle file that a subcommand was given, opened, with its manifest read.
 */
#ifndef BUNDLES_TOOL_SOURCE_H
#define BUNDLES_TOOL_SOURCE_H

#include "bundles/bundle.h"

typedef struct Source {
    const char *path;
    int fd;
    uint64_t size; /* of the file */
    Bundle *bundle;
} Source;

#define SOURCE_INIT ((Source){.fd = -1})

/* `path` is borrowed as long as the source. The two steps of it: opening the file, and looking into it. */
bool source_open(Source *source, const char *path, Error *err) __attribute__((warn_unused_result));
bool source_open_file(Source *source, const char *path, Error *err) __attribute__((warn_unused_result));
bool source_read(Source *source, Error *err) __attribute__((warn_unused_result));
void source_done(Source *source);

#endif
