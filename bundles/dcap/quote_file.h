/* SPDX-License-Identifier: Apache-2.0
 *
 * QuoteFile: a quote as people pass it on: raw bytes, or text in hex or base64.
 */
#ifndef BUNDLES_DCAP_QUOTE_FILE_H
#define BUNDLES_DCAP_QUOTE_FILE_H

#include <stdbool.h>

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"

enum { QUOTE_FILE_MAX = 256 * 1024 };

/* Appends the raw quote to the buffer. Text may have blanks, line ends, "0x" before hex, and base64 for URLs.
 * ERROR_INPUT, ERROR_LIMIT. */
bool quote_file_decode(Bytes file, const char *name, Buffer *quote, Error *err)
    __attribute__((warn_unused_result));

#endif
