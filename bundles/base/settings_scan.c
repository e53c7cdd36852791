/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/settings_scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "bundles/base/cleanup.h"

typedef struct Key {
    char *text;
    size_t size;
} Key;

typedef struct Level {
    bool is_mapping;
    bool key_is_next;
    Key *keys; /* SETTINGS_KEYS_MAX, when the first comes */
    size_t keys_count;
} Level;

typedef struct Scan {
    yaml_parser_t parser;
    Level levels[SETTINGS_DEPTH_MAX];
    size_t depth;
    size_t documents;
    const char *name;
    ErrorKind kind;
    Error *err;
} Scan;

static void level_done(Level *level) {
    for (size_t at = 0; at < level->keys_count; at++) {
        free(level->keys[at].text);
    }
    free(level->keys);
    *level = (Level){0};
}

static void scan_done(Scan *scan) {
    while (scan->depth > 0) {
        level_done(&scan->levels[--scan->depth]);
    }
    yaml_parser_delete(&scan->parser);
}

static bool refuse(Scan *scan, ErrorKind kind, const yaml_mark_t *at, const char *reason) {
    return error_set(scan->err, kind, "%s: line %zu, column %zu: %s", scan->name, at->line + 1,
                     at->column + 1, reason);
}

static bool refuse_memory(Scan *scan) {
    return error_set(scan->err, ERROR_MEMORY, "%s: out of memory", scan->name);
}

static bool refuse_syntax(Scan *scan) {
    const yaml_parser_t *parser = &scan->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
    if (parser->error == YAML_MEMORY_ERROR) {
        return refuse_memory(scan);
    }
    if (strcmp(problem, "found character that cannot start any token") == 0) {
        problem = "this character cannot stand here: write blanks for a tab, and quotes around @, ` and %";
    }
    if (parser->error == YAML_READER_ERROR) {
        return error_set(scan->err, scan->kind, "%s: byte %zu: %s", scan->name, parser->problem_offset,
                         problem);
    }
    return refuse(scan, scan->kind, &parser->problem_mark, problem);
}

static bool level_add_key(Scan *scan, Level *level, const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    for (size_t at = 0; at < level->keys_count; at++) {
        if (level->keys[at].size == size && memcmp(level->keys[at].text, text, size) == 0) {
            return refuse(scan, scan->kind, &event->start_mark, "this key was there before");
        }
    }
    if (level->keys_count == SETTINGS_KEYS_MAX) {
        return refuse(scan, ERROR_LIMIT, &event->start_mark, "a mapping has too many keys");
    }
    if (level->keys == NULL) {
        level->keys = calloc(SETTINGS_KEYS_MAX, sizeof *level->keys);
    }
    char *copy = strndup(text, size);
    if (level->keys == NULL || copy == NULL) {
        free(copy);
        return refuse_memory(scan);
    }
    level->keys[level->keys_count++] = (Key){.text = copy, .size = size};
    return true;
}

/* A value begins: within a mapping it is by turns a key and what the key stands for. */
static bool scan_value(Scan *scan, const yaml_event_t *event) {
    Level *level = scan->depth == 0 ? NULL : &scan->levels[scan->depth - 1];
    if (level == NULL || !level->is_mapping) {
        return true;
    }
    bool is_key = level->key_is_next;
    level->key_is_next = !is_key;
    if (!is_key) {
        return true;
    }
    if (event->type != YAML_SCALAR_EVENT) {
        return refuse(scan, scan->kind, &event->start_mark, "a key must be a plain word");
    }
    return level_add_key(scan, level, event);
}

static bool scan_enter(Scan *scan, const yaml_event_t *event, bool is_mapping) {
    if (!scan_value(scan, event)) {
        return false;
    }
    if (scan->depth == SETTINGS_DEPTH_MAX) {
        return refuse(scan, ERROR_LIMIT, &event->start_mark, "nested too deep");
    }
    scan->levels[scan->depth++] = (Level){.is_mapping = is_mapping, .key_is_next = true};
    return true;
}

static bool has_properties(const yaml_event_t *event) {
    if (event->type == YAML_SCALAR_EVENT) {
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    }
    return event->type == YAML_MAPPING_START_EVENT &&
           (event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL);
}

static bool scan_event(Scan *scan, const yaml_event_t *event) {
    if (event->type == YAML_ALIAS_EVENT || has_properties(event)) {
        return refuse(scan, scan->kind, &event->start_mark, "anchors, aliases and tags are not taken");
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++scan->documents == 1 ? true
                                      : refuse(scan, scan->kind, &event->start_mark, "a second document");
    case YAML_SCALAR_EVENT:
        if (memchr(event->data.scalar.value, 0, event->data.scalar.length) != NULL) {
            return refuse(scan, scan->kind, &event->start_mark, "a NUL in a value");
        }
        return scan_value(scan, event);
    case YAML_SEQUENCE_START_EVENT:
        return scan_enter(scan, event, false);
    case YAML_MAPPING_START_EVENT:
        return scan_enter(scan, event, true);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        assert(scan->depth > 0);
        level_done(&scan->levels[--scan->depth]);
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_ALIAS_EVENT:
        return true;
    }
    return true;
}

static bool scan_run(Scan *scan) {
    for (bool ended = false; !ended;) {
        CLEANUP(yaml_event_delete) yaml_event_t event = {0};
        if (yaml_parser_parse(&scan->parser, &event) != 1) {
            return refuse_syntax(scan);
        }
        if (!scan_event(scan, &event)) {
            return false;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
    }
    return scan->documents > 0 ? true
                               : error_set(scan->err, scan->kind, "%s: the document is empty", scan->name);
}

bool settings_scan(Bytes yaml, const char *name, ErrorKind kind, Error *err) {
    if (yaml.size == 0) {
        return error_set(err, kind, "%s: the document is empty", name);
    }
    CLEANUP(scan_done) Scan scan = {.name = name, .kind = kind, .err = err};
    if (yaml_parser_initialize(&scan.parser) != 1) {
        return refuse_memory(&scan);
    }
    yaml_parser_set_input_string(&scan.parser, yaml.data, yaml.size);
    return scan_run(&scan);
}

static bool is_behind(const yaml_mark_t *mark, const SettingsPlace *place) {
    return mark->line + 1 > place->line ||
           (mark->line + 1 == place->line && mark->column + 1 > place->column);
}

void settings_scan_find(Bytes yaml, const char *text, SettingsPlace *place) {
    CLEANUP(yaml_parser_delete) yaml_parser_t parser = {0};
    if (yaml_parser_initialize(&parser) != 1) {
        return;
    }
    yaml_parser_set_input_string(&parser, yaml.data, yaml.size);
    for (bool ended = false; !ended;) {
        CLEANUP(yaml_event_delete) yaml_event_t event = {0};
        if (yaml_parser_parse(&parser, &event) != 1) {
            return;
        }
        if (event.type == YAML_SCALAR_EVENT && is_behind(&event.start_mark, place) &&
            strcmp((const char *)event.data.scalar.value, text) == 0) {
            *place =
                (SettingsPlace){.line = event.start_mark.line + 1, .column = event.start_mark.column + 1};
            return;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
    }
}
