/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sgx_driver_double.h"

#include <asm/sgx.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The kernel itself, past every other double of a call. */
static long kernel(long number, long a, long b, long c, long d_, long e_, long f_) {
    register long d __asm__("r10") = d_;
    register long e __asm__("r8") = e_;
    register long f __asm__("r9") = f_;
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(d), "r"(e), "r"(f)
                     : "rcx", "r11", "memory");
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* ---- the machine ---- */

typedef enum Kind { IN_KERNEL, DCAP, DCAP_EARLY, LEGACY, KINDS } Kind;

static const struct {
    const char *name, *node, *provision;
} kinds[KINDS] = {{"in-kernel", "/dev/sgx_enclave", "/dev/sgx_provision"},
                  {"dcap", "/dev/sgx/enclave", "/dev/sgx/provision"},
                  {"dcap-early", "/dev/sgx", "/dev/sgx_prv"},
                  {"legacy", "/dev/isgx", ""}};

typedef struct Machine {
    bool present;
    Kind nodes;
    Kind driver;
    char node[16], provision[16], fault[16], launch[65];
    bool noexec;
    size_t epc;
    unsigned max_bits;
    uint64_t xfrm;
} Machine;

static bool kind_parse(const char *name, Kind *ret_kind) {
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *ret_kind = (Kind)i;
            return true;
        }
    }
    return false;
}

static void word_apply(Machine *machine, const char *key, const char *value) {
    if (strcmp(key, "flavour") == 0) {
        machine->present = kind_parse(value, &machine->nodes);
        machine->driver = machine->nodes;
    } else if (strcmp(key, "ioctls") == 0) {
        (void)kind_parse(value, &machine->driver);
    } else if (strcmp(key, "node") == 0) {
        (void)snprintf(machine->node, sizeof machine->node, "%s", value);
    } else if (strcmp(key, "provision") == 0) {
        (void)snprintf(machine->provision, sizeof machine->provision, "%s", value);
    } else if (strcmp(key, "fault") == 0) {
        (void)snprintf(machine->fault, sizeof machine->fault, "%s", value);
    } else if (strcmp(key, "launch") == 0) {
        (void)snprintf(machine->launch, sizeof machine->launch, "%s", value);
    } else if (strcmp(key, "noexec") == 0) {
        machine->noexec = true;
    } else if (strcmp(key, "epc") == 0) {
        machine->epc = strtoul(value, NULL, 10);
    } else if (strcmp(key, "max_bits") == 0) {
        machine->max_bits = (unsigned)strtoul(value, NULL, 10);
    } else if (strcmp(key, "xfrm") == 0) {
        machine->xfrm = strtoull(value, NULL, 16);
    } else {
        (void)fprintf(stderr, "sgx double: what is '%s'?\n", key);
        abort();
    }
}

static Machine machine_read(void) {
    Machine machine = {.epc = 8192, .max_bits = 36, .xfrm = 0xe7};
    char text[512];
    const char *words = getenv(SGX_DOUBLE_VARIABLE);
    (void)snprintf(text, sizeof text, "%s", words != NULL ? words : "");
    char *rest = NULL;
    for (char *word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(word, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        word_apply(&machine, word, value != NULL ? value : "");
    }
    return machine;
}

static bool has_fault(const Machine *machine, const char *fault) {
    return strcmp(machine->fault, fault) == 0;
}

/* ---- enclaves ---- */

enum {
    PAGE = 4096,
    CHUNK = 256,
    VERSIONS = 512,
    ENCLAVES_MAX = 16,
    FDS_MAX = 1024,
    HASH = 32,
    SIGSTRUCT = 1808
};
enum { KEY = 384, MODULUS = 128, EXPONENT = 512, SIGNATURE = 516, BODY = 900, Q1 = 1040, Q2 = 1424 };

typedef struct Enclave {
    bool used;
    bool mapped; /* by-address drivers: it lives as long as its mapping */
    uint64_t map_base, map_size;
    bool created, initialised, interrupted;
    uint64_t base, size, flags, xfrm, allowed;
    uint32_t misc;
    uint8_t *pages; /* for each: 0 none, else 0x80 | permissions (0x40: TCS) */
    size_t added;
    EVP_MD_CTX *measurement;
} Enclave;

static Enclave enclaves[ENCLAVES_MAX];
static Enclave *enclave_of_fd[FDS_MAX];
static bool is_provision_fd[FDS_MAX];
static bool is_enclave_fd[FDS_MAX];

static size_t epc_of(const Enclave *enclave) {
    size_t held = 1 + enclave->added;
    return enclave->created ? held + (held + VERSIONS - 1) / VERSIONS : 0;
}

size_t sgx_double_epc_used(void) {
    size_t used = 0;
    for (size_t i = 0; i < ENCLAVES_MAX; i++) {
        used += enclaves[i].used ? epc_of(&enclaves[i]) : 0;
    }
    return used;
}

static Enclave *enclave_new(void) {
    for (size_t i = 0; i < ENCLAVES_MAX; i++) {
        if (!enclaves[i].used) {
            enclaves[i] = (Enclave){.used = true};
            return &enclaves[i];
        }
    }
    return NULL;
}

static void enclave_end(Enclave *enclave) {
    EVP_MD_CTX_free(enclave->measurement);
    free(enclave->pages);
    *enclave = (Enclave){0};
}

static uint64_t get64(const uint8_t *at) {
    uint64_t value = 0;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t get32(const uint8_t *at) {
    uint32_t value = 0;
    memcpy(&value, at, sizeof value);
    return value;
}

static void put64(uint8_t *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}

/* copy_from_user: a bad pointer is the caller's fault, not a crash. */
static int user_read(uint64_t from, void *to, size_t size) {
    struct iovec local = {to, size};
    struct iovec remote = {(void *)(uintptr_t)from, size};
    return kernel(SYS_process_vm_readv, (long)getpid(), (long)&local, 1L, (long)&remote, 1L, (long)0) ==
                   (long)size
               ? 0
               : EFAULT;
}

static bool all_zero(const uint8_t *from, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (from[i] != 0) {
            return false;
        }
    }
    return true;
}

static void measure_record(Enclave *enclave, const char *name, uint64_t at8, uint64_t at16) {
    uint8_t record[64] = {0};
    memcpy(record, name, strlen(name));
    put64(record + 8, at8);
    put64(record + 16, at16);
    (void)EVP_DigestUpdate(enclave->measurement, record, sizeof record);
}

/* ---- ECREATE ---- */

static bool secs_is_good(const Machine *machine, const uint8_t *secs) {
    uint64_t size = get64(secs);
    uint64_t base = get64(secs + 8);
    uint64_t flags = get64(secs + 48);
    uint64_t xfrm = get64(secs + 56);
    bool range = size >= 2 * PAGE && size <= UINT64_C(1) << machine->max_bits && (base & (size - 1)) == 0;
    bool reserved = all_zero(secs + 24, 24) && all_zero(secs + 96, 32) && all_zero(secs + 160, 32) &&
                    all_zero(secs + 262, PAGE - 262);
    bool attributes = (flags & ~UINT64_C(0x4b6)) == 0 && (flags & 4) != 0; /* 64 bit */
    return range && reserved && attributes && get32(secs + 16) != 0 && (xfrm & 3) == 3 &&
           (xfrm & ~machine->xfrm) == 0 && get32(secs + 20) == 0;
}

static int secs_create(const Machine *machine, Enclave *enclave, const uint8_t *secs) {
    uint64_t size = get64(secs);
    if (size == 0 || (size & (size - 1)) != 0) {
        return EINVAL;
    }
    if (!secs_is_good(machine, secs)) {
        return machine->driver == IN_KERNEL ? EIO : EINVAL; /* the kernel leaves it to the processor */
    }
    if (machine->epc < sgx_double_epc_used() + 2) {
        return ENOMEM;
    }
    enclave->pages = calloc(size / PAGE, 1);
    enclave->measurement = EVP_MD_CTX_new();
    if (enclave->pages == NULL || enclave->measurement == NULL ||
        EVP_DigestInit_ex(enclave->measurement, EVP_sha256(), NULL) != 1) {
        return ENOMEM;
    }
    uint8_t record[64] = "ECREATE";
    memcpy(record + 8, secs + 16, 4);
    memcpy(record + 12, secs, 8);
    (void)EVP_DigestUpdate(enclave->measurement, record, sizeof record);
    enclave->created = true;
    enclave->base = get64(secs + 8);
    enclave->size = size;
    enclave->misc = get32(secs + 20);
    enclave->flags = get64(secs + 48);
    enclave->xfrm = get64(secs + 56);
    enclave->allowed = ~UINT64_C(0x30); /* neither provisioning nor launch tokens */
    return 0;
}

/* ---- EADD, EEXTEND ---- */

static bool secinfo_is_good(const uint8_t *secinfo) {
    uint64_t flags = get64(secinfo);
    uint64_t type = flags & 0xff00;
    uint64_t permissions = flags & 7;
    return (type == 0x200 || (type == 0x100 && permissions == 0)) && (permissions & 3) != 2 &&
           (flags & ~UINT64_C(0xff07)) == 0 && all_zero(secinfo + 8, 56);
}

static bool tcs_is_good(const uint8_t *tcs) {
    return (get64(tcs + 8) & ~UINT64_C(1)) == 0 && get64(tcs + 16) % PAGE == 0 &&
           get64(tcs + 48) % PAGE == 0 && get64(tcs + 56) % PAGE == 0 && (get32(tcs + 64) & 0xfff) == 0xfff &&
           (get32(tcs + 68) & 0xfff) == 0xfff && all_zero(tcs + 72, PAGE - 72);
}

static void fault_in_add(const Machine *machine) {
    while (has_fault(machine, "hang")) {
        (void)pause();
    }
    if (has_fault(machine, "crash")) {
        abort();
    }
}

/* `mask` has a bit for each 256 bytes that are measured. */
static int page_add(const Machine *machine, Enclave *enclave, uint64_t offset, uint64_t source,
                    uint64_t secinfo_at, uint16_t mask) {
    uint8_t page[PAGE], secinfo[64];
    fault_in_add(machine);
    if (offset % PAGE != 0 || offset >= enclave->size) {
        return EINVAL;
    }
    int failure = user_read(secinfo_at, secinfo, sizeof secinfo);
    failure = failure == 0 && !secinfo_is_good(secinfo) ? EINVAL : failure;
    failure = failure == 0 ? user_read(source, page, sizeof page) : failure;
    if (failure != 0) {
        return failure;
    }
    if (enclave->pages[offset / PAGE] != 0) {
        return machine->driver == LEGACY || machine->driver == DCAP_EARLY ? EEXIST : EBUSY;
    }
    uint64_t flags = get64(secinfo);
    if (flags == 0x100 && !tcs_is_good(page)) {
        return machine->driver == IN_KERNEL || machine->driver == DCAP ? EIO : EINVAL;
    }
    if (has_fault(machine, "lost") && enclave->added == 3) {
        return machine->driver == LEGACY || machine->driver == DCAP_EARLY ? -0x40000000 : EIO;
    }
    if (has_fault(machine, "strange")) {
        return EBADFD;
    }
    Enclave grown = *enclave;
    grown.added++;
    if (sgx_double_epc_used() - epc_of(enclave) + epc_of(&grown) > machine->epc) {
        return ENOMEM;
    }
    enclave->added++;
    enclave->pages[offset / PAGE] = (uint8_t)(0x80 | (flags == 0x100 ? 0x43 : flags & 7));
    if (has_fault(machine, "measure") && enclave->added == 2) {
        page[7] ^= 1;
    }
    measure_record(enclave, "EADD", offset, flags);
    for (unsigned i = 0; i < PAGE / CHUNK; i++) {
        if ((mask >> i & 1) != 0) {
            measure_record(enclave, "EEXTEND", offset + (uint64_t)i * CHUNK, 0);
            (void)EVP_DigestUpdate(enclave->measurement, page + i * CHUNK, CHUNK);
        }
    }
    return 0;
}

/* ---- EINIT ---- */

static bool header_is_good(const uint8_t *s) {
    static const uint8_t header[] = {6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0};
    static const uint8_t header2[] = {1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0};
    return memcmp(s, header, sizeof header) == 0 && memcmp(s + 24, header2, sizeof header2) == 0 &&
           (get32(s + 12) & 0x7fffffff) == 0 && (get32(s + 16) == 0 || get32(s + 16) == 0x8086) &&
           all_zero(s + 44, 84) && get32(s + EXPONENT) == 3 && all_zero(s + 992, 16) &&
           all_zero(s + 1028, 12);
}

static EVP_PKEY *key_of(const BIGNUM *modulus) {
    EVP_PKEY *key = NULL;
    BIGNUM *exponent = BN_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    if (BN_set_word(exponent, 3) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        params = OSSL_PARAM_BLD_to_param(builder);
        if (EVP_PKEY_fromdata_init(context) != 1 ||
            EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
            key = NULL;
        }
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_free(exponent);
    return key;
}

static bool rsa_is_good(const uint8_t *s, const BIGNUM *modulus) {
    uint8_t message[256], signature[KEY];
    memcpy(message, s, 128);
    memcpy(message + 128, s + BODY, 128);
    for (size_t i = 0; i < KEY; i++) {
        signature[i] = s[SIGNATURE + KEY - 1 - i];
    }
    EVP_PKEY *key = key_of(modulus);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, KEY, message, sizeof message) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return good;
}

/* Q1 = s*s / n and Q2 = s * (s*s % n) / n spare the processor its divisions. */
static bool quotients_are_good(const uint8_t *s, const BIGNUM *modulus) {
    BN_CTX *context = BN_CTX_new();
    BIGNUM *signature = BN_lebin2bn(s + SIGNATURE, KEY, NULL);
    BIGNUM *square = BN_new(), *quotient = BN_new(), *rest = BN_new(), *signed_quotient = BN_new();
    bool good = BN_sqr(square, signature, context) == 1 &&
                BN_div(quotient, rest, square, modulus, context) == 1 &&
                BN_lebin2bn(s + Q1, KEY, signed_quotient) != NULL && BN_cmp(quotient, signed_quotient) == 0 &&
                BN_mul(square, rest, signature, context) == 1 &&
                BN_div(quotient, rest, square, modulus, context) == 1 &&
                BN_lebin2bn(s + Q2, KEY, signed_quotient) != NULL && BN_cmp(quotient, signed_quotient) == 0;
    BN_free(signature);
    BN_free(square);
    BN_free(quotient);
    BN_free(rest);
    BN_free(signed_quotient);
    BN_CTX_free(context);
    return good;
}

static bool signature_is_good(const uint8_t *s) {
    BIGNUM *modulus = BN_lebin2bn(s + MODULUS, KEY, NULL);
    bool good = BN_num_bits(modulus) == 3072 && quotients_are_good(s, modulus) && rsa_is_good(s, modulus);
    BN_free(modulus);
    return good;
}

static bool attributes_are_good(const Enclave *enclave, const uint8_t *s) {
    return ((enclave->flags ^ get64(s + 928)) & get64(s + 944)) == 0 &&
           ((enclave->xfrm ^ get64(s + 936)) & get64(s + 952)) == 0 &&
           ((enclave->misc ^ get32(s + 900)) & get32(s + 904)) == 0;
}

static bool may_launch(const Machine *machine, const uint8_t *s) {
    uint8_t hash[HASH];
    char hex[2 * HASH + 1];
    if (machine->launch[0] == '\0') {
        return true;
    }
    (void)EVP_Digest(s + MODULUS, KEY, hash, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < HASH; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    return strcmp(hex, machine->launch) == 0;
}

static int einit(const Machine *machine, Enclave *enclave, const uint8_t *s) {
    uint8_t measured[HASH];
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    bool good =
        EVP_MD_CTX_copy_ex(copy, enclave->measurement) == 1 && EVP_DigestFinal_ex(copy, measured, NULL) == 1;
    EVP_MD_CTX_free(copy);
    if (has_fault(machine, "busy")) {
        return 128;
    }
    if (!good || !header_is_good(s)) {
        return 1;
    }
    if (!signature_is_good(s)) {
        return 8;
    }
    if (memcmp(measured, s + 960, HASH) != 0) {
        return 4;
    }
    if (!attributes_are_good(enclave, s)) {
        return 2;
    }
    return may_launch(machine, s) ? 0 : 16;
}

/* 0, an errno, or EINIT's code negated where the driver tells it. */
static int enclave_init(const Machine *machine, Enclave *enclave, uint64_t sigstruct_at) {
    uint8_t s[SIGSTRUCT];
    int failure = user_read(sigstruct_at, s, sizeof s);
    if (failure != 0) {
        return failure;
    }
    bool tells = machine->driver == LEGACY || machine->driver == DCAP_EARLY;
    if (machine->driver != LEGACY && (enclave->flags & ~enclave->allowed) != 0) {
        return EACCES;
    }
    if (!tells && get32(s + 16) != 0 && get32(s + 16) != 0x8086) {
        return EINVAL;
    }
    int code = einit(machine, enclave, s);
    enclave->initialised = code == 0;
    return code == 0 ? 0 : tells ? -code : EPERM;
}

/* ---- ioctls of drivers that go by the descriptor: the kernel's header ---- */

static int add_pages(const Machine *machine, Enclave *enclave, uint64_t argument) {
    struct sgx_enclave_add_pages add;
    int failure = user_read(argument, &add, sizeof add);
    if (failure != 0) {
        return failure;
    }
    if (add.src % PAGE != 0 || add.offset % PAGE != 0 || add.length == 0 || add.length % PAGE != 0 ||
        add.offset + add.length < add.offset || add.offset + add.length > enclave->size) {
        return EINVAL;
    }
    uint64_t done = 0;
    if (has_fault(machine, "interrupts") && !enclave->interrupted) {
        enclave->interrupted = true;
        failure = EINTR;
    }
    while (failure == 0 && done < add.length) {
        failure = page_add(machine, enclave, add.offset + done, add.src + done, add.secinfo,
                           (add.flags & SGX_PAGE_MEASURE) != 0 ? 0xffff : 0);
        done += failure == 0 ? PAGE : 0;
    }
    struct sgx_enclave_add_pages *user = (struct sgx_enclave_add_pages *)(uintptr_t)argument;
    user->count = done;
    return failure;
}

static int set_provision(Enclave *enclave, uint64_t fd) {
    if (fd >= FDS_MAX || !is_provision_fd[fd]) {
        return EINVAL;
    }
    enclave->allowed |= 0x10;
    return 0;
}

static int ioctl_by_fd(const Machine *machine, Enclave *enclave, unsigned long number, uint64_t argument) {
    uint64_t word = 0;
    uint8_t secs[PAGE];
    int failure = 0;
    bool building = enclave->created && !enclave->initialised;
    switch (number) {
    case SGX_IOC_ENCLAVE_CREATE:
        failure = enclave->created ? EINVAL : user_read(argument, &word, sizeof word);
        failure = failure == 0 ? user_read(word, secs, sizeof secs) : failure;
        return failure == 0 ? secs_create(machine, enclave, secs) : failure;
    case SGX_IOC_ENCLAVE_ADD_PAGES:
        return building ? add_pages(machine, enclave, argument) : EINVAL;
    case SGX_IOC_ENCLAVE_INIT:
        failure = building ? user_read(argument, &word, sizeof word) : EINVAL;
        return failure == 0 ? enclave_init(machine, enclave, word) : failure;
    case SGX_IOC_ENCLAVE_PROVISION:
        failure = user_read(argument, &word, sizeof word);
        return failure == 0 ? set_provision(enclave, word) : failure;
    default:
        return ENOTTY;
    }
}

/* ---- ioctls of drivers that go by the address: byte for byte from their public sources ---- */

enum { OLD_CREATE = 0x4008a400, OLD_ADD = 0x401aa401, OLD_INIT = 0x4010a402, OLD_ATTRIBUTE = 0x4010a403 };
enum { ISGX_INIT = 0x4018a402 };

static Enclave *enclave_at(uint64_t address) {
    for (size_t i = 0; i < ENCLAVES_MAX; i++) {
        const Enclave *enclave = &enclaves[i];
        if (enclave->mapped && address >= enclave->map_base &&
            address - enclave->map_base < enclave->map_size) {
            return &enclaves[i];
        }
    }
    return NULL;
}

static int create_at(const Machine *machine, uint64_t argument) {
    uint64_t from = 0;
    uint8_t secs[PAGE];
    int failure = user_read(argument, &from, sizeof from);
    failure = failure == 0 ? user_read(from, secs, sizeof secs) : failure;
    if (failure != 0) {
        return failure;
    }
    Enclave *enclave = enclave_at(get64(secs + 8));
    if (enclave == NULL || enclave->created || enclave->map_base != get64(secs + 8) ||
        enclave->map_size != get64(secs)) {
        return EINVAL;
    }
    return secs_create(machine, enclave, secs);
}

static int ioctl_by_address(const Machine *machine, unsigned long number, uint64_t argument) {
    uint8_t words[32] = {0};
    if (number == OLD_CREATE) {
        return create_at(machine, argument);
    }
    bool known = number == OLD_ADD || (machine->driver == LEGACY && number == ISGX_INIT) ||
                 (machine->driver == DCAP_EARLY && (number == OLD_INIT || number == OLD_ATTRIBUTE));
    if (!known) {
        return ENOTTY;
    }
    int failure = user_read(argument, words, _IOC_SIZE(number));
    Enclave *enclave = failure == 0 ? enclave_at(get64(words)) : NULL;
    if (failure != 0 || enclave == NULL || !enclave->created || get64(words) % PAGE != 0) {
        return failure != 0 ? failure : EINVAL;
    }
    if (number == OLD_ATTRIBUTE) {
        return set_provision(enclave, get64(words + 8));
    }
    if (enclave->initialised) {
        return number == OLD_ADD ? EINVAL : 0;
    }
    if (number == OLD_ADD) {
        uint16_t mask = 0;
        memcpy(&mask, words + 24, sizeof mask);
        return page_add(machine, enclave, get64(words) - enclave->base, get64(words + 8), get64(words + 16),
                        mask);
    }
    uint8_t token[304];
    if (number == ISGX_INIT && user_read(get64(words + 16), token, sizeof token) != 0) {
        return EFAULT;
    }
    return enclave_init(machine, enclave, get64(words + 8));
}

/* ---- system calls ---- */

static int answer(int failure) {
    errno = failure;
    return failure == 0 ? 0 : -1;
}

/* Which of our names a path is; -1: none, the enclave device, or the provisioning device. */
static int path_kind(const char *path, Kind *ret_kind, bool *ret_provision) {
    for (size_t i = 0; i < KINDS; i++) {
        *ret_provision = strcmp(path, kinds[i].provision) == 0;
        if (*ret_provision || strcmp(path, kinds[i].node) == 0) {
            *ret_kind = (Kind)i;
            return 0;
        }
    }
    return -1;
}

/* 0, or why the node is not to be had; opening says more than looking. */
static int node_failure(const Machine *machine, Kind kind, bool provision, bool opening) {
    if (!machine->present || kind != machine->nodes ||
        (provision && strcmp(machine->provision, "absent") == 0)) {
        return ENOENT;
    }
    const char *state = provision ? machine->provision : machine->node;
    if (opening && strcmp(state, "denied") == 0) {
        return EACCES;
    }
    return opening && strcmp(state, "dead") == 0 ? ENODEV : 0;
}

static int node_open(const Machine *machine, Kind kind, bool provision, int flags) {
    int failure = node_failure(machine, kind, provision, true);
    if (failure != 0) {
        return answer(failure);
    }
    int fd = (int)kernel(SYS_openat, (long)AT_FDCWD, (long)"/dev/null", (long)(O_RDWR | (flags & O_CLOEXEC)),
                         0L, 0L, 0L);
    if (fd >= FDS_MAX) {
        (void)kernel(SYS_close, (long)fd, 0L, 0L, 0L, 0L, 0L);
        return answer(EMFILE);
    }
    if (fd >= 0) {
        is_provision_fd[fd] = provision && strcmp(machine->provision, "stale") != 0;
        is_enclave_fd[fd] = !provision;
        bool by_fd = machine->driver == IN_KERNEL || machine->driver == DCAP;
        enclave_of_fd[fd] = !provision && by_fd ? enclave_new() : NULL;
    }
    return fd;
}

static int open_any(int at, const char *path, int flags, mode_t mode) {
    Kind kind;
    bool provision;
    if (path != NULL && path_kind(path, &kind, &provision) == 0) {
        Machine machine = machine_read();
        return node_open(&machine, kind, provision, flags);
    }
    return (int)kernel(SYS_openat, (long)at, (long)path, (long)flags, (long)mode, 0L, 0L);
}

static mode_t mode_of(int flags, va_list args) {
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                                           \
    int name(const char *path, int flags, ...) {                                                             \
        va_list args;                                                                                        \
        va_start(args, flags);                                                                               \
        mode_t mode = mode_of(flags, args);                                                                  \
        va_end(args);                                                                                        \
        return open_any(AT_FDCWD, path, flags, mode);                                                        \
    }
OPEN(open)
OPEN(open64)

static int stat_any(const char *path, struct stat *facts, int flags) {
    Kind kind;
    bool provision;
    if (path == NULL || path_kind(path, &kind, &provision) != 0) {
        return (int)kernel(SYS_newfstatat, (long)AT_FDCWD, (long)path, (long)facts, (long)flags, 0L, 0L);
    }
    Machine machine = machine_read();
    int failure = node_failure(&machine, kind, provision, false);
    if (failure == 0 &&
        kernel(SYS_newfstatat, (long)AT_FDCWD, (long)"/dev/null", (long)facts, 0L, 0L, 0L) == 0) {
        facts->st_rdev = makedev(10, provision ? 125 : 126);
    }
    return answer(failure);
}

int stat(const char *path, struct stat *facts) {
    return stat_any(path, facts, 0);
}

int lstat(const char *path, struct stat *facts) {
    return stat_any(path, facts, AT_SYMLINK_NOFOLLOW);
}

int close(int fd) {
    if (fd >= 0 && fd < FDS_MAX) {
        if (enclave_of_fd[fd] != NULL) {
            enclave_end(enclave_of_fd[fd]);
        }
        enclave_of_fd[fd] = NULL;
        is_provision_fd[fd] = is_enclave_fd[fd] = false;
    }
    return (int)kernel(SYS_close, (long)fd, 0L, 0L, 0L, 0L, 0L);
}

int ioctl(int fd, unsigned long number, ...) {
    va_list args;
    va_start(args, number);
    uint64_t argument = (uint64_t)(uintptr_t)va_arg(args, void *);
    va_end(args);
    if (fd < 0 || fd >= FDS_MAX || !is_enclave_fd[fd]) {
        return (int)kernel(SYS_ioctl, (long)fd, (long)number, (long)argument, 0L, 0L, 0L);
    }
    Machine machine = machine_read();
    int result = enclave_of_fd[fd] != NULL ? ioctl_by_fd(&machine, enclave_of_fd[fd], number, argument)
                                           : ioctl_by_address(&machine, number, argument);
    return result < 0 ? -result : answer(result);
}

static void *raw_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return (void *)kernel(SYS_mmap, (long)at, (long)size, (long)protection, (long)flags, (long)fd,
                          (long)offset);
}

static void *place(void *at, size_t size, int flags) {
    return raw_mmap(at, size, PROT_NONE, (flags & MAP_FIXED) | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
}

/* Permissions beyond a page's own are refused; for Intel's driver a page that is not there has none. */
static bool may_map(const Machine *machine, const Enclave *enclave, uint64_t begin, size_t size,
                    int protection) {
    if (!enclave->created || protection == PROT_NONE) {
        return true;
    }
    for (uint64_t at = begin; at < begin + size; at += PAGE) {
        bool inside = at >= enclave->base && at - enclave->base < enclave->size;
        uint8_t page = inside ? enclave->pages[(at - enclave->base) / PAGE] : 0;
        if (page == 0 ? machine->driver == DCAP || !inside : (protection & ~(page & 7)) != 0) {
            return false;
        }
    }
    return true;
}

static void *map_by_address(const Machine *machine, size_t size) {
    Enclave *enclave = enclave_new();
    if (enclave == NULL || size < 2 * PAGE || (size & (size - 1)) != 0) {
        errno = enclave == NULL ? ENOMEM : EINVAL;
        return MAP_FAILED;
    }
    uint8_t *area = place(NULL, 2 * size, 0);
    if (area == MAP_FAILED) {
        return area;
    }
    uint64_t base = ((uint64_t)(uintptr_t)area + size - 1) & ~(uint64_t)(size - 1);
    base += has_fault(machine, "unaligned") ? PAGE : 0;
    size_t before = base - (uint64_t)(uintptr_t)area;
    (void)kernel(SYS_munmap, (long)area, (long)before, 0L, 0L, 0L, 0L);
    (void)kernel(SYS_munmap, (long)(area + before + size), (long)(size - before), 0L, 0L, 0L, 0L);
    *enclave = (Enclave){.used = true, .mapped = true, .map_base = base, .map_size = size};
    return (void *)(uintptr_t)base;
}

static void *mmap_any(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    if ((flags & MAP_ANONYMOUS) != 0 || fd < 0 || fd >= FDS_MAX || !is_enclave_fd[fd]) {
        return raw_mmap(at, size, protection, flags, fd, offset);
    }
    Machine machine = machine_read();
    const Enclave *enclave = enclave_of_fd[fd];
    int failure = 0;
    if (machine.noexec && (protection & PROT_EXEC) != 0) {
        failure = EPERM;
    } else if ((flags & MAP_SHARED) == 0) {
        failure = EINVAL;
    } else if (enclave != NULL && !may_map(&machine, enclave, (uint64_t)(uintptr_t)at, size, protection)) {
        failure = EACCES;
    }
    if (failure != 0) {
        errno = failure;
        return MAP_FAILED;
    }
    return enclave != NULL ? place(at, size, flags) : map_by_address(&machine, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return mmap_any(at, size, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return mmap_any(at, size, protection, flags, fd, offset);
}

int munmap(void *at, size_t size) {
    Enclave *enclave = enclave_at((uint64_t)(uintptr_t)at);
    if (enclave != NULL) {
        enclave_end(enclave);
    }
    return (int)kernel(SYS_munmap, (long)at, (long)size, 0L, 0L, 0L, 0L);
}
