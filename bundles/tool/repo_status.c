/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle repo status DIR [--within TIME] [--json]\n"
    "\n"
    "Shows each role: published version, expiry and time left, and whether a draft waits.\n"
    "\n"
    "      --within TIME  warn of what expires within TIME (1d)\n"
    "      --json         an object with an array `roles`\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status 0: all is well. 1: something has expired or will within TIME, or nothing is published.\n";

enum { DAY = 86400 };

/* {"role", "version", "expires", "left_seconds", "warning", "draft", "draft_signatures"} */
static json_t *role_status(TufRepository *repository, const char *role, int64_t within, Error *err) {
    CLEANUP(json_freep) json_t *status = json_pack("{s:s, s:b}", "role", role, "warning", 1);
    CLEANUP(json_freep) json_t *published = tuf_repository_published(repository, role, NULL);
    CLEANUP(json_freep) json_t *draft = tuf_repository_draft(repository, role, NULL);
    bool made = status != NULL;
    const char *expires = json_string_value(json_object_get(tuf_author_body(published), "expires"));
    int64_t at = 0;
    if (expires != NULL && clock_parse(expires, &at)) {
        int64_t left = at - tuf_repository_now(repository);
        made = made && json_put(status, "version", json_integer(tuf_author_version(published))) &&
               json_put(status, "expires", json_string(expires)) &&
               json_put(status, "left_seconds", json_integer(left)) &&
               json_put(status, "warning", json_boolean(left <= within));
    }
    if (draft != NULL) {
        size_t signatures = json_array_size(json_object_get(draft, "signatures"));
        made = made && json_put(status, "draft", json_integer(tuf_author_version(draft))) &&
               json_put(status, "draft_signatures", json_integer((json_int_t)signatures));
    }
    if (!made) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return TAKE(status);
}

static json_t *all_status(TufRepository *repository, int64_t within, Error *err) {
    CLEANUP(json_freep) json_t *roles = tuf_repository_roles(repository, true, err);
    CLEANUP(json_freep) json_t *list = json_array();
    if (roles == NULL || list == NULL || json_array_insert_new(roles, 1, json_string("timestamp")) != 0 ||
        json_array_insert_new(roles, 2, json_string("snapshot")) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(roles); i++) {
        json_t *status = role_status(repository, json_string_value(json_array_get(roles, i)), within, err);
        if (status == NULL || json_array_append_new(list, status) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

static void print_role(const json_t *status) {
    char left[32];
    int64_t seconds = json_integer_value(json_object_get(status, "left_seconds"));
    const char *role = json_string_value(json_object_get(status, "role"));
    const char *expires = json_string_value(json_object_get(status, "expires"));
    bool warning = json_is_true(json_object_get(status, "warning"));
    if (expires == NULL) {
        (void)printf("%-12s not published", role);
    } else if (seconds <= 0) {
        (void)printf("%-12s version %-5lld EXPIRED at %s", role,
                     json_integer_value(json_object_get(status, "version")), expires);
    } else {
        (void)printf("%-12s version %-5lld expires %s, in %s%s", role,
                     json_integer_value(json_object_get(status, "version")), expires,
                     text_format_duration(left, sizeof left, (uint64_t)seconds * 1000),
                     warning ? ": SOON" : "");
    }
    if (json_object_get(status, "draft") != NULL) {
        (void)printf("; draft of version %lld, signatures: %lld",
                     json_integer_value(json_object_get(status, "draft")),
                     json_integer_value(json_object_get(status, "draft_signatures")));
    }
    (void)printf("\n");
}

int repo_status(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    bool warned = false;
    if (!repo_options_parse(argc, argv, "wJ", help, &options, &status)) {
        return status;
    }
    int64_t within = options.within >= 0 ? options.within : DAY;
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    CLEANUP(json_freep) json_t *list = repository == NULL ? NULL : all_status(repository, within, &err);
    if (list == NULL) {
        return tool_fail(&err);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        warned = warned || json_is_true(json_object_get(json_array_get(list, i), "warning"));
        if (!options.json) {
            print_role(json_array_get(list, i));
        }
    }
    if (options.json) {
        CLEANUP(json_freep) json_t *report = json_pack("{s:O}", "roles", list);
        AUTO_FREE char *text = report == NULL ? NULL : json_format(report, true);
        (void)printf("%s\n", text != NULL ? text : "{}");
    }
    status = tool_finish();
    return status != 0 ? status : warned ? 1 : 0;
}
