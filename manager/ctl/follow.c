/* SPDX-License-Identifier: Apache-2.0
 *
 * Following an operation: its steps as they come, its outcome at the end.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

enum { BAR_WIDTH = 30, WAIT_S = 30, PATIENCE_MS = 20 * 1000, RETRY_MS = 100 };

const char *ctl_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

long long ctl_number(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

bool ctl_print_json(const json_t *value, Error *err) {
    AUTO_FREE char *text = json_format(value, true);
    if (text == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return printf("%s\n", text) >= 0 || error_set(err, ERROR_SYSTEM, "cannot write the output");
}

void ctl_draw_progress(const char *step, uint64_t done, uint64_t total) {
    char have[24], all[24], bar[BAR_WIDTH + 1];
    if (isatty(STDERR_FILENO) == 0) {
        return;
    }
    text_format_size(have, sizeof have, done);
    if (total == 0) {
        (void)fprintf(stderr, "\r\033[K%s %s", step, done > 0 ? have : "");
        return;
    }
    size_t filled = (size_t)(done >= total ? BAR_WIDTH : done * BAR_WIDTH / total);
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r\033[K%s [%s] %3llu %% %s of %s", step, bar,
                  (unsigned long long)(done >= total ? 100 : done * 100 / total), have,
                  text_format_size(all, sizeof all, total));
}

void ctl_clear_progress(void) {
    if (isatty(STDERR_FILENO) != 0) {
        (void)fputs("\r\033[K", stderr);
    }
}

static bool is_running(const json_t *operation) {
    return strcmp(ctl_text(operation, "state"), "running") == 0;
}

/* The step that takes minutes, and can be ended; leaving pswctl does not end it. */
static void show_soak(Ctl *ctl, const json_t *operation) {
    Error ignored = ERROR_INIT;
    char left[24];
    CLEANUP(json_freep) json_t *status = ctl_client_call(ctl->client, "GET", "/v1/status", NULL, &ignored);
    long long seconds = (ctl_number(status, "soak_left_ms") + 999) / 1000;
    if (seconds <= 0) {
        return;
    }
    ctl_clear_progress();
    (void)fprintf(
        stderr, "%s: soaking for %s: ends by itself, by 'pswctl commit', or is undone by 'pswctl rollback'\n",
        ctl_text(operation, "kind"), text_format_duration(left, sizeof left, (uint64_t)seconds * 1000));
}

static void show(Ctl *ctl, const json_t *operation, char *last_step, size_t size) {
    const char *step = ctl_text(operation, "step");
    bool is_new = strcmp(step, last_step) != 0;
    if (is_new && strcmp(step, "soaking") == 0) {
        show_soak(ctl, operation);
    }
    if (isatty(STDERR_FILENO) != 0) {
        ctl_draw_progress(step, (uint64_t)ctl_number(operation, "done"),
                          (uint64_t)ctl_number(operation, "total"));
    } else if (is_new && step[0] != '\0' && strcmp(step, "soaking") != 0) {
        (void)fprintf(stderr, "%s: %s\n", ctl_text(operation, "kind"), step);
    }
    (void)text_copy(last_step, size, step);
}

/* The manager may be restarted while we wait; it remembers the operation. */
static json_t *ask(Ctl *ctl, long long id, long long revision, Error *err) {
    AUTO_FREE char *path = text_format("/v1/operations/%lld?wait=%d&after=%lld", id, WAIT_S, revision);
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    if (path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    for (;;) {
        *err = ERROR_INIT;
        json_t *operation = ctl_client_call(ctl->client, "GET", path, NULL, err);
        if (operation != NULL || err->kind != ERROR_UNAVAILABLE || clock_monotonic_ms() > deadline) {
            return operation;
        }
        const struct timespec pause = {.tv_nsec = RETRY_MS * 1000L * 1000L};
        (void)nanosleep(&pause, NULL);
    }
}

static bool changes_serving(const json_t *operation) {
    static const char *const kinds[] = {"swap", "rollback", "adopt", "update"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof kinds / sizeof *kinds; i++) {
        found = strcmp(ctl_text(operation, "kind"), kinds[i]) == 0;
    }
    return found;
}

/* After a change that failed the first question is whether quotes are made. */
static bool fail(Ctl *ctl, const json_t *operation, ErrorKind kind, Error *err) {
    Error ignored = ERROR_INIT;
    char label[160], serves[200] = "";
    CLEANUP(json_freep)
    json_t *status =
        changes_serving(operation) ? ctl_client_call(ctl->client, "GET", "/v1/status", NULL, &ignored) : NULL;
    if (status != NULL) {
        bool any = strcmp(ctl_text(status, "state"), "serving") == 0;
        (void)snprintf(serves, sizeof serves, "; %s serves%s",
                       any ? ctl_bundle_label(json_object_get(status, "bundle"), label, sizeof label)
                           : "nothing",
                       any ? "" : ": pswctl status");
    }
    return error_set(err, kind, "%s: %s%s", ctl_text(operation, "kind"), ctl_text(operation, "error"),
                     serves);
}

bool ctl_report(Ctl *ctl, const json_t *operation, Error *err) {
    ErrorKind kind = ERROR_SYSTEM;
    bool failed = strcmp(ctl_text(operation, "state"), "failed") == 0;
    if (ctl->json && !ctl_print_json(operation, err)) {
        return false;
    }
    if (failed) {
        if (!error_kind_parse(ctl_text(operation, "error_kind"), &kind) || kind == ERROR_NONE) {
            kind = ERROR_SYSTEM;
        }
        return fail(ctl, operation, kind, err);
    }
    if (!ctl->json && is_running(operation)) {
        (void)printf("operation %lld: %s %s: %s\n", ctl_number(operation, "id"), ctl_text(operation, "kind"),
                     ctl_text(operation, "what"), ctl_text(operation, "step"));
    } else if (!ctl->json && json_is_true(json_object_get(json_object_get(operation, "result"), "already"))) {
        (void)printf("%s: %s: serves already\n", ctl_text(operation, "kind"), ctl_text(operation, "what"));
    } else if (!ctl->json) {
        (void)printf("%s: %s: done in %lld ms\n", ctl_text(operation, "kind"), ctl_text(operation, "what"),
                     ctl_number(operation, "milliseconds"));
    }
    return true;
}

json_t *ctl_await(Ctl *ctl, json_t *operation, Error *err) {
    CLEANUP(json_freep) json_t *now = operation;
    char step[64] = "";
    while (now != NULL && is_running(now) && !ctl->no_wait) {
        show(ctl, now, step, sizeof step);
        json_t *next = ask(ctl, ctl_number(now, "id"), ctl_number(now, "revision"), err);
        json_decref(now);
        now = next;
    }
    ctl_clear_progress();
    return TAKE(now);
}

bool ctl_follow(Ctl *ctl, json_t *operation, Error *err) {
    CLEANUP(json_freep) json_t *last = operation != NULL ? ctl_await(ctl, operation, err) : NULL;
    return last != NULL && ctl_report(ctl, last, err);
}
