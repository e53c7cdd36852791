/* SPDX-License-Identifier: Apache-2.0 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "manager/checks/trial_parts.h"

enum { LEAF_FEATURES = 1, LEAF_SGX = 0x12, OSXSAVE = 1 << 27, XFRM_LEGACY = 3 };

/* The register states that the operating system saves (XCR0) and the processor allows enclaves. Without SGX
 * in the processor the leaf is zero and says nothing. */
static uint64_t supported_xfrm(void) {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(LEAF_FEATURES, &eax, &ebx, &ecx, &edx) == 0 || (ecx & OSXSAVE) == 0) {
        return XFRM_LEGACY;
    }
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    uint64_t saved = (uint64_t)high << 32 | low;
    if (__get_cpuid_count(LEAF_SGX, 1, &eax, &ebx, &ecx, &edx) != 0 && ecx != 0) {
        saved &= (uint64_t)edx << 32 | ecx;
    }
    return saved | XFRM_LEGACY;
}

/* As Intel's loader asks: attributes as the metadata wants them, never for debugging; of the register states
 * those that are there. ELRANGE may lie anywhere: the place is not measured. */
static void secs_plan(Trial *trial) {
    const MetadataEntry *entry = trial->image.entry;
    trial->secs = (SgxSecs){
        .size = trial->image.secs_size,
        .ssa_frame_size = entry->ssa_frame_size,
        .misc_select = trial->sigstruct.misc_select,
        .attributes = {.flags = entry->attributes.flags & ~(SGX_FLAGS_INIT | SGX_FLAGS_DEBUG),
                       .xfrm = entry->attributes.xfrm & supported_xfrm()},
    };
}

static bool file_plan(Trial *trial, Bytes file, Error *err) {
    if (!elf_parse(file, &trial->elf, err) || !metadata_parse(&trial->elf, &trial->metadata, err)) {
        return false;
    }
    const MetadataEntry *entry = metadata_loaders_choice(&trial->metadata);
    if (!sigstruct_parse(entry->sigstruct, &trial->sigstruct, err) ||
        !image_open(&trial->elf, entry, &image_limits_bundle, &trial->image, err)) {
        return false;
    }
    return true;
}

static bool fail(Trial *trial, TrialStep step, int failure) {
    trial->step = step;
    trial->failure = failure;
    return failure == 0;
}

typedef struct Adding {
    Trial *trial;
    uint8_t *page; /* aligned copy: drivers demand it */
} Adding;

static bool page_add(void *context, const ImagePage *page, Error *err) {
    Adding *adding = context;
    (void)memcpy(adding->page, page->data, SGX_PAGE_SIZE);
    Trial *trial = adding->trial;
    trial->si_flags = page->si_flags;
    int failure = sgx_device_add(&trial->device, page->offset, page->si_flags, page->measured, adding->page,
                                 &trial->code);
    if (!fail(trial, TRIAL_STEP_ADD, failure)) {
        return error_set_errno(err, failure, "page");
    }
    trial->added++;
    return true;
}

static bool pages_add(Trial *trial) {
    Error ignored = ERROR_INIT;
    AUTO_FREE uint8_t *page = aligned_alloc(SGX_PAGE_SIZE, SGX_PAGE_SIZE);
    if (page == NULL) {
        return fail(trial, TRIAL_STEP_ADD, ENOMEM);
    }
    Adding adding = {.trial = trial, .page = page};
    return image_visit(&trial->image, page_add, &adding, &ignored);
}

/* Opened as Intel's runtime opens it. A device that cannot be opened is no failure yet: some drivers know
 * Intel's enclaves and need it not. */
static bool provisioning_allow(Trial *trial) {
    const char *node = sgx_flavour_provision_node(trial->device.flavour);
    if ((trial->secs.attributes.flags & SGX_FLAGS_PROVISION_KEY) == 0 || node == NULL) {
        return true;
    }
    AUTO_FREE char *path = text_format("%s%s", trial->root, node);
    AUTO_CLOSE int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        trial->provision_failure = path != NULL ? errno : ENOMEM;
        return true;
    }
    return fail(trial, TRIAL_STEP_PROVISION, sgx_device_allow_provisioning(&trial->device, fd));
}

/* A TCS page has no permissions of its own and is mapped for the processor's reads and writes. */
static int page_protection(uint64_t si_flags) {
    if ((si_flags & SGX_SI_TCS) != 0) {
        return PROT_READ | PROT_WRITE;
    }
    return ((si_flags & SGX_SI_R) != 0 ? PROT_READ : 0) | ((si_flags & SGX_SI_W) != 0 ? PROT_WRITE : 0) |
           ((si_flags & SGX_SI_X) != 0 ? PROT_EXEC : 0);
}

/* Each region in one piece, but where single pages of it have other permissions. */
typedef struct Mapping {
    Trial *trial;
    uint64_t offset;
    uint64_t size;
    int protection;
} Mapping;

static bool mapping_flush(Mapping *mapping) {
    if (mapping->size == 0) {
        return true;
    }
    int failure =
        sgx_device_map(&mapping->trial->device, mapping->offset, mapping->size, mapping->protection);
    mapping->size = 0;
    return fail(mapping->trial, TRIAL_STEP_MAP, failure);
}

static bool page_map(void *context, const ImagePage *page, Error *err) {
    Mapping *mapping = context;
    int protection = page_protection(page->si_flags);
    if (page->offset != mapping->offset + mapping->size || protection != mapping->protection) {
        if (!mapping_flush(mapping)) {
            return error_set(err, ERROR_SYSTEM, "map");
        }
        mapping->offset = page->offset;
        mapping->protection = protection;
    }
    mapping->size += SGX_PAGE_SIZE;
    return true;
}

static bool pages_map(Trial *trial) {
    Error ignored = ERROR_INIT;
    Mapping mapping = {.trial = trial};
    return image_visit(&trial->image, page_map, &mapping, &ignored) && mapping_flush(&mapping);
}

static bool enclave_build(Trial *trial) {
    SgxDevice *device = &trial->device;
    return fail(trial, TRIAL_STEP_OPEN, sgx_device_open(trial->root, device->flavour, device)) &&
           fail(trial, TRIAL_STEP_RESERVE, sgx_device_reserve(device, trial->secs.size)) &&
           fail(trial, TRIAL_STEP_CREATE, sgx_device_create(device, &trial->secs)) && pages_add(trial) &&
           provisioning_allow(trial) &&
           fail(trial, TRIAL_STEP_INIT, sgx_device_init(device, trial->sigstruct.bytes.data, &trial->code)) &&
           pages_map(trial);
}

static void device_missing(TrialResult *result) {
    trial_say(result, TRIAL_NO_DEVICE,
              "there is no SGX device (looked for /dev/sgx_enclave, /dev/sgx/enclave, /dev/sgx, /dev/isgx): "
              "enable SGX in the firmware, and use Linux 5.11 or later on a processor with launch control");
}

/* True if the planned enclave is in the EPC, where it stays until the trial is closed. */
static bool enclave_run(Trial *trial, TrialResult *result) {
    secs_plan(trial);
    result->epc_kib += image_epc_kib(&trial->image);
    if (!sgx_flavour_find(trial->root, &trial->device.flavour)) {
        device_missing(result);
        return false;
    }
    result->has_flavour = true;
    result->flavour = trial->device.flavour;
    bool built = enclave_build(trial);
    result->pages += trial->added;
    if (!built) {
        trial_judge(trial, result);
    }
    return built;
}

static bool file_run(Trial *trial, Bytes file, TrialResult *result) {
    Error err = ERROR_INIT;
    if (!file_plan(trial, file, &err)) {
        trial_say(result, TRIAL_BAD_FILE, "%s", err.text);
        return false;
    }
    return enclave_run(trial, result);
}

static void trial_open(Trial *trial, const char *root) {
    trial->root = root;
    trial->device.fd = -1;
}

static void trial_close(Trial *trial) {
    sgx_device_close(&trial->device);
    image_close(&trial->image);
}

void trial_enclaves_run(const char *root, const Bytes *files, size_t count, TrialResult *ret_result) {
    AUTO_FREE Trial *trials = calloc(count, sizeof *trials);
    bool good = trials != NULL;
    if (!good) {
        trial_say(ret_result, TRIAL_FAILED, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        trial_open(&trials[i], root);
    }
    for (size_t i = 0; good && i < count; i++) {
        ret_result->index = i;
        good = file_run(&trials[i], files[i], ret_result);
    }
    if (good) {
        trial_say(ret_result, TRIAL_LOADED, "%llu pages, %llu KiB of EPC, in the %s driver",
                  (unsigned long long)ret_result->pages, (unsigned long long)ret_result->epc_kib,
                  sgx_flavour_name(ret_result->flavour));
    }
    for (size_t i = 0; i < count; i++) {
        trial_close(&trials[i]);
    }
}

void trial_provisioning_run(const char *root, TrialResult *ret_result) {
    AUTO_FREE Trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL) {
        trial_say(ret_result, TRIAL_FAILED, "out of memory");
        return;
    }
    trial->root = root;
    trial->secs.attributes.flags = SGX_FLAGS_PROVISION_KEY;
    SgxDevice *device = &trial->device;
    if (!sgx_flavour_find(root, &device->flavour)) {
        device_missing(ret_result);
        return;
    }
    ret_result->has_flavour = true;
    ret_result->flavour = device->flavour;
    const char *node = sgx_flavour_provision_node(device->flavour);
    if (!fail(trial, TRIAL_STEP_OPEN, sgx_device_open(root, device->flavour, device)) ||
        !provisioning_allow(trial)) {
        trial_judge(trial, ret_result);
    } else if (trial->provision_failure != 0) {
        trial_judge_provisioning(trial, ret_result);
    } else if (node == NULL) {
        trial_say(ret_result, TRIAL_LOADED, "the %s driver has no provisioning device",
                  sgx_flavour_name(device->flavour));
    } else {
        trial_say(ret_result, TRIAL_LOADED, "%s is accepted", node);
    }
    sgx_device_close(device);
}

static bool driver_answers(Trial *trial, SgxFlavour flavour, TrialResult *result) {
    bool good = fail(trial, TRIAL_STEP_OPEN, sgx_device_open(trial->root, flavour, &trial->device));
    if (!good) {
        result->has_flavour = true;
        result->flavour = flavour;
        trial_judge(trial, result);
    }
    sgx_device_close(&trial->device);
    return good;
}

void trial_probe_run(const char *root, TrialResult *ret_result) {
    Error err = ERROR_INIT;
    TrialProbe probe;
    SgxFlavour flavour;
    AUTO_FREE Trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL) {
        trial_say(ret_result, TRIAL_FAILED, "out of memory");
        return;
    }
    trial_open(trial, root);
    if (!sgx_flavour_find(root, &flavour)) {
        device_missing(ret_result);
    } else if (!driver_answers(trial, flavour, ret_result)) {
        /* has said why; the key would have been made in vain */
    } else if (!trial_probe_plan(&probe, trial, &err)) {
        trial_say(ret_result, TRIAL_FAILED, "%s", err.text);
    } else if (enclave_run(trial, ret_result)) {
        trial_say(ret_result, TRIAL_LOADED, "an enclave of our own starts in the %s driver",
                  sgx_flavour_name(flavour));
    }
    trial_close(trial);
}
