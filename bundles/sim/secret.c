/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/secret.h"

#include <assert.h>
#include <openssl/hmac.h>
#include <string.h>

#include "bundles/base/bytes.h"
#include "bundles/sim/key.h"

enum { BLOCK_SIZE = 32, INPUT_MAX = 256 };

typedef struct Input {
    uint8_t bytes[INPUT_MAX]; /* byte 0 is the block number */
    size_t size;
} Input;

static void input_add(Input *input, const void *data, size_t size) {
    assert(size <= sizeof input->bytes - input->size);
    memcpy(input->bytes + input->size, data, size);
    input->size += size;
}

static Input input_of(const char *label) {
    Input input = {.size = 1};
    input_add(&input, label, strlen(label) + 1);
    return input;
}

static bool derive(const uint8_t seed[SIM_SEED_SIZE], Input *input, uint8_t *ret_secret, size_t size) {
    for (size_t done = 0; done < size; done += BLOCK_SIZE) {
        uint8_t block[BLOCK_SIZE];
        input->bytes[0]++;
        if (HMAC(EVP_sha256(), seed, SIM_SEED_SIZE, input->bytes, input->size, block, NULL) == NULL) {
            return false;
        }
        size_t part = size - done < BLOCK_SIZE ? size - done : BLOCK_SIZE;
        memcpy(ret_secret + done, block, part);
        bytes_cleanse(block, sizeof block);
    }
    return true;
}

bool sim_secret_report_key(const uint8_t seed[SIM_SEED_SIZE], const SgxTargetInfo *target,
                           const uint8_t cpu_svn[SIM_CPU_SVN_SIZE], const uint8_t key_id[32],
                           uint8_t ret_key[SIM_REPORT_KEY_SIZE]) {
    Input input = input_of("report key");
    input_add(&input, target->mr_enclave, sizeof target->mr_enclave);
    input_add(&input, &target->attributes, sizeof target->attributes);
    input_add(&input, &target->misc_select, sizeof target->misc_select);
    input_add(&input, target->config_id, sizeof target->config_id);
    input_add(&input, &target->config_svn, sizeof target->config_svn);
    input_add(&input, cpu_svn, SIM_CPU_SVN_SIZE);
    input_add(&input, key_id, 32);
    return derive(seed, &input, ret_key, SIM_REPORT_KEY_SIZE);
}

bool sim_secret_key_id(const uint8_t seed[SIM_SEED_SIZE], uint8_t ret_key_id[32]) {
    Input input = input_of("report key id");
    return derive(seed, &input, ret_key_id, 32);
}

static EVP_PKEY *derive_key(const char *label, const uint8_t seed[SIM_SEED_SIZE],
                            const uint8_t mr_signer[SGX_HASH_SIZE], uint16_t svn,
                            const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]) {
    Input input = input_of(label);
    input_add(&input, mr_signer, SGX_HASH_SIZE);
    input_add(&input, &svn, sizeof svn);
    input_add(&input, cpu_svn, SIM_CPU_SVN_SIZE);
    uint8_t secret[SIM_KEY_SECRET_SIZE];
    if (!derive(seed, &input, secret, sizeof secret)) {
        return NULL;
    }
    EVP_PKEY *key = sim_key_from_secret(secret);
    bytes_cleanse(secret, sizeof secret);
    return key;
}

EVP_PKEY *sim_secret_attestation_key(const uint8_t seed[SIM_SEED_SIZE],
                                     const uint8_t mr_signer[SGX_HASH_SIZE], uint16_t qe_isv_svn,
                                     const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]) {
    return derive_key("attestation key", seed, mr_signer, qe_isv_svn, cpu_svn);
}

EVP_PKEY *sim_secret_pck_key(const uint8_t seed[SIM_SEED_SIZE], const uint8_t mr_signer[SGX_HASH_SIZE],
                             uint16_t pce_svn, const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]) {
    return derive_key("provisioning certification key", seed, mr_signer, pce_svn, cpu_svn);
}

bool sim_secret_qe_id(const uint8_t seed[SIM_SEED_SIZE], const uint8_t mr_signer[SGX_HASH_SIZE],
                      uint8_t ret_id[SIM_ID_SIZE]) {
    Input input = input_of("QE id");
    input_add(&input, mr_signer, SGX_HASH_SIZE);
    return derive(seed, &input, ret_id, SIM_ID_SIZE);
}

bool sim_secret_ppid(const uint8_t seed[SIM_SEED_SIZE], uint8_t ret_ppid[SIM_ID_SIZE]) {
    Input input = input_of("PPID");
    return derive(seed, &input, ret_ppid, SIM_ID_SIZE);
}
