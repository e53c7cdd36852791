/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-dcap */
/* Any JSON as a TCB info, and some platforms asked for their level. */
#include <assert.h>
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/dcap/tcb_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CLEANUP(json_freep) json_t *json = json_parse((Bytes){data, size}, "input", NULL);
    Error err = ERROR_INIT;
    CLEANUP(tcb_info_freep) TcbInfo *info = json == NULL ? NULL : tcb_info_new(json, &err);
    assert(json == NULL || (info == NULL) == (err.kind != ERROR_NONE));
    for (unsigned svn = 0; info != NULL && svn < 256; svn += 15) {
        PckTcb tcb = {.pce_svn = (uint16_t)svn};
        char name[160];
        memset(tcb.components, (int)svn, sizeof tcb.components);
        const TcbLevel *level = tcb_info_match(info, &tcb);
        assert(level == NULL || level->tcb.pce_svn <= svn);
        assert(level == NULL || tcb_level_component_name(level, svn % 16, name, sizeof name) == name);
    }
    (void)(info != NULL && tcb_info_wanted(info) != NULL);
    return 0;
}
