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
    "Shows each role: published version, expiry and time left, and whether a draft waits; all bins of a\n"
    "delegation in one line, with what expires first.\n"
    "\n"
    "      --within TIME  warn of what expires within TIME; otherwise within a third of its lifetime and 30 "
    "days\n"
    "      --json         an object with an array `roles`\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status 0: all is well. 1: something has expired or will within TIME, or nothing is published.\n";

/* {"role", "version", "expires", "left_seconds", "warning", "draft", "draft_signatures"} */
static json_t *role_status(TufRepository *repository, const char *role, int64_t given, Error *err) {
    int64_t within = given >= 0 ? given : tuf_repository_warning(repository, tuf_repository_type(role));
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

/* A bin's status also says to which bins it belongs: "bins". */
static bool add_group(TufRepository *repository, json_t *list, const json_t *group, int64_t within,
                      Error *err) {
    json_t *name = json_object_get(group, "name"), *roles = json_object_get(group, "roles"), *role;
    size_t index;
    json_array_foreach(roles, index, role) {
        json_t *status = role_status(repository, json_string_value(role), within, err);
        if (status == NULL || json_array_append_new(list, status) != 0) {
            return false;
        }
        if (json_array_size(roles) > 1 && json_object_set(status, "bins", name) != 0) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
    }
    return true;
}

static json_t *all_status(TufRepository *repository, int64_t within, Error *err) {
    CLEANUP(json_freep) json_t *groups = tuf_repository_groups(repository, true, err);
    CLEANUP(json_freep) json_t *list = json_array();
    static const char *const online[] = {"snapshot", "timestamp"};
    for (size_t i = 0; i < 2 && groups != NULL; i++) {
        if (json_array_insert_new(groups, 1,
                                  json_pack("{s:s, s:[s]}", "name", online[i], "roles", online[i])) != 0) {
            return NULL;
        }
    }
    for (size_t i = 0; i < json_array_size(groups); i++) {
        if (!add_group(repository, list, json_array_get(groups, i), within, err)) {
            return NULL;
        }
    }
    return groups == NULL ? NULL : TAKE(list);
}

static void print_expiry(const char *role, const json_t *status) {
    char left[32];
    int64_t seconds = json_integer_value(json_object_get(status, "left_seconds"));
    long long version = json_integer_value(json_object_get(status, "version"));
    const char *expires = json_string_value(json_object_get(status, "expires"));
    if (expires == NULL) {
        (void)printf("%-12s not published", role);
    } else if (seconds <= 0) {
        (void)printf("%-12s version %-5lld EXPIRED at %s", role, version, expires);
    } else {
        (void)printf("%-12s version %-5lld expires %s, in %s%s", role, version, expires,
                     text_format_duration(left, sizeof left, (uint64_t)seconds * 1000),
                     json_is_true(json_object_get(status, "warning")) ? ": SOON" : "");
    }
}

static void print_role(const json_t *status) {
    print_expiry(json_string_value(json_object_get(status, "role")), status);
    if (json_object_get(status, "draft") != NULL) {
        (void)printf("; draft of version %lld, signatures: %lld",
                     json_integer_value(json_object_get(status, "draft")),
                     json_integer_value(json_object_get(status, "draft_signatures")));
    }
    (void)printf("\n");
}

/* One line for the bins that begin at `first`: the one that is worst off, and how many have drafts. */
static size_t print_bins(const json_t *list, size_t first) {
    const json_t *worst = json_array_get(list, first), *status = worst;
    const char *name = json_string_value(json_object_get(worst, "bins"));
    size_t count = 0, drafts = 0, unsigned_drafts = 0;
    for (; status != NULL && json_equal(json_object_get(status, "bins"), json_object_get(worst, "bins")) == 1;
         status = json_array_get(list, first + ++count)) {
        const json_t *left = json_object_get(status, "left_seconds");
        if (left == NULL ||
            json_integer_value(left) < json_integer_value(json_object_get(worst, "left_seconds"))) {
            worst = status;
        }
        if (json_object_get(status, "draft") != NULL) {
            drafts++;
            unsigned_drafts += json_integer_value(json_object_get(status, "draft_signatures")) == 0;
        }
    }
    print_expiry(name, worst);
    (void)printf("; the first of %zu bins", count);
    if (drafts > 0) {
        (void)printf("; drafts of %zu, without signatures: %zu", drafts, unsigned_drafts);
    }
    (void)printf("\n");
    return count;
}

static void print_all(const json_t *list) {
    for (size_t i = 0; i < json_array_size(list);) {
        const json_t *status = json_array_get(list, i);
        if (json_object_get(status, "bins") != NULL) {
            i += print_bins(list, i);
        } else {
            print_role(status);
            i++;
        }
    }
}

int repo_status(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    bool warned = false;
    if (!repo_options_parse(argc, argv, "wJ", help, &options, &status)) {
        return status;
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    CLEANUP(json_freep)
    json_t *list = repository == NULL ? NULL : all_status(repository, options.within, &err);
    if (list == NULL) {
        return tool_fail(&err);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        warned = warned || json_is_true(json_object_get(json_array_get(list, i), "warning"));
    }
    if (!options.json) {
        print_all(list);
    } else {
        CLEANUP(json_freep) json_t *report = json_pack("{s:O}", "roles", list);
        AUTO_FREE char *text = report == NULL ? NULL : json_format(report, true);
        (void)printf("%s\n", text != NULL ? text : "{}");
    }
    status = tool_finish();
    return status != 0 ? status : warned ? 1 : 0;
}
