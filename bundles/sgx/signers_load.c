/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"
#include "bundles/sgx/signers_private.h"

typedef struct SignerKeys {
    char *name;
    char *mrsigner;
    char *reason;
} SignerKeys;

typedef struct RoleKeys {
    char *role;
    char *soname;
    char **signers;
    unsigned signers_count;
    char *isvprodid;
    char *min_isvsvn;
    char *attributes;
    char *fixed_attributes;
    char *vendor;
    char *appended_library;
} RoleKeys;

typedef struct PolicyKeys {
    char *format;
    char *name;
    char *simulated;
    SignerKeys *signers;
    unsigned signers_count;
    RoleKeys *roles;
    unsigned roles_count;
    SignerKeys *denied;
    unsigned denied_count;
} PolicyKeys;

enum { TEXT_MAX = 256 };

static const cyaml_schema_value_t text_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, TEXT_MAX)};

static const cyaml_schema_field_t signer_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_DEFAULT, SignerKeys, name, 1, SIGNERS_NAME_MAX),
    CYAML_FIELD_STRING_PTR("mrsigner", CYAML_FLAG_DEFAULT, SignerKeys, mrsigner, 1, TEXT_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t denied_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_DEFAULT, SignerKeys, name, 1, SIGNERS_NAME_MAX),
    CYAML_FIELD_STRING_PTR("mrsigner", CYAML_FLAG_DEFAULT, SignerKeys, mrsigner, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("reason", CYAML_FLAG_DEFAULT, SignerKeys, reason, 1, SIGNERS_REASON_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_value_t signer_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, SignerKeys, signer_fields)};
static const cyaml_schema_value_t denied_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, SignerKeys, denied_fields)};

static const cyaml_schema_field_t role_fields[] = {
    CYAML_FIELD_STRING_PTR("role", CYAML_FLAG_DEFAULT, RoleKeys, role, 1, SIGNERS_NAME_MAX),
    CYAML_FIELD_STRING_PTR("soname", CYAML_FLAG_DEFAULT, RoleKeys, soname, 1, SIGNERS_NAME_MAX),
    CYAML_FIELD_SEQUENCE("signers", CYAML_FLAG_POINTER, RoleKeys, signers, &text_schema, 1,
                         SIGNERS_PER_ROLE_MAX),
    CYAML_FIELD_STRING_PTR("isvprodid", CYAML_FLAG_DEFAULT, RoleKeys, isvprodid, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("min_isvsvn", CYAML_FLAG_OPTIONAL, RoleKeys, min_isvsvn, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("attributes", CYAML_FLAG_DEFAULT, RoleKeys, attributes, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("fixed_attributes", CYAML_FLAG_OPTIONAL, RoleKeys, fixed_attributes, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("vendor", CYAML_FLAG_OPTIONAL, RoleKeys, vendor, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("appended_library", CYAML_FLAG_OPTIONAL, RoleKeys, appended_library, 1, TEXT_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_value_t role_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, RoleKeys, role_fields)};

static const cyaml_schema_field_t policy_fields[] = {
    CYAML_FIELD_STRING_PTR("format", CYAML_FLAG_DEFAULT, PolicyKeys, format, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_DEFAULT, PolicyKeys, name, 1, SIGNERS_NAME_MAX),
    CYAML_FIELD_STRING_PTR("simulated", CYAML_FLAG_OPTIONAL, PolicyKeys, simulated, 1, TEXT_MAX),
    CYAML_FIELD_SEQUENCE("signers", CYAML_FLAG_POINTER, PolicyKeys, signers, &signer_schema, 0, SIGNERS_MAX),
    CYAML_FIELD_SEQUENCE("roles", CYAML_FLAG_POINTER, PolicyKeys, roles, &role_schema, 0, SIGNERS_ROLES_MAX),
    CYAML_FIELD_SEQUENCE("denied", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, PolicyKeys, denied,
                         &denied_schema, 0, SIGNERS_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_value_t policy_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, PolicyKeys, policy_fields)};

static void policy_keys_free(PolicyKeys **keys) {
    settings_free(&policy_schema, *keys);
}

/* "0x" and 1 to 16 hex digits. */
static bool parse_flags(const char *text, uint64_t *ret_value) {
    size_t digits = strlen(text) - 2;
    uint8_t bytes[sizeof *ret_value];
    char padded[2 * sizeof bytes + 1] = "0000000000000000";
    if (strncmp(text, "0x", 2) != 0 || digits < 1 || digits > 2 * sizeof bytes) {
        return false;
    }
    memcpy(padded + 2 * sizeof bytes - digits, text + 2, digits);
    if (!text_parse_hex(padded, bytes, sizeof bytes)) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        value = value << 8 | bytes[i];
    }
    *ret_value = value;
    return true;
}

static bool parse_u16(const char *text, uint16_t *ret_value) {
    uint32_t value = 0;
    if (!text_parse_u32(text, 0, UINT16_MAX, &value)) {
        return false;
    }
    *ret_value = (uint16_t)value;
    return true;
}

static bool bad_value(const char *name, const char *where, const char *key, const char *value, Error *err) {
    return error_set(err, ERROR_CONFIG, "%s: %s: bad value '%s' of %s", name, where, value, key);
}

static bool signer_read(const SignerKeys *keys, const char *name, Signer *ret_signer, Error *err) {
    Signer signer = {0};
    (void)text_copy(signer.name, sizeof signer.name, keys->name);
    if (keys->reason != NULL) {
        (void)text_copy(signer.reason, sizeof signer.reason, keys->reason);
    }
    if (!digest_parse(keys->mrsigner, &signer.mr_signer)) {
        return bad_value(name, keys->name, "mrsigner", keys->mrsigner, err);
    }
    *ret_signer = signer;
    return true;
}

static bool signers_read(const SignerKeys *keys, size_t keys_count, const char *name, Signer *signers,
                         size_t *count, Error *err) {
    if (keys_count > SIGNERS_MAX - *count) {
        return error_set(err, ERROR_LIMIT, "%s: more than %d signers in all", name, SIGNERS_MAX);
    }
    for (size_t i = 0; i < keys_count; i++) {
        if (!signer_read(&keys[i], name, &signers[*count], err)) {
            return false;
        }
        (*count)++;
    }
    return true;
}

/* Names are those of the same file: a role never takes a signer that another file means. */
static bool role_signers_read(const RoleKeys *keys, const char *name, const Signer *signers,
                              size_t signers_count, SignerRole *role, Error *err) {
    for (unsigned i = 0; i < keys->signers_count; i++) {
        const Signer *found = NULL;
        for (size_t s = 0; s < signers_count && found == NULL; s++) {
            found = strcmp(signers[s].name, keys->signers[i]) == 0 ? &signers[s] : NULL;
        }
        if (found == NULL) {
            return error_set(err, ERROR_CONFIG, "%s: role %s: there is no signer '%s' in this file", name,
                             keys->role, keys->signers[i]);
        }
        role->signers[role->signers_count++] = found->mr_signer;
    }
    return true;
}

static bool role_read(const RoleKeys *keys, const char *name, SignerRole *role, Error *err) {
    (void)text_copy(role->role, sizeof role->role, keys->role);
    (void)text_copy(role->soname, sizeof role->soname, keys->soname);
    uint64_t vendor = 0;
    if (!parse_u16(keys->isvprodid, &role->prod_id)) {
        return bad_value(name, keys->role, "isvprodid", keys->isvprodid, err);
    }
    if (keys->min_isvsvn != NULL && !parse_u16(keys->min_isvsvn, &role->min_svn)) {
        return bad_value(name, keys->role, "min_isvsvn", keys->min_isvsvn, err);
    }
    if (!parse_flags(keys->attributes, &role->flags)) {
        return bad_value(name, keys->role, "attributes", keys->attributes, err);
    }
    if (keys->fixed_attributes != NULL && !parse_flags(keys->fixed_attributes, &role->fixed_flags)) {
        return bad_value(name, keys->role, "fixed_attributes", keys->fixed_attributes, err);
    }
    if (keys->vendor != NULL && (!parse_flags(keys->vendor, &vendor) || vendor > UINT32_MAX)) {
        return bad_value(name, keys->role, "vendor", keys->vendor, err);
    }
    if (keys->appended_library != NULL && !text_parse_bool(keys->appended_library, &role->appended_library)) {
        return bad_value(name, keys->role, "appended_library", keys->appended_library, err);
    }
    role->fixed_flags |= SGX_FLAGS_DEBUG;
    role->any_vendor = keys->vendor == NULL;
    role->vendor = (uint32_t)vendor;
    return true;
}

static bool policy_read(const PolicyKeys *keys, const char *name, SignerPolicy *policy, Error *err) {
    bool simulated = false;
    if (strcmp(keys->format, "1") != 0) {
        return bad_value(name, keys->name, "format", keys->format, err);
    }
    if (keys->simulated != NULL && !text_parse_bool(keys->simulated, &simulated)) {
        return bad_value(name, keys->name, "simulated", keys->simulated, err);
    }
    size_t own_signers = policy->signers_count;
    if (!signers_read(keys->signers, keys->signers_count, name, policy->signers, &policy->signers_count,
                      err) ||
        !signers_read(keys->denied, keys->denied_count, name, policy->denied, &policy->denied_count, err)) {
        return false;
    }
    if (keys->roles_count > SIGNERS_ROLES_MAX - policy->roles_count) {
        return error_set(err, ERROR_LIMIT, "%s: more than %d roles in all", name, SIGNERS_ROLES_MAX);
    }
    for (unsigned i = 0; i < keys->roles_count; i++) {
        SignerRole role = {.simulated = simulated};
        if (!role_signers_read(&keys->roles[i], name, policy->signers + own_signers,
                               policy->signers_count - own_signers, &role, err) ||
            !role_read(&keys->roles[i], name, &role, err)) {
            return false;
        }
        policy->roles[policy->roles_count++] = role;
    }
    return true;
}

/* Takes denied signers out of all roles, whichever file came first. */
static void denied_remove(SignerPolicy *policy) {
    for (size_t i = 0; i < policy->roles_count; i++) {
        SignerRole *role = &policy->roles[i];
        size_t kept = 0;
        for (size_t s = 0; s < role->signers_count; s++) {
            if (signers_find_denied(policy, &role->signers[s]) == NULL) {
                role->signers[kept++] = role->signers[s];
            }
        }
        role->signers_count = kept;
    }
}

bool signers_add(SignerPolicy *policy, Bytes yaml, const char *name, Error *err) {
    void *value = NULL;
    if (!settings_parse(yaml, name, &policy_schema, ERROR_CONFIG, &value, err)) {
        return false;
    }
    CLEANUP(policy_keys_free) PolicyKeys *keys = value;
    AUTO_FREE SignerPolicy *grown = malloc(sizeof *grown);
    if (grown == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory for the trust policy", name);
    }
    *grown = *policy;
    if (!policy_read(keys, name, grown, err)) {
        return false;
    }
    denied_remove(grown);
    *policy = *grown;
    return true;
}
