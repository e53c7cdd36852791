/* SPDX-License-Identifier: Apache-2.0
 *
 * Der: the little of DER that the SGX extension of a PCK certificate needs: nested elements of definite
 * length.
 *
 * A cursor is a Bytes, as in bundles/base/bytes.h: what is taken borrows from it, and a take that fails does
 * not move it. Lengths have to be in their shortest form (ITU-T X.690, 10.1).
 */
#ifndef BUNDLES_DCAP_DER_H
#define BUNDLES_DCAP_DER_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/bytes.h"

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_OCTET_STRING = 0x04,
    DER_OBJECT = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_SEQUENCE = 0x30
};

/* The content of the next element; false unless it is whole and has this tag. */
bool der_take(Bytes *cursor, uint8_t tag, Bytes *ret_content);

/* An INTEGER or ENUMERATED of 0 to max, in its shortest form. */
bool der_take_number(Bytes *cursor, uint8_t tag, uint32_t max, uint32_t *ret_value);

bool der_take_boolean(Bytes *cursor, bool *ret_value);

/* An OCTET STRING of exactly this size, copied. */
bool der_take_octets(Bytes *cursor, uint8_t *octets, size_t size);

#endif
