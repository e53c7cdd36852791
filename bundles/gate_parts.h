/* SPDX-License-Identifier: Apache-2.0
 *
 * GateParts: what gate.c (enclave by enclave) and gate_bundle.c (the bundle as a whole) share.
 */
#ifndef BUNDLES_GATE_PARTS_H
#define BUNDLES_GATE_PARTS_H

#include "bundles/gate.h"

enum {
    GATE_ENCLAVE_CHECKS = ENCLAVE_CHECKS_COUNT + 3, /* role, expected, downgrade */
    GATE_BUNDLE_CHECKS = 5,                         /* manifest, content, simulated, set, epc */
    GATE_CHECKS_MAX = RELEASE_ENCLAVES_COUNT * GATE_ENCLAVE_CHECKS + GATE_BUNDLE_CHECKS
};

typedef struct GateEnclave {
    bool seen;
    char *path; /* owned */
    EnclaveReport report;
    GateCheck own[3]; /* role, expected, downgrade */
} GateEnclave;

struct Gate {
    GatePolicy policy;
    GateEnclave enclaves[RELEASE_ENCLAVES_COUNT]; /* by release_roles */
    GateCheck checks[GATE_CHECKS_MAX];
    size_t checks_count;
};

/* The check that is filled in next. */
GateCheck *gate_next_check(Gate *gate, const char *id, const char *path);
void gate_say(GateCheck *check, EnclaveVerdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The checks of the bundle as a whole, behind those of its enclaves. */
void gate_judge_simulated(Gate *gate, const Manifest *manifest);
void gate_judge_set(Gate *gate, const Manifest *manifest);
void gate_judge_epc(Gate *gate, const Manifest *manifest);

#endif
