/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/pck.h"

#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include "bundles/base/cleanup.h"
#include "bundles/dcap/der.h"

CLEANUP_DEFINE(ASN1_OBJECT, ASN1_OBJECT_free)

enum {
    PART_PPID = 1,
    PART_TCB = 2,
    PART_PCE_ID = 3,
    PART_FMSPC = 4,
    PART_TYPE = 5,
    PART_PLATFORM_INSTANCE = 6,
    PART_CONFIGURATION = 7,
    PARTS_SINGLE = 5, /* in certificates of a Processor CA */
    PARTS_MULTI = 7,
    TCB_PCE_SVN = 17,
    TCB_CPU_SVN = 18,
    CONFIGURATION_PARTS = 3
};

/* 1.2.840.113741.1.13.1 as it is within an OID's content. */
static const uint8_t oid_base[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
#define OID_TEXT "1.2.840.113741.1.13.1"

static bool bad(Error *err, const char *part) {
    return error_set(err, ERROR_INPUT, "PCK certificate: SGX extension: %s is missing or malformed", part);
}

/* Opens SEQUENCE { OID oid_base.`above`.part, value }, or without `above` if that is 0. */
static bool take_pair(Bytes *list, uint8_t above, uint8_t *ret_part, Bytes *ret_value) {
    Bytes pair, oid;
    size_t size = sizeof oid_base + (above != 0 ? 2 : 1);
    if (!der_take(list, DER_SEQUENCE, &pair) || !der_take(&pair, DER_OBJECT, &oid) || oid.size != size ||
        memcmp(oid.data, oid_base, sizeof oid_base) != 0 ||
        (above != 0 && oid.data[sizeof oid_base] != above)) {
        return false;
    }
    *ret_part = oid.data[size - 1];
    *ret_value = pair;
    return true;
}

static bool tcb_parse(Bytes value, Pck *pck, Error *err) {
    Bytes list;
    if (!der_take(&value, DER_SEQUENCE, &list) || value.size != 0) {
        return bad(err, "the TCB");
    }
    for (unsigned expected = 1; expected <= TCB_CPU_SVN; expected++) {
        uint8_t part = 0;
        uint32_t number = 0;
        Bytes entry;
        bool good = take_pair(&list, PART_TCB, &part, &entry) && part == expected;
        if (expected == TCB_CPU_SVN) {
            good = good && der_take_octets(&entry, pck->cpu_svn, sizeof pck->cpu_svn);
        } else if (expected == TCB_PCE_SVN) {
            good = good && der_take_number(&entry, DER_INTEGER, UINT16_MAX, &number);
            pck->tcb.pce_svn = (uint16_t)number;
        } else {
            good = good && der_take_number(&entry, DER_INTEGER, UINT8_MAX, &number);
            pck->tcb.components[expected - 1] = (uint8_t)number;
        }
        if (!good || entry.size != 0) {
            return bad(err, "an SVN of the TCB");
        }
    }
    return list.size == 0 || bad(err, "the end of the TCB");
}

static bool configuration_parse(Bytes value, Pck *pck, Error *err) {
    bool *const settings[CONFIGURATION_PARTS] = {&pck->dynamic_platform, &pck->cached_keys,
                                                 &pck->smt_enabled};
    Bytes list;
    if (!der_take(&value, DER_SEQUENCE, &list) || value.size != 0) {
        return bad(err, "the configuration");
    }
    uint8_t former = 0;
    while (list.size > 0) {
        uint8_t part = 0;
        Bytes entry;
        if (!take_pair(&list, PART_CONFIGURATION, &part, &entry) || part <= former ||
            part > CONFIGURATION_PARTS || !der_take_boolean(&entry, settings[part - 1]) || entry.size != 0) {
            return bad(err, "a setting of the configuration");
        }
        former = part;
    }
    return true;
}

static bool part_parse(uint8_t part, Bytes value, Pck *pck, Error *err) {
    uint32_t number = 0;
    switch (part) {
    case PART_PPID:
        return (der_take_octets(&value, pck->ppid, sizeof pck->ppid) && value.size == 0) ||
               bad(err, "the PPID");
    case PART_TCB:
        return tcb_parse(value, pck, err);
    case PART_PCE_ID:
        return (der_take_octets(&value, pck->pce_id, sizeof pck->pce_id) && value.size == 0) ||
               bad(err, "the PCE-ID");
    case PART_FMSPC:
        return (der_take_octets(&value, pck->fmspc, sizeof pck->fmspc) && value.size == 0) ||
               bad(err, "the FMSPC");
    case PART_TYPE:
        if (!der_take_number(&value, DER_ENUMERATED, PCK_TYPES_COUNT - 1, &number) || value.size != 0) {
            return bad(err, "the SGX type");
        }
        pck->type = (PckType)number;
        return true;
    case PART_PLATFORM_INSTANCE:
        return (der_take_octets(&value, pck->platform_instance, sizeof pck->platform_instance) &&
                value.size == 0) ||
               bad(err, "the platform instance id");
    case PART_CONFIGURATION:
        return configuration_parse(value, pck, err);
    default:
        return bad(err, "a known part");
    }
}

bool pck_parse(Bytes extension, Pck *ret_pck, Error *err) {
    Pck pck = {0};
    Bytes list;
    unsigned parts = 0;
    if (!der_take(&extension, DER_SEQUENCE, &list) || extension.size != 0) {
        return bad(err, "its sequence");
    }
    while (list.size > 0) {
        uint8_t part = 0;
        Bytes value;
        if (!take_pair(&list, 0, &part, &value) || part != ++parts) {
            return bad(err, "a part in its place");
        }
        if (!part_parse(part, value, &pck, err)) {
            return false;
        }
    }
    if (parts != PARTS_SINGLE && parts != PARTS_MULTI) {
        return error_set(
            err, ERROR_INPUT,
            "PCK certificate: SGX extension: %u parts: %d (Processor CA) or %d (Platform CA) are "
            "possible",
            parts, PARTS_SINGLE, PARTS_MULTI);
    }
    pck.is_multi_package = parts == PARTS_MULTI;
    *ret_pck = pck;
    return true;
}

static int extension_index(const X509 *certificate) {
    CLEANUP(ASN1_OBJECT_freep) ASN1_OBJECT *oid = OBJ_txt2obj(OID_TEXT, 1);
    return oid == NULL ? -1 : X509_get_ext_by_OBJ(certificate, oid, -1);
}

bool pck_is_in(const X509 *certificate) {
    return extension_index(certificate) >= 0;
}

bool pck_read(const X509 *certificate, Pck *ret_pck, Error *err) {
    int index = extension_index(certificate);
    if (index < 0) {
        return error_set(err, ERROR_INPUT, "PCK certificate: it has no SGX extension (" OID_TEXT ")");
    }
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate, index));
    return pck_parse((Bytes){ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)}, ret_pck, err);
}

const char *pck_type_name(PckType type) {
    static const char *const names[PCK_TYPES_COUNT] = {"standard", "scalable", "scalable with integrity"};
    return names[type];
}
