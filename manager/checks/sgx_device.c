/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/sgx_device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "bundles/sgx/image.h"
#include "bundles/sgx/sigstruct.h"

/* Arguments of the ioctls, first of the drivers that go by the descriptor. */
typedef struct CreateArgument {
    uint64_t secs; /* address of a page */
} CreateArgument;

typedef struct AddArgument {
    uint64_t source;
    uint64_t offset;
    uint64_t length;
    uint64_t secinfo;
    uint64_t flags; /* ADD_MEASURE */
    uint64_t count; /* out: bytes added */
} AddArgument;

typedef struct InitArgument {
    uint64_t sigstruct;
} InitArgument;

typedef struct ProvisionArgument {
    uint64_t fd;
} ProvisionArgument;

typedef struct __attribute__((packed)) AddByAddressArgument {
    uint64_t address;
    uint64_t source;
    uint64_t secinfo;
    uint16_t measure_mask; /* a bit for each 256 bytes */
} AddByAddressArgument;

typedef struct __attribute__((packed)) InitByAddressArgument {
    uint64_t address;
    uint64_t sigstruct;
} InitByAddressArgument;

typedef struct __attribute__((packed)) InitWithTokenArgument {
    uint64_t address;
    uint64_t sigstruct;
    uint64_t token;
} InitWithTokenArgument;

typedef struct __attribute__((packed)) ProvisionByAddressArgument {
    uint64_t address;
    uint64_t fd;
} ProvisionByAddressArgument;

enum { MAGIC = 0xa4, ADD_MEASURE = 1, MEASURE_ALL = 0xffff };
enum { SECINFO_SIZE = 64, SIGSTRUCT_ALIGN = 4096, TOKEN_SIZE = 304, TOKEN_ALIGN = 512, RETRIES_MAX = 64 };

static const unsigned long create_request = _IOW(MAGIC, 0, CreateArgument);
static const unsigned long add_request = _IOWR(MAGIC, 1, AddArgument);
static const unsigned long init_request = _IOW(MAGIC, 2, InitArgument);
static const unsigned long provision_request = _IOW(MAGIC, 3, ProvisionArgument);
static const unsigned long add_by_address_request = _IOW(MAGIC, 1, AddByAddressArgument);
static const unsigned long init_by_address_request = _IOW(MAGIC, 2, InitByAddressArgument);
static const unsigned long init_with_token_request = _IOW(MAGIC, 2, InitWithTokenArgument);
static const unsigned long provision_by_address_request = _IOW(MAGIC, 3, ProvisionByAddressArgument);

/* Where SECS has what ECREATE reads. */
enum { SECS_SIZE = 0, SECS_BASE = 8, SECS_SSA_FRAME = 16, SECS_MISC = 20, SECS_FLAGS = 48, SECS_XFRM = 56 };

typedef struct Flavour {
    const char *name;
    const char *node;
    const char *provision_node;
    bool by_address;
    bool takes_token;
} Flavour;

/* In the order in which they are looked for: udev links sgx/enclave to the kernel's node, too. */
static const Flavour flavours[SGX_FLAVOURS_COUNT] = {
    [SGX_FLAVOUR_IN_KERNEL] = {"in-kernel", "/dev/sgx_enclave", "/dev/sgx_provision", false, false},
    [SGX_FLAVOUR_DCAP] = {"dcap", "/dev/sgx/enclave", "/dev/sgx/provision", false, false},
    [SGX_FLAVOUR_DCAP_EARLY] = {"dcap-early", "/dev/sgx", "/dev/sgx_prv", true, false},
    [SGX_FLAVOUR_LEGACY] = {"legacy", "/dev/isgx", NULL, true, true},
};

const char *sgx_flavour_name(SgxFlavour flavour) {
    return flavours[flavour].name;
}

const char *sgx_flavour_node(SgxFlavour flavour) {
    return flavours[flavour].node;
}

const char *sgx_flavour_provision_node(SgxFlavour flavour) {
    return flavours[flavour].provision_node;
}

bool sgx_flavour_find(const char *root, SgxFlavour *ret_flavour) {
    for (size_t i = 0; i < SGX_FLAVOURS_COUNT; i++) {
        AUTO_FREE char *path = text_format("%s%s", root, flavours[i].node);
        struct stat facts;
        if (path != NULL && stat(path, &facts) == 0 && S_ISCHR(facts.st_mode)) {
            *ret_flavour = (SgxFlavour)i;
            return true;
        }
    }
    return false;
}

/* An empty request to add pages is refused by a driver that knows it, before anything happens. */
static bool is_known_driver(const SgxDevice *device) {
    uint8_t nothing[sizeof(AddArgument)] = {0};
    unsigned long number = flavours[device->flavour].by_address ? add_by_address_request : add_request;
    return ioctl(device->fd, number, nothing) == 0 || errno != ENOTTY;
}

int sgx_device_open(const char *root, SgxFlavour flavour, SgxDevice *ret_device) {
    *ret_device = (SgxDevice){.flavour = flavour, .fd = -1};
    AUTO_FREE char *path = text_format("%s%s", root, flavours[flavour].node);
    if (path == NULL) {
        return ENOMEM;
    }
    ret_device->fd = open(path, O_RDWR | O_CLOEXEC);
    if (ret_device->fd < 0) {
        return errno;
    }
    return is_known_driver(ret_device) ? 0 : ENOTTY;
}

void sgx_device_close(SgxDevice *device) {
    if (device->mapped != NULL) {
        (void)munmap(device->mapped, device->mapped_size);
    }
    if (device->fd >= 0) {
        (void)close(device->fd);
    }
    *device = (SgxDevice){.flavour = device->flavour, .fd = -1};
}

/* A driver that looks enclaves up by address chooses the address itself, and wants exactly one mapping. */
static int reserve_by_address(SgxDevice *device, uint64_t size) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, device->fd, 0);
    if (at == MAP_FAILED) {
        return errno;
    }
    device->mapped = at;
    device->mapped_size = size;
    device->base = (uint64_t)(uintptr_t)at;
    return device->base % size == 0 ? 0 : ERANGE;
}

int sgx_device_reserve(SgxDevice *device, uint64_t size) {
    device->size = size;
    if (flavours[device->flavour].by_address) {
        return reserve_by_address(device, size);
    }
    /* cppcheck-suppress invalidFunctionArg; an anonymous mapping has no descriptor */
    void *at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        return errno;
    }
    device->mapped = at;
    device->mapped_size = 2 * size; /* the device's pages take the place of some of it later */
    device->base = ((uint64_t)(uintptr_t)at + size - 1) / size * size;
    return 0;
}

/* A call that a signal interrupted did nothing. Some drivers return the processor's verdict instead of -1. */
static int request(const SgxDevice *device, unsigned long number, void *argument, uint32_t *ret_code) {
    int result = -1;
    for (int i = 0; i < RETRIES_MAX; i++) {
        result = ioctl(device->fd, number, argument);
        if (result >= 0 || (errno != EINTR && errno != EAGAIN)) {
            break;
        }
    }
    if (result > 0) {
        *ret_code = (uint32_t)result;
        return EPERM;
    }
    return result < 0 ? errno : 0;
}

int sgx_device_create(SgxDevice *device, const SgxSecs *secs) {
    _Alignas(SGX_PAGE_SIZE) uint8_t page[SGX_PAGE_SIZE] = {0};
    bytes_put_le64(page + SECS_SIZE, secs->size);
    bytes_put_le64(page + SECS_BASE, device->base);
    bytes_put_le32(page + SECS_SSA_FRAME, secs->ssa_frame_size);
    bytes_put_le32(page + SECS_MISC, secs->misc_select);
    bytes_put_le64(page + SECS_FLAGS, secs->attributes.flags);
    bytes_put_le64(page + SECS_XFRM, secs->attributes.xfrm);
    CreateArgument argument = {.secs = (uint64_t)(uintptr_t)page};
    uint32_t ignored = 0;
    return request(device, create_request, &argument, &ignored);
}

int sgx_device_add(SgxDevice *device, uint64_t offset, uint64_t si_flags, bool measured, const void *page,
                   uint32_t *ret_code) {
    _Alignas(SECINFO_SIZE) uint8_t secinfo[SECINFO_SIZE] = {0};
    bytes_put_le64(secinfo, si_flags);
    *ret_code = 0;
    if (flavours[device->flavour].by_address) {
        AddByAddressArgument argument = {.address = device->base + offset,
                                         .source = (uint64_t)(uintptr_t)page,
                                         .secinfo = (uint64_t)(uintptr_t)secinfo,
                                         .measure_mask = measured ? MEASURE_ALL : 0};
        return request(device, add_by_address_request, &argument, ret_code);
    }
    AddArgument argument = {.source = (uint64_t)(uintptr_t)page,
                            .offset = offset,
                            .length = SGX_PAGE_SIZE,
                            .secinfo = (uint64_t)(uintptr_t)secinfo,
                            .flags = measured ? ADD_MEASURE : 0};
    int failure = request(device, add_request, &argument, ret_code);
    return failure == 0 && argument.count != SGX_PAGE_SIZE ? EIO : failure;
}

int sgx_device_allow_provisioning(SgxDevice *device, int provision_fd) {
    uint32_t ignored = 0;
    if (flavours[device->flavour].by_address) {
        if (device->base == 0) {
            return 0;
        }
        ProvisionByAddressArgument argument = {.address = device->base, .fd = (uint64_t)provision_fd};
        return request(device, provision_by_address_request, &argument, &ignored);
    }
    ProvisionArgument argument = {.fd = (uint64_t)provision_fd};
    return request(device, provision_request, &argument, &ignored);
}

int sgx_device_init(SgxDevice *device, const void *sigstruct, uint32_t *ret_code) {
    /* EINIT itself demands the alignment of both; drivers copy, and so old ones may count on it. */
    _Alignas(SIGSTRUCT_ALIGN) uint8_t copy[SIGSTRUCT_ALIGN] = {0};
    _Alignas(TOKEN_ALIGN) uint8_t token[TOKEN_SIZE] = {0}; /* its VALID field says: none */
    memcpy(copy, sigstruct, SIGSTRUCT_SIZE);
    *ret_code = 0;
    const Flavour *flavour = &flavours[device->flavour];
    if (!flavour->by_address) {
        InitArgument argument = {.sigstruct = (uint64_t)(uintptr_t)copy};
        return request(device, init_request, &argument, ret_code);
    }
    if (!flavour->takes_token) {
        InitByAddressArgument argument = {.address = device->base, .sigstruct = (uint64_t)(uintptr_t)copy};
        return request(device, init_by_address_request, &argument, ret_code);
    }
    InitWithTokenArgument argument = {
        .address = device->base, .sigstruct = (uint64_t)(uintptr_t)copy, .token = (uint64_t)(uintptr_t)token};
    return request(device, init_with_token_request, &argument, ret_code);
}

int sgx_device_map(SgxDevice *device, uint64_t offset, uint64_t size, int protection) {
    if (flavours[device->flavour].by_address) {
        return 0; /* is mapped since before ECREATE */
    }
    void *at = mmap((void *)(uintptr_t)(device->base + offset), size, protection, MAP_SHARED | MAP_FIXED,
                    device->fd, 0);
    return at == MAP_FAILED ? errno : 0;
}
