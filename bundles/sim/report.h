/* SPDX-License-Identifier: Apache-2.0
 *
 * Report of the simulated platform: what EREPORT gives an application enclave on it.
 *
 * The MAC is AES-CMAC over the body under a key derived from the platform's secret and the target's
 * MRENCLAVE, ATTRIBUTES, MISCSELECT, CONFIGID and CONFIGSVN, so that only the QE that the target info names
 * accepts it.
 */
#ifndef BUNDLES_SIM_REPORT_H
#define BUNDLES_SIM_REPORT_H

#include "bundles/base/error.h"
#include "bundles/sgx/report.h"

typedef struct SimReporter SimReporter;

/* Loads what is needed once; sim_reporter_make is then cheap and thread-safe. */
SimReporter *sim_reporter_open(const char *platform_directory, Error *err)
    __attribute__((warn_unused_result));
void sim_reporter_close(SimReporter *reporter);
bool sim_reporter_make(const SimReporter *reporter, const SgxTargetInfo *target_info,
                       const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report, Error *err)
    __attribute__((warn_unused_result));

#endif
