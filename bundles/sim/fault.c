/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/fault.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/bytes.h"
#include "bundles/base/text.h"

static const cyaml_strval_t calls[] = {
    {"load", SIM_CALL_LOAD}, {"init", SIM_CALL_INIT}, {"size", SIM_CALL_SIZE}, {"quote", SIM_CALL_QUOTE}};
static const cyaml_strval_t effects[] = {
    {"code", SIM_EFFECT_CODE}, {"hang", SIM_EFFECT_HANG}, {"crash", SIM_EFFECT_CRASH}};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_ENUM("call", CYAML_FLAG_STRICT, SimFaultSetting, call, calls, CYAML_ARRAY_LEN(calls)),
    CYAML_FIELD_ENUM("effect", CYAML_FLAG_STRICT, SimFaultSetting, effect, effects, CYAML_ARRAY_LEN(effects)),
    CYAML_FIELD_STRING_PTR("code", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, SimFaultSetting, code, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("after", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, SimFaultSetting, after, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("every", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, SimFaultSetting, every, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_END};

const cyaml_schema_value_t sim_fault_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, SimFaultSetting, fields)};

/* "0xe001" */
static bool parse_code(const char *text, uint32_t *ret_code) {
    uint8_t bytes[2];
    if (text == NULL || strncmp(text, "0x", 2) != 0 || !text_parse_hex(text + 2, bytes, sizeof bytes)) {
        return false;
    }
    *ret_code = (uint32_t)bytes[0] << 8 | bytes[1];
    return true;
}

static bool fault_of(const SimFaultSetting *setting, SimFault *ret_fault) {
    SimFault fault = {.call = setting->call, .effect = setting->effect, .every = 1};
    bool wants_code = fault.effect == SIM_EFFECT_CODE;
    if (wants_code != (setting->code != NULL) || (wants_code && !parse_code(setting->code, &fault.code)) ||
        (setting->after != NULL && !text_parse_u32(setting->after, 0, UINT32_MAX, &fault.after)) ||
        (setting->every != NULL && !text_parse_u32(setting->every, 1, UINT32_MAX, &fault.every))) {
        return false;
    }
    *ret_fault = fault;
    return true;
}

bool sim_faults_add(SimFaults *faults, const SimFaultSetting *settings, size_t count, const char *name,
                    Error *err) {
    if (count > SIM_FAULTS_MAX - faults->count) {
        return error_set(err, ERROR_CONFIG, "%s: more than %d faults", name, SIM_FAULTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!fault_of(&settings[i], &faults->faults[faults->count + i])) {
            return error_set(
                err, ERROR_CONFIG,
                "%s: fault %zu: `code` is 4 hex digits behind 0x and goes with effect `code` alone, "
                "`after` and `every` are numbers",
                name, i + 1);
        }
    }
    faults->count += count;
    return true;
}

static bool strikes(const SimFault *fault, SimCall call, uint64_t number) {
    return fault->call == call && number > fault->after && (number - fault->after) % fault->every == 0;
}

uint32_t sim_faults_strike(const SimFaults *faults, SimCall call, uint64_t number) {
    for (size_t i = 0; i < faults->count; i++) {
        const SimFault *fault = &faults->faults[i];
        if (!strikes(fault, call, number)) {
            continue;
        }
        if (fault->effect == SIM_EFFECT_CODE) {
            return fault->code;
        }
        if (fault->effect == SIM_EFFECT_CRASH) {
            (void)signal(SIGSEGV, SIG_DFL);
            (void)raise(SIGSEGV);
        }
        for (;;) {
            (void)pause();
        }
    }
    return 0;
}
