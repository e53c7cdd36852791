/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/collateral.h"

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/sim/enclave.h"

/* The components of a real server processor family at three microcode levels. */
const uint8_t sim_collateral_cpu_svns[SIM_CPU_SVNS_COUNT][SIM_CPU_SVN_SIZE] = {
    {0x0e, 0x0e, 0x03, 0x03, 0xff, 0xff, 0x01},
    {0x0c, 0x0c, 0x03, 0x03, 0xff, 0xff, 0x01},
    {0x07, 0x09, 0x03, 0x03, 0xff, 0xff, 0x01},
};
const uint16_t sim_collateral_pce_svns[SIM_PCE_SVNS_COUNT] = {5, 10, 11, 13, 15, 16, 17};

enum { EVALUATION_NUMBER = 17, NEWEST = 0, FORMER = 1, OLDEST = 2 };

typedef struct TcbLevel {
    int cpu_svn;
    uint16_t pce_svn;
    const char *date;
    const char *status;
    const char *advisory; /* NULL: none */
} TcbLevel;

static const TcbLevel tcb_levels[] = {
    {NEWEST, 13, "2024-03-13T00:00:00Z", "UpToDate", NULL},
    {NEWEST, 5, "2021-11-10T00:00:00Z", "OutOfDate", "SIMULATED-SA-00002"},
    {FORMER, 13, "2023-08-09T00:00:00Z", "OutOfDate", "SIMULATED-SA-00003"},
    {FORMER, 5, "2021-11-10T00:00:00Z", "OutOfDate", "SIMULATED-SA-00003"},
    {OLDEST, 5, "2018-01-04T00:00:00Z", "OutOfDate", "SIMULATED-SA-00001"},
};

typedef struct QeLevel {
    uint16_t isv_svn;
    const char *date;
    const char *status;
    const char *advisory;
} QeLevel;

static const QeLevel qe_levels[] = {
    {8, "2024-03-13T00:00:00Z", "UpToDate", NULL},
    {6, "2021-11-10T00:00:00Z", "OutOfDate", "SIMULATED-SA-00004"},
    {5, "2020-11-11T00:00:00Z", "OutOfDate", "SIMULATED-SA-00004"},
    {1, "2018-08-15T00:00:00Z", "OutOfDate", "SIMULATED-SA-00004"},
};

static json_t *hex(const uint8_t *bytes, size_t size) {
    char text[2 * SGX_HASH_SIZE + 1];
    text_format_hex(bytes, size, text);
    return json_string(text);
}

static json_t *time_text(int64_t seconds) {
    char text[CLOCK_TIME_SIZE];
    clock_format(seconds, text);
    return json_string(text);
}

static json_t *level(json_t *tcb, const char *date, const char *status, const char *advisory) {
    return advisory == NULL ? json_pack("{s:o, s:s, s:s}", "tcb", tcb, "tcbDate", date, "tcbStatus", status)
                            : json_pack("{s:o, s:s, s:s, s:[s]}", "tcb", tcb, "tcbDate", date, "tcbStatus",
                                        status, "advisoryIDs", advisory);
}

static json_t *tcb_info_levels(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof tcb_levels / sizeof *tcb_levels; i++) {
        const TcbLevel *from = &tcb_levels[i];
        json_t *components = json_array();
        for (size_t at = 0; at < SIM_CPU_SVN_SIZE; at++) {
            json_array_append_new(components,
                                  json_pack("{s:i}", "svn", sim_collateral_cpu_svns[from->cpu_svn][at]));
        }
        json_t *tcb = json_pack("{s:o, s:i}", "sgxtcbcomponents", components, "pcesvn", from->pce_svn);
        json_array_append_new(list, level(tcb, from->date, from->status, from->advisory));
    }
    return list;
}

static json_t *qe_identity_levels(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof qe_levels / sizeof *qe_levels; i++) {
        const QeLevel *from = &qe_levels[i];
        json_array_append_new(list, level(json_pack("{s:i}", "isvsvn", from->isv_svn), from->date,
                                          from->status, from->advisory));
    }
    return list;
}

static char *finish(json_t *built, Error *err) {
    CLEANUP(json_freep) json_t *value = built;
    char *text = value == NULL ? NULL : json_format(value, false);
    if (text == NULL) {
        error_set(err, ERROR_MEMORY, "simulated collateral: out of memory");
    }
    return text;
}

char *sim_collateral_tcb_info(const SimCollateralSpec *spec, Error *err) {
    return finish(json_pack("{s:s, s:i, s:o, s:o, s:o, s:s, s:i, s:i, s:o}", "id", "SGX", "version", 3,
                            "issueDate", time_text(spec->issue_date), "nextUpdate",
                            time_text(spec->next_update), "fmspc", hex(spec->fmspc, sizeof spec->fmspc),
                            "pceId", "0000", "tcbType", 0, "tcbEvaluationDataNumber", EVALUATION_NUMBER,
                            "tcbLevels", tcb_info_levels()),
                  err);
}

char *sim_collateral_qe_identity(const SimCollateralSpec *spec, Error *err) {
    /* MODE64BIT and XFRM are free, DEBUG must be clear, INIT and PROVISIONKEY set: as Intel's QE identity. */
    return finish(json_pack("{s:s, s:i, s:o, s:o, s:i, s:s, s:s, s:s, s:s, s:o, s:i, s:o}", "id", "QE",
                            "version", 2, "issueDate", time_text(spec->issue_date), "nextUpdate",
                            time_text(spec->next_update), "tcbEvaluationDataNumber", EVALUATION_NUMBER,
                            "miscselect", "00000000", "miscselectMask", "FFFFFFFF", "attributes",
                            "11000000000000000000000000000000", "attributesMask",
                            "FBFFFFFFFFFFFFFF0000000000000000", "mrsigner",
                            hex(spec->qe_mr_signer, sizeof spec->qe_mr_signer), "isvprodid",
                            SIM_ENCLAVE_PROD_ID, "tcbLevels", qe_identity_levels()),
                  err);
}
