/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/process.h"
#include "manager/helper_child.h"
#include "manager/timer.h"

struct Helper {
    HelperSpec spec;
    int socket;
    int pidfd;
    json_t *result;
    Error failure;
    sd_event_source *socket_source, *process_source, *deadline;
    bool lingers; /* nobody is told any more: it goes when its child has ended */
};

static void helper_free(Helper *helper) {
    if (helper == NULL) {
        return;
    }
    helper->socket_source = sd_event_source_disable_unref(helper->socket_source);
    helper->process_source = sd_event_source_disable_unref(helper->process_source);
    timer_stop(&helper->deadline);
    cleanup_close(&helper->socket);
    cleanup_close(&helper->pidfd);
    json_decref(helper->result);
    free(helper);
}
CLEANUP_DEFINE(Helper, helper_free)

static void take_message(Helper *helper, const char *text, size_t size) {
    Error err = ERROR_INIT;
    uint64_t done = 0, total = 0;
    CLEANUP(json_freep)
    json_t *message = json_parse((Bytes){(const uint8_t *)text, size}, "helper", &err);
    if (message == NULL) {
        helper->failure = err;
    } else if (json_object_get(message, "result") != NULL) {
        json_decref(helper->result);
        helper->result = json_incref(json_object_get(message, "result"));
    } else if (json_get_u64(message, "done", &done, &err) && json_get_u64(message, "total", &total, &err)) {
        if (helper->spec.progress != NULL) {
            helper->spec.progress(helper->spec.context, done, total);
        }
    } else {
        (void)!json_get_failure(message, &helper->failure); /* anything else means nothing */
    }
}

static void drain_socket(Helper *helper) {
    char message[HELPER_MESSAGE_MAX];
    for (;;) {
        ssize_t size = recv(helper->socket, message, sizeof message, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            if (size == 0) { /* the child closed it; the pidfd says the rest */
                helper->socket_source = sd_event_source_disable_unref(helper->socket_source);
            }
            return;
        }
        take_message(helper, message, (size_t)size);
    }
}

static void on_forgotten(void *context) {
    helper_free(context);
}

static void end_child(Helper *helper) {
    Error ignored = ERROR_INIT;
    if (!process_signal(helper->pidfd, SIGKILL, &ignored)) {
        return; /* ended already */
    }
}

/* From here on it belongs to the loop, which frees it when the child has ended, or when the loop ends. The
 * child has nothing to do any more, and no deadline: it shall not stay because somebody made it do something
 * else. */
void helper_dismiss(Helper *helper) {
    if (helper == NULL) {
        return;
    }
    sd_event_source *source = TAKE(helper->process_source);
    end_child(helper);
    helper->socket_source = sd_event_source_disable_unref(helper->socket_source);
    timer_stop(&helper->deadline);
    helper->lingers = true;
    (void)sd_event_source_set_destroy_callback(source, on_forgotten);
    (void)sd_event_source_set_floating(source, true);
    (void)sd_event_source_unref(source);
}

static void hand_over(Helper *helper) {
    const HelperSpec spec = helper->spec;
    CLEANUP(json_freep) json_t *result = TAKE(helper->result);
    helper_dismiss(helper);
    spec.done(spec.context, result, NULL);
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)source, (void)fd, (void)events;
    Helper *helper = context;
    drain_socket(helper);
    if (helper->spec.task->hands_over && helper->result != NULL && helper->failure.kind == ERROR_NONE) {
        hand_over(helper);
    }
    return 0;
}

static int on_process(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)events;
    if (((Helper *)context)->lingers) {
        ProcessExit unimportant = {0};
        Error ignored = ERROR_INIT;
        (void)!process_wait(fd, 0, &unimportant, &ignored);
        (void)sd_event_source_set_floating(source, false); /* and so frees it, behind this call */
        return 0;
    }
    CLEANUP(helper_freep) Helper *helper = context;
    ProcessExit how = {0};
    Error err = ERROR_INIT;
    char text[48] = "an unknown exit status";
    helper->process_source = sd_event_source_disable_unref(helper->process_source);
    timer_stop(&helper->deadline);
    drain_socket(helper);
    if (process_wait(fd, 0, &how, &err)) {
        process_exit_format(text, sizeof text, how);
    }
    if (helper->result == NULL && helper->failure.kind == ERROR_NONE) {
        error_set(&helper->failure, ERROR_SYSTEM, "the child for '%s' ended with %s and no result",
                  helper->spec.task->name, text);
    }
    bool failed = helper->failure.kind != ERROR_NONE;
    helper->spec.done(helper->spec.context, failed ? NULL : helper->result, failed ? &helper->failure : NULL);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Helper *helper = context;
    error_set(&helper->failure, ERROR_TIMEOUT, "'%s' took longer than allowed", helper->spec.task->name);
    end_child(helper);
    return 0;
}

static bool send_task(Helper *helper, Error *err) {
    CLEANUP(json_freep)
    json_t *task = json_pack("{s:s, s:O, s:I}", "task", helper->spec.task->name, "arguments",
                             helper->spec.arguments, "file_size_max", (json_int_t)helper->spec.file_size_max);
    AUTO_FREE char *text = task != NULL ? json_format(task, false) : NULL;
    if (text == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return send(helper->socket, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) ||
           error_set_errno(err, errno, "cannot give the child its task");
}

static int run_child(void *context) {
    const Helper *helper = context;
    return helper_child_run(helper->spec.task);
}

static bool launch(Helper *helper, Error *err) {
    int pair[2] = {-1, -1};
    pid_t pid = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return error_set_errno(err, errno, "socketpair");
    }
    helper->socket = pair[0];
    AUTO_CLOSE int childs = pair[1];
    const ProcessFd fds[] = {{childs, HELPER_SOCKET}, {helper->spec.fd, HELPER_DATA}};
    const ProcessFork process = {
        .run = run_child, .context = helper, .fds = fds, .fds_count = helper->spec.fd >= 0 ? 2 : 1};
    return send_task(helper, err) && process_fork(&process, &pid, &helper->pidfd, err);
}

Helper *helper_start(const HelperSpec *spec, Error *err) {
    CLEANUP(helper_freep) Helper *helper = calloc(1, sizeof *helper);
    if (helper == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    helper->spec = *spec;
    helper->socket = helper->pidfd = -1;
    if (!launch(helper, err)) {
        return NULL;
    }
    if (sd_event_add_io(spec->event, &helper->socket_source, helper->socket, EPOLLIN, on_socket, helper) <
            0 ||
        sd_event_add_io(spec->event, &helper->process_source, helper->pidfd, EPOLLIN, on_process, helper) <
            0 ||
        !timer_start(spec->event, &helper->deadline, spec->timeout_ms, on_deadline, helper)) {
        end_child(helper);
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return TAKE(helper);
}

const Error *helper_failure(Helper *helper) {
    drain_socket(helper);
    return helper->failure.kind != ERROR_NONE ? &helper->failure : NULL;
}

void helper_cancel(Helper *helper) {
    ProcessExit how = {0};
    Error ignored = ERROR_INIT;
    if (helper == NULL) {
        return;
    }
    end_child(helper);
    if (!process_wait(helper->pidfd, 1000, &how, &ignored)) {
        sd_event_source_set_enabled(helper->process_source, SD_EVENT_OFF);
    }
    helper_free(helper);
}
