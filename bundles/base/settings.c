/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/settings_scan.h"
#include "bundles/base/text.h"

enum { MESSAGE_MAX = 256 };

/* What libcyaml says on its way out: first the reason, then a backtrace from the innermost value. */
typedef struct Complaint {
    char reason[MESSAGE_MAX];
    SettingsPlace place; /* line 0: not said */
    bool in_backtrace;
} Complaint;

/* The number behind a label, 0 if there is none. */
static size_t number_after(const char *text, const char *label) {
    const char *at = strstr(text, label);
    char digits[24] = "";
    uint64_t number = 0;
    if (at != NULL) {
        at += strlen(label);
        (void)snprintf(digits, sizeof digits, "%.*s", (int)strspn(at, "0123456789"), at);
    }
    return text_parse_u64(digits, 0, SIZE_MAX, &number) ? (size_t)number : 0;
}

__attribute__((format(printf, 3, 0))) static void complaint_add(cyaml_log_t level, void *context,
                                                                const char *format, va_list args) {
    static const char prefix[] = "Load: ";
    Complaint *complaint = context;
    char message[MESSAGE_MAX];
    (void)level;
    (void)vsnprintf(message, sizeof message, format, args);
    message[strcspn(message, "\n")] = 0;
    const char *text =
        strncmp(message, prefix, sizeof prefix - 1) == 0 ? message + sizeof prefix - 1 : message;
    if (strcmp(text, "Backtrace:") == 0) {
        complaint->in_backtrace = true;
    } else if (!complaint->in_backtrace && complaint->reason[0] == 0) {
        (void)text_copy(complaint->reason, sizeof complaint->reason, text);
    } else if (complaint->in_backtrace && complaint->place.line == 0) {
        complaint->place.line = number_after(text, "(line: ");
        complaint->place.column = number_after(text, ", column: ");
    }
}

/* "Expecting MAPPING, got event: SCALAR" and its like. */
static bool reword_shape(Complaint *complaint) {
    static const struct {
        const char *theirs, *ours;
    } shapes[] = {{"MAPPING", "keys with values"}, {"SEQUENCE", "a list"}, {"SCALAR", "a single value"}};
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    const char *wanted = "a single value", *found = "something else",
               *got = strstr(complaint->reason, ", got event: ");
    if (strncmp(complaint->reason, "Expecting ", 10) != 0 || got == NULL) {
        return false;
    }
    for (size_t i = 0; i < SHAPES; i++) {
        const size_t size = strlen(shapes[i].theirs);
        wanted = strncmp(complaint->reason + 10, shapes[i].theirs, size) == 0 ? shapes[i].ours : wanted;
        found = strncmp(got + 13, shapes[i].theirs, size) == 0 ? shapes[i].ours : found;
    }
    (void)snprintf(complaint->reason, sizeof complaint->reason, "%s must stand here, not %s", wanted, found);
    return true;
}

/* "STRING length < 1: text" and "STRING length > 32: text". */
static bool reword_length(Complaint *complaint) {
    size_t least = number_after(complaint->reason, "STRING length < ");
    size_t most = number_after(complaint->reason, "STRING length > ");
    if (strncmp(complaint->reason, "STRING length ", 14) != 0 || (least == 0 && most == 0)) {
        return false;
    }
    if (most != 0) {
        (void)snprintf(complaint->reason, sizeof complaint->reason, "the text is too long: at most %zu bytes",
                       most);
    } else if (least == 1) {
        (void)text_copy(complaint->reason, sizeof complaint->reason,
                        "a text must stand here, and it is empty");
    } else {
        (void)snprintf(complaint->reason, sizeof complaint->reason,
                       "the text is too short: at least %zu bytes", least);
    }
    return true;
}

/* libcyaml's own words, where a sentence for the operator says it better. */
static void reword(Complaint *complaint, Bytes yaml) {
    static const char unexpected[] = "Unexpected key: ";
    static const char missing[] = "Missing required mapping field: ";
    char key[MESSAGE_MAX];
    size_t most = number_after(complaint->reason, "Excessive entries (");
    if (reword_shape(complaint) || reword_length(complaint)) {
        return;
    }
    if (most != 0) {
        (void)snprintf(complaint->reason, sizeof complaint->reason, "the list is too long: at most %zu",
                       most);
    } else if (strncmp(complaint->reason, unexpected, sizeof unexpected - 1) == 0) {
        (void)text_copy(key, sizeof key, complaint->reason + sizeof unexpected - 1);
        /* libcyaml's place is that of the value before the key. */
        settings_scan_find(yaml, key, &complaint->place);
        (void)snprintf(complaint->reason, sizeof complaint->reason, "unexpected key '%.200s'", key);
    } else if (strncmp(complaint->reason, missing, sizeof missing - 1) == 0) {
        (void)text_copy(key, sizeof key, complaint->reason + sizeof missing - 1);
        (void)snprintf(complaint->reason, sizeof complaint->reason, "key '%.200s' is missing", key);
    }
}

static bool refuse(Complaint *complaint, cyaml_err_t result, Bytes yaml, const char *name, ErrorKind kind,
                   Error *err) {
    if (result == CYAML_ERR_OOM) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    }
    reword(complaint, yaml);
    const char *reason = complaint->reason[0] != 0 ? complaint->reason
                         : result != CYAML_OK      ? cyaml_strerror(result)
                                                   : "the document is empty";
    char printable[MESSAGE_MAX];
    size_t at = 0;
    for (; reason[at] != 0; at++) {
        printable[at] = reason[at] < 0x20 || reason[at] > 0x7e ? '?' : reason[at];
    }
    printable[at] = 0;
    if (complaint->place.line == 0) {
        return error_set(err, kind, "%s: %s", name, printable);
    }
    return error_set(err, kind, "%s: line %zu, column %zu: %s", name, complaint->place.line,
                     complaint->place.column, printable);
}

static cyaml_config_t config_with(Complaint *complaint) {
    return (cyaml_config_t){.log_fn = complaint_add,
                            .log_ctx = complaint,
                            .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_WARNING,
                            .flags = CYAML_CFG_NO_ALIAS};
}

bool settings_parse(Bytes yaml, const char *name, const cyaml_schema_value_t *schema, ErrorKind kind,
                    void **ret_value, Error *err) {
    if (yaml.size > SETTINGS_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: YAML of %zu bytes, at most %d are taken", name, yaml.size,
                         (int)SETTINGS_SIZE_MAX);
    }
    if (!settings_scan(yaml, name, kind, err)) {
        return false;
    }
    Complaint complaint = {0};
    cyaml_config_t config = config_with(&complaint);
    void *value = NULL;
    cyaml_err_t result = cyaml_load_data(yaml.data, yaml.size, &config, schema, &value, NULL);
    if (result != CYAML_OK || value == NULL || complaint.reason[0] != 0) {
        settings_free(schema, value);
        return refuse(&complaint, result, yaml, name, kind, err);
    }
    *ret_value = value;
    return true;
}

bool settings_load(int dir_fd, const char *path, const cyaml_schema_value_t *schema, ErrorKind kind,
                   void **ret_value, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(SETTINGS_SIZE_MAX);
    return file_read(dir_fd, path, &yaml, err) &&
           settings_parse(buffer_bytes(&yaml), path, schema, kind, ret_value, err);
}

void settings_free(const cyaml_schema_value_t *schema, void *value) {
    Complaint complaint = {0};
    cyaml_config_t config = config_with(&complaint);
    if (value != NULL) {
        (void)cyaml_free(&config, schema, value, 0);
    }
}

/* Plain only where no YAML reader of any version sees anything but this string. */
static bool is_plain(const char *text) {
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+-";
    static const char *const reserved[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
    bool starts_well = (text[0] >= 'A' && text[0] <= 'Z') || (text[0] >= 'a' && text[0] <= 'z') ||
                       (text[0] >= '0' && text[0] <= '9') || text[0] == '/';
    if (!starts_well || text[strspn(text, safe)] != 0) {
        return false;
    }
    for (size_t at = 0; at < sizeof reserved / sizeof *reserved; at++) {
        if (strcasecmp(text, reserved[at]) == 0) {
            return false;
        }
    }
    return true;
}

/* What stands in double quotes for a character that must not stand there itself, the line ends of YAML 1.1
 * beyond ASCII among them (section 5.7), and how many bytes it has in UTF-8. NULL: it may stand there. */
static const char *escape_of(const char *at, size_t *ret_size) {
    static const struct {
        const char *character, *escape;
    } escapes[] = {{"\"", "\\\""},
                   {"\\", "\\\\"},
                   {"\xc2\x85", "\\N"},
                   {"\xe2\x80\xa8", "\\L"},
                   {"\xe2\x80\xa9", "\\P"}};
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        *ret_size = strlen(escapes[i].character);
        if (strncmp(at, escapes[i].character, *ret_size) == 0) {
            return escapes[i].escape;
        }
    }
    *ret_size = 1;
    return NULL;
}

char *settings_quote(const char *text) {
    if (is_plain(text)) {
        return strdup(text);
    }
    CLEANUP(buffer_done) Buffer quoted = BUFFER_INIT(SETTINGS_SIZE_MAX);
    if (!buffer_append_text(&quoted, "\"")) {
        return NULL;
    }
    size_t size = 0;
    for (const char *at = text; *at != 0; at += size) {
        const char *escape = escape_of(at, &size);
        if ((escape == NULL && text_is_control(at)) ||
            !(escape != NULL ? buffer_append_text(&quoted, escape) : buffer_append(&quoted, at, size))) {
            return NULL;
        }
    }
    return buffer_append_text(&quoted, "\"") ? buffer_take_text(&quoted) : NULL;
}
