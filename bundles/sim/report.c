/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/report.h"

#include <stdlib.h>

#include "bundles/sim/ereport.h"
#include "bundles/sim/platform.h"

struct SimReporter {
    SimPlatform *platform;
};

SimReporter *sim_reporter_open(const char *platform_directory, Error *err) {
    SimReporter *reporter = malloc(sizeof *reporter);
    if (reporter == NULL) {
        error_set(err, ERROR_MEMORY, "simulated report: out of memory");
        return NULL;
    }
    reporter->platform = sim_platform_open(platform_directory, err);
    if (reporter->platform == NULL) {
        free(reporter);
        return NULL;
    }
    return reporter;
}

void sim_reporter_close(SimReporter *reporter) {
    if (reporter != NULL) {
        sim_platform_close(reporter->platform);
        free(reporter);
    }
}

bool sim_reporter_make(const SimReporter *reporter, const SgxTargetInfo *target_info,
                       const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report, Error *err) {
    return sim_ereport(reporter->platform->seed, reporter->platform->knobs.cpu_svn, &sim_ereport_application,
                       target_info, report_data, ret_report) ||
           error_set(err, ERROR_MEMORY, "simulated report: out of memory");
}
