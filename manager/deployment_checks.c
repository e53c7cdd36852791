/* SPDX-License-Identifier: Apache-2.0
 *
 * What the checks mean for the deployment: which problems they are, and what is done when the platform
 * beneath it changes.
 */
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/checks/fingerprint.h"
#include "manager/deployment_parts.h"

#define FINGERPRINT_NAME "fingerprint.json"
enum { FINGERPRINT_SIZE_MAX = 64 * 1024, CHANGES_MAX = 4096, UEVENT_MAX = 8192 };

static json_t *read_now(void) {
    Host host;
    Error ignored = ERROR_INIT;
    if (!host_open("/", &host, &ignored)) {
        return NULL;
    }
    json_t *fingerprint = fingerprint_read(&host);
    host_close(&host);
    return fingerprint;
}

static json_t *read_stored(const Deployment *deployment) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(FINGERPRINT_SIZE_MAX);
    Error missing = ERROR_INIT;
    if (!file_read(deployment->journal->dir_fd, FINGERPRINT_NAME, &text, &missing)) {
        return NULL;
    }
    json_t *stored = json_parse(buffer_bytes(&text), FINGERPRINT_NAME, &missing);
    if (!json_is_object(stored)) {
        json_decref(stored);
        return NULL; /* it is made anew: what changed meanwhile is not known */
    }
    return stored;
}

static void store(Deployment *deployment, const json_t *fingerprint) {
    Error err = ERROR_INIT;
    AUTO_FREE char *text = json_format(fingerprint, true);
    if (text == NULL ||
        !file_replace(deployment->journal->dir_fd, FINGERPRINT_NAME, text, strlen(text), 0600, &err)) {
        log_error("fingerprint-not-written", "error=\"%s\"", text == NULL ? "out of memory" : err.text);
    }
}

static void on_examined(void *context, const json_t *report, const Error *failure) {
    Deployment *deployment = context;
    Error failed = ERROR_INIT;
    if (failure != NULL && failure->kind == ERROR_CONFLICT) {
        deployment->checks_due = true;
        return;
    }
    if (failure != NULL) {
        error_set(&deployment->platform_alarm, failure->kind, "the checks could not be run: %s",
                  failure->text);
    } else if (examination_passes(report, &failed)) {
        deployment->platform_alarm = ERROR_INIT;
    } else {
        deployment->platform_alarm = failed;
    }
    json_decref(deployment->checked);
    deployment->checked = report != NULL ? examination_summary(report) : NULL;
    deployment->checked_at = clock_wall_s();
    if (deployment->changes[0] == '\0') {
        return;
    }
    if (deployment->platform_alarm.kind != ERROR_NONE) {
        log_error("platform-alarm", "changed=\"%s\" error=\"%s\"", deployment->changes,
                  deployment->platform_alarm.text);
        journal_note(deployment->journal, 0, deployment_itself, "platform-alarm", "after a change, %s",
                     deployment->platform_alarm.text);
    } else {
        journal_note(deployment->journal, 0, deployment_itself, "platform-checked",
                     "after a change of the platform no check fails");
        deployment->changes[0] = '\0';
    }
    deployment_save(deployment);
}

static void deployment_checks_run(Deployment *deployment) {
    Error err = ERROR_INIT;
    const char *digest = deployment->journal->serving.digest;
    const ExaminationWish wish = {.bundle = digest, .serving = "", .background = true};
    if (digest[0] == '\0') {
        return; /* nothing serves that could stop working */
    }
    if (examination_begin(deployment->examinations, &wish, on_examined, deployment, &err)) {
        deployment->checks_due = false;
    } else {
        deployment->checks_due = true; /* others run: the next upkeep tries again */
    }
}

static int on_idle(sd_event_source *source, void *context) {
    (void)source;
    Deployment *deployment = context;
    Error ignored = ERROR_INIT;
    const char *serving = deployment_serving(deployment) != NULL ? deployment->journal->serving.digest : "";
    const ExaminationWish wish = {.bundle = deployment->ahead_digest, .serving = serving, .background = true};
    if (!examinations_is_busy(deployment->examinations)) {
        (void)!examination_begin(deployment->examinations, &wish, NULL, NULL, &ignored);
    }
    return 0;
}

void deployment_checks_ahead(Deployment *deployment, const char *digest) {
    sd_event_source *ahead = NULL;
    deployment->ahead = sd_event_source_disable_unref(deployment->ahead);
    if (text_copy(deployment->ahead_digest, sizeof deployment->ahead_digest, digest) &&
        sd_event_add_defer(deployment->event, &ahead, on_idle, deployment) >= 0) {
        (void)sd_event_source_set_priority(ahead, SD_EVENT_PRIORITY_IDLE);
        deployment->ahead = ahead;
    }
}

void deployment_platform_look(Deployment *deployment) {
    CLEANUP(buffer_done) Buffer changes = BUFFER_INIT(CHANGES_MAX);
    CLEANUP(json_freep) json_t *now = read_now();
    if (now == NULL) {
        return;
    }
    if (deployment->fingerprint == NULL) {
        deployment->fingerprint = read_stored(deployment);
    }
    bool first = deployment->fingerprint == NULL;
    if (!first && !fingerprint_compare(deployment->fingerprint, now, &changes)) {
        buffer_clear(&changes);
        (void)!buffer_append_text(&changes, "more than can be told");
    }
    if (first || changes.size > 0) {
        store(deployment, now);
        json_decref(deployment->fingerprint);
        deployment->fingerprint = TAKE(now);
    }
    if (changes.size > 0) {
        (void)snprintf(deployment->changes, sizeof deployment->changes, "%s", buffer_text(&changes));
        log_warning("platform-changed", "changed=\"%s\"", deployment->changes);
        journal_note(deployment->journal, 0, deployment_itself, "platform-changed", "%s",
                     deployment->changes);
        deployment_save(deployment);
        deployment_host_read(deployment);
        deployment_checks_run(deployment);
    } else if (deployment->checks_due && !examinations_is_busy(deployment->examinations)) {
        deployment_checks_run(deployment);
    }
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *context) {
    (void)source;
    if (event->len == 0 || strstr(event->name, "sgx") != NULL || strstr(event->name, "qcnl") != NULL ||
        strcmp(event->name, "enclave") == 0 || strcmp(event->name, "provision") == 0) {
        deployment_platform_look(context);
    }
    return 0;
}

/* The kernel tells of modules and devices that come and go; nobody else may send to this group. */
static int on_uevent(sd_event_source *source, int fd, uint32_t events, void *context) {
    char text[UEVENT_MAX];
    bool ours = false;
    ssize_t size = 0;
    (void)source, (void)events;
    while ((size = recv(fd, text, sizeof text, MSG_DONTWAIT)) > 0) {
        ours = ours || memmem(text, (size_t)size, "sgx", 3) != NULL ||
               memmem(text, (size_t)size, "microcode", 9) != NULL;
    }
    if (ours) {
        deployment_platform_look(context);
    }
    return 0;
}

static void watch_uevents(Deployment *deployment) {
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_groups = 1};
    AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    sd_event_source *source = NULL;
    if (fd < 0 || bind(fd, (const struct sockaddr *)&kernel, sizeof kernel) != 0 ||
        sd_event_add_io(deployment->event, &source, fd, EPOLLIN, on_uevent, deployment) < 0) {
        return; /* in a container, or forbidden: the upkeep timer sees it */
    }
    (void)sd_event_source_set_io_fd_own(source, true);
    (void)TAKE_FD(fd);
    deployment->uevents = source;
}

/* Where changes show at once; the upkeep timer sees the rest. */
void deployment_platform_watch(Deployment *deployment) {
    const char *provider = getenv("QCNL_CONF_PATH"); /* NOLINT(concurrency-mt-unsafe): there is one thread */
    const char *slash = provider != NULL ? strrchr(provider, '/') : NULL;
    AUTO_FREE char *directory =
        slash != NULL ? text_format("%.*s", (int)(slash - provider + 1), provider) : text_format("/etc");
    const uint32_t comes_and_goes =
        IN_CREATE | IN_DELETE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
    /* Nodes are closed by every application, which says nothing; a file is changed when it is closed. */
    const struct {
        const char *path;
        uint32_t events;
    } places[DEPLOYMENT_WATCHES] = {
        {"/dev", comes_and_goes},
        {"/dev/sgx", comes_and_goes},
        {directory != NULL ? directory : "/etc", comes_and_goes | IN_CLOSE_WRITE}};
    deployment_platform_look(deployment);
    deployment->checks_due =
        true; /* at the next upkeep: a manager that has just come has more urgent things to do */
    watch_uevents(deployment);
    for (size_t i = 0; i < DEPLOYMENT_WATCHES; i++) {
        (void)sd_event_add_inotify(deployment->event, &deployment->platform_watches[i], places[i].path,
                                   places[i].events, on_change, deployment);
    }
}

static bool add_waiver(json_t *list, const ConfigWaiver *waiver, int64_t now) {
    char until[CLOCK_TIME_SIZE];
    clock_format(waiver->until, until);
    return json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "check", waiver->check, "reason",
                                                 waiver->reason, "until", until, "expired",
                                                 now >= waiver->until)) == 0;
}

json_t *deployment_checks_json(const Deployment *deployment) {
    CLEANUP(json_freep) json_t *waivers = json_array();
    Digest digest;
    char hex[DIGEST_HEX_SIZE] = "";
    for (size_t i = 0; i < deployment->config->waivers_count; i++) {
        if (!add_waiver(waivers, &deployment->config->waivers[i], clock_wall_s())) {
            return NULL;
        }
    }
    if (deployment->fingerprint != NULL && fingerprint_digest(deployment->fingerprint, &digest)) {
        digest_format(&digest, hex);
    }
    return json_pack("{s:o, s:I, s:O, s:s, s:O?, s:o}", "serving",
                     deployment->checked != NULL ? json_incref(deployment->checked) : json_null(), "at",
                     (json_int_t)deployment->checked_at, "waivers", waivers, "fingerprint", hex, "platform",
                     deployment->fingerprint, "changed", operation_text_json(deployment->changes));
}

bool deployment_checks_problems(const Deployment *deployment, json_t *list) {
    char text[ERROR_TEXT_MAX + sizeof deployment->changes + 64];
    for (size_t i = 0; i < deployment->config->waivers_count; i++) {
        const ConfigWaiver *waiver = &deployment->config->waivers[i];
        if (clock_wall_s() >= waiver->until) {
            (void)snprintf(text, sizeof text, "the waiver of check %s has expired and is ignored",
                           waiver->check);
            if (!deployment_add_problem(list, "waiver", text,
                                        "remove it from manager.yaml, or renew it with a reason")) {
                return false;
            }
        }
    }
    if (deployment->platform_alarm.kind == ERROR_NONE) {
        return true;
    }
    if (deployment->changes[0] != '\0') {
        (void)snprintf(text, sizeof text, "the platform changed (%s), and now: %s", deployment->changes,
                       deployment->platform_alarm.text);
    } else {
        (void)snprintf(text, sizeof text, "%s", deployment->platform_alarm.text);
    }
    return deployment_add_problem(list, "checks", text,
                                  "pswctl doctor shows all checks; pswctl explain CHECK explains one");
}
