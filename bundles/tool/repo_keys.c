/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/tool/repo.h"

enum { PASSPHRASE_FILE_MAX = 16 * 1024 };

static bool read_passphrase(const char *path, char *buffer, size_t size, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(PASSPHRASE_FILE_MAX);
    if (!buffer_reserve(&text, PASSPHRASE_FILE_MAX)) { /* all of it: no copy may stay behind */
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    bool good = file_read(AT_FDCWD, path, &text, err);
    size_t length = strcspn(buffer_text(&text), "\r\n");
    bool fits = length > 0 && length < size;
    if (good && fits) {
        memcpy(buffer, text.data, length);
        buffer[length] = '\0';
    }
    bytes_cleanse(text.data, text.capacity);
    return good && (fits || error_set(err, ERROR_INPUT,
                                      "%s: its first line is no passphrase: 1 to %zu bytes are needed", path,
                                      size - 1));
}

static bool ask(void *context, const char *name, char *buffer, size_t size, Error *err) {
    const RepoOptions *options = context;
    if (options->passphrase_file != NULL) {
        return read_passphrase(options->passphrase_file, buffer, size, err);
    }
    if (!isatty(STDIN_FILENO)) {
        return error_set(err, ERROR_USAGE, "there is no terminal to ask for its passphrase at");
    }
    char prompt[256];
    (void)snprintf(prompt, sizeof prompt, "passphrase for key %.200s: ", name);
    /* OpenSSL means the longest text, and writes a NUL behind it. */
    return (EVP_read_pw_string(buffer, (int)size - 1, prompt, 0) == 0 && buffer[0] != '\0') ||
           error_set(err, ERROR_USAGE, "no passphrase of at most %zu bytes was given", size - 1);
}

TufPassphrase repo_passphrase(const RepoOptions *options) {
    return (TufPassphrase){.ask = ask, .context = (void *)(uintptr_t)options};
}

static bool add(RepoKeys *keys, const char *name, const RepoOptions *options, Error *err) {
    TufPassphrase passphrase = repo_passphrase(options);
    if (keys->count == REPO_KEYS_MAX) {
        return error_set(err, ERROR_LIMIT, "too many keys");
    }
    TufSigner *signer = tuf_signer_load(name, &passphrase, err);
    if (signer == NULL) {
        return false;
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(tuf_signer_keyid(keys->signers[i]), tuf_signer_keyid(signer)) == 0) {
            tuf_signer_free(signer);
            return true;
        }
    }
    keys->signers[keys->count++] = signer;
    return true;
}

bool repo_keys_load(RepoKeys *keys, const RepoOptions *options, Error *err) {
    for (size_t i = 0; i < options->keys_count; i++) {
        if (!add(keys, options->keys[i], options, err)) {
            return false;
        }
    }
    return true;
}

bool repo_keys_load_own(RepoKeys *keys, const RepoOptions *options, const TufRepository *repository,
                        Error *err) {
    const TufRepositoryConfig *config = tuf_repository_config(repository);
    for (size_t i = 0; i < config->signers_count; i++) {
        const char *name = config->signers[i];
        bool is_file = strchr(name, ':') == NULL;
        AUTO_FREE char *path = is_file && name[0] != '/'
                                   ? text_format("%s/%s", tuf_repository_path(repository), name)
                                   : strdup(name);
        if (path == NULL) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        if (is_file && access(path, F_OK) != 0) {
            continue;
        }
        if (!add(keys, path, options, err)) {
            return error_wrap(err, "%s: signers", TUF_REPOSITORY_CONFIG_NAME);
        }
    }
    return true;
}

void repo_keys_done(RepoKeys *keys) {
    for (size_t i = 0; i < keys->count; i++) {
        tuf_signer_free(keys->signers[i]);
    }
    keys->count = 0;
}
