/* SPDX-License-Identifier: Apache-2.0
 *
 * Subcommands that start an operation: fetch, stage, test, swap, adopt, commit, rollback, remove.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/diff.h"
#include "manager/ctl/ctl.h"

enum { DIFF_TEXT_MAX = 256 * 1024 };

static bool post(Ctl *ctl, const char *path, json_t *arguments, Error *err) {
    CLEANUP(json_freep) json_t *body = arguments;
    if (body == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory, or an argument is not UTF-8");
    }
    return ctl_follow(ctl, ctl_client_call(ctl->client, "POST", path, body, err), err);
}

bool ctl_add_soak(const Ctl *ctl, json_t *body) {
    return ctl->soak == NULL || json_put(body, "soak", json_string(ctl->soak));
}

bool ctl_fetch(Ctl *ctl, Error *err) {
    if (ctl->sha256 == NULL) {
        return error_set(err, ERROR_USAGE,
                         "fetch needs --sha256: what the file must be is said before it comes");
    }
    return post(ctl, "/v1/fetch",
                json_pack("{s:s, s:s, s:b}", "url", ctl->operand, "sha256", ctl->sha256, "stage", ctl->stage),
                err);
}

static void on_upload(void *context, uint64_t done, uint64_t total) {
    (void)context;
    ctl_draw_progress("uploading", done, total);
}

bool ctl_stage(Ctl *ctl, Error *err) {
    Digest digest;
    struct stat facts;
    if (digest_parse(ctl->operand, &digest) && access(ctl->operand, F_OK) != 0) {
        return post(ctl, "/v1/stage", json_pack("{s:s}", "sha256", ctl->operand), err);
    }
    AUTO_CLOSE int fd = file_open_regular(AT_FDCWD, ctl->operand, &facts, err);
    if (fd < 0) {
        return false;
    }
    if (facts.st_size == 0) {
        return error_set(err, ERROR_INPUT, "%s is empty: fetch it again", ctl->operand);
    }
    json_t *operation = ctl_client_upload(ctl->client, "/v1/stage", fd, on_upload, NULL, err);
    ctl_clear_progress();
    return ctl_follow(ctl, operation, err) || error_wrap(err, "%s", ctl->operand);
}

bool ctl_test(Ctl *ctl, Error *err) {
    if (!ctl_check_junit(ctl, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *body = json_pack("{s:s}", "bundle", ctl->operand);
    json_t *begun = body != NULL ? ctl_client_call(ctl->client, "POST", "/v1/test", body, err) : NULL;
    CLEANUP(json_freep) json_t *test = begun != NULL ? ctl_await(ctl, begun, err) : NULL;
    if (test == NULL) {
        return body == NULL && error_set(err, ERROR_MEMORY, "out of memory, or an argument is not UTF-8");
    }
    const json_t *report = json_object_get(json_object_get(test, "result"), "checks");
    if (report != NULL && !ctl->json) {
        ctl_print_checks(report, true);
    }
    return (report == NULL || ctl_write_junit(ctl, report, err)) && ctl_report(ctl, test, err);
}

bool ctl_add_downgrades(const Ctl *ctl, json_t *body) {
    json_t *names = json_array();
    for (size_t i = 0; i < ctl->downgrades_count; i++) {
        if (json_array_append_new(names, json_string(ctl->downgrades[i])) != 0) {
            json_decref(names);
            return false;
        }
    }
    return json_put(body, "allow_downgrade", names);
}

/* Has a bundle's version or digest, as the path of a request takes it. */
static char *bundle_path(const Ctl *ctl, const char *path, Error *err) {
    if (strspn(ctl->operand, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.@_-") !=
        strlen(ctl->operand)) {
        error_set(err, ERROR_USAGE, "'%.64s' is neither a version nor a digest", ctl->operand);
        return NULL;
    }
    char *full = text_format("%s%s", path, ctl->operand);
    if (full == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return full;
}

static json_t *fetch_diff(Ctl *ctl, Error *err) {
    AUTO_FREE char *path = bundle_path(ctl, "/v1/diff/", err);
    return path != NULL ? ctl_client_call(ctl->client, "GET", path, NULL, err) : NULL;
}

static bool print_diff(const json_t *diff, FILE *out, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(DIFF_TEXT_MAX);
    return (diff_format(diff, &text) && fputs(buffer_text(&text), out) >= 0) ||
           error_set(err, ERROR_SYSTEM, "cannot print what changes");
}

bool ctl_diff(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *diff = fetch_diff(ctl, err);
    return diff != NULL && (ctl->json ? ctl_print_json(diff, err) : print_diff(diff, stdout, err));
}

/* For people, before it begins. Where there is nothing to compare, the swap itself has the better words. */
static void announce(Ctl *ctl) {
    Error ignored = ERROR_INIT;
    CLEANUP(json_freep) json_t *diff = ctl->json ? NULL : fetch_diff(ctl, &ignored);
    if (diff != NULL) {
        (void)print_diff(diff, stderr, &ignored);
    }
}

bool ctl_swap(Ctl *ctl, Error *err) {
    announce(ctl);
    json_t *body = json_pack("{s:s}", "bundle", ctl->operand);
    if (body != NULL && !(ctl_add_soak(ctl, body) && ctl_add_downgrades(ctl, body))) {
        json_decref(body);
        body = NULL;
    }
    return post(ctl, "/v1/swap", body, err);
}

bool ctl_commit(Ctl *ctl, Error *err) {
    return post(ctl, "/v1/commit", json_object(), err);
}

bool ctl_adopt(Ctl *ctl, Error *err) {
    json_t *body = json_pack("{s:s}", "bundle", ctl->operand);
    if (body != NULL && !ctl_add_soak(ctl, body)) {
        json_decref(body);
        body = NULL;
    }
    if (!post(ctl, "/v1/adopt", body, err)) {
        return false;
    }
    if (!ctl->json && !ctl->no_wait) {
        (void)puts(
            "The former daemon has been ended. Keep it from coming back at the next boot: for Intel's,\n"
            "systemctl disable aesmd; or leave it masked.");
    }
    return true;
}

bool ctl_rollback(Ctl *ctl, Error *err) {
    json_t *body = json_object();
    if (body != NULL && !ctl_add_soak(ctl, body)) {
        json_decref(body);
        body = NULL;
    }
    return post(ctl, "/v1/rollback", body, err);
}

bool ctl_remove(Ctl *ctl, Error *err) {
    AUTO_FREE char *path = bundle_path(ctl, "/v1/bundles/", err);
    return path != NULL && ctl_follow(ctl, ctl_client_call(ctl->client, "DELETE", path, NULL, err), err);
}
