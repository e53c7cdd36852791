/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/epc.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/sim/platform.h"

/* Locks stand behind the table: one for a change of it, then one a row. They are of the open file
 * description, so that two libraries in one process are two holders. */
enum { TABLE_SIZE = SIM_EPC_HOLDERS_MAX * sizeof(uint64_t), CHANGE_LOCK = TABLE_SIZE, ROW_LOCKS };

static bool set_lock(int fd, int command, short type, off_t at) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    int result = 0;
    do {
        result = fcntl(fd, command, &lock);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool row_is_held(int fd, int row) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = ROW_LOCKS + row, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

static bool take_row(SimEpc *epc) {
    for (int row = 0; epc->row < 0 && row < SIM_EPC_HOLDERS_MAX; row++) {
        if (set_lock(epc->fd, F_OFD_SETLK, F_WRLCK, ROW_LOCKS + row)) {
            epc->row = row;
        }
    }
    return epc->row >= 0;
}

static bool write_row(SimEpc *epc, uint64_t kib) {
    return pwrite(epc->fd, &kib, sizeof kib, (off_t)(sizeof kib * (size_t)epc->row)) == (ssize_t)sizeof kib;
}

static bool others_kib(const SimEpc *epc, uint64_t *ret_sum) {
    uint64_t table[SIM_EPC_HOLDERS_MAX] = {0};
    if (pread(epc->fd, table, sizeof table, 0) < 0) {
        return false;
    }
    uint64_t sum = 0;
    for (int row = 0; row < SIM_EPC_HOLDERS_MAX; row++) {
        if (row != epc->row && table[row] != 0 && row_is_held(epc->fd, row)) {
            sum += table[row];
        }
    }
    *ret_sum = sum;
    return true;
}

static bool take_locked(SimEpc *epc, uint64_t budget_kib, uint64_t kib, SimEpcAnswer *ret_answer) {
    uint64_t others = 0;
    if (!take_row(epc) || !others_kib(epc, &others)) {
        return false;
    }
    if (others + epc->held_kib + kib > budget_kib) {
        *ret_answer = SIM_EPC_EXHAUSTED;
        return write_row(epc, epc->held_kib);
    }
    if (!write_row(epc, epc->held_kib + kib)) {
        return false;
    }
    epc->held_kib += kib;
    *ret_answer = SIM_EPC_GRANTED;
    return true;
}

bool sim_epc_take(SimEpc *epc, int platform_fd, uint64_t budget_kib, uint64_t kib, SimEpcAnswer *ret_answer,
                  Error *err) {
    if (budget_kib == 0) {
        *ret_answer = SIM_EPC_GRANTED;
        return true;
    }
    if (epc->fd < 0) {
        epc->fd = file_open(platform_fd, SIM_PLATFORM_EPC_NAME, O_RDWR, 0, err);
        if (epc->fd < 0) {
            return error_wrap(err, "simulated EPC");
        }
    }
    if (!set_lock(epc->fd, F_OFD_SETLKW, F_WRLCK, CHANGE_LOCK)) {
        return error_set_errno(err, errno, "simulated EPC: lock");
    }
    bool done = take_locked(epc, budget_kib, kib, ret_answer);
    int reason = errno;
    (void)set_lock(epc->fd, F_OFD_SETLK, F_UNLCK, CHANGE_LOCK);
    return done || error_set_errno(err, reason, "simulated EPC: the table of holders");
}

void sim_epc_give(SimEpc *epc, uint64_t kib) {
    epc->held_kib = kib < epc->held_kib ? epc->held_kib - kib : 0;
    if (epc->fd >= 0 && epc->row >= 0) {
        /* No lock: the row is ours, and a reader that sees the former value errs on the safe side. */
        (void)write_row(epc, epc->held_kib);
    }
}

void sim_epc_done(SimEpc *epc) {
    sim_epc_give(epc, epc->held_kib);
    cleanup_close(&epc->fd);
    *epc = SIM_EPC_INIT;
}
