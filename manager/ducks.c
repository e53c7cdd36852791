/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ducks.h"

#include <string.h>

static bool is_newer_same(const JournalGeneration *ducks, size_t index, const bool *keep) {
    for (size_t i = 0; i < index; i++) {
        if (keep[i] && strcmp(ducks[i].qe, ducks[index].qe) == 0) {
            return true;
        }
    }
    return false;
}

void ducks_select(const JournalGeneration *ducks, size_t count, const char *serving_qe,
                  const DucksPolicy *policy, bool *ret_keep) {
    unsigned kept = 0;
    for (size_t i = 0; i < count; i++) {
        ret_keep[i] = (ducks[i].recalled || kept < policy->count) &&
                      policy->now - ducks[i].since <= policy->keep_s &&
                      strcmp(ducks[i].qe, serving_qe) != 0 && !is_newer_same(ducks, i, ret_keep);
        kept += ret_keep[i] && !ducks[i].recalled ? 1 : 0;
    }
}

void ducks_fit(const JournalGeneration *ducks, size_t count, const uint64_t *epc_kib, uint64_t room_kib,
               bool recalled_stay, bool *keep) {
    uint64_t left = room_kib;
    for (size_t i = 0; i < count; i++) {
        if (keep[i] && recalled_stay && ducks[i].recalled) {
            left -= epc_kib[i] < left ? epc_kib[i] : left;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (keep[i] && !(recalled_stay && ducks[i].recalled)) {
            keep[i] = epc_kib[i] <= left;
            left -= keep[i] ? epc_kib[i] : 0;
        }
    }
}
