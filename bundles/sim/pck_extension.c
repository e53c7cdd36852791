/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/pck_extension.h"

#include <openssl/asn1.h>
#include <string.h>

/* The OID's content octets; parts are numbered below it. */
static const uint8_t oid_base[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

enum {
    TAG_SEQUENCE = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED,
    COMPONENTS = 16,
    PART_PPID = 1,
    PART_TCB = 2,
    PART_PCE_ID = 3,
    PART_FMSPC = 4,
    PART_SGX_TYPE = 5,
    PART_PLATFORM_INSTANCE = 6,
    PART_CONFIGURATION = 7,
    SGX_TYPE_STANDARD = 0,
    SGX_TYPE_SCALABLE = 1
};

static bool put(Buffer *der, int tag, const void *content, size_t size) {
    uint8_t head[4] = {(uint8_t)tag, (uint8_t)size};
    size_t head_size = 2;
    if (size >= 0x100) {
        head[1] = 0x82;
        head[head_size++] = (uint8_t)(size >> 8);
        head[head_size++] = (uint8_t)size;
    } else if (size >= 0x80) {
        head[1] = 0x81;
        head[head_size++] = (uint8_t)size;
    }
    return buffer_append(der, head, head_size) && buffer_append(der, content, size);
}

/* SEQUENCE { OID base.part[.sub], value }; sub 0: none. */
static bool put_pair(Buffer *der, uint8_t part, uint8_t sub, int tag, const void *value, size_t size) {
    uint8_t oid[sizeof oid_base + 2];
    Buffer pair = BUFFER_INIT(SIM_PCK_EXTENSION_MAX);
    memcpy(oid, oid_base, sizeof oid_base);
    oid[sizeof oid_base] = part;
    oid[sizeof oid_base + 1] = sub;
    bool done = put(&pair, V_ASN1_OBJECT, oid, sizeof oid_base + 1 + (sub != 0)) &&
                put(&pair, tag, value, size) && put(der, TAG_SEQUENCE, pair.data, pair.size);
    buffer_done(&pair);
    return done;
}

/* INTEGERs are signed: from 128 on a zero byte goes before. */
static bool put_number(Buffer *der, uint8_t sub, uint16_t value) {
    const uint8_t bytes[] = {0, (uint8_t)(value >> 8), (uint8_t)value};
    size_t skipped = value < 0x80 ? 2 : value < 0x8000 ? 1 : 0;
    return put_pair(der, PART_TCB, sub, V_ASN1_INTEGER, bytes + skipped, sizeof bytes - skipped);
}

static bool put_tcb(Buffer *der, const SimTcb *tcb) {
    Buffer parts = BUFFER_INIT(SIM_PCK_EXTENSION_MAX);
    bool done = true;
    for (uint8_t i = 0; done && i < COMPONENTS; i++) {
        done = put_number(&parts, (uint8_t)(i + 1), tcb->cpu_svn[i]);
    }
    done =
        done && put_number(&parts, COMPONENTS + 1, tcb->pce_svn) &&
        put_pair(&parts, PART_TCB, COMPONENTS + 2, V_ASN1_OCTET_STRING, tcb->cpu_svn, sizeof tcb->cpu_svn) &&
        put_pair(der, PART_TCB, 0, TAG_SEQUENCE, parts.data, parts.size);
    buffer_done(&parts);
    return done;
}

/* Dynamic platform, cached keys, SMT: a platform with one package that was registered as a whole. */
static bool put_configuration(Buffer *der) {
    static const uint8_t yes = 0xff;
    Buffer parts = BUFFER_INIT(SIM_PCK_EXTENSION_MAX);
    bool done = true;
    for (uint8_t sub = 1; done && sub <= 3; sub++) {
        done = put_pair(&parts, PART_CONFIGURATION, sub, V_ASN1_BOOLEAN, &yes, sizeof yes);
    }
    done = done && put_pair(der, PART_CONFIGURATION, 0, TAG_SEQUENCE, parts.data, parts.size);
    buffer_done(&parts);
    return done;
}

bool sim_pck_extension_format(const SimPckExtension *extension, Buffer *der) {
    static const uint8_t pce_id[2] = {0};
    const uint8_t type = extension->multi_package ? SGX_TYPE_SCALABLE : SGX_TYPE_STANDARD;
    Buffer parts = BUFFER_INIT(SIM_PCK_EXTENSION_MAX);
    bool done =
        put_pair(&parts, PART_PPID, 0, V_ASN1_OCTET_STRING, extension->ppid, sizeof extension->ppid) &&
        put_tcb(&parts, &extension->tcb) &&
        put_pair(&parts, PART_PCE_ID, 0, V_ASN1_OCTET_STRING, pce_id, sizeof pce_id) &&
        put_pair(&parts, PART_FMSPC, 0, V_ASN1_OCTET_STRING, extension->fmspc, sizeof extension->fmspc) &&
        put_pair(&parts, PART_SGX_TYPE, 0, V_ASN1_ENUMERATED, &type, sizeof type);
    if (extension->multi_package) {
        done = done &&
               put_pair(&parts, PART_PLATFORM_INSTANCE, 0, V_ASN1_OCTET_STRING, extension->platform_instance,
                        sizeof extension->platform_instance) &&
               put_configuration(&parts);
    }
    done = done && put(der, TAG_SEQUENCE, parts.data, parts.size);
    buffer_done(&parts);
    return done;
}
