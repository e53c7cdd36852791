/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-dcap */
/* Any JSON as a QE identity, and some ISVSVNs asked for their level. */
#include <assert.h>

#include "bundles/base/json.h"
#include "bundles/dcap/qe_identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const SgxReportBody report;
    CLEANUP(json_freep) json_t *json = json_parse((Bytes){data, size}, "input", NULL);
    Error err = ERROR_INIT;
    CLEANUP(qe_identity_freep) QeIdentity *identity = json == NULL ? NULL : qe_identity_new(json, &err);
    assert(json == NULL || (identity == NULL) == (err.kind != ERROR_NONE));
    for (uint16_t svn = 0; identity != NULL && svn < 32; svn++) {
        const QeLevel *level = qe_identity_match(identity, svn);
        assert(level == NULL || level->isv_svn <= svn);
    }
    (void)(identity != NULL && (qe_identity_check(identity, &report, NULL) || qe_identity_wanted(identity)));
    return 0;
}
