/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of image share: image (visiting), image_plan (which pages), image_textrel (write access for
 * relocations in code).
 */
#ifndef BUNDLES_SGX_IMAGE_PRIVATE_H
#define BUNDLES_SGX_IMAGE_PRIVATE_H

#include "bundles/sgx/image.h"

enum { IMAGE_HASHED_PER_PAGE = 64, IMAGE_HASHED_PER_MEASURED = 16 * (64 + 256) };

/* Bytes of the file as the loader sees them, patches applied. The range lies inside the file. */
void image_read(const Image *image, uint64_t offset, uint8_t *buffer, size_t size);

/* Fills in the regions, segments first, then the layout; counts the pages before anything is allocated. */
bool image_plan(const Elf *elf, const ImageLimits *limits, Image *image, Error *err)
    __attribute__((warn_unused_result));

/* With DT_TEXTREL the loader makes pages writable that relocations change. */
bool image_find_text_relocations(const Elf *elf, Image *image, Error *err)
    __attribute__((warn_unused_result));

#endif
