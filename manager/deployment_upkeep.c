/* SPDX-License-Identifier: Apache-2.0
 *
 * What must be looked after while nothing happens: the age of lame ducks and the socket's path.
 */
#include <string.h>
#include <sys/inotify.h>

#include "bundles/base/listener.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"

enum { UPKEEP_MS = 10 * 1000 };

static void check_path(Deployment *deployment) {
    Error err = ERROR_INIT;
    bool repaired = false;
    bool good = listener_repair(deployment->config->socket_path, &repaired, &err);
    if (repaired) {
        log_warning("socket-path-restored", "path=%s", deployment->config->socket_path);
        journal_note(deployment->journal, 0, deployment_itself, "path-restored",
                     "somebody removed %s; the same socket was linked back", deployment->config->socket_path);
        deployment_save(deployment);
    }
    if (!good && strcmp(err.text, deployment->path_error.text) != 0) {
        log_error("socket-path-lost", "error=\"%s\"", err.text);
    }
    deployment->path_error = err;
}

static int on_path_change(sd_event_source *source, const struct inotify_event *event, void *context) {
    (void)source;
    Deployment *deployment = context;
    const char *name = strrchr(deployment->config->socket_path, '/') + 1;
    if (event->len == 0 || strcmp(event->name, name) == 0) {
        check_path(deployment);
    }
    return 0;
}

void deployment_path_watch(Deployment *deployment) {
    char directory[CONFIG_SOCKET_PATH_MAX + 1];
    size_t length = (size_t)(strrchr(deployment->config->socket_path, '/') - deployment->config->socket_path);
    if (deployment->path_watch != NULL) {
        return;
    }
    memcpy(directory, deployment->config->socket_path, length);
    directory[length] = '\0';
    if (sd_event_add_inotify(deployment->event, &deployment->path_watch, length > 0 ? directory : "/",
                             IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR, on_path_change,
                             deployment) < 0) {
        log_warning("path-watch-failed", "path=%s", directory); /* the upkeep timer looks too */
    }
}

static int on_upkeep(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Deployment *deployment = context;
    Error ignored = ERROR_INIT;
    deployment_platform_look(deployment);
    deployment_settings_look(deployment);
    if (deployment->journal->failure.kind != ERROR_NONE) {
        deployment_save(deployment);
    }
    deployment_ducks_prune(deployment);
    deployment_sweep(deployment, false);
    deployment_standby_keep(deployment);
    deployment_health_upkeep(deployment);
    deployment_recall_upkeep(deployment);
    (void)!deployment_measure(deployment, NULL, NULL, &ignored);
    (void)!deployment_clients_ask(deployment, NULL, NULL, &ignored);
    if (deployment->listener >= 0) {
        check_path(deployment);
    }
    if (!timer_start(deployment->event, &deployment->upkeep_timer, UPKEEP_MS, on_upkeep, deployment)) {
        log_error("upkeep-stopped", "error=\"out of memory\"");
    }
    return 0;
}

bool deployment_upkeep_begin(Deployment *deployment, Error *err) {
    deployment_settings_look(deployment);
    return timer_start(deployment->event, &deployment->upkeep_timer, UPKEEP_MS, on_upkeep, deployment) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}
