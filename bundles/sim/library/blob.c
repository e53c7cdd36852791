/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/library/blob.h"

#include <string.h>

#include "bundles/base/digest.h"

enum { TAIL_MAX = 32 * 1024 };

const uint8_t sim_blob_auth_data[SIM_AUTH_DATA_SIZE] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                        11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                        22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

bool sim_blob_unseal(SimBlob *blob, const SimIdentity *qe, const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]) {
    if (blob->key == NULL || memcmp(blob->mr_signer, qe->mr_signer, sizeof blob->mr_signer) != 0 ||
        blob->seal_qe_isv_svn > qe->isv_svn) {
        return false;
    }
    for (size_t i = 0; i < SIM_CPU_SVN_SIZE; i++) {
        if (blob->seal_cpu_svn[i] > cpu_svn[i]) {
            return false;
        }
    }
    blob->seal_qe_isv_svn = qe->isv_svn;
    memcpy(blob->seal_cpu_svn, cpu_svn, SIM_CPU_SVN_SIZE);
    return true;
}

static bool set_ids(SimBlob *blob) {
    uint8_t message[SIM_KEY_PUBLIC_SIZE + SIM_AUTH_DATA_SIZE];
    Digest digest;
    if (!sim_key_public(blob->key, blob->public_key)) {
        return false;
    }
    memcpy(message, blob->public_key, SIM_KEY_PUBLIC_SIZE);
    memcpy(message + SIM_KEY_PUBLIC_SIZE, sim_blob_auth_data, SIM_AUTH_DATA_SIZE);
    if (!digest_of(message, sizeof message, &digest)) {
        return false;
    }
    memcpy(blob->pub_key_id, digest.bytes, sizeof blob->pub_key_id);
    return true;
}

bool sim_blob_make_key(SimBlob *blob, const SimPlatform *platform, const SimIdentity *qe) {
    sim_blob_done(blob);
    *blob = (SimBlob){.seal_qe_isv_svn = qe->isv_svn, .tail = BUFFER_INIT(TAIL_MAX)};
    memcpy(blob->mr_signer, qe->mr_signer, sizeof blob->mr_signer);
    memcpy(blob->seal_cpu_svn, platform->knobs.cpu_svn, sizeof blob->seal_cpu_svn);
    blob->key =
        sim_secret_attestation_key(platform->seed, qe->mr_signer, qe->isv_svn, platform->knobs.cpu_svn);
    if (blob->key == NULL || !set_ids(blob)) {
        sim_blob_done(blob);
        return false;
    }
    return true;
}

void sim_blob_done(SimBlob *blob) {
    EVP_PKEY_free(blob->key);
    buffer_done(&blob->tail);
    *blob = (SimBlob){0};
}
