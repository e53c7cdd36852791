/* SPDX-License-Identifier: Apache-2.0
 *
 * HostLibrary: where the loader finds a library on the host: the directories of ld.so.conf(5), then its own.
 */
#ifndef MANAGER_CHECKS_HOST_LIBRARY_H
#define MANAGER_CHECKS_HOST_LIBRARY_H

#include "manager/checks/host.h"

enum { HOST_LIBRARY_PATH_MAX = 512 };

/* Calls for every directory until one returns false. */
typedef bool (*HostLibraryFn)(void *context, const char *directory);
void host_library_directories(const Host *host, HostLibraryFn visit, void *context);

/* Do we know where this host's loader looks? Every host has a C library; where it is not found, others would
 * be missed, too. */
bool host_library_is_known(const Host *host);

/* The first file of that name. */
bool host_library_find(const Host *host, const char *soname, char path[HOST_LIBRARY_PATH_MAX]);

#endif
