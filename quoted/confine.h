/* SPDX-License-Identifier: Apache-2.0
 *
 * Confine: what this process may still do once it loads a bundle's libraries, which are not ours. They may
 * read, map code, use the SGX devices and talk to Unix sockets; they write nowhere but in the directory of
 * the control socket and in the certificate provider's cache, start no program, have no capabilities, and the
 * network only if a certificate provider needs it. A simulated platform's library also writes to files that
 * exist: its books about the EPC.
 */
#ifndef QUOTED_CONFINE_H
#define QUOTED_CONFINE_H

#include "bundles/base/error.h"
#include "bundles/manifest.h"
#include "quoted/config.h"

/* Before the first thread. `control_path`: where the control socket will be made; NULL: nowhere. What the
 * system does not give is told in the log. */
bool confine_enter(const Config *config, const Manifest *manifest, const char *control_path, Error *err)
    __attribute__((warn_unused_result));

#endif
