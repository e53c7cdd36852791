/* SPDX-License-Identifier: Apache-2.0
 *
 * Cgroup: which container or systemd unit a control group's path speaks of. Pure.
 */
#ifndef MANAGER_CGROUP_H
#define MANAGER_CGROUP_H

typedef struct CgroupPlace {
    char runtime[16]; /* "docker", "containerd", "cri-o", "podman", "container" (a runtime that the path does
                         not name); "": no container */
    char container[65]; /* the container's id; "" with the runtime */
    char unit[128];     /* the innermost systemd service or scope; "": none */
} CgroupPlace;

void cgroup_place(const char *path, CgroupPlace *ret_place);

#endif
