/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/curl_library.h"

#include <dlfcn.h>

#define SONAME "libcurl.so.4"

bool curl_library_load(CurlLibrary *ret_library, Error *err) {
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *reason = dlerror();
        return error_set(err, ERROR_NOT_FOUND, "%s", reason != NULL ? reason : SONAME " cannot be loaded");
    }
    const CurlLibrary library = {
        .global_init = (__typeof__(library.global_init))dlsym(handle, "curl_global_init"),
        .version_info = (__typeof__(library.version_info))dlsym(handle, "curl_version_info"),
        .init = (__typeof__(library.init))dlsym(handle, "curl_easy_init"),
        .setopt = (__typeof__(library.setopt))dlsym(handle, "curl_easy_setopt"),
        .perform = (__typeof__(library.perform))dlsym(handle, "curl_easy_perform"),
        .getinfo = (__typeof__(library.getinfo))dlsym(handle, "curl_easy_getinfo"),
        .strerror = (__typeof__(library.strerror))dlsym(handle, "curl_easy_strerror"),
    };
    if (library.global_init == NULL || library.version_info == NULL || library.init == NULL ||
        library.setopt == NULL || library.perform == NULL || library.getinfo == NULL ||
        library.strerror == NULL) {
        return error_set(err, ERROR_NOT_FOUND, SONAME " lacks a function");
    }
    *ret_library = library;
    return true;
}
