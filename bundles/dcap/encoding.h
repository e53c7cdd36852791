/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding: bytes that travel as text: hex, base64, and percent-encoding.
 *
 * All append to a buffer, whose maximum bounds them, and return false if the text is not of that form or the
 * buffer is full; what was appended until then stays.
 */
#ifndef BUNDLES_DCAP_ENCODING_H
#define BUNDLES_DCAP_ENCODING_H

#include <stdbool.h>

#include "bundles/base/buffer.h"

/* An even number of digits of either case, at least two. */
Bytes encoding_without_0x(Bytes text); /* the digits behind a "0x" that may be there */
bool encoding_is_hex(Bytes text);
bool encoding_decode_hex(Bytes text, Buffer *bytes);

/* Also the alphabet for URLs; padding may be left out. */
bool encoding_decode_base64(Bytes text, Buffer *bytes);

/* A '%' that two digits do not follow stands for itself, and so does '+' unless `plus_is_blank`. */
bool encoding_decode_percent(Bytes text, bool plus_is_blank, Buffer *bytes);

#endif
