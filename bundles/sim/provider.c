/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/provider.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"

enum { HEX_SIZE = 2 * SIM_CPU_SVN_SIZE };
static const char suffix[] = ".pem";

void sim_provider_name(const SimTcb *tcb, char name[SIM_PROVIDER_NAME_SIZE]) {
    text_format_hex(tcb->cpu_svn, sizeof tcb->cpu_svn, name);
    (void)snprintf(name + HEX_SIZE, SIM_PROVIDER_NAME_SIZE - HEX_SIZE, "-%u%s", tcb->pce_svn, suffix);
}

static bool parse_name(const char *name, SimTcb *ret_tcb) {
    char parts[SIM_PROVIDER_NAME_SIZE];
    uint32_t pce_svn = 0;
    SimTcb tcb;
    if (!text_copy(parts, sizeof parts, name) || strlen(parts) < HEX_SIZE + sizeof suffix ||
        parts[HEX_SIZE] != '-') {
        return false;
    }
    char *end = parts + strlen(parts) - (sizeof suffix - 1);
    parts[HEX_SIZE] = 0;
    if (strcmp(end, suffix) != 0 || !text_parse_hex(parts, tcb.cpu_svn, sizeof tcb.cpu_svn)) {
        return false;
    }
    *end = 0;
    if (!text_parse_u32(parts + HEX_SIZE + 1, 0, UINT16_MAX, &pce_svn)) {
        return false;
    }
    tcb.pce_svn = (uint16_t)pce_svn;
    *ret_tcb = tcb;
    return true;
}

static bool is_candidate(const SimKnobs *knobs, uint16_t pce_svn, const SimTcb *tcb) {
    for (size_t i = 0; i < sizeof tcb->cpu_svn; i++) {
        if (tcb->cpu_svn[i] > knobs->cpu_svn[i]) {
            return false;
        }
    }
    return knobs->cached_pce_svn != 0 ? tcb->pce_svn == knobs->cached_pce_svn : tcb->pce_svn <= pce_svn;
}

static int compare(const SimTcb *a, const SimTcb *b) {
    int order = memcmp(a->cpu_svn, b->cpu_svn, sizeof a->cpu_svn);
    return order != 0 ? order : (int)a->pce_svn - (int)b->pce_svn;
}

static bool best_level(const SimPlatform *platform, uint16_t pce_svn, bool *ret_found, SimTcb *ret_tcb,
                       Error *err) {
    int fd = file_open_directory(platform->dir_fd, SIM_PLATFORM_PCK_NAME, err);
    if (fd < 0) {
        return false;
    }
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int reason = errno;
        (void)close(fd);
        return error_set_errno(err, reason, "%s", SIM_PLATFORM_PCK_NAME);
    }
    bool found = false;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        SimTcb tcb;
        if (parse_name(entry->d_name, &tcb) && is_candidate(&platform->knobs, pce_svn, &tcb) &&
            (!found || compare(&tcb, ret_tcb) > 0)) {
            *ret_tcb = tcb;
            found = true;
        }
    }
    (void)closedir(directory);
    *ret_found = found;
    return true;
}

bool sim_provider_find(const SimPlatform *platform, uint16_t pce_svn, SimProviderAnswer *ret_answer,
                       SimTcb *ret_tcb, Buffer *ret_chain, Error *err) {
    if (!platform->knobs.provider_chain) {
        *ret_answer = SIM_PROVIDER_ABSENT;
        return true;
    }
    bool found = false;
    SimTcb tcb = {0};
    if (!best_level(platform, pce_svn, &found, &tcb, err)) {
        return error_wrap(err, "simulated platform %s", platform->path);
    }
    if (!found) {
        *ret_answer = SIM_PROVIDER_NONE;
        return true;
    }
    char path[sizeof SIM_PLATFORM_PCK_NAME + SIM_PROVIDER_NAME_SIZE] = SIM_PLATFORM_PCK_NAME "/";
    sim_provider_name(&tcb, path + sizeof SIM_PLATFORM_PCK_NAME);
    buffer_clear(ret_chain);
    /* Intel's provider library ends the text with a NUL. */
    if (!file_read(platform->dir_fd, path, ret_chain, err) || !buffer_append_zeros(ret_chain, 1)) {
        return error_wrap(err, "simulated platform %s", platform->path);
    }
    *ret_tcb = tcb;
    *ret_answer = SIM_PROVIDER_FOUND;
    return true;
}
