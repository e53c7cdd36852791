/* SPDX-License-Identifier: Apache-2.0
 *
 * A quote library of which only the loading matters: BAD says what goes wrong then.
 */
#include <stdlib.h>
#include <unistd.h>

enum { FDS = 64 };

#define FUNCTION(name)                                                                                       \
    int name(void);                                                                                          \
    int name(void) {                                                                                         \
        return 0;                                                                                            \
    }
FUNCTION(sgx_qe_get_target_info)
FUNCTION(sgx_qe_get_quote_size)
FUNCTION(sgx_qe_get_quote)
FUNCTION(sgx_ql_set_path)
FUNCTION(sgx_qe_cleanup_by_policy)
#if BAD != 4
FUNCTION(sgx_qe_set_enclave_load_policy)
#endif

static void __attribute__((constructor)) begin(void) {
    if (BAD == 1) {
        abort();
    }
    if (BAD == 2) {
        _exit(3);
    }
    for (int fd = 3; BAD == 3 && fd < FDS; fd++) {
        (void)!write(fd, "scribble", 8);
    }
}
