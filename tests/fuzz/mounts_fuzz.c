/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as /proc/PID/mountinfo: every mount that is told has all its parts, inside the text. */
/* link: psw-checks */
#include <assert.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "manager/checks/mounts.h"

enum { INPUT_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(const Buffer *text, const char *part) {
    const char *start = (const char *)text->data;
    return part >= start && part + strlen(part) <= start + text->size;
}

static bool visit(void *context, const Mount *mount) {
    const Buffer *text = context;
    assert(is_inside(text, mount->root) && is_inside(text, mount->point));
    assert(is_inside(text, mount->options) && is_inside(text, mount->type));
    assert(strchr(mount->options, ' ') == NULL && strchr(mount->type, ' ') == NULL);
    (void)mount_has_option(mount, "noexec");
    return mount->type[0] != 'X';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(INPUT_MAX);
    if (buffer_append(&text, data, size)) {
        mounts_each_in((char *)text.data, visit, &text);
    }
    return 0;
}
