/* SPDX-License-Identifier: Apache-2.0
 *
 * Fault: what a simulated quote library shall do wrong, and when. Read from `faults:` in platform.yaml (every
 * bundle of the platform) and in a bundle's own simulation.yaml (that bundle alone); docs/simulation.md.
 */
#ifndef BUNDLES_SIM_FAULT_H
#define BUNDLES_SIM_FAULT_H

#include <cyaml/cyaml.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"

typedef enum SimCall { SIM_CALL_LOAD, SIM_CALL_INIT, SIM_CALL_SIZE, SIM_CALL_QUOTE, SIM_CALLS_COUNT } SimCall;
typedef enum SimEffect { SIM_EFFECT_CODE, SIM_EFFECT_HANG, SIM_EFFECT_CRASH } SimEffect;

typedef struct SimFault {
    SimCall call;
    SimEffect effect;
    uint32_t code;  /* quote3, for SIM_EFFECT_CODE */
    uint32_t after; /* calls that pass first */
    uint32_t every; /* then every Nth call fails; at least 1 */
} SimFault;

enum { SIM_FAULTS_MAX = 16 };
typedef struct SimFaults {
    SimFault faults[SIM_FAULTS_MAX];
    size_t count;
} SimFaults;

/* As libcyaml loads it; a settings schema embeds it as an optional sequence of this entry. */
typedef struct SimFaultSetting {
    SimCall call;
    SimEffect effect;
    char *code;
    char *after;
    char *every;
} SimFaultSetting;
extern const cyaml_schema_value_t sim_fault_schema;

/* Appends the settings; ERROR_CONFIG for numbers that are none. `name` is for error texts. */
bool sim_faults_add(SimFaults *faults, const SimFaultSetting *settings, size_t count, const char *name,
                    Error *err) __attribute__((warn_unused_result));

/* The code that the call shall end with, 0 for none. May not return at all. `number` counts from 1. */
uint32_t sim_faults_strike(const SimFaults *faults, SimCall call, uint64_t number);

#endif
