/* SPDX-License-Identifier: Apache-2.0
 *
 * Subcommands that look into the repository and bring bundles from it: check-update, update.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

static bool has_failed(const json_t *operation) {
    return strcmp(ctl_text(operation, "state"), "failed") == 0;
}

bool ctl_check_update(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *call = ctl_client_call(ctl->client, "POST", "/v1/check", NULL, err);
    CLEANUP(json_freep) json_t *operation = call != NULL ? ctl_await(ctl, json_incref(call), err) : NULL;
    if (operation == NULL) {
        return false;
    }
    const json_t *offer = json_object_get(json_object_get(operation, "result"), "offer");
    if (ctl->json || has_failed(operation) || ctl->no_wait) {
        return ctl_report(ctl, operation, err);
    }
    if (!json_is_object(offer)) {
        (void)printf("nothing new (pswctl explain says why)\n");
        return true;
    }
    (void)printf("%s %s is offered%s%s%s%s: pswctl update\n", ctl_text(offer, "name"),
                 ctl_text(offer, "version"), ctl_text(offer, "urgency")[0] != '\0' ? ", urgency " : "",
                 ctl_text(offer, "urgency"), ctl_text(offer, "notes")[0] != '\0' ? ", notes at " : "",
                 ctl_text(offer, "notes"));
    return true;
}

static void on_upload(void *context, uint64_t done, uint64_t total) {
    (void)context;
    ctl_draw_progress("uploading", done, total);
}

static json_t *upload(Ctl *ctl, int fd, Error *err) {
    AUTO_FREE char *path = text_format("/v1/update?stage_only=%s%s%s%s%s", ctl->stage_only ? "true" : "false",
                                       ctl->to != NULL ? "&version=" : "", ctl->to != NULL ? ctl->to : "",
                                       ctl->soak != NULL ? "&soak=" : "", ctl->soak != NULL ? ctl->soak : "");
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz.";
    if ((ctl->to != NULL && strspn(ctl->to, plain) != strlen(ctl->to)) ||
        (ctl->soak != NULL && strspn(ctl->soak, plain) != strlen(ctl->soak))) {
        error_set(err, ERROR_USAGE, "--to takes a version such as 1.23, --soak a time such as 30s");
        return NULL;
    }
    if (path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    json_t *operation = ctl_client_upload(ctl->client, path, fd, on_upload, NULL, err);
    ctl_clear_progress();
    return operation;
}

static json_t *request(Ctl *ctl, const char *directory, Error *err) {
    CLEANUP(json_freep)
    json_t *body = json_pack("{s:b}", "stage_only", ctl->stage_only);
    if (body == NULL || (ctl->to != NULL && !json_put(body, "version", json_string(ctl->to))) ||
        !ctl_add_soak(ctl, body) || !ctl_add_downgrades(ctl, body) ||
        (directory != NULL && !json_put(body, "directory", json_string(directory)))) {
        error_set(err, ERROR_MEMORY, "out of memory, or an argument is not UTF-8");
        return NULL;
    }
    return ctl_client_call(ctl->client, "POST", "/v1/update", body, err);
}

static json_t *begin(Ctl *ctl, Error *err) {
    struct stat facts;
    if (ctl->from == NULL) {
        return request(ctl, NULL, err);
    }
    AUTO_CLOSE int fd = file_open(AT_FDCWD, ctl->from, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &facts) != 0) {
        error_set_errno(err, errno, "%s", ctl->from);
        return NULL;
    }
    if (S_ISREG(facts.st_mode) && facts.st_size == 0) {
        error_set(err, ERROR_INPUT, "%s is empty: export or copy it again", ctl->from);
        return NULL;
    }
    if (S_ISREG(facts.st_mode)) {
        if (ctl->downgrades_count > 0) {
            error_set(err, ERROR_USAGE,
                      "with --from FILE: --stage-only first, then pswctl swap --allow-downgrade");
            return NULL;
        }
        return upload(ctl, fd, err);
    }
    AUTO_FREE char *directory = realpath(ctl->from, NULL);
    if (!S_ISDIR(facts.st_mode) || directory == NULL) {
        error_set(err, ERROR_INPUT, "%s is neither a file nor a directory", ctl->from);
        return NULL;
    }
    return request(ctl, directory, err);
}

/* The swap is an operation of its own; for who called us it is the end of this one. */
static bool follow_swap(Ctl *ctl, json_t *update, Error *err) {
    const json_t *result = json_object_get(update, "result");
    long long id = ctl_number(result, "swap_operation");
    if (id == 0 || ctl->no_wait) {
        return ctl_report(ctl, update, err);
    }
    AUTO_FREE char *path = text_format("/v1/operations/%lld", id);
    json_t *begun = path != NULL ? ctl_client_call(ctl->client, "GET", path, NULL, err) : NULL;
    CLEANUP(json_freep) json_t *swap = begun != NULL ? ctl_await(ctl, begun, err) : NULL;
    if (swap == NULL) {
        return false;
    }
    if (!ctl->json) {
        return ctl_report(ctl, update, err) && ctl_report(ctl, swap, err);
    }
    if (json_object_set(update, "swap", swap) != 0) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!ctl_print_json(update, err)) {
        return false;
    }
    ctl->json = false; /* it is printed; what is left is whether it failed */
    return !has_failed(swap) || ctl_report(ctl, swap, err);
}

bool ctl_update(Ctl *ctl, Error *err) {
    json_t *begun = begin(ctl, err);
    CLEANUP(json_freep) json_t *update = begun != NULL ? ctl_await(ctl, begun, err) : NULL;
    if (update == NULL) {
        return false;
    }
    const json_t *result = json_object_get(update, "result");
    if (!ctl->json && !has_failed(update) && !ctl->no_wait &&
        json_is_null(json_object_get(result, "offer"))) {
        (void)printf("nothing to do (pswctl explain says why)\n");
        return true;
    }
    return follow_swap(ctl, update, err);
}
