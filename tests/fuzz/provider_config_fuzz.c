/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the certificate provider's configuration: refused with a reason, or values whose URLs are
 * taken apart into parts of themselves. */
/* link: psw-checks */
#include <assert.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "manager/checks/provider_config.h"

enum { INPUT_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(const char *text) {
    ProviderUrl url;
    if (text != NULL && provider_url_parse(text, &url)) {
        assert(url.host[0] != '\0' && strstr(text, url.host) != NULL);
        assert(url.port[0] != '\0' && url.path >= text && url.path <= text + strlen(text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const keys[] = {"pccs_url", "collateral_service", "local_pck_url"};
    Error err = ERROR_INIT;
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(INPUT_MAX);
    if (!buffer_append(&text, data, size)) {
        return 0;
    }
    bool read = provider_config_parse(&text, "input", &config, &err);
    assert(read == (err.kind == ERROR_NONE) && read == json_is_object(config.values));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        check_url(provider_config_text(&config, keys[i]));
    }
    (void)provider_config_bool(&config, "use_secure_cert", true);
    assert(!read || json_object_get(config.values, "retry_times") != NULL ||
           provider_config_number(&config, "retry_times", 6) == 6);
    return 0;
}
