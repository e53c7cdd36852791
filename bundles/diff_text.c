/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bundles/diff.h"

enum { WORD_MAX = 96 };

static const char *member(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* One end of a pair in words; a digest is cut, nothing is a dash. */
static const char *word(const json_t *value, char text[WORD_MAX]) {
    if (json_is_integer(value)) {
        (void)snprintf(text, WORD_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_string(value)) {
        bool digest = strlen(json_string_value(value)) == 64;
        (void)snprintf(text, WORD_MAX, "%.*s", digest ? 12 : WORD_MAX - 1, json_string_value(value));
    } else {
        (void)snprintf(text, WORD_MAX, "%s", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-");
    }
    return text;
}

static bool is_changed(const json_t *pair) {
    return json_array_size(pair) == 2 && !json_equal(json_array_get(pair, 0), json_array_get(pair, 1));
}

/* "ISVSVN 8 -> 9", or "ISVSVN 9" where it stays. */
static bool add_pair(Buffer *text, const char *lead, const char *name, const json_t *pair) {
    char from[WORD_MAX];
    char to[WORD_MAX];
    const json_t *last = json_array_get(pair, 1);
    if (!is_changed(pair)) {
        return json_is_null(last) || last == NULL ||
               buffer_append_format(text, "%s%s %s", lead, name, word(last, to));
    }
    return buffer_append_format(text, "%s%s %s -> %s", lead, name, word(json_array_get(pair, 0), from),
                                word(last, to));
}

/* What operators and applications will notice. */
static bool add_consequences(Buffer *text, const json_t *enclave) {
    const char *role = member(enclave, "role");
    bool svn = is_changed(json_object_get(enclave, "isvsvn"));
    bool qe3 = strcmp(role, "qe3") == 0;
    bool good = true;
    if (qe3 && svn) {
        good = buffer_append_text(
            text, "               a new attestation key, which the PCE certifies at the start\n");
    }
    if (good && qe3 && is_changed(json_object_get(enclave, "mrenclave"))) {
        good = buffer_append_text(text, "               applications that hold target info of the former QE "
                                        "are answered by a lame duck\n");
    }
    if (good && strcmp(role, "pce") == 0 && svn) {
        good =
            buffer_append_text(text, "               a PCK certificate for this PCESVN has to be at hand\n");
    }
    if (good && json_is_true(json_object_get(enclave, "downgrade"))) {
        good = buffer_append_format(
            text,
            "               ISVSVN goes DOWN: relying parties may refuse quotes; unless it "
            "served before,\n"
            "               a swap needs --allow-downgrade %s\n",
            role);
    }
    return good;
}

static bool add_enclave(Buffer *text, const json_t *enclave) {
    bool good = buffer_append_format(text, "  %-12s ", member(enclave, "role"));
    if (json_is_true(json_object_get(enclave, "same"))) {
        return good && add_pair(text, "the same, ", "ISVSVN", json_object_get(enclave, "isvsvn")) &&
               buffer_append_text(text, "\n");
    }
    return good && add_pair(text, "", "ISVSVN", json_object_get(enclave, "isvsvn")) &&
           add_pair(text, ", ", "version", json_object_get(enclave, "version")) &&
           add_pair(text, ", ", "MRENCLAVE", json_object_get(enclave, "mrenclave")) &&
           add_pair(text, ", ", "EPC KiB", json_object_get(enclave, "epc_kib")) &&
           buffer_append_text(text, "\n") && add_consequences(text, enclave);
}

static bool add_libraries(Buffer *text, const char *words, const json_t *list) {
    size_t index = 0;
    json_t *soname = NULL;
    json_array_foreach(list, index, soname) {
        char name[WORD_MAX];
        if (!buffer_append_format(text, "  needs        %s %s on the host\n", words, word(soname, name))) {
            return false;
        }
    }
    return true;
}

static bool add_requires(Buffer *text, const json_t *requires) {
    static const char *const keys[][2] = {{"epc_kib", "KiB of EPC:"},
                                          {"drivers", "one of the drivers:"},
                                          {"kernel", "kernel:"},
                                          {"provision", "access to the provisioning node:"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *pair = json_object_get(requires, keys[i][0]);
        if (pair != NULL &&
            (!add_pair(text, "  needs        ", keys[i][1], pair) || !buffer_append_text(text, "\n"))) {
            return false;
        }
    }
    return add_libraries(text, "now", json_object_get(requires, "libraries_added")) &&
           add_libraries(text, "no longer", json_object_get(requires, "libraries_removed"));
}

static bool add_files(Buffer *text, const json_t *files) {
    size_t index = 0;
    json_t *file = NULL;
    json_array_foreach(files, index, file) {
        if (!buffer_append_format(text, "  %-12s %s (%s)\n", member(file, "change"), member(file, "path"),
                                  member(file, "role"))) {
            return false;
        }
    }
    return true;
}

bool diff_format(const json_t *diff, Buffer *text) {
    const json_t *from = json_object_get(diff, "from");
    const json_t *to = json_object_get(diff, "to");
    size_t index = 0;
    json_t *enclave = NULL;
    if (!buffer_append_format(text, "%s %s (%.12s) -> %s %s (%.12s)\n", member(from, "name"),
                              member(from, "version"), member(from, "digest"), member(to, "name"),
                              member(to, "version"), member(to, "digest"))) {
        return false;
    }
    json_array_foreach(json_object_get(diff, "enclaves"), index, enclave) {
        if (!add_enclave(text, enclave)) {
            return false;
        }
    }
    return add_requires(text, json_object_get(diff, "requires")) &&
           add_files(text, json_object_get(diff, "files"));
}
