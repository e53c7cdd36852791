/* SPDX-License-Identifier: Apache-2.0
 *
 * CurlLibrary: libcurl, loaded when it is needed. It brings some thirty libraries of its own, and every start
 * of pswctl would wait for them, though only one check has a use for it.
 */
#ifndef MANAGER_CHECKS_CURL_LIBRARY_H
#define MANAGER_CHECKS_CURL_LIBRARY_H

#include <curl/curl.h>

#include "bundles/base/error.h"

typedef struct CurlLibrary {
    __typeof__(&curl_global_init) global_init;
    __typeof__(&curl_version_info) version_info;
    __typeof__(&curl_easy_init) init;
    __typeof__(&curl_easy_setopt)
        setopt; /* unlike the macro of that name, it does not check the value's type */
    __typeof__(&curl_easy_perform) perform;
    __typeof__(&curl_easy_getinfo) getinfo;
    __typeof__(&curl_easy_strerror) strerror;
} CurlLibrary;

/* It stays loaded. ERROR_NOT_FOUND: it is not there. */
bool curl_library_load(CurlLibrary *ret_library, Error *err) __attribute__((warn_unused_result));

#endif
