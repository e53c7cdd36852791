/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/priority.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct sched_param none = {0};

bool priority_allow_return(void) {
    const rlim_t needed =
        (rlim_t)(20 - getpriority(PRIO_PROCESS, 0)); /* getrlimit(2): 20 less the nice value */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NICE, &limit) != 0) {
        return false;
    }
    if (limit.rlim_cur >= needed) {
        return true;
    }
    limit.rlim_max = limit.rlim_max >= needed ? limit.rlim_max : needed;
    limit.rlim_cur = needed;
    return setrlimit(RLIMIT_NICE, &limit) == 0;
}

static bool has_capability(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capget, &header, sets) == 0 &&
           (sets[CAP_TO_INDEX(CAP_SYS_NICE)].effective & CAP_TO_MASK(CAP_SYS_NICE)) != 0;
}

bool priority_may_be_lowered(void) {
    return sched_getscheduler(0) == SCHED_OTHER && (priority_allow_return() || has_capability());
}

bool priority_lower(void) {
    return priority_may_be_lowered() && sched_setscheduler(0, SCHED_IDLE, &none) == 0;
}

void priority_restore(pid_t thread) {
    if (sched_getscheduler(thread) == SCHED_IDLE) {
        (void)sched_setscheduler(thread, SCHED_OTHER, &none);
    }
}
